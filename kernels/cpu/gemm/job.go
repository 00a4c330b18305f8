package gemm

import "fmt"

// Block sizes, in elements. They trade cache space against passes over the
// data and do not influence the results.
const (
	blockRows = 3072      // rows of A packed at a time
	blockCols = 3072      // columns of B packed at a time
	chunkRows = 120       // rows of a chunk of C: its part of A stays in the second-level cache
	stripRows = 48        // up to so many rows of A, strips of columns
	stripSize = 64 * 1024 // elements of B that a strip packs at a time
	keptSize  = 1 << 20   // elements of A up to which all of it is packed at once for strips,
	keptCols  = 2048      // when B has at least so many columns
	packGroup = 8         // panels packed as one item
	maxPanels = 4         // most panels that a tile function takes
	panelPad  = 16        // elements after each panel of A, see interleave

	stripsPerThread = 4 // at least, so that a slow thread can be helped
)

// maxStep is the largest block of k; it does influence the results, in the
// same way for every entry point.
const maxStep = 384

// job is one multiplication and the block of it that is being worked on.
type job struct {
	kernel     *kernel
	c          []float32
	ldc        int
	m, n, k    int
	a, b       Matrix
	packed     *Packed // B, when it was packed by the caller
	accumulate bool
	kc         int // steps of k in a block

	aRow, aStep int  // strides of A as it lies in memory, elements
	kept        bool // all of A is packed in aBuf

	i0, mb, j0, nb, p0, kb int // block: first and number of rows, columns, steps
	aBuf, bBuf             []float32
	chunk0                 int // rows in a chunk of C
	colPanels              int // panels in a chunk or strip of C
	rowChunks, colChunks   int
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// blockSteps returns how many steps of k a block has: equal blocks of at most
// maxStep, in multiples of 8 for the packing. It depends on k alone.
func blockSteps(k int) int {
	return (ceilDiv(k, ceilDiv(k, maxStep)) + 7) &^ 7
}

// start sets up the job and reports whether anything is left to do for it:
// with k = 0 C is all zeros, or unchanged when accumulating.
func (j *job) start(k *kernel, c []float32, ldc, m, n, depth int, a Matrix, accumulate bool) bool {
	if m < 0 || n < 0 || depth < 0 {
		panic(fmt.Sprintf("gemm: negative size: m=%d n=%d k=%d", m, n, depth))
	}
	if m == 0 || n == 0 {
		return false
	}
	if ldc < n || len(c) < (m-1)*ldc+n {
		panic(fmt.Sprintf("gemm: C (%d, %d) with row stride %d does not fit in %d elements", m, n, ldc, len(c)))
	}
	if depth == 0 {
		for i := 0; i < m && !accumulate; i++ {
			clear(c[i*ldc : i*ldc+n])
		}
		return false
	}
	a.check("A", m, depth)
	j.kernel, j.c, j.ldc, j.m, j.n, j.k, j.a, j.accumulate = k, c, ldc, m, n, depth, a, accumulate
	j.kc, j.kept = blockSteps(depth), false
	j.aRow, j.aStep = a.strides()
	return true
}

func (j *job) setB(b Matrix) {
	b.check("B", j.k, j.n)
	j.b, j.packed = b, nil
}

func (j *job) setPacked(b *Packed) { j.packed = b }

// release forgets the caller's memory; the buffers stay.
func (j *job) release() {
	j.c, j.a, j.b, j.packed = nil, Matrix{}, Matrix{}, nil
}

// check panics unless a (rows, cols) matrix fits in the view.
func (x Matrix) check(name string, rows, cols int) {
	if x.Trans {
		rows, cols = cols, rows
	}
	if x.Stride < cols || len(x.Data) < (rows-1)*x.Stride+cols {
		panic(fmt.Sprintf("gemm: %s stored as (%d, %d) with row stride %d does not fit in %d elements",
			name, rows, cols, x.Stride, len(x.Data)))
	}
}

// strides returns the distances between neighbours in a column and in a row.
func (x Matrix) strides() (row, col int) {
	if x.Trans {
		return 1, x.Stride
	}
	return x.Stride, 1
}

// panels returns the number of panels of B, the incomplete one included.
func (j *job) panels() int { return ceilDiv(j.n, j.kernel.nr) }

// stripWidth returns how many panels of B a strip packs at a time.
func (j *job) stripWidth() int {
	return max(maxPanels, stripSize/(j.kc*j.kernel.nr)&^(maxPanels-1))
}

// strip computes panels first..last-1 of C, all rows, with A in place or kept.
func (j *job) strip(w *workspace, first, last int) {
	nr := j.kernel.nr
	for p0 := 0; p0 < j.k; p0 += j.kc {
		kb := min(j.kc, j.k-p0)
		t := tileRange{
			a: j.a.Data[p0*j.aStep:], aRow: j.aRow, aStep: j.aStep, aPanel: j.kernel.mr * j.aRow,
			bPanel: kb * nr, steps: kb,
			col: first * nr, panels: last - first,
			add: j.accumulate || p0 > 0,
		}
		if j.packed != nil {
			t.b, t.bPanel = j.packed.at(first, p0)
		} else {
			w.b = grow(w.b, (last-first)*kb*nr)
			j.kernel.packB(w.b, kb*nr, j.b, first*nr, min(last*nr, j.n), p0, kb)
			t.b = w.b
		}
		if !j.kept {
			t.rows = j.m
			j.tiles(t, w.spill)
			continue
		}
		t.aRow, t.aStep, t.aPanel = 1, j.kernel.mr, j.kernel.panelOfA(kb)
		for ; t.row < j.m; t.row += chunkRows { // which stay in the second-level cache
			t.a, t.rows = j.keptAt(p0, t.row), min(chunkRows, j.m-t.row)
			j.tiles(t, w.spill)
		}
	}
}

// panelOfA returns the distance between panels of A of the given number of steps.
func (k *kernel) panelOfA(steps int) int { return steps*k.mr + panelPad }

// keepA makes room for all of A.
func (j *job) keepA() {
	j.kept = true
	j.aBuf = grow(j.aBuf, ceilDiv(j.k, j.kc)*ceilDiv(j.m, j.kernel.mr)*j.kernel.panelOfA(j.kc))
}

// keptAt returns the packed A from step p0, the first of a block, and row on,
// which is the first of a panel.
func (j *job) keptAt(p0, row int) []float32 {
	k := j.kernel
	block := p0 / j.kc * ceilDiv(j.m, k.mr) * k.panelOfA(j.kc)
	return j.aBuf[block+row/k.mr*k.panelOfA(min(j.kc, j.k-p0)):]
}

// keepItems returns the number of groups of panels that all of A has.
func (j *job) keepItems() int {
	return ceilDiv(j.k, j.kc) * ceilDiv(j.m, packGroup*j.kernel.mr)
}

// keepItem packs one group of panels of one block of steps.
func (j *job) keepItem(item int) {
	width := packGroup * j.kernel.mr
	groups := ceilDiv(j.m, width)
	p0, row := item/groups*j.kc, item%groups*width
	kb := min(j.kc, j.k-p0)
	j.kernel.packA(j.keptAt(p0, row), j.kernel.panelOfA(kb), j.a, row, min(row+width, j.m), p0, kb)
}

// sizeBlock decides how the block is cut into chunks of C, and makes room for
// the packed panels. Chunks shrink until every thread has several.
func (j *job) sizeBlock(threads int) {
	mr, nr := j.kernel.mr, j.kernel.nr
	panels := ceilDiv(j.nb, nr)
	j.chunk0, j.colPanels = chunkRows/mr*mr, min(16, panels)
	for {
		j.rowChunks, j.colChunks = ceilDiv(j.mb, j.chunk0), ceilDiv(panels, j.colPanels)
		if j.rowChunks*j.colChunks >= 12*threads {
			break
		}
		if j.colPanels > 6 || j.chunk0 <= 8*mr && j.colPanels > 1 {
			j.colPanels = ceilDiv(j.colPanels, 2)
		} else if j.chunk0 > 8*mr {
			j.chunk0 = ceilDiv(j.chunk0/mr, 2) * mr
		} else {
			break
		}
	}
	j.aBuf = grow(j.aBuf, ceilDiv(j.mb, mr)*j.kernel.panelOfA(j.kb))
	if j.packed == nil {
		j.bBuf = grow(j.bBuf, panels*j.kb*nr)
	}
}

// packItems returns the number of groups of panels to pack for the block: A's,
// and B's with the first block of rows that uses it.
func (j *job) packItems() int {
	items := ceilDiv(j.mb, packGroup*j.kernel.mr)
	if j.packed == nil && j.i0 == 0 {
		items += ceilDiv(j.nb, packGroup*j.kernel.nr)
	}
	return items
}

// packItem packs one group of panels of A or B.
func (j *job) packItem(item int) {
	k := j.kernel
	if width := packGroup * k.mr; item < ceilDiv(j.mb, width) {
		row := item * width
		panel := k.panelOfA(j.kb)
		k.packA(j.aBuf[row/k.mr*panel:], panel, j.a, j.i0+row, j.i0+min(row+width, j.mb), j.p0, j.kb)
		return
	}
	item -= ceilDiv(j.mb, packGroup*k.mr)
	col := item * packGroup * k.nr
	panel := j.kb * k.nr
	k.packB(j.bBuf[col/k.nr*panel:], panel, j.b, j.j0+col, j.j0+min(col+packGroup*k.nr, j.nb), j.p0, j.kb)
}

// chunk computes one chunk of C from the packed block.
func (j *job) chunk(item int, spill []float32) {
	mr, nr := j.kernel.mr, j.kernel.nr
	row, panel := item/j.colChunks*j.chunk0, item%j.colChunks*j.colPanels
	aPanel := j.kernel.panelOfA(j.kb)
	b, bPanel := j.bBuf, j.kb*nr
	if j.packed != nil {
		b, bPanel = j.packed.at(0, j.p0)
	}
	j.tiles(tileRange{
		a: j.aBuf[row/mr*aPanel:], aRow: 1, aStep: mr, aPanel: aPanel,
		b: b[panel*bPanel:], bPanel: bPanel, steps: j.kb,
		row: j.i0 + row, rows: min(j.chunk0, j.mb-row),
		col: j.j0 + panel*nr, panels: min(j.colPanels, ceilDiv(j.nb, nr)-panel),
		add: j.accumulate || j.p0 > 0,
	}, spill)
}

// grow returns buf with room for n elements; the contents are not kept.
func grow(buf []float32, n int) []float32 {
	if cap(buf) < n {
		return make([]float32, n)
	}
	return buf[:n]
}
