package conformance

import (
	"slices"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// Operations that move values: nothing is rounded, so the bits must be equal. The
// embedding with positions and the embedding's gradient add, and have a tolerance.
func moveEntries() []Entry {
	moves := []Shape{{T: 1, D: 1}, {T: 7, D: 65}, {T: 5, D: 48, Strided: true}, {T: 0, D: 8}}
	return []Entry{
		{
			Name: "Zero", Methods: []string{"Zero"}, Moves: true,
			Doc:   "of a view, and of nothing around it",
			Small: append(moves[:len(moves):len(moves)], Shape{T: 1, D: 8197}), Large: []Shape{{T: 1025, D: 769}},
			Arguments: func(c *Case) { c.out("t", c.T, c.D) },
			Call:      func(b kernels.Backend, a *Args) { b.Zero(a.t("t")) },
			Exact:     func(Values[float64]) {},
			Plain:     func(Values[float32]) {},
		},
		{
			Name: "Copy", Methods: []string{"Copy"}, Moves: true, Wrong: []string{"dst", "src"},
			Doc:   "from view to view, bit for bit",
			Small: append(moves[:len(moves):len(moves)], Shape{T: 1, D: 8197}), Large: []Shape{{T: 1025, D: 769}},
			Arguments: func(c *Case) {
				c.out("dst", c.T, c.D).each(1)
				c.in("src", c.T, c.D).each(1)
			},
			Call:  func(b kernels.Backend, a *Args) { b.Copy(a.t("dst"), a.t("src")) },
			Exact: copyReference[float64], Plain: copyReference[float32],
		},
		embedEntry("Embed", true, "pos positions", "token embeddings alone are moved"),
		embedEntry("Embed with positions", false, "", "GPT-2's sum of token and position"),
		embedBackwardEntry(),
		{
			Name: "GatherRows", Methods: []string{"GatherRows"}, Moves: true, Wrong: []string{"dst", "rows"},
			Doc:   "rows may repeat; none at all is allowed",
			Small: []Shape{{N: 1, T: 1, D: 1}, {N: 9, T: 5, D: 65}, {N: 6, T: 7, D: 32, Strided: true}, {N: 0, T: 3, D: 8}},
			Large: []Shape{{N: 700, T: 1025, D: 769}},
			Arguments: func(c *Case) {
				c.out("dst", c.N, c.D).each(1)
				c.in("src", c.T, c.D)
				c.ints("rows", c.below(c.N, c.T)).column()
			},
			Call:  func(b kernels.Backend, a *Args) { b.GatherRows(a.t("dst"), a.t("src"), a.t("rows")) },
			Exact: gatherReference[float64], Plain: gatherReference[float32],
			Bytes: func(s Shape) float64 { return 8 * float64(s.N*s.D) },
		},
		{
			Name: "ScatterRows", Methods: []string{"ScatterRows"}, Moves: true, Wrong: []string{"src", "rows"},
			Doc:   "rows that are not named keep their values",
			Small: []Shape{{N: 1, T: 1, D: 1}, {N: 5, T: 9, D: 65}, {N: 6, T: 7, D: 32, Strided: true}, {N: 0, T: 3, D: 8}},
			Large: []Shape{{N: 700, T: 1025, D: 769}},
			Arguments: func(c *Case) {
				c.update("dst", c.T, c.D)
				c.in("src", c.N, c.D)
				c.ints("rows", c.distinct(c.N, c.T))
			},
			Call:  func(b kernels.Backend, a *Args) { b.ScatterRows(a.t("dst"), a.t("src"), a.t("rows")) },
			Exact: scatterReference[float64], Plain: scatterReference[float32],
			Bytes: func(s Shape) float64 { return 8 * float64(s.N*s.D) },
		},
	}
}

func copyReference[F reference.Float](v Values[F]) { copy(v.m("dst").Data, v.m("src").Data) }

func gatherReference[F reference.Float](v Values[F]) {
	reference.GatherRows(v.m("dst"), v.m("src"), v.i("rows"))
}

func scatterReference[F reference.Float](v Values[F]) {
	reference.ScatterRows(v.m("dst"), v.m("src"), v.i("rows"))
}

func embedEntry(name string, moves bool, absent, doc string) Entry {
	return Entry{
		Name: name, Methods: []string{"Embed"}, Moves: moves, Doc: doc, Wrong: []string{"x", "ids", "positions"},
		Small: []Shape{{T: 1, D: 1, V: 1, P: 1, Absent: absent}, {T: 9, D: 65, V: 5, P: 7, Absent: absent},
			{T: 6, D: 32, V: 11, P: 4, Absent: absent, Strided: true}, {T: 0, D: 8, V: 3, P: 2, Absent: absent}},
		Large: []Shape{{T: 1025, D: 769, V: 384, P: 1024, Absent: absent}},
		Arguments: func(c *Case) {
			c.out("x", c.T, c.D).each(1)
			c.in("table", c.V, c.D)
			c.ints("ids", c.below(c.T, c.V)).column()
			c.in("pos", c.P, c.D)
			c.ints("positions", c.below(c.T, c.P)).column()
		},
		Call: func(b kernels.Backend, a *Args) {
			b.Embed(a.t("x"), a.t("table"), a.t("ids"), a.t("pos"), a.t("positions"))
		},
		Exact: embedReference[float64], Plain: embedReference[float32],
		FLOPs: func(s Shape) float64 { return s.tokens(s.D) },
		Bytes: func(s Shape) float64 { return 8 * s.tokens(s.D) },
	}
}

func embedReference[F reference.Float](v Values[F]) {
	reference.Embed(v.m("x"), v.m("table"), v.i("ids"), v.m("pos"), v.i("positions"))
}

func embedBackwardEntry() Entry {
	return Entry{
		Name: "EmbedBackward", Methods: []string{"EmbedBackward"}, Wrong: []string{"dx"},
		Doc:   "gradients of tokens with the same id are added to what the table's gradient holds",
		Small: []Shape{{T: 1, D: 1, V: 1}, {T: 33, D: 65, V: 7}, {T: 9, D: 32, V: 40, Strided: true}},
		Large: []Shape{{T: 2049, D: 257, V: 384}, {T: 1025, D: 64, V: 50257}},
		Arguments: func(c *Case) {
			c.update32("dtable", c.V, c.D)
			c.in("dx", c.T, c.D)
			ids := c.below(c.T, c.V)
			c.ints("ids", ids) // for the reference, which does not read groups
			c.groupsOf(ids)
		},
		Call:  func(b kernels.Backend, a *Args) { b.EmbedBackward(a.t("dtable"), a.t("dx"), a.groups) },
		Exact: embedBackwardReference[float64], Plain: embedBackwardReference[float32],
		FLOPs: func(s Shape) float64 { return s.tokens(s.D) },
		Bytes: func(s Shape) float64 { return 4 * (s.tokens(s.D) + 2*float64(min(s.T, s.V)*s.D)) },
	}
}

func embedBackwardReference[F reference.Float](v Values[F]) {
	reference.EmbedBackward(v.m("dtable"), v.m("dx"), v.i("ids"))
}

// groupsOf declares the groups of equal ids, as kernels.Groups describes them.
func (c *Case) groupsOf(ids []int32) {
	distinct := slices.Clone(ids)
	slices.Sort(distinct)
	distinct = slices.Compact(distinct)
	starts, order := []int32{0}, []int32{}
	for _, id := range distinct {
		for t, other := range ids {
			if other == id {
				order = append(order, int32(t))
			}
		}
		starts = append(starts, int32(len(order)))
	}
	c.groupCount = len(distinct)
	c.ints("group ids", distinct)
	c.ints("group starts", starts)
	c.ints("group order", order)
}
