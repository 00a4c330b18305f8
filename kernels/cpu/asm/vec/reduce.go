package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// returnX stores the lowest lane of v as the function's result and ends it.
func returnX(v VecVirtual, double bool) {
	result, err := ReturnIndex(0).Resolve()
	if err != nil {
		panic(err)
	}
	if double {
		VMOVSD(v.AsX(), result.Addr)
	} else {
		VMOVSS(v.AsX(), result.Addr)
	}
	finish()
}

// fold combines the 8 lanes of v in a fixed tree; the result is in lane 0.
func fold(v VecVirtual, combine func(a, b, to VecVirtual)) {
	t := YMM()
	Comment("fold the lanes: 8 to 4 to 2 to 1")
	VEXTRACTF128(Imm(1), v, t.AsX())
	combine(t, v, v)
	VPERMILPS(Imm(0x0E), v, t)
	combine(t, v, v)
	VPERMILPS(Imm(0x01), v, t)
	combine(t, v, v)
}

// sumDoubles adds the 4 float64 lanes of v and returns the register with the sum.
func sumDoubles(v VecVirtual) VecVirtual {
	t := XMM()
	VEXTRACTF128(Imm(1), v, t)
	VADDPD(t, v.AsX(), v.AsX())
	VPERMILPD(Imm(1), v.AsX(), t)
	VADDSD(t, v.AsX(), v.AsX())
	low := XMM()
	VMOVAPD(v.AsX(), low)
	return low
}

func addPS(a, b, to VecVirtual) { VADDPS(a, b, to) }

// combineFour adds four registers of sums into the first.
func combineFour(sums []VecVirtual) {
	Comment("sums = (sums0 + sums1) + (sums2 + sums3)")
	VADDPS(sums[1], sums[0], sums[0])
	VADDPS(sums[3], sums[2], sums[2])
	VADDPS(sums[2], sums[0], sums[0])
}

// reductions writes the functions that end in one number. Sums run in 4 times
// 8 lanes: element i goes to a lane that depends on i and the length alone.
func reductions() {
	signature("dotAVX2", "a, b []float32) (sum float32", "returns the sum of a b.")
	sums := zeros(4)
	loop(4, []string{"a", "b"}, nil, func(t turn) []VecVirtual {
		Commentf("sums%d += a b", t.number)
		VFMADD231PS(t.in[0], t.in[1], sums[t.number])
		return nil
	})
	combineFour(sums)
	fold(sums[0], addPS)
	returnX(sums[0], false)

	signature("sumAVX2", "x []float32) (sum float32", "returns the sum of x.")
	sums = zeros(4)
	loop(4, []string{"x"}, nil, func(t turn) []VecVirtual {
		Commentf("sums%d += x", t.number)
		VADDPS(t.in[0], sums[t.number], sums[t.number])
		return nil
	})
	combineFour(sums)
	fold(sums[0], addPS)
	returnX(sums[0], false)

	signature("sumSquaresAVX2", "x []float32) (sum float64", "returns the sum of x², formed in float64.")
	sums = zeros(4)
	loop(2, []string{"x"}, nil, func(t turn) []VecVirtual {
		low, high := YMM(), YMM()
		Comment("sums += x² in float64")
		VCVTPS2PD(t.in[0].AsX(), low)
		VEXTRACTF128(Imm(1), t.in[0], high.AsX())
		VCVTPS2PD(high.AsX(), high)
		VFMADD231PD(low, low, sums[2*t.number])
		VFMADD231PD(high, high, sums[2*t.number+1])
		return nil
	})
	Comment("sum of the lanes")
	VADDPD(sums[1], sums[0], sums[0])
	VADDPD(sums[3], sums[2], sums[2])
	VADDPD(sums[2], sums[0], sums[0])
	returnX(sumDoubles(sums[0]), true)

	maximum()
}

// maximum writes max, which watches for NaN separately: VMAXPS drops them.
func maximum() {
	signature("maxAVX2", "x []float32) (max float32", "returns the largest x: NaN if there is one, -Inf if x is empty.")
	highest, nans := YMM(), YMM()
	Comment("max = -Inf; nans = none")
	VMOVUPS(words("minusInf", 0xFF800000), highest)
	VXORPS(nans, nans, nans)
	loop(2, []string{"x"}, nil, func(t turn) []VecVirtual {
		x, unordered := t.in[0], YMM()
		if t.mask != nil {
			Comment("lanes that do not exist are -Inf")
			VMOVUPS(words("minusInf", 0xFF800000), unordered)
			VBLENDVPS(t.mask, x, unordered, x)
		}
		Comment("nans |= x is NaN; max = max(max, x)")
		VCMPPS(Imm(3), x, x, unordered)
		VORPS(unordered, nans, nans)
		VMAXPS(x, highest, highest)
		return nil
	})
	fold(highest, func(a, b, to VecVirtual) { VMAXPS(a, b, to) })
	Comment("any NaN makes the result one")
	found := GP32()
	VMOVMSKPS(nans, found)
	TESTL(found, found)
	JZ(LabelRef("number"))
	VMOVUPS(words("nan", 0x7FC00000), highest)
	Label("number")
	returnX(highest, false)
}
