package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// exp replaces x by e^x: x = n ln2 + r with |r| <= ln2/2, e^r by a polynomial
// that is minimax in relative error (3e-9), and 2^n in two factors, so that
// results below the normal range lose bits one by one. Beyond the clamps lie
// 0 and +Inf; NaN passes through them.
func exp(x VecVirtual) {
	n, p, t := YMM(), YMM(), YMM()
	Comment("x = min(max(x, -104), 89), NaN stays")
	VMOVUPS(floats("expLow", -104), t)
	VMAXPS(x, t, x)
	VMOVUPS(floats("expHigh", 89), t)
	VMINPS(x, t, x)
	Comment("n = round(x / ln2)")
	VMULPS(floats("expLog2E", 1.44269504088896341), x, n)
	VROUNDPS(Imm(0), n, n)
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
	Comment("times 2^(n/2) times 2^(n - n/2)")
	VCVTPS2DQ(n, n)
	VPSRAD(Imm(1), n, t)
	VPSUBD(t, n, n)
	VPADDD(words("expBias", 127), t, t)
	VPSLLD(Imm(23), t, t)
	VMULPS(t, x, x)
	VPADDD(words("expBias", 127), n, n)
	VPSLLD(Imm(23), n, n)
	VMULPS(n, x, x)
}

// sigmoid returns 1 / (1 + e^-x) and leaves x alone.
func sigmoid(x VecVirtual) VecVirtual {
	s, one := YMM(), YMM()
	Comment("s = 1 / (1 + exp(-x))")
	VXORPS(words("signBit", 1<<31), x, s)
	exp(s)
	VMOVUPS(floats("one", 1), one)
	VADDPS(one, s, s)
	VDIVPS(s, one, s)
	return s
}

// Twice the argument of GELU's tanh is x (geluA + geluB x²), and
// (1 + tanh(u)) / 2 = sigmoid(2u).
const (
	geluA = 2 * 0.7978845608028654
	geluB = geluA * 0.044715
)

// geluSigmoid returns sigmoid(2u) and x².
func geluSigmoid(x VecVirtual) (s, squared VecVirtual) {
	squared = YMM()
	u := YMM()
	Comment("2u = x (A + B x²)")
	VMULPS(x, x, squared)
	VMOVUPS(floats("geluB", geluB), u)
	VFMADD213PS(floats("geluA", geluA), squared, u)
	VMULPS(x, u, u)
	return sigmoid(u), squared
}

// activations writes the gates of the MLP and the exponential of softmax.
func activations() {
	expShift()

	signature("siluMulAVX2", "h, gate, up []float32", "sets h = gate sigmoid(gate) up.")
	loop(1, []string{"gate", "up"}, []string{"h"}, func(t turn) []VecVirtual {
		s := sigmoid(t.in[0])
		Comment("h = (gate s) up")
		VMULPS(t.in[0], s, s)
		VMULPS(t.in[1], s, s)
		return []VecVirtual{s}
	})
	finish()

	signature("siluMulBackwardAVX2", "dgate, dup, dh, gate, up []float32", "sets the gradients of siluMul's inputs.")
	loop(1, []string{"gate", "up", "dh"}, []string{"dgate", "dup"}, func(t turn) []VecVirtual {
		gate, up, dh := t.in[0], t.in[1], t.in[2]
		s := sigmoid(gate)
		rest := YMM()
		Comment("gate = gate s; dup = dh gate")
		VMULPS(s, gate, gate)
		VMULPS(dh, up, up)
		VMULPS(gate, dh, dh)
		Comment("dgate = dh up (s + gate (1 - s))")
		VMOVUPS(floats("one", 1), rest)
		VSUBPS(s, rest, rest)
		VFMADD231PS(rest, gate, s)
		VMULPS(up, s, s)
		return []VecVirtual{s, dh}
	})
	finish()

	signature("geluTanhAVX2", "h, x []float32", "sets h = GELU(x) in its tanh form.")
	loop(1, []string{"x"}, []string{"h"}, func(t turn) []VecVirtual {
		s, _ := geluSigmoid(t.in[0])
		Comment("h = x s")
		VMULPS(t.in[0], s, s)
		return []VecVirtual{s}
	})
	finish()

	signature("geluTanhBackwardAVX2", "dx, dh, x []float32", "sets dx = dh GELU'(x) in its tanh form.")
	loop(1, []string{"x", "dh"}, []string{"dx"}, func(t turn) []VecVirtual {
		x, dh := t.in[0], t.in[1]
		s, squared := geluSigmoid(x)
		slope, rest := YMM(), YMM()
		Comment("slope = d(2u)/dx = A + 3B x²")
		VMOVUPS(floats("gelu3B", 3*geluB), slope)
		VFMADD213PS(floats("geluA", geluA), squared, slope)
		Comment("dx = dh (s + x s (1 - s) slope)")
		VMOVUPS(floats("one", 1), rest)
		VSUBPS(s, rest, rest)
		VMULPS(s, rest, rest)
		VMULPS(x, rest, rest)
		VFMADD231PS(rest, slope, s)
		VMULPS(dh, s, s)
		return []VecVirtual{s}
	})
	finish()
}

// expShift writes dst = e^(scale x - shift) and returns the sum, which is
// formed in float64: a vocabulary has tens of thousands of terms.
func expShift() {
	signature("expShiftAVX2", "dst, x []float32, scale, shift float32) (sum float32", "sets dst = exp(scale x - shift) and returns its sum.")
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
			term = YMM()
			VANDPS(t.mask, x, term)
		}
		addWide(sums, term)
		return []VecVirtual{x}
	})
	Comment("sum of the lanes")
	VADDPD(sums[1], sums[0], sums[0])
	total := sumDoubles(sums[0])
	VCVTSD2SS(total, total, total)
	result, err := ReturnIndex(0).Resolve()
	if err != nil {
		panic(err)
	}
	VMOVSS(total, result.Addr)
	finish()
}

// addWide adds the 8 lanes of v to two registers of 4 float64 sums.
func addWide(sums []VecVirtual, v VecVirtual) {
	low, high := YMM(), YMM()
	Comment("sums += v in float64")
	VCVTPS2PD(v.AsX(), low)
	VEXTRACTF128(Imm(1), v, high.AsX())
	VCVTPS2PD(high.AsX(), high)
	VADDPD(low, sums[0], sums[0])
	VADDPD(high, sums[1], sums[1])
}
