// Command gemm writes the AVX2 inner loops of package kernels/cpu/gemm.
//
// A tile is a few rows of C times one or more panels of 16 columns, held in
// registers while k runs. The sizes are chosen so that at least 8 independent
// chains of FMAs are in flight (two units with a latency of four): 6 rows by
// one panel is the work horse, one row by four panels the decoding path.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	laneBytes  = 32 // one ymm register
	panelBytes = 64 // one row of a panel: 16 float32
	unroll     = 4  // steps of k per turn of the main loop
	ahead      = 48 // steps of k that B is prefetched ahead when it streams from memory
)

func main() {
	for _, shape := range []struct{ rows, panels int }{
		{6, 1}, {5, 1}, {4, 1}, {3, 1}, {2, 1}, {1, 1}, {3, 2}, {2, 2}, {1, 4},
	} {
		tile(shape.rows, shape.panels)
	}
	copySteps("copy16", panelBytes)
	copySteps("copy6", 6*4)
	transpose("transpose16", 16, panelBytes)
	transpose("transpose6", 6, 6*4)
	Generate()
}

// operands of a tile function, in registers.
type operands struct {
	rows, panels       int
	a, a3, aRow, aStep Register // a3 = a + 3 aRow, for rows 3 to 5
	b, b3, bPanel      Register // b3 = b + 3 bPanel, for panel 3
	acc                [6][8]VecVirtual
}

// tile writes C[0:rows, 0:16*panels] = (or +=) the sum over k of A[:,p] B[p,:].
func tile(rows, panels int) {
	name := fmt.Sprintf("tile%dx%d", rows, panels)
	TEXT(name, NOSPLIT, "func(k int, a *float32, aRow, aStep int, b *float32, bPanel int, c *float32, ldc int, accumulate bool)")
	Doc(fmt.Sprintf("%s computes %d rows of %d panels of C over k steps; strides are in bytes.", name, rows, panels))
	Pragma("noescape")
	o := &operands{rows: rows, panels: panels}
	steps := Load(Param("k"), GP64())
	o.a = Load(Param("a"), GP64())
	o.aRow = Load(Param("aRow"), GP64())
	o.aStep = Load(Param("aStep"), GP64())
	o.b = Load(Param("b"), GP64())
	if rows > 3 {
		Comment("a3 = a + 3 aRow")
		a3 := GP64()
		LEAQ(Mem{Base: o.aRow, Index: o.aRow, Scale: 2}, a3)
		ADDQ(o.a, a3)
		o.a3 = a3
	}
	if panels > 1 {
		o.bPanel = Load(Param("bPanel"), GP64())
	}
	if panels > 3 {
		Comment("b3 = b + 3 bPanel")
		b3 := GP64()
		LEAQ(Mem{Base: o.bPanel, Index: o.bPanel, Scale: 2}, b3)
		ADDQ(o.b, b3)
		o.b3 = b3
	}
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	if rows > 3 {
		prefetchC(rows, c, ldc)
	}
	Comment("acc = 0")
	for r := range rows {
		for v := range 2 * panels {
			o.acc[r][v] = YMM()
			VXORPS(o.acc[r][v], o.acc[r][v], o.acc[r][v])
		}
	}

	turns := GP64()
	Commentf("turns = k / %d", unroll)
	MOVQ(steps, turns)
	SHRQ(Imm(2), turns)
	JZ(LabelRef("tail"))
	Label("turn")
	for u := range unroll {
		o.step(u)
	}
	o.advanceB(unroll)
	DECQ(turns)
	JNZ(LabelRef("turn"))

	Label("tail")
	Commentf("the last k %% %d steps", unroll)
	ANDQ(Imm(unroll-1), steps)
	JZ(LabelRef("store"))
	Label("one")
	o.step(0)
	o.advanceB(1)
	DECQ(steps)
	JNZ(LabelRef("one"))

	Label("store")
	o.store(c, ldc)
	VZEROUPPER()
	RET()
}

// prefetchC fetches the rows of C while the sums are still being formed.
func prefetchC(rows int, c, ldc Register) {
	at := GP64()
	Comment("prefetch C[r][0:16] of every row r")
	MOVQ(c, at)
	for range rows {
		PREFETCHT0(Mem{Base: at})
		PREFETCHT0(Mem{Base: at, Disp: panelBytes - 1})
		ADDQ(ldc, at)
	}
}

// aAt is the address of A[r][p].
func (o *operands) aAt(r int) Mem {
	base := o.a
	if r >= 3 {
		base, r = o.a3, r-3
	}
	if r == 0 {
		return Mem{Base: base}
	}
	return Mem{Base: base, Index: o.aRow, Scale: uint8(r)}
}

// bAt is the address of lanes v of B[p+u]: two vectors to a panel.
func (o *operands) bAt(u, v int) Mem {
	disp := u*panelBytes + v%2*laneBytes
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
		a := YMM()
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
			a[r] = YMM()
			Commentf("a%d = A[%d][p+%d] in every lane", r, r, u)
			VBROADCASTSS(o.aAt(r), a[r])
		}
		b := YMM()
		for v := range vectors {
			o.prefetchB(u, v)
			Commentf("acc[:][%d] += a * B[p+%d][%d]", v, u, v)
			VMOVUPS(o.bAt(u, v), b)
			for r := range o.rows {
				VFMADD231PS(b, a[r], o.acc[r][v])
			}
		}
	default:
		b0, b1 := YMM(), YMM()
		Commentf("b = B[p+%d][0:16]", u)
		VMOVUPS(o.bAt(u, 0), b0)
		VMOVUPS(o.bAt(u, 1), b1)
		o.prefetchB(u, 0)
		for r := range o.rows {
			a := YMM()
			Commentf("acc[%d] += A[%d][p+%d] * b", r, r, u)
			VBROADCASTSS(o.aAt(r), a)
			VFMADD231PS(b0, a, o.acc[r][0])
			VFMADD231PS(b1, a, o.acc[r][1])
		}
	}
	Comment("a += aStep")
	ADDQ(o.aStep, o.a)
	if o.a3 != nil {
		ADDQ(o.aStep, o.a3)
	}
}

// prefetchB fetches what step p+u+ahead needs of vector v's panel: with few
// rows B comes from memory, and the processor's own prefetching stops at pages.
func (o *operands) prefetchB(u, v int) {
	if v%2 != 0 {
		return // the same cache line as the vector before
	}
	far := o.bAt(u, v)
	far.Disp += ahead * panelBytes
	Commentf("prefetch B[p+%d] of panel %d", u+ahead, v/2)
	PREFETCHT0(far)
}

// advanceB moves the pointers to B over the given number of steps.
func (o *operands) advanceB(steps int) {
	Commentf("b += %d steps", steps)
	ADDQ(U32(steps*panelBytes), o.b)
	if o.b3 != nil {
		ADDQ(U32(steps*panelBytes), o.b3)
	}
}

// store writes the sums to C, adding what is there when asked to.
func (o *operands) store(c, ldc Register) {
	accumulate := Load(Param("accumulate"), GP8())
	TESTB(accumulate, accumulate)
	JZ(LabelRef("overwrite"))
	for r := range o.rows {
		for v := range 2 * o.panels {
			at := Mem{Base: c, Disp: v * laneBytes}
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
			VMOVUPS(o.acc[r][v], Mem{Base: c, Disp: v * laneBytes})
		}
		ADDQ(ldc, c)
	}
}

// transpose writes a function that turns rows of a matrix into the steps of a
// panel: dst[p][i] = src[i][p], 8 steps at a time, in quarters of 4 by 4.
// Rows beyond the given number come out as zeros in the lanes that follow,
// where the next step overwrites them: dst needs 8 lanes after its last step.
func transpose(name string, rows, stepBytes int) {
	TEXT(name, NOSPLIT, "func(dst, src *float32, stride, blocks int)")
	Doc(fmt.Sprintf("%s writes dst[p*%d+i] = src[i][p] for %d rows i and 8*blocks steps p; stride is in bytes.", name, stepBytes/4, rows))
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	stride := Load(Param("stride"), GP64())
	blocks := Load(Param("blocks"), GP64())
	group := func(first int) Register { // pointer to rows first..first+3
		p := GP64()
		Commentf("row%d = src + %d stride", first, first)
		MOVQ(src, p)
		for range first {
			ADDQ(stride, p)
		}
		return p
	}
	stride3 := GP64()
	Comment("stride3 = 3 stride")
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
	groups := []Register{src}
	for first := 4; first < rows; first += 4 {
		groups = append(groups, group(first))
	}
	row := func(i, disp int) Mem {
		base := groups[i/4]
		switch i % 4 {
		case 0:
			return Mem{Base: base, Disp: disp}
		case 3:
			return Mem{Base: base, Index: stride3, Scale: 1, Disp: disp}
		default:
			return Mem{Base: base, Index: stride, Scale: uint8(i % 4), Disp: disp}
		}
	}
	var y, t [4]VecVirtual
	for i := range 4 {
		y[i], t[i] = YMM(), YMM()
	}
	TESTQ(blocks, blocks)
	JZ(LabelRef("done"))
	Label("block")
	for half := range 2 { // steps 0..3 and 4..7 of the block
		for first := 0; first < rows; first += 8 {
			for i := range 4 {
				Commentf("y%d = src[%d][%d:%d]", i, first+i, 4*half, 4*half+4)
				VMOVUPS(row(first+i, 16*half), y[i].AsX())
				if first+i+4 < rows {
					Commentf("upper half of y%d = src[%d][%d:%d]", i, first+i+4, 4*half, 4*half+4)
					VINSERTF128(Imm(1), row(first+i+4, 16*half), y[i], y[i])
				}
			}
			Comment("pairs of rows: t0, t2 hold steps 0 and 1, t1, t3 steps 2 and 3")
			VUNPCKLPS(y[1], y[0], t[0])
			VUNPCKHPS(y[1], y[0], t[1])
			VUNPCKLPS(y[3], y[2], t[2])
			VUNPCKHPS(y[3], y[2], t[3])
			for p := range 4 {
				Commentf("dst[%d][%d:] = rows of step %d", 4*half+p, first, 4*half+p)
				VSHUFPS(Imm([]uint64{0x44, 0xEE}[p%2]), t[2+p/2], t[p/2], y[p])
				VMOVUPS(y[p], Mem{Base: dst, Disp: (4*half+p)*stepBytes + first*4})
			}
		}
	}
	Comment("next 8 steps")
	for _, g := range groups {
		ADDQ(Imm(8*4), g)
	}
	ADDQ(U32(8*stepBytes), dst)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("done")
	VZEROUPPER()
	RET()
}

// copySteps writes a function that packs a matrix whose steps are its stored
// rows: step p of panel q is stepBytes from src + p stride + q stepBytes.
func copySteps(name string, stepBytes int) {
	TEXT(name, NOSPLIT, "func(dst, src *float32, stride, panel, panels, steps int)")
	Doc(fmt.Sprintf("%s writes dst[q*panel+p*%d+i] = src[p*stride+q*%d+i] for panels q and steps p; stride and panel are in bytes.",
		name, stepBytes/4, stepBytes/4))
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	stride := Load(Param("stride"), GP64())
	panel := Load(Param("panel"), GP64())
	panels := Load(Param("panels"), GP64())
	steps := Load(Param("steps"), GP64())
	Label("step")
	from, to, left := GP64(), GP64(), GP64()
	Comment("all panels of one step")
	MOVQ(src, from)
	MOVQ(dst, to)
	MOVQ(panels, left)
	Label("panel")
	if stepBytes == panelBytes {
		low, high := YMM(), YMM()
		VMOVUPS(Mem{Base: from}, low)
		VMOVUPS(Mem{Base: from, Disp: laneBytes}, high)
		VMOVUPS(low, Mem{Base: to})
		VMOVUPS(high, Mem{Base: to, Disp: laneBytes})
	} else {
		low, high := XMM(), XMM()
		VMOVUPS(Mem{Base: from}, low)
		VMOVSD(Mem{Base: from, Disp: 16}, high)
		VMOVUPS(low, Mem{Base: to})
		VMOVSD(high, Mem{Base: to, Disp: 16})
	}
	ADDQ(U32(stepBytes), from)
	ADDQ(panel, to)
	DECQ(left)
	JNZ(LabelRef("panel"))
	Comment("next step")
	ADDQ(stride, src)
	ADDQ(U32(stepBytes), dst)
	DECQ(steps)
	JNZ(LabelRef("step"))
	VZEROUPPER()
	RET()
}
