package ptx

import (
	"encoding/binary"
	"slices"
)

// elementKind is the type of the elements of A and B.
type elementKind uint8

const (
	elementBF16 elementKind = iota // two in a register
	elementF16                     // two in a register
	elementTF32                    // one in a register; its low 13 bits do not take part
)

// matrixOp is a decoded mma.sync: D (16, 8) = A (16, k) · B (k, 8) + C, float32
// accumulators. A warp holds the matrices in fragments: lane l has the rows l/4
// and l/4+8 of A, C and D, and the column l/4 of B.
type matrixOp struct {
	k        int
	kind     elementKind
	separate bool // bf16 whose registers suit multiplyFast
	d, c     [4]int
	a        [4]int
	b        [2]int
	nA, nB   int
}

func (o *matrixOp) execute(w *warp, m uint32) {
	if m != fullMask {
		w.fail(ErrAbsentLanes, ^m, "mma needs all 32 lanes, lanes %#08x execute it", m)
		return
	}
	init := uint32(fullMask)
	for _, s := range o.a[:o.nA] {
		init &= w.init32[s]
	}
	for _, s := range o.b[:o.nB] {
		init &= w.init32[s]
	}
	for _, s := range o.c {
		init &= w.init32[s]
	}
	if !w.ready(init, m) {
		return
	}
	f := fragments{mat: &w.blk.matrices, k: o.k}
	for r := range 4 {
		f.d[r], f.c[r] = &w.r32[o.d[r]], &w.r32[o.c[r]]
		w.init32[o.d[r]] = fullMask
	}
	for r, slot := range o.a[:o.nA] {
		f.a[r] = &w.r32[slot]
	}
	for r, slot := range o.b[:o.nB] {
		f.b[r] = &w.r32[slot]
	}
	f.multiply(o.kind, o.separate)
}

// fragments are the registers of an mma: those of A and B are nil from the last
// one on. multiplyFast knows this layout.
type fragments struct {
	d, c, a [4]*v32
	b       [2]*v32
	mat     *matrices // to work in
	k       int
}

// multiply gives D the product; fast allows vector instructions, which know bf16.
func (f *fragments) multiply(kind elementKind, fast bool) {
	if fast && multiplyFast(f) {
		return
	}
	f.gather(kind)
	multiplyPortable(f.mat, f.k)
	for half := 0; half < 2; half++ { // upper rows, lower rows
		even, odd := f.d[2*half], f.d[2*half+1]
		for g := 0; g < 8; g++ {
			row := &f.mat.d[8*half+g]
			e, d := (*[4]uint32)(even[4*g:]), (*[4]uint32)(odd[4*g:])
			e[0], d[0] = canonical32(row[0]), canonical32(row[1])
			e[1], d[1] = canonical32(row[2]), canonical32(row[3])
			e[2], d[2] = canonical32(row[4]), canonical32(row[5])
			e[3], d[3] = canonical32(row[6]), canonical32(row[7])
		}
	}
}

// overlaps reports whether D shares registers with operands that are still needed
// when its upper half has been written.
func (o *matrixOp) overlaps() bool {
	needed := []int{o.c[2], o.c[3]}
	return slices.Contains(needed, o.d[0]) || slices.Contains(needed, o.d[1])
}

// matrices are the unpacked operands of one mma.
type matrices struct {
	a [16][16]float32 // (row, k)
	b [16][8]float32  // (k, column)
	d [16][8]float32
}

// gather unpacks the fragments. Registers of A come as upper rows, lower rows,
// then the same for the next k; lanes 4g to 4g+3 hold one row.
func (f *fragments) gather(kind elementKind) {
	for half := 0; half < 2; half++ {
		even, odd := f.c[2*half], f.c[2*half+1]
		for g := 0; g < 8; g++ {
			row := &f.mat.d[8*half+g]
			e, d := (*[4]uint32)(even[4*g:]), (*[4]uint32)(odd[4*g:])
			row[0], row[1], row[2], row[3] = f32(e[0]), f32(d[0]), f32(e[1]), f32(d[1])
			row[4], row[5], row[6], row[7] = f32(e[2]), f32(d[2]), f32(e[3]), f32(d[3])
		}
	}
	for r, v := range f.a {
		if v == nil {
			break
		}
		for g := 0; g < 8; g++ {
			row, four := &f.mat.a[g+r&1*8], (*[4]uint32)(v[4*g:])
			if kind == elementTF32 {
				truncateTF32((*[4]float32)(row[r>>1*4:]), four)
			} else {
				unpackHalves((*[8]float32)(row[r>>1*8:]), four, kind)
			}
		}
	}
	f.gatherB(kind)
}

// gatherB unpacks B: a column is spread over the rows of mat.b.
func (f *fragments) gatherB(kind elementKind) {
	for r, v := range f.b {
		if v == nil {
			break
		}
		for t := 0; t < 4; t++ { // lanes t, t+4, t+8, … hold one k, or two
			column := (*[29]uint32)(v[t:])
			if k := 2*t + r*8; kind == elementTF32 {
				spreadTF32(&f.mat.b[t+r*4], column)
			} else {
				spreadHalves(&f.mat.b[k&15], &f.mat.b[(k+1)&15], column, kind)
			}
		}
	}
}

// spreadHalves widens every fourth register into two rows.
func spreadHalves(even, odd *[8]float32, v *[29]uint32, kind elementKind) {
	if kind == elementBF16 {
		even[0], odd[0] = f32(v[0]<<16), f32(v[0]&0xffff0000)
		even[1], odd[1] = f32(v[4]<<16), f32(v[4]&0xffff0000)
		even[2], odd[2] = f32(v[8]<<16), f32(v[8]&0xffff0000)
		even[3], odd[3] = f32(v[12]<<16), f32(v[12]&0xffff0000)
		even[4], odd[4] = f32(v[16]<<16), f32(v[16]&0xffff0000)
		even[5], odd[5] = f32(v[20]<<16), f32(v[20]&0xffff0000)
		even[6], odd[6] = f32(v[24]<<16), f32(v[24]&0xffff0000)
		even[7], odd[7] = f32(v[28]<<16), f32(v[28]&0xffff0000)
		return
	}
	for n := range even {
		even[n], odd[n] = halfToFloat(v[4*n]&0xffff), halfToFloat(v[4*n]>>16)
	}
}

func spreadTF32(row *[8]float32, v *[29]uint32) {
	for n := range row {
		row[n] = f32(v[4*n] &^ 0x1fff)
	}
}

// unpackHalves widens the eight elements of four registers.
func unpackHalves(row *[8]float32, v *[4]uint32, kind elementKind) {
	if kind == elementBF16 {
		row[0], row[1] = f32(v[0]<<16), f32(v[0]&0xffff0000)
		row[2], row[3] = f32(v[1]<<16), f32(v[1]&0xffff0000)
		row[4], row[5] = f32(v[2]<<16), f32(v[2]&0xffff0000)
		row[6], row[7] = f32(v[3]<<16), f32(v[3]&0xffff0000)
		return
	}
	for i, x := range v {
		row[2*i], row[2*i+1] = halfToFloat(x&0xffff), halfToFloat(x>>16)
	}
}

func truncateTF32(row *[4]float32, v *[4]uint32) {
	for i, x := range v {
		row[i] = f32(x &^ 0x1fff)
	}
}

// loadMatrixOp is a decoded ldmatrix or stmatrix of n 8×8 matrices of 16-bit
// elements; lanes 8i to 8i+7 hold the addresses of the rows of matrix i.
type loadMatrixOp struct {
	at        access
	n         int
	transpose bool
	store     bool
	regs      [4]int
}

func (o *loadMatrixOp) execute(w *warp, m uint32) {
	if m != fullMask {
		w.fail(ErrAbsentLanes, ^m, "needs all 32 lanes, lanes %#08x execute it", m)
		return
	}
	rows := uint32(fullMask) >> (32 - 8*o.n)
	if !o.at.addresses(w, rows) {
		return
	}
	for l := range w.addr {
		if o.at.space == spaceGeneric {
			if rows>>l&1 == 1 && windowOf(w.addr[l]) != spaceShared {
				w.fail(ErrBounds, 1<<l, "address %#x is not in shared memory", w.addr[l])
				return
			}
			w.addr[l] &= windowSize - 1
		}
	}
	if !w.sharedAccess(rows, 16, o.store) {
		return
	}
	for i := 0; i < o.n; i++ {
		if o.store {
			if !w.ready(w.init32[o.regs[i]], fullMask) {
				return
			}
			o.scatter(w, i)
		} else {
			w.init32[o.regs[i]] = fullMask
			o.collect(w, i)
		}
	}
}

// collect gives lane l the elements (l/4, 2·(l%4)) and the one to the right of
// it, or below it when transposed.
func (o *loadMatrixOp) collect(w *warp, i int) {
	d, shared := &w.r32[o.regs[i]], w.blk.shared
	if !o.transpose {
		for row := 0; row < 8; row++ {
			from, four := (*[16]byte)(shared[w.off[8*i+row]:]), (*[4]uint32)(d[4*row:])
			for j := range four {
				four[j] = binary.LittleEndian.Uint32(from[4*j:])
			}
		}
		return
	}
	for l := range d {
		at, below := int(w.off[8*i+l&3*2])+l>>2*2, int(w.off[8*i+l&3*2+1])+l>>2*2
		d[l] = uint32(little(shared[at:], 2) | little(shared[below:], 2)<<16)
	}
}

func (o *loadMatrixOp) scatter(w *warp, i int) {
	s, shared := &w.r32[o.regs[i]], w.blk.shared
	for l, v := range s {
		if !o.transpose {
			putLittle(shared[int(w.off[8*i+l>>2])+l&3*4:], uint64(v), 4)
			continue
		}
		putLittle(shared[int(w.off[8*i+l&3*2])+l>>2*2:], uint64(v), 2)
		putLittle(shared[int(w.off[8*i+l&3*2+1])+l>>2*2:], uint64(v>>16), 2)
	}
}

// activeMask is activemask.b32.
func activeMask(d int) exec {
	return func(w *warp, m uint32) {
		t := w.target32(d, m)
		for l := range t {
			t[l] = m
		}
		w.finish32(d, m)
	}
}
