package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// rows writes the two products of decoding, of one vector with the rows of a
// matrix, and the gradient of softmax.
func rows() {
	dotRows()
	weightedRows()

	signature("SoftmaxBackward", "dp, p []float32, scale, delta float32", "sets dp = scale p (dp - delta).")
	scale, delta := broadcast("scale"), broadcast("delta")
	loop(2, []string{"dp", "p"}, []string{"dp"}, func(t turn) []VecVirtual {
		Comment("dp = (scale p) (dp - delta)")
		VSUBPS(delta, t.in[0], t.in[0])
		VMULPS(scale, t.in[1], t.in[1])
		VMULPS(t.in[1], t.in[0], t.in[0])
		return t.in[:1]
	})
	finish()
}

// dotRows writes out[j] = q row j: four rows share the loads of q, and each
// row has one register of sums, so that a row meets the same instructions
// whether it comes in a group or alone.
func dotRows() {
	laneBytes := 4 * target.lanes
	signature("DotRows", "out, q, rows []float32, stride int", "sets out[j] = the product of q and the row at j stride; stride is in bytes.")
	out, left := Load(Param("out").Base(), GP64()), Load(Param("out").Len(), GP64())
	row, stride := Load(Param("rows").Base(), GP64()), Load(Param("stride"), GP64())
	at, at3, q, n := GP64(), GP64(), GP64(), GP64()
	some := func(count int, label string) {
		sums := zeros(count)
		address := func(r int) Mem {
			switch r {
			case 0:
				return Mem{Base: at}
			case 3:
				return Mem{Base: at3}
			default:
				return Mem{Base: at, Index: stride, Scale: uint8(r)}
			}
		}
		Comment("from the first element of q and of the rows")
		MOVQ(row, at)
		LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, at3)
		ADDQ(at, at3)
		Load(Param("q").Base(), q)
		Load(Param("q").Len(), n)
		repeat(n, target.lanes, label+"Lanes", func() {
			v := target.vector()
			Comment("sums += q row")
			VMOVUPS(Mem{Base: q}, v)
			for r := range count {
				VFMADD231PS(address(r), v, sums[r])
			}
			ADDQ(U32(laneBytes), q)
			ADDQ(U32(laneBytes), at)
			ADDQ(U32(laneBytes), at3)
			SUBQ(U32(target.lanes), n)
		})
		TESTQ(n, n)
		JZ(LabelRef(label + "Fold"))
		mask := target.restMask(n)
		v := target.loadRest(Mem{Base: q}, mask)
		for r := range count {
			VFMADD231PS(target.loadRest(address(r), mask), v, sums[r])
		}
		Label(label + "Fold")
		for r := range count {
			fold(sums[r], addPS)
			VMOVSS(sums[r].AsX(), Mem{Base: out, Disp: 4 * r})
		}
		Commentf("next %d rows", count)
		for range count {
			ADDQ(stride, row)
		}
		ADDQ(U32(4*count), out)
		SUBQ(U32(count), left)
	}
	repeat(left, 4, "four", func() { some(4, "four") })
	repeat(left, 1, "one", func() { some(1, "one") })
	finish()
}

// weightedRows writes out = the sum of p[j] times row j, which stays in
// registers while j runs.
func weightedRows() {
	laneBytes := 4 * target.lanes
	signature("WeightedRows", "out, p, rows []float32, stride int", "sets out = the sum of p[j] times the row at j stride; stride is in bytes.")
	out, n := Load(Param("out").Base(), GP64()), Load(Param("out").Len(), GP64())
	first, stride := Load(Param("rows").Base(), GP64()), Load(Param("stride"), GP64())
	row, p, left := GP64(), GP64(), GP64()
	strip := func(registers int, label string, mask Register) {
		sums := zeros(registers)
		MOVQ(first, row)
		Load(Param("p").Base(), p)
		Load(Param("p").Len(), left)
		repeat(left, 1, label+"Rows", func() {
			weight := target.vector()
			Comment("sums += p[j] row")
			VBROADCASTSS(Mem{Base: p}, weight)
			for i, sum := range sums {
				at := Mem{Base: row, Disp: i * laneBytes}
				if mask == nil {
					VFMADD231PS(at, weight, sum)
				} else {
					VFMADD231PS(target.loadRest(at, mask), weight, sum)
				}
			}
			ADDQ(Imm(4), p)
			ADDQ(stride, row)
			DECQ(left)
		})
		for i, sum := range sums {
			at := Mem{Base: out, Disp: i * laneBytes}
			if mask == nil {
				VMOVUPS(sum, at)
			} else {
				target.storeRest(sum, mask, at)
			}
		}
		Comment("next columns")
		ADDQ(U32(registers*laneBytes), out)
		ADDQ(U32(registers*laneBytes), first)
	}
	wide := 64 / target.lanes // 64 columns, the size of most heads
	repeat(n, 64, "wide", func() { strip(wide, "wide", nil); SUBQ(U32(64), n) })
	repeat(n, target.lanes, "single", func() { strip(1, "single", nil); SUBQ(U32(target.lanes), n) })
	TESTQ(n, n)
	JZ(LabelRef("done"))
	strip(1, "rest", target.restMask(n))
	Label("done")
	finish()
}
