package conformance

import (
	"math"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// Activations and rotary positions. "wide" inputs reach far into both tails, where
// GELU's two forms cancel and exp leaves float32.
func activationEntries() []Entry {
	small := []Shape{
		{T: 1, Out: 1}, {T: 7, Out: 65}, {T: 3, Out: 129, Special: "wide"}, {T: 5, Out: 48, Strided: true}, {T: 0, Out: 8},
	}
	large := []Shape{{T: 257, Out: 3072}}
	kinds := Shape{GELU: kernels.GELUErf}
	inPlace := []Shape{{T: 7, Out: 65, InPlace: true}, {T: 5, Out: 32, GELU: kernels.GELUErf, InPlace: true, Strided: true}}
	unbiased := []Shape{{T: 7, Out: 65, Absent: "b"}, {T: 5, Out: 32, GELU: kernels.GELUErf, Absent: "b", Strided: true}}
	return append([]Entry{
		{
			Name: "BiasGELU", Methods: []string{"BiasGELU"}, Wrong: []string{"h", "b"},
			Doc:   "the bias is added in place, for the backward to find",
			Small: append(both(small, kinds), unbiased...), Large: both(large, kinds),
			Arguments: func(c *Case) {
				c.out("h", c.T, c.Out).each(1)
				c.wide(c.update("pre", c.T, c.Out).each(1))
				c.in("b", 1, c.Out)
			},
			Call:  func(b kernels.Backend, a *Args) { b.BiasGELU(a.t("h"), a.t("pre"), a.t("b"), a.GELU) },
			Exact: biasGELUReference[float64], Plain: biasGELUReference[float32],
			FLOPs: func(s Shape) float64 { return 10 * s.tokens(s.Out) },
		},
		{
			Name: "GELUBackward", Methods: []string{"GELUBackward"}, Wrong: []string{"dpre"},
			Doc:   "into memory of its own, and in place of dh",
			Small: append(both(small, kinds), inPlace...), Large: both(large, kinds),
			Arguments: func(c *Case) {
				if c.InPlace {
					c.update("dpre", c.T, c.Out).each(1)
				} else {
					c.out("dpre", c.T, c.Out).each(1)
					c.in("dh", c.T, c.Out).each(1)
				}
				c.wide(c.in("pre", c.T, c.Out).each(1))
			},
			Call: func(b kernels.Backend, a *Args) {
				dh := a.t("dpre")
				if !a.InPlace {
					dh = a.t("dh")
				}
				b.GELUBackward(a.t("dpre"), dh, a.t("pre"), a.GELU)
			},
			Exact: geluBackwardReference[float64], Plain: geluBackwardReference[float32],
			FLOPs: func(s Shape) float64 { return 15 * s.tokens(s.Out) },
		},
		{
			Name: "SwiGLU", Methods: []string{"SwiGLU"}, Wrong: []string{"h", "gateUp"},
			Doc:   "gate is the first half of a row, up the second",
			Small: small, Large: large,
			Arguments: func(c *Case) {
				c.out("h", c.T, c.Out).each(1)
				c.wide(c.in("gateUp", c.T, 2*c.Out).each(1))
			},
			Call:  func(b kernels.Backend, a *Args) { b.SwiGLU(a.t("h"), a.t("gateUp")) },
			Exact: swigluReference[float64], Plain: swigluReference[float32],
			FLOPs: func(s Shape) float64 { return 6 * s.tokens(s.Out) },
		},
		{
			Name: "SwiGLUBackward", Methods: []string{"SwiGLUBackward"}, Wrong: []string{"dgateUp", "dh", "gateUp"},
			Doc:   "both halves of the gradient are written",
			Small: small, Large: large,
			Arguments: func(c *Case) {
				c.out("dgateUp", c.T, 2*c.Out).each(1)
				c.in("dh", c.T, c.Out).each(1)
				c.wide(c.in("gateUp", c.T, 2*c.Out).each(1))
			},
			Call:  func(b kernels.Backend, a *Args) { b.SwiGLUBackward(a.t("dgateUp"), a.t("dh"), a.t("gateUp")) },
			Exact: swigluBackwardReference[float64], Plain: swigluBackwardReference[float32],
			FLOPs: func(s Shape) float64 { return 12 * s.tokens(s.Out) },
		},
	}, ropeEntries()...)
}

// wide spreads the values of "wide" inputs over [−30, 30] and, at the ends, ±100.
func (c *Case) wide(a *Arg) {
	if c.Special != "wide" {
		return
	}
	c.fill(a, func(i int) float64 {
		switch i % 40 {
		case 38:
			return -100
		case 39:
			return 100
		}
		return 10 * float64(a.floats[i])
	})
}

func biasGELUReference[F reference.Float](v Values[F]) {
	reference.BiasGELU(v.m("h"), v.m("pre"), v.vec("b"), v.GELU)
}

func geluBackwardReference[F reference.Float](v Values[F]) {
	dh := v.m("dpre")
	if !v.InPlace {
		dh = v.m("dh")
	}
	reference.GELUBackward(v.m("dpre"), dh, v.m("pre"), v.GELU)
}

func swigluReference[F reference.Float](v Values[F]) { reference.SwiGLU(v.m("h"), v.m("gateUp")) }

func swigluBackwardReference[F reference.Float](v Values[F]) {
	reference.SwiGLUBackward(v.m("dgateUp"), v.m("dh"), v.m("gateUp"))
}

// ropeEntries: queries and keys are rotated where they lie in the qkv activation.
func ropeEntries() []Entry {
	small := []Shape{
		{T: 1, H: 1, Size: 2, P: 1}, {T: 0, H: 1, Size: 16, P: 4},
		{T: 7, H: 3, Size: 16, P: 9}, {T: 5, H: 2, Size: 96, P: 33, Strided: true}, {T: 3, H: 5, Size: 6, P: 4, Strided: true},
	}
	for _, size := range []int{32, 64, 128} {
		small = append(small, Shape{T: 3, H: 2, Size: size, P: 50})
	}
	large := []Shape{{T: 513, H: 12, Size: 64, P: 1024, Strided: true}}
	entry := func(name, doc string, small []Shape, call func(kernels.Backend, *Args), exact func(Values[float64]), plain func(Values[float32])) Entry {
		return Entry{
			Name: name, Methods: []string{"RoPE"}, Doc: doc, Wrong: []string{"positions"},
			Small: small, Large: large, Arguments: ropeArguments, Call: call, Exact: exact, Plain: plain,
			FLOPs: func(s Shape) float64 { return 3 * s.tokens(s.H*s.Size) },
			Bytes: func(s Shape) float64 { return 4 * (2*s.tokens(s.H*s.Size) + s.tokens(s.Size)) },
		}
	}
	return []Entry{
		entry("RoPE", "forward, and inverse as the backward", both(small, Shape{Inverse: true}),
			func(b kernels.Backend, a *Args) { b.RoPE(a.t("x"), a.t("table"), a.t("positions"), a.Inverse) },
			ropeReference[float64], ropeReference[float32]),
		entry("RoPE there and back", "forward, then inverse, is the identity", small,
			func(b kernels.Backend, a *Args) {
				b.RoPE(a.t("x"), a.t("table"), a.t("positions"), false)
				b.RoPE(a.t("x"), a.t("table"), a.t("positions"), true)
			},
			thereAndBackReference[float64], thereAndBackReference[float32]),
	}
}

func ropeArguments(c *Case) {
	c.update("x", c.T, c.H*c.Size).each(1)
	half := c.Size / 2
	c.fill(c.in32("table", c.P, c.Size), func(i int) float64 {
		position, j := i/c.Size, i%c.Size
		sin, cos := math.Sincos(float64(position) * math.Pow(10000, -float64(j%half)/float64(half)))
		if j < half {
			return cos
		}
		return sin
	})
	c.ints("positions", c.below(c.T, c.P)).column()
}

func ropeReference[F reference.Float](v Values[F]) {
	reference.RoPE(v.m("x"), v.m("table"), v.i("positions"), v.Inverse)
}

func thereAndBackReference[F reference.Float](v Values[F]) {
	reference.RoPE(v.m("x"), v.m("table"), v.i("positions"), false)
	v.store("x")
	reference.RoPE(v.m("x"), v.m("table"), v.i("positions"), true)
}
