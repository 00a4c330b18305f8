package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// geluErf writes GELU in its exact form, x Φ(x), and its derivative.
func geluErf() {
	signature("GELUErf", "h, x []float32", "sets h = x Φ(x).")
	loop(1, []string{"x"}, []string{"h"}, func(t turn) []VecVirtual {
		x := t.in[0]
		_, _, tail := normalTail(x)
		phi := oneMinus(tail, x)
		Comment("h = x Φ")
		VMULPS(x, phi, phi)
		return []VecVirtual{phi}
	})
	finish()

	signature("GELUErfBackward", "dx, dh, x []float32", "sets dx = dh (Φ(x) + x Φ'(x)).")
	loop(1, []string{"x", "dh"}, []string{"dx"}, func(t turn) []VecVirtual {
		x, dh := t.in[0], t.in[1]
		a, e, tail := normalTail(x)
		Comment("tail -= a e / √(2π)")
		VMULPS(floats("density", 1/math.Sqrt(2*math.Pi)), a, a)
		VFNMADD231PS(a, e, tail)
		slope := oneMinus(tail, x)
		Comment("dx = dh slope")
		VMULPS(dh, slope, slope)
		return []VecVirtual{slope}
	})
	finish()
}

// mills has the coefficients of Φ(-a) e^(a²/2) in powers of (a-4)/(a+4), for a
// from 0 to 14.5: minimax in relative error, 4e-9.
var mills = [...]float64{
	0.09441064298152924, -0.17039772868156433, 0.1243792176246643, -0.07170730084180832,
	0.030865484848618507, -0.00849324744194746, 0.0005030641332268715, 0.0006426862673833966,
	-0.00017350631242152303, -4.81276074424386e-05, 1.1390660802135244e-05,
}

// normalTail returns a = |x|, e = exp(-a²/2) and tail = Φ(-a), which is good in
// relative error however small. From 20 on, where all is 0 in float32, a stays 20.
func normalTail(x VecVirtual) (a, e, tail VecVirtual) {
	a, e, tail = target.vector(), target.vector(), target.vector()
	limit, low, q := target.vector(), target.vector(), target.vector()
	Comment("a = min(|x|, 20), NaN stays")
	VANDPS(words("absolute", 1<<31-1), x, a)
	VMOVUPS(floats("twenty", 20), limit)
	VMINPS(a, limit, a)
	Comment("e = a², low = what its rounding lost")
	VMULPS(a, a, e)
	VMOVAPS(a, low)
	VFMSUB213PS(e, a, low)
	Comment("e = exp(-a²/2), times 1 - low/2")
	VMULPS(floats("minusHalf", -0.5), e, e)
	exp(e)
	VMULPS(floats("half", 0.5), low, low)
	VFNMADD231PS(low, e, e)
	Comment("q = (a - 4) / (a + 4)")
	VSUBPS(floats("four", 4), a, q)
	VADDPS(floats("four", 4), a, tail)
	VDIVPS(tail, q, q)
	Comment("tail = e (c0 + q (c1 + ... q c10))")
	last := len(mills) - 1
	VMOVUPS(floats(fmt.Sprintf("mills%d", last), mills[last]), tail)
	for i := last - 1; i >= 0; i-- {
		VFMADD213PS(floats(fmt.Sprintf("mills%d", i), mills[i]), q, tail)
	}
	VMULPS(e, tail, tail)
	return a, e, tail
}

// oneMinus returns 1 - v where x is positive and v where it is negative.
func oneMinus(v, x VecVirtual) VecVirtual {
	sign, base := target.vector(), target.vector()
	Comment("(x < 0 ? 0 : 1) - v with the sign of x")
	VANDPS(words("signBit", 1<<31), x, sign)
	VXORPS(sign, v, v)
	VPSRAD(Imm(31), x, base)
	VANDNPS(floats("one", 1), base, base)
	VSUBPS(v, base, base)
	return base
}
