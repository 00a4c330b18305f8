package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	ahead    = 48 // steps of k that B is prefetched ahead when it streams from memory
	baseRows = 3  // rows that are addressed from one pointer
)

// operands of a tile function, in registers.
type operands struct {
	*isa
	shape
	a             []Register // a[i] = a + 3 i aRow, for rows 3i to 3i+2
	aRow, aStep   Register
	b, b3, bPanel Register // b3 = b + 3 bPanel, for panel 3
	acc           [12][8]VecVirtual
}

// tile writes C[0:rows, 0:panels*width] = (or +=) the sum over k of A[:,p] B[p,:].
func (s *isa) tile(size shape) {
	name := fmt.Sprintf("%sTile%dx%d", s.name, size.rows, size.panels)
	TEXT(name, NOSPLIT, "func(k int, a *float32, aRow, aStep int, b *float32, bPanel int, c *float32, ldc int, accumulate bool)")
	Doc(fmt.Sprintf("%s computes %d rows of %d panels of C over k steps; strides are in bytes.", name, size.rows, size.panels))
	Pragma("noescape")
	o := &operands{isa: s, shape: size}
	if o.rows > baseRows {
		o.prefetchC(Load(Param("c"), GP64()), Load(Param("ldc"), GP64()))
	}
	o.load()
	Comment("acc = 0")
	for r := range o.rows {
		for v := range 2 * o.panels {
			o.acc[r][v] = o.vector()
			VXORPS(o.acc[r][v], o.acc[r][v], o.acc[r][v])
		}
	}
	steps, turns := Load(Param("k"), GP64()), GP64()
	Commentf("turns = k / %d", o.unroll)
	MOVQ(steps, turns)
	SHRQ(Imm(uint64(o.unroll/2)), turns)
	JZ(LabelRef("tail"))
	Label("turn")
	for u := range o.unroll {
		o.step(u)
	}
	o.advanceB(o.unroll)
	DECQ(turns)
	JNZ(LabelRef("turn"))

	Label("tail")
	Commentf("the last k %% %d steps", o.unroll)
	ANDQ(Imm(uint64(o.unroll-1)), steps)
	JZ(LabelRef("store"))
	Label("one")
	o.step(0)
	o.advanceB(1)
	DECQ(steps)
	JNZ(LabelRef("one"))

	Label("store")
	o.store(Load(Param("c"), GP64()), Load(Param("ldc"), GP64()))
	VZEROUPPER()
	RET()
}

// load loads the pointers and strides of A and B.
func (o *operands) load() {
	o.aRow, o.aStep = Load(Param("aRow"), GP64()), Load(Param("aStep"), GP64())
	o.a = []Register{Load(Param("a"), GP64())}
	for len(o.a)*baseRows < o.rows {
		next := GP64()
		Commentf("a%d = a%d + 3 aRow", len(o.a), len(o.a)-1)
		LEAQ(Mem{Base: o.aRow, Index: o.aRow, Scale: 2}, next)
		ADDQ(o.a[len(o.a)-1], next)
		o.a = append(o.a, next)
	}
	o.b = Load(Param("b"), GP64())
	if o.panels > 1 {
		o.bPanel = Load(Param("bPanel"), GP64())
	}
	if o.panels > 3 {
		Comment("b3 = b + 3 bPanel")
		b3 := GP64()
		LEAQ(Mem{Base: o.bPanel, Index: o.bPanel, Scale: 2}, b3)
		ADDQ(o.b, b3)
		o.b3 = b3
	}
}

// prefetchC fetches the rows of C while the sums are still being formed.
func (o *operands) prefetchC(c, ldc Register) {
	Comment("prefetch the panel's columns of every row of C")
	for range o.rows {
		for disp := 0; disp < o.panelBytes; disp += 64 {
			PREFETCHT0(Mem{Base: c, Disp: disp})
		}
		PREFETCHT0(Mem{Base: c, Disp: o.panelBytes - 1})
		ADDQ(ldc, c)
	}
}

// aAt is the address of A[r][p].
func (o *operands) aAt(r int) Mem {
	base := o.a[r/baseRows]
	if r %= baseRows; r == 0 {
		return Mem{Base: base}
	}
	return Mem{Base: base, Index: o.aRow, Scale: uint8(r)}
}

// bAt is the address of lanes v of B[p+u]: two vectors to a panel.
func (o *operands) bAt(u, v int) Mem {
	disp := u*o.panelBytes + v%2*o.laneBytes
	switch panel := v / 2; panel {
	case 0:
		return Mem{Base: o.b, Disp: disp}
	case 3:
		return Mem{Base: o.b3, Disp: disp}
	default:
		return Mem{Base: o.b, Index: o.bPanel, Scale: uint8(panel), Disp: disp}
	}
}

// step adds A[:,p+u] B[p+u,:] to the sums; a already points at p+u, b at p.
func (o *operands) step(u int) {
	vectors := 2 * o.panels
	switch {
	case o.rows == 1:
		a := o.vector()
		Commentf("a = A[0][p+%d] in every lane", u)
		VBROADCASTSS(o.aAt(0), a)
		for v := range vectors {
			o.prefetchB(u, v)
			Commentf("acc[0][%d] += a * B[p+%d][%d]", v, u, v)
			VFMADD231PS(o.bAt(u, v), a, o.acc[0][v])
		}
	case o.panels > 1:
		var a [3]VecVirtual
		for r := range o.rows {
			a[r] = o.vector()
			Commentf("a%d = A[%d][p+%d] in every lane", r, r, u)
			VBROADCASTSS(o.aAt(r), a[r])
		}
		b := o.vector()
		for v := range vectors {
			o.prefetchB(u, v)
			Commentf("acc[:][%d] += a * B[p+%d][%d]", v, u, v)
			VMOVUPS(o.bAt(u, v), b)
			for r := range o.rows {
				VFMADD231PS(b, a[r], o.acc[r][v])
			}
		}
	default:
		b0, b1 := o.vector(), o.vector()
		Commentf("b = B[p+%d]", u)
		VMOVUPS(o.bAt(u, 0), b0)
		VMOVUPS(o.bAt(u, 1), b1)
		o.prefetchB(u, 0)
		o.prefetchB(u, 1)
		for r := range o.rows {
			a := o.vector()
			Commentf("acc[%d] += A[%d][p+%d] * b", r, r, u)
			VBROADCASTSS(o.aAt(r), a)
			VFMADD231PS(b0, a, o.acc[r][0])
			VFMADD231PS(b1, a, o.acc[r][1])
		}
	}
	Comment("a += aStep")
	for _, a := range o.a {
		ADDQ(o.aStep, a)
	}
}

// prefetchB fetches what step p+u+ahead needs of vector v's panel: with few
// rows B comes from memory, and the processor's own prefetching stops at pages.
func (o *operands) prefetchB(u, v int) {
	if v%2*o.laneBytes%64 != 0 {
		return // the same cache line as the vector before
	}
	far := o.bAt(u, v)
	far.Disp += ahead * o.panelBytes
	Commentf("prefetch B[p+%d] of panel %d", u+ahead, v/2)
	PREFETCHT0(far)
}

// advanceB moves the pointers to B over the given number of steps.
func (o *operands) advanceB(steps int) {
	Commentf("b += %d steps", steps)
	ADDQ(U32(steps*o.panelBytes), o.b)
	if o.b3 != nil {
		ADDQ(U32(steps*o.panelBytes), o.b3)
	}
}

// store writes the sums to C, adding what is there when asked to.
func (o *operands) store(c, ldc Register) {
	accumulate := Load(Param("accumulate"), GP8())
	TESTB(accumulate, accumulate)
	JZ(LabelRef("overwrite"))
	for r := range o.rows {
		for v := range 2 * o.panels {
			at := Mem{Base: c, Disp: v * o.laneBytes}
			Commentf("C[%d][%d] += acc[%d][%d]", r, v, r, v)
			VADDPS(at, o.acc[r][v], o.acc[r][v])
			VMOVUPS(o.acc[r][v], at)
		}
		ADDQ(ldc, c)
	}
	VZEROUPPER()
	RET()
	Label("overwrite")
	for r := range o.rows {
		for v := range 2 * o.panels {
			Commentf("C[%d][%d] = acc[%d][%d]", r, v, r, v)
			VMOVUPS(o.acc[r][v], Mem{Base: c, Disp: v * o.laneBytes})
		}
		ADDQ(ldc, c)
	}
}
