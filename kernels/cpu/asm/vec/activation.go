package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"
)

// Twice the argument of GELU's tanh is x (geluA + geluB x²), and
// (1 + tanh(u)) / 2 = sigmoid(2u).
const (
	geluA = 2 * 0.7978845608028654
	geluB = geluA * 0.044715
)

// logistic returns sigmoid(u) and its derivative from e = exp(-|u|), without
// cancellation on either side; x has the sign of u.
func logistic(e, x VecVirtual) (s, slope VecVirtual) {
	one := target.vector()
	slope = target.vector()
	Comment("r = 1 / (1 + e); e r = sigmoid(-|u|); slope = e r r")
	VMOVUPS(floats("one", 1), one)
	VADDPS(one, e, slope)
	VDIVPS(slope, one, slope)
	VMULPS(slope, e, e)
	VMULPS(e, slope, slope)
	return oneMinus(e, x), slope
}

// geluSigmoid returns sigmoid(2u), its derivative and x². The product that is
// the argument of exp keeps what its rounding loses.
func geluSigmoid(x VecVirtual) (s, slope, squared VecVirtual) {
	squared = target.vector()
	a, e, low := target.vector(), target.vector(), target.vector()
	Comment("a = min(|x|, 12), NaN stays: from there on e is 0")
	VANDPS(words("absolute", 1<<31-1), x, a)
	VMOVUPS(floats("twelve", 12), e)
	VMINPS(a, e, a)
	Comment("e = 2|u| = a (A + B a²), low = what its rounding lost")
	VMULPS(a, a, squared)
	VMOVUPS(floats("geluB", geluB), low)
	VFMADD213PS(floats("geluA", geluA), squared, low)
	VMULPS(a, low, e)
	VFMSUB213PS(e, a, low)
	Comment("e = exp(-2|u|) (1 - low)")
	VXORPS(words("signBit", 1<<31), e, e)
	exp(e)
	VFNMADD231PS(low, e, e)
	s, slope = logistic(e, x)
	return s, slope, squared
}

// activations writes the gates of the MLP and the exponential of softmax.
func activations() {
	expShift()
	geluErf()

	signature("SiLUMul", "h, gate, up []float32", "sets h = gate sigmoid(gate) up.")
	loop(1, []string{"gate", "up"}, []string{"h"}, func(t turn) []VecVirtual {
		s := sigmoid(t.in[0])
		Comment("h = (gate s) up")
		VMULPS(t.in[0], s, s)
		VMULPS(t.in[1], s, s)
		return []VecVirtual{s}
	})
	finish()

	signature("SiLUMulBackward", "dgate, dup, dh, gate, up []float32", "sets the gradients of siluMul's inputs.")
	loop(1, []string{"gate", "up", "dh"}, []string{"dgate", "dup"}, func(t turn) []VecVirtual {
		gate, up, dh := t.in[0], t.in[1], t.in[2]
		e := target.vector()
		Comment("e = exp(-|gate|)")
		VORPS(words("signBit", 1<<31), gate, e)
		exp(e)
		s, slope := logistic(e, gate)
		Comment("up = dh up; dup = dh gate s")
		VMULPS(dh, up, up)
		VMULPS(gate, dh, dh)
		VMULPS(s, dh, dh)
		Comment("dgate = dh up (s + gate slope)")
		VFMADD231PS(gate, slope, s)
		VMULPS(up, s, s)
		return []VecVirtual{s, dh}
	})
	finish()

	signature("GELUTanh", "h, x []float32", "sets h = GELU(x) in its tanh form.")
	loop(1, []string{"x"}, []string{"h"}, func(t turn) []VecVirtual {
		s, _, _ := geluSigmoid(t.in[0])
		Comment("h = x s")
		VMULPS(t.in[0], s, s)
		return []VecVirtual{s}
	})
	finish()

	signature("GELUTanhBackward", "dx, dh, x []float32", "sets dx = dh GELU'(x) in its tanh form.")
	loop(1, []string{"x", "dh"}, []string{"dx"}, func(t turn) []VecVirtual {
		x, dh := t.in[0], t.in[1]
		s, slope, squared := geluSigmoid(x)
		du := target.vector()
		Comment("du = d(2u)/dx = A + 3B x²")
		VMOVUPS(floats("gelu3B", 3*geluB), du)
		VFMADD213PS(floats("geluA", geluA), squared, du)
		Comment("dx = dh (s + x slope du)")
		VMULPS(x, slope, slope)
		VFMADD231PS(slope, du, s)
		VMULPS(dh, s, s)
		return []VecVirtual{s}
	})
	finish()
}
