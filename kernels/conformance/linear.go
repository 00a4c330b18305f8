package conformance

import (
	"math"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// Matrix products: the projection, its gradient by the input and by the weight, and
// the promise that a frozen weight gives the same bits.
func linearEntries() []Entry { return append(projectionEntries(), projectionGradientEntries()...) }

// The shapes of matrix products, and their arithmetic.
var (
	linearSmall = []Shape{
		{T: 1, D: 1, Out: 1}, {T: 1, D: 65, Out: 33}, {T: 0, D: 16, Out: 8},
		{T: 7, D: 129, Out: 65}, {T: 33, D: 17, Out: 5}, {T: 17, D: 64, Out: 48},
		{T: 5, D: 64, Out: 48, Strided: true}, {T: 3, D: 13, Out: 11, Strided: true},
	}
	linearLarge = []Shape{{T: 1, D: 768, Out: 2304}, {T: 65, D: 768, Out: 769}, {T: 257, D: 576, Out: 576}, {T: 129, D: 257, Out: 1031, Strided: true}}
)

func products(s Shape) float64 { return 2 * s.tokens(s.D) * float64(s.Out) }

func projectionEntries() []Entry {
	return []Entry{
		{
			Name: "Linear", Methods: []string{"Linear"}, Wrong: []string{"y", "x", "w", "b"},
			Doc:   "one token and many give a row the same bits; the bias may be absent",
			Small: both(linearSmall, Shape{Absent: "b"}), Large: linearLarge,
			Arguments: func(c *Case) {
				c.out("y", c.T, c.Out).each(1)
				c.in("x", c.T, c.D).each(1)
				c.scale(c.in("w", c.Out, c.D), 1/math.Sqrt(float64(c.D)))
				c.in("b", 1, c.Out)
			},
			Call:  func(b kernels.Backend, a *Args) { b.Linear(a.t("y"), a.t("x"), a.t("w"), a.t("b")) },
			Exact: linearReference[float64], Plain: linearReference[float32],
			FLOPs: products,
		},
		{
			Name: "Linear to float32", Methods: []string{"Linear"}, Wrong: []string{"y", "x", "w"},
			Doc:   "logits keep the digits that the activation type has not",
			Small: []Shape{{T: 1, D: 65, Out: 33}, {T: 7, D: 64, Out: 129}, {T: 5, D: 64, Out: 48, Strided: true}},
			Large: linearLarge[1:2],
			Arguments: func(c *Case) {
				c.out32("y", c.T, c.Out).each(1)
				c.in("x", c.T, c.D).each(1)
				c.scale(c.in("w", c.Out, c.D), 1/math.Sqrt(float64(c.D)))
				c.Absent += " b"
				c.in("b", 1, c.Out)
			},
			Call:  func(b kernels.Backend, a *Args) { b.Linear(a.t("y"), a.t("x"), a.t("w"), kernels.Tensor{}) },
			Exact: linearReference[float64], Plain: linearReference[float32],
			FLOPs: products,
		},
		{
			Name: "LinearGELU", Methods: []string{"LinearGELU"}, Wrong: []string{"h", "pre", "x", "w", "b"},
			Doc:   "the biased projection is kept for the backward, and its activation",
			Small: both(append(linearSmall[:6:6], Shape{T: 5, D: 64, Out: 48, Strided: true, Absent: "b"}), Shape{GELU: kernels.GELUErf}),
			Large: linearLarge[1:3],
			Arguments: func(c *Case) {
				c.out("h", c.T, c.Out).each(1)
				c.out("pre", c.T, c.Out).each(1)
				c.in("x", c.T, c.D).each(1)
				c.scale(c.in("w", c.Out, c.D), 1/math.Sqrt(float64(c.D)))
				c.in("b", 1, c.Out)
			},
			Call: func(b kernels.Backend, a *Args) {
				b.LinearGELU(a.t("h"), a.t("pre"), a.t("x"), a.t("w"), a.t("b"), a.GELU)
			},
			Exact: linearGELUReference[float64], Plain: linearGELUReference[float32],
			FLOPs: products,
		},
	}
}

func projectionGradientEntries() []Entry {
	return []Entry{
		{
			Name: "LinearBackwardInput", Methods: []string{"LinearBackwardInput"}, Wrong: []string{"dx", "dy", "w"},
			Doc:   "written, or added to with accumulate",
			Small: both(linearSmall, Shape{Accumulate: true}), Large: append(linearLarge[:3:3], accumulating(linearLarge[2])),
			Arguments: func(c *Case) {
				if c.Accumulate {
					c.update("dx", c.T, c.D).each(1)
				} else {
					c.out("dx", c.T, c.D).each(1)
				}
				c.in("dy", c.T, c.Out).each(1)
				c.scale(c.in("w", c.Out, c.D), 1/math.Sqrt(float64(c.Out)))
			},
			Call: func(b kernels.Backend, a *Args) {
				b.LinearBackwardInput(a.t("dx"), a.t("dy"), a.t("w"), a.Accumulate)
			},
			Exact: linearBackwardInputReference[float64], Plain: linearBackwardInputReference[float32],
			FLOPs: products,
		},
		{
			Name: "LinearBackwardWeight", Methods: []string{"LinearBackwardWeight"}, Wrong: []string{"dw", "db", "x"},
			Doc:   "dw and db are added to; either may be absent, or both",
			Small: append(both(linearSmall, Shape{Absent: "db"}), Shape{T: 9, D: 33, Out: 17, Absent: "dw"}, Shape{T: 9, D: 33, Out: 17, Absent: "dw db"}),
			Large: append(linearLarge[:3:3], Shape{T: 2049, D: 65, Out: 129}),
			Arguments: func(c *Case) {
				c.update32("dw", c.Out, c.D)
				c.update32("db", 1, c.Out)
				c.in("dy", c.T, c.Out)
				c.in("x", c.T, c.D)
			},
			Call: func(b kernels.Backend, a *Args) {
				b.LinearBackwardWeight(a.t("dw"), a.t("db"), a.t("dy"), a.t("x"))
			},
			Exact: linearBackwardWeightReference[float64], Plain: linearBackwardWeightReference[float32],
			FLOPs: products,
		},
	}
}

// both is the shapes as they are, then again with the choices of variant.
func both(shapes []Shape, variant Shape) []Shape {
	list := append([]Shape(nil), shapes...)
	for _, s := range shapes {
		s.Absent, s.Accumulate, s.GELU, s.Inverse = variant.Absent, variant.Accumulate, variant.GELU, variant.Inverse
		list = append(list, s)
	}
	return list
}

func accumulating(s Shape) Shape { s.Accumulate = true; return s }

func linearReference[F reference.Float](v Values[F]) {
	reference.Linear(v.m("y"), v.m("x"), v.m("w"), v.vec("b"))
}

func linearGELUReference[F reference.Float](v Values[F]) {
	reference.Linear(v.m("pre"), v.m("x"), v.m("w"), nil)
	reference.BiasGELU(v.m("h"), v.m("pre"), v.vec("b"), v.GELU)
}

func linearBackwardInputReference[F reference.Float](v Values[F]) {
	reference.LinearBackwardInput(v.m("dx"), v.m("dy"), v.m("w"), v.Accumulate)
}

func linearBackwardWeightReference[F reference.Float](v Values[F]) {
	reference.LinearBackwardWeight(v.m("dw"), v.m("db"), v.m("dy"), v.m("x"))
}
