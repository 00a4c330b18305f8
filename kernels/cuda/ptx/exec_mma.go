package ptx

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
	k      int
	kind   elementKind
	d, c   [4]int
	a      [4]int
	b      [2]int
	nA, nB int
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
	mat := &w.blk.matrices
	o.gather(w, mat)
	multiply(mat, o.k)
	for r := 0; r < 4; r++ {
		d := &w.r32[o.d[r]]
		w.init32[o.d[r]] = fullMask
		for l := range d {
			d[l] = canonical32(mat.d[l>>2+r>>1*8][l&3*2+r&1])
		}
	}
}

// matrices are the unpacked operands of one mma.
type matrices struct {
	a [16][16]float32 // (row, k)
	b [16][8]float32  // (k, column)
	d [16][8]float32
}

// gather unpacks the fragments.
func (o *matrixOp) gather(w *warp, mat *matrices) {
	for r := 0; r < 4; r++ {
		c := &w.r32[o.c[r]]
		for l, v := range c {
			mat.d[l>>2+r>>1*8][l&3*2+r&1] = f32(v)
		}
	}
	for r := 0; r < o.nA; r++ { // registers: upper rows, lower rows, then the same for the next k
		for l, v := range &w.r32[o.a[r]] {
			row := &mat.a[l>>2+r&1*8]
			switch k := l&3*2 + r>>1*8; o.kind {
			case elementBF16:
				row[k&15], row[(k+1)&15] = f32(v<<16), f32(v&0xffff0000)
			case elementF16:
				row[k&15], row[(k+1)&15] = halfToFloat(v&0xffff), halfToFloat(v>>16)
			default:
				row[l&3+r>>1*4] = f32(v &^ 0x1fff)
			}
		}
	}
	for r := 0; r < o.nB; r++ {
		for l, v := range &w.r32[o.b[r]] {
			n := l >> 2 & 7
			switch k := l&3*2 + r*8; o.kind {
			case elementBF16:
				mat.b[k&15][n], mat.b[(k+1)&15][n] = f32(v<<16), f32(v&0xffff0000)
			case elementF16:
				mat.b[k&15][n], mat.b[(k+1)&15][n] = halfToFloat(v&0xffff), halfToFloat(v>>16)
			default:
				mat.b[l&3+r*4][n] = f32(v &^ 0x1fff)
			}
		}
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
	if !w.aligned(rows, 16) || !w.sharedAccess(rows, 16, o.store) {
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
	for l := range d {
		if !o.transpose {
			at := int(w.off[8*i+l>>2]) + l&3*4
			d[l] = uint32(little(shared[at:], 4))
			continue
		}
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
