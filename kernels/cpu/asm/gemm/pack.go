package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// transpose writes a function that turns rows of a matrix into the steps of a
// panel: dst[p][i] = src[i][p], 8 steps at a time, in quarters of 4 by 4.
// Of 6 rows, two more come out as zeros, where the next step overwrites them:
// dst needs room after its last step.
func (s *isa) transpose(rows int) {
	name, stepBytes := fmt.Sprintf("%sTranspose%d", s.name, rows), 4*rows
	TEXT(name, NOSPLIT, "func(dst, src *float32, stride, blocks int)")
	Doc(fmt.Sprintf("%s writes dst[p*%d+i] = src[i][p] for %d rows i and 8*blocks steps p; stride is in bytes.", name, rows, rows))
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	stride := Load(Param("stride"), GP64())
	blocks := Load(Param("blocks"), GP64())
	groups, row := rowGroups(src, stride, rows)
	var y, t [4]VecVirtual
	for i := range 4 {
		y[i], t[i] = YMM(), YMM()
	}
	TESTQ(blocks, blocks)
	JZ(LabelRef("done"))
	Label("block")
	for first := 0; first < rows; first += 8 {
		for half := range 2 { // steps 0..3 and 4..7 of the block
			transpose8x4(y, t, row, first, rows, half, func(p int) Mem {
				return Mem{Base: dst, Disp: (4*half+p)*stepBytes + first*4}
			})
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

// transposePart writes a function that transposes 8 rows into a part of wider
// steps, for panels that are not full.
func (s *isa) transposePart() {
	name := s.name + "TransposePart"
	TEXT(name, NOSPLIT, "func(dst, src *float32, stride, step, blocks int)")
	Doc(name + " writes dst[p*step+i] = src[i][p] for 8 rows i and 8*blocks steps p; stride and step are in bytes.")
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	stride := Load(Param("stride"), GP64())
	step := Load(Param("step"), GP64())
	blocks := Load(Param("blocks"), GP64())
	groups, row := rowGroups(src, stride, 8)
	step3 := GP64()
	Comment("step3 = 3 step")
	LEAQ(Mem{Base: step, Index: step, Scale: 2}, step3)
	var y, t [4]VecVirtual
	for i := range 4 {
		y[i], t[i] = YMM(), YMM()
	}
	TESTQ(blocks, blocks)
	JZ(LabelRef("done"))
	Label("block")
	for half := range 2 {
		transpose8x4(y, t, row, 0, 8, half, func(p int) Mem {
			return []Mem{{Base: dst}, {Base: dst, Index: step, Scale: 1}, {Base: dst, Index: step, Scale: 2}, {Base: dst, Index: step3, Scale: 1}}[p]
		})
		Comment("next 4 steps of dst")
		LEAQ(Mem{Base: dst, Index: step, Scale: 4}, dst)
	}
	Comment("next 8 steps of src")
	for _, g := range groups {
		ADDQ(Imm(8*4), g)
	}
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("done")
	VZEROUPPER()
	RET()
}

// rowGroups returns pointers to every fourth row, and the address of a row at
// a displacement in bytes.
func rowGroups(src, stride Register, rows int) (groups []Register, row func(i, disp int) Mem) {
	stride3 := GP64()
	Comment("stride3 = 3 stride")
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
	groups = []Register{src}
	for first := 4; first < rows; first += 4 {
		p := GP64()
		Commentf("row%d = row%d + 4 stride", first, first-4)
		LEAQ(Mem{Base: groups[first/4-1], Index: stride, Scale: 4}, p)
		groups = append(groups, p)
	}
	row = func(i, disp int) Mem {
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
	return groups, row
}

// transpose8x4 moves 4 steps of rows first to first+7, of which those below
// the given number exist; step p goes to at(p); y and t are scratch.
func transpose8x4(y, t [4]VecVirtual, row func(i, disp int) Mem, first, rows, half int, at func(p int) Mem) {
	for i := range 4 {
		if first+i >= rows {
			VXORPS(y[i], y[i], y[i])
			continue
		}
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
		if first+4 < rows {
			VMOVUPS(y[p], at(p))
		} else {
			VMOVUPS(y[p].AsX(), at(p))
		}
	}
}

// copySteps writes a function that packs a matrix whose steps are its stored
// rows: step p of panel q is width elements from src + p stride + q width.
func (s *isa) copySteps(width int) {
	name := fmt.Sprintf("%sCopy%d", s.name, width)
	TEXT(name, NOSPLIT, "func(dst, src *float32, stride, panel, panels, steps int)")
	Doc(fmt.Sprintf("%s writes dst[q*panel+p*%d+i] = src[p*stride+q*%d+i] for panels q and steps p; stride and panel are in bytes.",
		name, width, width))
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
	s.move(from, to, 4*width)
	ADDQ(U32(4*width), from)
	ADDQ(panel, to)
	DECQ(left)
	JNZ(LabelRef("panel"))
	Comment("next step")
	ADDQ(stride, src)
	ADDQ(U32(4*width), dst)
	DECQ(steps)
	JNZ(LabelRef("step"))
	VZEROUPPER()
	RET()
}

// move copies the given number of bytes in the largest pieces that fit: loads
// first, so that they are under way together.
func (s *isa) move(from, to Register, bytes int) {
	var stores []func()
	for at := 0; at < bytes; {
		src, dst := Mem{Base: from, Disp: at}, Mem{Base: to, Disp: at}
		switch left := bytes - at; {
		case left >= s.laneBytes:
			v := s.vector()
			VMOVUPS(src, v)
			stores = append(stores, func() { VMOVUPS(v, dst) })
			at += s.laneBytes
		case left >= 32:
			v := YMM()
			VMOVUPS(src, v)
			stores = append(stores, func() { VMOVUPS(v, dst) })
			at += 32
		case left >= 16:
			v := XMM()
			VMOVUPS(src, v)
			stores = append(stores, func() { VMOVUPS(v, dst) })
			at += 16
		default:
			v := XMM()
			VMOVSD(src, v)
			stores = append(stores, func() { VMOVSD(v, dst) })
			at += 8
		}
	}
	for _, store := range stores {
		store()
	}
}
