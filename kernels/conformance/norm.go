package conformance

import (
	"math"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// Normalisation. "offset" inputs have a mean far from zero, on which a variance taken
// as E[x²]−E[x]² cancels; "tiny" ones a variance below eps; "huge" ones a square that
// is large but within float32.
func normEntries() []Entry {
	const layer, rms = kernels.LayerNorm, kernels.RMSNorm
	rows := []Shape{
		{T: 1, D: 1, Norm: layer}, {T: 1, D: 1, Norm: rms}, {T: 0, D: 8, Norm: rms},
		{T: 7, D: 65, Norm: layer}, {T: 5, D: 129, Norm: rms},
		{T: 6, D: 64, Norm: layer, Special: "offset"}, {T: 6, D: 64, Norm: rms, Special: "offset"},
		{T: 3, D: 32, Norm: layer, Special: "tiny"}, {T: 3, D: 32, Norm: rms, Special: "tiny"},
		{T: 3, D: 32, Norm: layer, Special: "huge"}, {T: 3, D: 32, Norm: rms, Special: "huge"},
		{T: 4, D: 48, Norm: layer, Strided: true}, {T: 4, D: 48, Norm: rms, Strided: true},
	}
	groups := []Shape{
		{T: 3, D: 16, Groups: 3, Norm: rms}, {T: 5, D: 32, Groups: 9, Norm: rms, Strided: true},
		{T: 3, D: 7, Groups: 2, Norm: layer},
	}
	large := []Shape{{T: 257, D: 768, Norm: layer}, {T: 257, D: 896, Norm: rms}, {T: 129, D: 128, Groups: 16, Norm: rms, Strided: true}}
	return []Entry{
		{
			Name: "Norm", Methods: []string{"Norm"}, Wrong: []string{"y", "stats"},
			Doc:   "LayerNorm and RMSNorm, of rows or of groups of a row (norms of query and key heads)",
			Small: append(groups, rows...), Large: large,
			Arguments: func(c *Case) {
				c.out("y", c.T, c.width()).each(1)
				c.out32("stats", c.T*c.groups(), 2).each(c.groups()).contiguous()
				c.normInput("x")
				c.normParameters()
			},
			Call:  func(b kernels.Backend, a *Args) { b.Norm(a.t("y"), a.t("stats"), a.t("x"), a.norm()) },
			Exact: normReference[float64], Plain: normReference[float32],
			FLOPs: func(s Shape) float64 { return 8 * s.tokens(s.width()) },
		},
		{
			Name: "AddNorm", Methods: []string{"AddNorm"}, Wrong: []string{"y", "stats", "sum", "delta"},
			Doc:   "the residual's sum and its norm in one",
			Small: rows, Large: large[:2],
			Arguments: func(c *Case) {
				c.out("y", c.T, c.D).each(1)
				c.out32("stats", c.T, 2).each(1).contiguous()
				c.out("sum", c.T, c.D).each(1)
				c.normInput("x")
				c.normInput("delta")
				c.normParameters()
			},
			Call: func(b kernels.Backend, a *Args) {
				b.AddNorm(a.t("y"), a.t("stats"), a.t("sum"), a.t("x"), a.t("delta"), a.norm())
			},
			Exact: addNormReference[float64], Plain: addNormReference[float32],
			FLOPs: func(s Shape) float64 { return 9 * s.tokens(s.D) },
		},
		// The gradient of a row of one or two is zero but for eps, rounding and nothing else:
		// the backward's shortest row has three.
		normBackwardEntry(append(append(groups, Shape{T: 1, D: 3, Norm: layer}, Shape{T: 1, D: 3, Norm: rms}), rows[2:]...), large),
	}
}

func normBackwardEntry(small, large []Shape) Entry {
	for _, s := range []Shape{
		{T: 9, D: 65, Norm: kernels.LayerNorm}, {T: 9, D: 65, Norm: kernels.RMSNorm},
		{T: 4, D: 16, Groups: 3, Norm: kernels.RMSNorm, Strided: true},
	} {
		s.Accumulate = true
		small = append(small, s)
		s.Absent = "dw db"
		small = append(small, s)
	}
	small = append(small, Shape{T: 9, D: 33, Norm: kernels.LayerNorm, Absent: "dw"}, Shape{T: 9, D: 33, Norm: kernels.LayerNorm, Absent: "db"})
	return Entry{
		Name: "NormBackward", Methods: []string{"NormBackward"}, Wrong: []string{"dx", "dy", "stats", "dw"},
		Doc:   "dx written or added to; dw and db always added to, each may be absent",
		Small: small, Large: large,
		Arguments: func(c *Case) {
			if c.Accumulate {
				c.update("dx", c.T, c.width()).each(1)
			} else {
				c.out("dx", c.T, c.width()).each(1)
			}
			c.update32("dw", 1, c.D)
			if c.Norm == kernels.RMSNorm && !c.lacks("db") {
				c.Absent += " db"
			}
			c.update32("db", 1, c.D)
			c.in("dy", c.T, c.width()).each(1)
			x := c.normInput("x")
			stats := c.in32("stats", c.T*c.groups(), 2).each(c.groups()).contiguous()
			c.normParameters()
			v, y := valuesOf[float64](c), reference.New[float64](x.rows, x.cols)
			exact := v.m("stats")
			reference.Norm(y, exact, v.m("x"), c.Norm, v.vec("weight"), v.vec("bias"), float64(epsOf(c.Norm)))
			c.fill(stats, func(i int) float64 { return exact.Data[i] })
		},
		Call: func(b kernels.Backend, a *Args) {
			b.NormBackward(a.t("dx"), a.t("dw"), a.t("db"), a.t("dy"), a.t("x"), a.t("stats"), a.norm(), a.Accumulate)
		},
		Exact: normBackwardReference[float64], Plain: normBackwardReference[float32],
		FLOPs: func(s Shape) float64 { return 15 * s.tokens(s.width()) },
	}
}

// groups is the number of groups of a row, width the length of a row.
func (s Shape) groups() int { return max(1, s.Groups) }
func (s Shape) width() int  { return s.D * s.groups() }

// epsOf is the eps that students of that kind use.
func epsOf(kind kernels.NormKind) float32 {
	if kind == kernels.LayerNorm {
		return 1e-5
	}
	return 1e-6
}

// normInput declares an input of a norm, shaped by the case's special.
func (c *Case) normInput(name string) *Arg {
	a := c.in(name, c.T, c.width()).each(1)
	return c.fill(a, func(i int) float64 {
		v := float64(a.floats[i])
		switch c.Special {
		case "offset":
			return v + 30
		case "tiny":
			return v * 3e-4
		case "huge":
			return v * 1e12
		}
		if c.D == 1 { // one over the deviation is one over the value: keep it off zero
			return v + math.Copysign(1, v)
		}
		return v
	})
}

// normParameters declares weight and, for LayerNorm, bias.
func (c *Case) normParameters() {
	c.in("weight", 1, c.D)
	if c.Norm == kernels.RMSNorm {
		c.Absent += " bias"
	}
	c.in("bias", 1, c.D)
}

func normReference[F reference.Float](v Values[F]) {
	reference.Norm(v.m("y"), v.m("stats"), v.m("x"), v.Norm, v.vec("weight"), v.vec("bias"), F(epsOf(v.Norm)))
}

func addNormReference[F reference.Float](v Values[F]) {
	reference.AddNorm(v.m("y"), v.m("stats"), v.m("sum"), v.m("x"), v.m("delta"),
		v.Norm, v.vec("weight"), v.vec("bias"), F(epsOf(v.Norm)))
	v.store("sum") // what is normalised, and what backward will read
	reference.Norm(v.m("y"), v.m("stats"), v.m("sum"), v.Norm, v.vec("weight"), v.vec("bias"), F(epsOf(v.Norm)))
}

func normBackwardReference[F reference.Float](v Values[F]) {
	reference.NormBackward(v.m("dx"), v.m("dw"), v.m("db"), v.m("dy"), v.m("x"), v.m("stats"),
		v.Norm, v.vec("weight"), v.Accumulate)
}
