package conformance

import (
	"math"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// Attention inside documents, forward and backward. In strided shapes q, k and v are
// the columns of one activation, and dq, dk and dv of another. "offset" queries and
// keys add hundreds to all scores of a query, or take them away, which leaves the
// probabilities alone and defeats a softmax that does not subtract its maximum.
func attentionEntries() []Entry {
	shape := func(h, k, size int, docs ...int) Shape {
		return Shape{H: h, K: k, Size: size}.withDocuments(docs...)
	}
	strided := func(s Shape) Shape { s.Strided = true; return s }
	offset := func(s Shape) Shape { s.Special = "offset"; return s }
	many := make([]int, 40)
	for i := range many {
		many[i] = 1 + i*7%13
	}
	several := []int{133, 1, 2, 1, 66, 3, 1, 2, 4, 1, 1, 1} // documents of several tiles, and short ones between
	small := []Shape{
		shape(1, 1, 16, 1), shape(3, 1, 32, 1, 1, 4), shape(9, 3, 16, 7), shape(9, 1, 32, 5, 3),
		shape(2, 2, 64, 17, 1, 9), strided(shape(4, 2, 64, 3, 1, 5)), strided(shape(3, 1, 96, 6, 4)),
		shape(2, 1, 128, 9), shape(2, 2, 96, 5, 2), offset(shape(2, 1, 16, 12)), shape(1, 1, 16, 33, 1),
		shape(1, 1, 32, several...),
	}
	large := []Shape{shape(9, 3, 64, 300), strided(shape(6, 2, 64, many...)), shape(2, 2, 128, 129, 65, 7),
		shape(9, 1, 32, 257), offset(shape(3, 3, 64, 130)), shape(2, 1, 96, 200)}
	return []Entry{
		{
			Name: "Attention", Methods: []string{"Attention", "CanAttend"}, Wrong: []string{"o", "lse", "k", "v"},
			Doc:   "a token sees itself and what came before it in its document, and nothing else",
			Small: small, Large: large,
			Arguments: func(c *Case) {
				c.out("o", c.T, c.H*c.Size).each(1)
				c.out32("lse", c.T, c.H).each(1).contiguous()
				c.queries(c.T)
				c.documents()
			},
			Call: func(b kernels.Backend, a *Args) {
				if err := b.CanAttend(a.heads()); err != nil {
					panic(err)
				}
				b.Attention(a.t("o"), a.t("lse"), a.t("q"), a.t("k"), a.t("v"), a.docs, a.heads())
			},
			Exact: attentionReference[float64], Plain: attentionReference[float32],
			Ranges: func(c *Case) [][2]int { // also a document's beginning: what follows it does not matter
				return append(eachDocument(c), [2]int{0, c.T/2 + 1}, [2]int{0, c.T - 1})
			},
			FLOPs: func(s Shape) float64 { return 4 * s.scores() * float64(s.Size) },
		},
		{
			Name: "AttentionBackward", Methods: []string{"AttentionBackward"},
			Wrong: []string{"dq", "dk", "dv", "do", "o", "lse", "delta"},
			Doc:   "gradients of a document depend on that document alone",
			// A document of one token has dq = dk = 0: it needs company for a scale of errors.
			Small: append([]Shape{shape(1, 1, 16, 1, 5)}, small[1:]...), Large: large,
			Arguments: attentionBackwardArguments,
			Call: func(b kernels.Backend, a *Args) {
				b.AttentionBackward(a.t("dq"), a.t("dk"), a.t("dv"), a.t("delta"), a.t("do"), a.t("o"), a.t("lse"),
					a.t("q"), a.t("k"), a.t("v"), a.docs, a.heads())
			},
			Exact: attentionBackwardExact, Plain: attentionBackwardPlain,
			Ranges: eachDocument,
			FLOPs:  func(s Shape) float64 { return 10 * s.scores() * float64(s.Size) },
		},
	}
}

// scores is the number of scores: pairs of a query and a key that it sees, per head.
func (s Shape) scores() float64 {
	var pairs float64
	for _, n := range s.Docs {
		pairs += float64(n) * float64(n+1) / 2
	}
	return pairs * float64(s.H)
}

// eachDocument is the row range of the first few documents and of the last.
func eachDocument(c *Case) [][2]int {
	var ranges [][2]int
	for i := 1; i < len(c.starts); i++ {
		if i <= 3 || i == len(c.starts)-1 {
			ranges = append(ranges, [2]int{int(c.starts[i-1]), int(c.starts[i])})
		}
	}
	return ranges
}

// queries declares q, k and v of the given number of rows.
func (c *Case) queries(rows int) {
	q := c.in("q", rows, c.H*c.Size).each(1).join("qkv")
	k := c.in("k", rows, c.K*c.Size).each(1).join("qkv")
	c.offsetScores(q, k)
	c.in("v", rows, c.K*c.Size).each(1).join("qkv")
}

// offsetScores gives every head's first element of q a large value, positive in one
// row and negative in the next, and of k a constant, where the shape is special: all
// scores of a query then move together, by about 300.
func (c *Case) offsetScores(q, k *Arg) {
	if c.Special != "offset" {
		return
	}
	const constant = 16
	size := 300 * math.Sqrt(float64(c.Size)) / constant
	c.fill(q, func(i int) float64 {
		return choose(i%c.Size == 0, size*float64(1-2*(i/q.cols%2)), float64(q.floats[i]))
	})
	c.fill(k, func(i int) float64 { return choose(i%c.Size == 0, constant, float64(k.floats[i])) })
}

func attentionBackwardArguments(c *Case) {
	c.out("dq", c.T, c.H*c.Size).each(1).join("dqkv")
	c.out("dk", c.T, c.K*c.Size).each(1).join("dqkv")
	c.out("dv", c.T, c.K*c.Size).each(1).join("dqkv")
	c.declare("delta", scratch, kernels.Float32, c.T, c.H).each(1).contiguous()
	c.in("do", c.T, c.H*c.Size).each(1)
	c.queries(c.T)
	c.documents()
	o := c.in("o", c.T, c.H*c.Size).each(1)
	lse := c.in32("lse", c.T, c.H).each(1).contiguous()
	v := valuesOf[float64](c)
	attentionReference(v)
	c.fill(o, func(i int) float64 { return v.m("o").Data[i] })
	c.fill(lse, func(i int) float64 { return v.m("lse").Data[i] })
}

func attentionReference[F reference.Float](v Values[F]) {
	reference.Attention(v.m("o"), v.m("lse"), v.m("q"), v.m("k"), v.m("v"), v.starts, v.heads())
}

func attentionBackwardExact(v Values[float64]) { attentionBackwardReference(v, nil) }

// attentionBackwardPlain rounds p and ds to the activation type, as every implementation on
// bf16 matrix units does. It shows where keys share a large part ("offset"): the sum of ds
// over a query's keys is zero, that of the rounded ones is not, and the large part multiplies
// what is left.
func attentionBackwardPlain(v Values[float32]) {
	attentionBackwardReference(v, func(x float32) float32 { return round(v.activation, float64(x)) })
}

func attentionBackwardReference[F reference.Float](v Values[F], stored func(F) F) {
	reference.AttentionBackward(v.m("dq"), v.m("dk"), v.m("dv"), v.m("delta"), v.m("do"), v.m("o"), v.m("lse"),
		v.m("q"), v.m("k"), v.m("v"), v.starts, v.heads(), stored)
}
