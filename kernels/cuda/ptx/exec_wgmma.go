package ptx

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// wgmmaOp is a decoded wgmma.mma_async: D (64, n) = A (64, 16) · B (16, n) + D with
// float32 accumulators; each of the four warps of a group has 16 rows. B, and A
// unless it is in registers, lie in shared memory as a descriptor says.
type wgmmaOp struct {
	n            int
	kind         elementKind
	d            []int  // n/2 slots
	a            [4]int // slots of A in registers
	descA, descB int    // slots of descriptors; descA -1: A in registers
	scale        int    // predicate slot: D takes part
	scaleNot     bool
	negate       [2]bool // A, B
	transpose    [2]bool // A is M-major, B is N-major
}

// wgmmaState is what a warp has begun and not waited for. The products are computed
// at once; until the wait their registers count as unwritten, and at the wait their
// operands are looked at again: nobody may have touched them meanwhile.
type wgmmaState struct {
	fenced bool // a wgmma.fence was executed since the latest wait
	open   []wgmmaUse
	groups [][]wgmmaUse
}

// wgmmaUse is one product that was begun.
type wgmmaUse struct {
	d     []int   // accumulators
	cells []int32 // shared offsets of the 16-byte pieces that it reads
	sum   uint64  // of what they held
}

func (s *wgmmaState) reset() { *s = wgmmaState{open: s.open[:0], groups: s.groups[:0]} }

// owns reports whether slot is an accumulator of a product that was begun.
func (s *wgmmaState) owns(slot int) bool {
	has := func(u wgmmaUse) bool { return slices.Contains(u.d, slot) }
	return slices.ContainsFunc(s.open, has) ||
		slices.ContainsFunc(s.groups, func(g []wgmmaUse) bool { return slices.ContainsFunc(g, has) })
}

// wgmmaCommit closes the open group.
func wgmmaCommit(w *warp, _ uint32) {
	w.wgmma.groups = append(w.wgmma.groups, slices.Clone(w.wgmma.open))
	w.wgmma.open = w.wgmma.open[:0]
}

// wgmmaWait ends all but the latest pending groups.
func wgmmaWait(w *warp, pending int) {
	s := &w.wgmma
	s.fenced = false
	for len(s.groups) > pending {
		group := s.groups[0]
		s.groups = s.groups[1:]
		for _, u := range group {
			if !w.readPieces(u.cells) {
				return
			}
			if w.blk.sum(u.cells) != u.sum {
				w.fail(ErrAsync, fullMask, "shared memory that a wgmma reads was written before this wait")
				return
			}
			for _, slot := range u.d {
				if !s.owns(slot) {
					w.init32[slot] = fullMask
				}
			}
		}
	}
}

// readPieces checks and notes reads of 16 bytes at each offset.
func (w *warp) readPieces(cells []int32) bool {
	for len(cells) > 0 {
		n := copy(w.off[:], cells)
		if !w.readCells(fullMask >> (32 - n)) {
			return false
		}
		cells = cells[n:]
	}
	return true
}

// sum returns a checksum of 16 bytes at each offset.
func (b *block) sum(cells []int32) uint64 {
	const odd = 0x9e3779b97f4a7c15
	s := uint64(odd)
	for _, at := range cells {
		p := b.shared[at:][:16]
		s = bits.RotateLeft64((s^binary.LittleEndian.Uint64(p))*odd, 31)
		s = bits.RotateLeft64((s^binary.LittleEndian.Uint64(p[8:]))*odd, 31)
	}
	return s
}

func (o *wgmmaOp) execute(w *warp, m uint32) {
	switch {
	case m != fullMask:
		w.fail(ErrAbsentLanes, ^m, "needs all 32 lanes, lanes %#08x execute it", m)
		return
	case w.id|3 >= len(w.blk.warps):
		w.fail(ErrAbsentLanes, m, "warp %d is in no full group of four warps", w.id)
		return
	case !w.wgmma.fenced:
		w.fail(ErrAsync, m, "no wgmma.fence was executed since the latest wgmma.wait_group")
		return
	}
	if !w.ready(w.initPred[o.scale], m) {
		return
	}
	p := inverted(w.pred[o.scale], o.scaleNot)
	accumulate := p&1 == 1
	if p != 0 && p != fullMask {
		w.fail(ErrAbsentLanes, ^p, "scale-d differs between lanes")
		return
	}
	for _, slot := range o.d {
		if accumulate && w.init32[slot] != fullMask && !w.wgmma.owns(slot) {
			w.failUninitialized(^w.init32[slot])
			return
		}
	}
	use := wgmmaUse{d: o.d}
	t := &w.blk.tiles
	if !o.loadA(w, t, &use) || !o.loadB(w, t, &use) {
		return
	}
	f := fragments{mat: &w.blk.matrices, k: 16, a: [4]*v32{&t.a[0], &t.a[1], &t.a[2], &t.a[3]}}
	for j := 0; j < o.n/8; j++ {
		f.b = [2]*v32{&t.b[j][0], &t.b[j][1]}
		for r := range 4 {
			f.d[r] = &w.r32[o.d[4*j+r]]
			if f.c[r] = f.d[r]; !accumulate {
				f.c[r] = &t.zero
			}
		}
		f.multiply(o.kind, o.kind == elementBF16)
	}
	for _, slot := range o.d {
		w.init32[slot] = 0
	}
	use.sum = w.blk.sum(use.cells)
	w.wgmma.open = append(w.wgmma.open, use)
}

// wgmmaTiles are the operands of a wgmma as fragments of mma.
type wgmmaTiles struct {
	a    [4]v32
	b    [32][2]v32 // for each eight columns
	zero v32
}

// loadA fills the fragments with the warp's 16 rows of A.
func (o *wgmmaOp) loadA(w *warp, t *wgmmaTiles, use *wgmmaUse) bool {
	sign := -bit(o.negate[0]) & 0x80008000
	if o.descA < 0 {
		for r, slot := range o.a {
			if !w.ready(w.init32[slot], fullMask) {
				return false
			}
			for l, v := range &w.r32[slot] {
				t.a[r][l] = v ^ sign
			}
		}
		return true
	}
	var rows [16][16]uint16
	if !o.load(w, o.descA, w.id&3*16, rows[:], o.transpose[0], use) {
		return false
	}
	for r := range t.a {
		for l := range t.a[r] {
			row, k := &rows[l/4+r&1*8], l%4*2+r>>1*8
			t.a[r][l] = (uint32(row[k]) | uint32(row[k+1])<<16) ^ sign
		}
	}
	return true
}

// loadB fills the fragments with all columns of B.
func (o *wgmmaOp) loadB(w *warp, t *wgmmaTiles, use *wgmmaUse) bool {
	sign := -bit(o.negate[1]) & 0x80008000
	var columns [256][16]uint16
	if !o.load(w, o.descB, 0, columns[:o.n], o.transpose[1], use) {
		return false
	}
	for j := 0; j < o.n/8; j++ {
		for r := range t.b[j] {
			for l := range t.b[j][r] {
				column, k := &columns[8*j+l/4], l%4*2+r*8
				t.b[j][r][l] = (uint32(column[k]) | uint32(column[k+1])<<16) ^ sign
			}
		}
	}
	return true
}

// load reads lines (rows of A or columns of B) from number first on, each of 16 k.
func (o *wgmmaOp) load(w *warp, slot, first int, lines [][16]uint16, transposed bool, use *wgmmaUse) bool {
	if !w.ready(w.init64[slot], fullMask) {
		return false
	}
	for l, v := range &w.r64[slot] {
		if v != w.r64[slot][0] {
			w.fail(ErrAbsentLanes, 1<<l, "the matrix descriptor differs between lanes: %#x and %#x", w.r64[slot][0], v)
			return false
		}
	}
	d := descriptorOf(w.r64[slot][0])
	begin := len(use.cells)
	pieces := 2 * len(lines)
	for i := range pieces {
		line, k := i/2, i%2*8
		if transposed {
			line, k = i/16*8, i%16
		}
		at := d.piece(first+line, k, transposed)
		if at < 0 || at+16 > len(w.blk.shared) {
			w.fail(ErrBounds, fullMask, "16 bytes at shared offset %d of %d", at, len(w.blk.shared))
			return false
		}
		use.cells = append(use.cells, int32(at))
		from := w.blk.shared[at:][:16]
		for e := range 8 {
			v := uint16(from[2*e]) | uint16(from[2*e+1])<<8
			if transposed {
				lines[line+e][k] = v
			} else {
				lines[line][k+e] = v
			}
		}
	}
	return w.readPieces(use.cells[begin:])
}

// descriptor is a matrix in shared memory, as the 64 bits of a wgmma say; all in bytes.
type descriptor struct {
	start, leading, stride int
	swizzle                int // width of a row of the pattern; 16: not swizzled
}

func descriptorOf(v uint64) descriptor {
	field := func(at int) int { return int(v >> at & 0x3fff << 4) }
	return descriptor{field(0), field(16), field(32), [4]int{16, 128, 64, 32}[v>>62]}
}

// piece returns the shared offset of the 16 bytes that hold (line, k) and the
// seven that follow: in k, or transposed in lines.
func (d descriptor) piece(line, k int, transposed bool) int {
	at := d.start
	switch group := d.swizzle / 16; {
	case !transposed && group == 1:
		at += line/8*d.stride + line%8*16 + k/8*d.leading
	case !transposed:
		at += line/8*d.stride + line%8*d.swizzle + k/8*16
	case group == 1:
		at += line/8*d.stride + k%8*16 + k/8*d.leading
	default:
		at += line/8/group*d.leading + line/8%group*16 + k%8*d.swizzle + k/8*d.stride
	}
	return swizzled(at, d.swizzle)
}
