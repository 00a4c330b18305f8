package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"
)

// exp replaces x by e^x: x = n ln2 + r with |r| <= ln2/2, e^r by a polynomial
// that is minimax in relative error (3e-9), and 2^n in two factors, so that
// results below the normal range lose bits one by one. Beyond the clamps lie
// 0 and +Inf; NaN passes through them.
func exp(x VecVirtual) {
	n, p, t := target.vector(), target.vector(), target.vector()
	Comment("x = min(max(x, -104), 89), NaN stays")
	VMOVUPS(floats("expLow", -104), t)
	VMAXPS(x, t, x)
	VMOVUPS(floats("expHigh", 89), t)
	VMINPS(x, t, x)
	Comment("n = round(x / ln2)")
	VMULPS(floats("expLog2E", 1.44269504088896341), x, n)
	target.round(n, n)
	Comment("r = x - n ln2, in two parts of which the first is exact")
	VFNMADD231PS(floats("expLn2High", 0.693359375), n, x)
	VFNMADD231PS(floats("expLn2Low", -2.12194440054690583e-4), n, x)
	Comment("q = c2 + r (c3 + r (c4 + r (c5 + r c6)))")
	VMOVUPS(floats("expC6", 0.001381459878757596), p)
	VFMADD213PS(floats("expC5", 0.008368716575205326), x, p)
	VFMADD213PS(floats("expC4", 0.04166838899254799), x, p)
	VFMADD213PS(floats("expC3", 0.1666652113199234), x, p)
	VFMADD213PS(floats("expC2", 0.4999999403953552), x, p)
	Comment("e^r = 1 + (r + r r q)")
	VMULPS(x, x, t)
	VFMADD231PS(t, p, x)
	VADDPS(floats("one", 1), x, x)
	target.scale(x, n)
}

// sigmoid returns 1 / (1 + e^-x) and leaves x alone.
func sigmoid(x VecVirtual) VecVirtual {
	s, one := target.vector(), target.vector()
	Comment("s = 1 / (1 + exp(-x))")
	VXORPS(words("signBit", 1<<31), x, s)
	exp(s)
	VMOVUPS(floats("one", 1), one)
	VADDPS(one, s, s)
	VDIVPS(s, one, s)
	return s
}

// expShift writes dst = e^(scale x - shift) and returns the sum, which is
// formed in float64: a vocabulary has tens of thousands of terms.
func expShift() {
	signature("ExpShift", "dst, x []float32, scale, shift float32) (sum float32", "sets dst = exp(scale x - shift) and returns its sum.")
	scale, shift := broadcast("scale"), broadcast("shift")
	sums := zeros(2)
	loop(1, []string{"x"}, []string{"dst"}, func(t turn) []VecVirtual {
		x := t.in[0]
		Comment("x = scale x - shift")
		VFMSUB213PS(shift, scale, x)
		exp(x)
		term := x
		if t.mask != nil {
			Comment("lanes that do not exist count nothing")
			term = target.existing(x, t.mask)
		}
		Comment("sums += x in float64")
		low, high := widen(term)
		VADDPD(low, sums[0], sums[0])
		VADDPD(high, sums[1], sums[1])
		return []VecVirtual{x}
	})
	VADDPD(sums[1], sums[0], sums[0])
	foldDoubles(sums[0])
	VCVTSD2SS(sums[0].AsX(), sums[0].AsX(), sums[0].AsX())
	result(0, sums[0], false)
	finish()
}
