package gemm

// packA writes rows first..last-1 and steps p0..p0+kb-1 of A as panels of mr
// rows, panel elements apart: dst[p*mr+i].
func (k *kernel) packA(dst []float32, panel int, a Matrix, first, last, p0, kb int) {
	if a.Trans {
		k.copyPanels(dst, panel, k.mr, a, first, last, p0, kb)
		return
	}
	k.interleavePanels(dst, panel, k.mr, a, first, last, p0, kb)
}

// packB writes columns first..last-1 and steps p0..p0+kb-1 of B as panels of
// nr columns, panel elements apart: dst[p*nr+j].
func (k *kernel) packB(dst []float32, panel int, b Matrix, first, last, p0, kb int) {
	if b.Trans {
		k.interleavePanels(dst, panel, k.nr, b, first, last, p0, kb)
		return
	}
	k.copyPanels(dst, panel, k.nr, b, first, last, p0, kb)
}

// copyPanels packs a matrix whose steps are its stored rows:
// dst[p*width+i] = Data[(p0+p)*Stride + first+i], zeros beyond last. It walks
// along the stored rows, which is how memory likes to be read.
func (k *kernel) copyPanels(dst []float32, panel, width int, x Matrix, first, last, p0, kb int) {
	full := (last - first) / width
	left := last - first - full*width
	src := x.Data[p0*x.Stride+first:]
	if full > 0 {
		k.copySteps(dst, src, x.Stride, width, panel, full, kb)
	}
	for p := 0; p < kb && left > 0; p++ {
		step := dst[full*panel+p*width:][:width]
		copy(step, src[p*x.Stride+full*width:][:left])
		clear(step[left:])
	}
}

// copyStepsGeneric writes dst[q*panel+p*width+i] = src[p*stride+q*width+i] for
// i < width and all panels q and steps p.
func copyStepsGeneric(dst, src []float32, stride, width, panel, panels, steps int) {
	for p := range steps {
		for q := range panels {
			copy(dst[q*panel+p*width:][:width], src[p*stride+q*width:])
		}
	}
}

// interleavePanels packs a matrix whose steps run along its stored rows:
// dst[p*width+i] = Data[(first+i)*Stride + p0+p], zeros beyond last.
func (k *kernel) interleavePanels(dst []float32, panel, width int, x Matrix, first, last, p0, kb int) {
	for ; first < last; first += width {
		src := x.Data[first*x.Stride+p0:]
		rows := min(width, last-first)
		fast, steps := 0, 0
		if k.interleave != nil {
			fast, steps = k.interleave(dst[:min(panel, len(dst))], src, x.Stride, width, rows, kb)
		}
		interleaveGeneric(dst, src, x.Stride, width, 0, fast, steps, kb)
		interleaveGeneric(dst, src, x.Stride, width, fast, rows, 0, kb)
		for p := 0; p < kb && rows < width; p++ {
			clear(dst[p*width+rows : p*width+width])
		}
		if first+width < last {
			dst = dst[panel:]
		}
	}
}

// interleaveGeneric writes rows row..rows-1 and steps step..steps-1 of one panel.
func interleaveGeneric(dst, src []float32, stride, width, row, rows, step, steps int) {
	for i := row; i < rows && step < steps; i++ {
		from := src[i*stride:]
		for p := step; p < steps; p++ {
			dst[p*width+i] = from[p]
		}
	}
}

// Packed is a B that was packed once, for weights that stay frozen. Its panels
// hold all steps of k one after the other, so that a row of A times B reads
// memory front to back.
type Packed struct {
	kernel *kernel
	k, n   int
	data   []float32
}

// Pack copies b (k, n) into the layout of the kernels in use, over the pool's threads.
func (g *GEMM) Pack(b Matrix, k, n int) *Packed {
	p := &Packed{kernel: g.kernel, k: k, n: n}
	if k == 0 || n == 0 {
		return p
	}
	b.check("B", k, n)
	p.data = make([]float32, ceilDiv(n, p.kernel.nr)*k*p.kernel.nr)
	g.pool.Do(&packAllTask{p, b}, ceilDiv(n, packGroup*p.kernel.nr))
	return p
}

// packAllTask packs a whole B, packGroup panels an item.
type packAllTask struct {
	p *Packed
	b Matrix
}

// Run packs one group of panels.
func (t *packAllTask) Run(item, _ int) {
	p, k := t.p, t.p.kernel
	col := item * packGroup * k.nr
	panel := p.k * k.nr
	k.packB(p.data[col/k.nr*panel:], panel, t.b, col, min(col+packGroup*k.nr, p.n), 0, p.k)
}

// Bytes returns the size of the packed copy.
func (p *Packed) Bytes() int { return 4 * len(p.data) }

// at returns the packed data from step p0 of the given panel on, and the
// distance between panels.
func (p *Packed) at(panel, p0 int) (data []float32, stride int) {
	stride = p.k * p.kernel.nr
	return p.data[panel*stride+p0*p.kernel.nr:], stride
}
