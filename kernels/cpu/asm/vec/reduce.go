package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// fold combines the lanes of v in a fixed tree; the result is in lane 0.
func fold(v VecVirtual, combine func(a, b, to Op)) {
	Comment("fold the lanes in halves")
	if target.lanes == 16 {
		half := YMM()
		VEXTRACTF64X4(Imm(1), v, half)
		combine(half, v.AsY(), v.AsY())
	}
	t := XMM()
	VEXTRACTF128(Imm(1), v.AsY(), t)
	combine(t, v.AsX(), v.AsX())
	VPERMILPS(Imm(0x0E), v.AsX(), t)
	combine(t, v.AsX(), v.AsX())
	VPERMILPS(Imm(0x01), v.AsX(), t)
	combine(t, v.AsX(), v.AsX())
}

// foldDoubles adds the float64 lanes of v; the sum is in lane 0.
func foldDoubles(v VecVirtual) {
	Comment("fold the lanes in halves")
	if target.lanes == 16 {
		half := YMM()
		VEXTRACTF64X4(Imm(1), v, half)
		VADDPD(half, v.AsY(), v.AsY())
	}
	t := XMM()
	VEXTRACTF128(Imm(1), v.AsY(), t)
	VADDPD(t, v.AsX(), v.AsX())
	VPERMILPD(Imm(1), v.AsX(), t)
	VADDSD(t, v.AsX(), v.AsX())
}

func addPS(a, b, to Op) { VADDPS(a, b, to) }
func maxPS(a, b, to Op) { VMAXPS(a, b, to) }

// combineFour adds four registers of sums into the first.
func combineFour(sums []VecVirtual, add func(a, b, to Op)) {
	Comment("sums = (sums0 + sums1) + (sums2 + sums3)")
	add(sums[1], sums[0], sums[0])
	add(sums[3], sums[2], sums[2])
	add(sums[2], sums[0], sums[0])
}

// reductions writes the functions that end in one number. Sums run in four
// registers: element i goes to a lane that depends on i and the length alone.
func reductions() {
	signature("Dot", "a, b []float32) (sum float32", "returns the sum of a b.")
	sums := zeros(4)
	loop(4, []string{"a", "b"}, nil, func(t turn) []VecVirtual {
		Commentf("sums%d += a b", t.number)
		VFMADD231PS(t.in[0], t.in[1], sums[t.number])
		return nil
	})
	combineFour(sums, addPS)
	fold(sums[0], addPS)
	result(0, sums[0], false)
	finish()

	signature("Sum", "x []float32) (sum float32", "returns the sum of x.")
	sums = zeros(4)
	loop(4, []string{"x"}, nil, func(t turn) []VecVirtual {
		Commentf("sums%d += x", t.number)
		VADDPS(t.in[0], sums[t.number], sums[t.number])
		return nil
	})
	combineFour(sums, addPS)
	fold(sums[0], addPS)
	result(0, sums[0], false)
	finish()

	squares()
	maximum()
}

// squares writes the sum of squared differences from a number, in float64.
func squares() {
	signature("SumSquares", "x []float32, from float32) (sum float64", "returns the sum of (x - from)², formed in float64.")
	from := target.vector()
	at, err := Param("from").Resolve()
	if err != nil {
		panic(err)
	}
	Comment("from in every lane, as float64")
	VCVTSS2SD(at.Addr, from.AsX(), from.AsX())
	VBROADCASTSD(from.AsX(), from)
	sums := zeros(4)
	loop(2, []string{"x"}, nil, func(t turn) []VecVirtual {
		Comment("sums += (x - from)² in float64")
		low, high := widen(t.in[0])
		VSUBPD(from, low, low)
		VSUBPD(from, high, high)
		if t.mask != nil {
			low, high = existingDoubles(low, high, t.mask)
		}
		VFMADD231PD(low, low, sums[2*t.number])
		VFMADD231PD(high, high, sums[2*t.number+1])
		return nil
	})
	combineFour(sums, func(a, b, to Op) { VADDPD(a, b, to) })
	foldDoubles(sums[0])
	result(0, sums[0], true)
	finish()
}

// existingDoubles is existing for the two halves of a register that was widened.
func existingDoubles(low, high VecVirtual, mask Register) (VecVirtual, VecVirtual) {
	Comment("lanes that do not exist count nothing")
	if target.lanes == 16 {
		upper, l, h := K(), ZMM(), ZMM()
		KSHIFTRW(Imm(8), mask, upper)
		VMOVAPD_Z(low, mask, l)
		VMOVAPD_Z(high, upper, h)
		return l, h
	}
	wide, half := YMM(), XMM()
	VPMOVSXDQ(mask.(VecVirtual).AsX(), wide)
	VANDPD(wide, low, low)
	VEXTRACTF128(Imm(1), mask, half)
	VPMOVSXDQ(half, wide)
	VANDPD(wide, high, high)
	return low, high
}

// maximum writes max, which watches for NaN separately: VMAXPS drops them.
func maximum() {
	signature("Max", "x []float32) (max float32", "returns the largest x: NaN if there is one, -Inf if x is empty.")
	highest := target.vector()
	Comment("max = -Inf; nans = none")
	VMOVUPS(words("minusInf", 0xFF800000), highest)
	nans := zeros(1)[0]
	loop(2, []string{"x"}, nil, func(t turn) []VecVirtual {
		x, other := t.in[0], target.vector()
		if t.mask != nil {
			Comment("lanes that do not exist are -Inf")
			VMOVUPS(words("minusInf", 0xFF800000), other)
			if target.lanes == 16 {
				VBLENDMPS(x, other, t.mask, x)
			} else {
				VBLENDVPS(t.mask, x, other, x)
			}
		}
		Comment("nans |= x is NaN; max = max(max, x)")
		noteNaN(x, nans)
		VMAXPS(x, highest, highest)
		return nil
	})
	fold(highest, maxPS)
	Comment("any NaN makes the result one")
	found := GP32()
	anyLane(nans, found)
	TESTL(found, found)
	JZ(LabelRef("number"))
	VMOVSS(words("nan", 0x7FC00000), highest.AsX())
	Label("number")
	result(0, highest, false)
	finish()
}

// noteNaN sets all bits of the lanes of nans in which x is NaN.
func noteNaN(x, nans VecVirtual) {
	if target.lanes == 16 {
		unordered := K()
		VCMPPS(Imm(3), x, x, unordered)
		VPTERNLOGD(Imm(0xFF), nans, nans, unordered, nans)
		return
	}
	unordered := YMM()
	VCMPPS(Imm(3), x, x, unordered)
	VORPS(unordered, nans, nans)
}

// anyLane sets found to the sign bits of v.
func anyLane(v VecVirtual, found Register) {
	if target.lanes == 16 {
		signs := K()
		VPMOVD2M(v, signs)
		KMOVW(signs, found)
		return
	}
	VMOVMSKPS(v, found)
}
