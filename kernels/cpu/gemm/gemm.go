// Package gemm multiplies float32 matrices on the CPU. A GEMM belongs to one
// parallel.Pool, owns the packing buffers of its workers, and is used by the
// CPU backend, by one goroutine at a time (Serial: by each of the pool's
// workers for itself).
//
// The method is the usual one of packed panels: B is cut into panels of nr
// columns, A into panels of mr rows, both stored so that the inner loop (the
// tile, in assembly where there is any) reads them front to back; blocks of k
// steps keep a panel of B near the first-level cache and a block of A in the
// second. A wide B is packed strip by strip by the thread that multiplies it.
//
// What callers may rely on: every element of C is one chain of multiply-adds
// per block of k, in rising order of k, and the blocks, which depend on k
// alone, are added to C in order. So an element's bits depend neither on m,
// on the other rows, on the number of threads, nor on which entry point
// computed it.
package gemm

import (
	"fmt"

	"retort/kernels/cpu/parallel"
)

// Matrix is a view of a row-major float32 matrix: element (i,j) is
// Data[i*Stride+j], or Data[j*Stride+i] when Trans.
type Matrix struct {
	Data   []float32
	Stride int
	Trans  bool
}

// GEMM multiplies matrices over the threads of a pool.
type GEMM struct {
	pool    *parallel.Pool
	kernel  *kernel
	job     job         // the multiplication that Mul or MulPacked is doing
	workers []workspace // one per thread of the pool
}

// workspace is the memory of one worker.
type workspace struct {
	job   job       // the multiplication that Serial is doing
	b     []float32 // packed panels of B
	spill []float32 // one tile, for the columns at the edge of C
	_     [64]byte
}

// New returns a GEMM over the threads of pool. Its buffers grow with the
// largest multiplication done so far and are kept.
func New(pool *parallel.Pool) *GEMM { return newGEMM(pool, selected) }

func newGEMM(pool *parallel.Pool, k *kernel) *GEMM {
	g := &GEMM{pool: pool, kernel: k, workers: make([]workspace, pool.Threads())}
	for i := range g.workers {
		g.workers[i].spill = make([]float32, k.mr*k.nr)
	}
	return g
}

// Mul computes C = A B, or C += A B when accumulate, over the pool's threads.
//
//	c (m, n)  row stride ldc
//	a (m, k)
//	b (k, n)
func (g *GEMM) Mul(c []float32, ldc, m, n, k int, a, b Matrix, accumulate bool) {
	j := &g.job
	if j.start(g.kernel, c, ldc, m, n, k, a, accumulate) {
		j.setB(b)
		g.run()
	}
	j.release()
}

// MulPacked computes C = A B, or C += A B when accumulate, with a B that was
// packed before, over the pool's threads. The result has the bits of Mul's.
//
//	c (m, n)  row stride ldc
//	a (m, k)
//	b (k, n)
func (g *GEMM) MulPacked(c []float32, ldc, m int, a Matrix, b *Packed, accumulate bool) {
	if b.kernel != g.kernel {
		panic(fmt.Sprintf("gemm: B was packed for the %s kernels, this GEMM uses %s", b.kernel.name, g.kernel.name))
	}
	j := &g.job
	if j.start(g.kernel, c, ldc, m, b.n, b.k, a, accumulate) {
		j.setPacked(b)
		g.run()
	}
	j.release()
}

// Serial computes what Mul does, on the calling goroutine, with the buffers of
// the given worker: it is meant to be called inside a parallel.Task.
//
//	c (m, n)  row stride ldc
//	a (m, k)
//	b (k, n)
func (g *GEMM) Serial(worker int, c []float32, ldc, m, n, k int, a, b Matrix, accumulate bool) {
	w := &g.workers[worker]
	j := &w.job
	if j.start(g.kernel, c, ldc, m, n, k, a, accumulate) {
		j.setB(b)
		panels, group := j.panels(), j.stripWidth()
		for first := 0; first < panels; first += group {
			j.strip(w, first, min(first+group, panels))
		}
	}
	j.release()
}

// run does the job that is set up in g.job: in strips of columns when A is
// small enough to be kept, in blocks otherwise.
func (g *GEMM) run() {
	j := &g.job
	switch panels := j.panels(); {
	case j.m <= stripRows:
		j.colPanels = max(1, min(j.stripWidth(), panels/(stripsPerThread*g.pool.Threads())))
		if j.colPanels > maxPanels {
			j.colPanels -= j.colPanels % maxPanels
		}
	case j.m*j.k <= keptSize && j.n >= keptCols && panels >= stripsPerThread*g.pool.Threads():
		j.keepA()
		j.colPanels = min(j.stripWidth(), panels/(stripsPerThread*g.pool.Threads()))
		g.pool.Do((*keepTask)(g), j.keepItems())
	default:
		g.blocks()
		return
	}
	g.pool.Do((*stripTask)(g), ceilDiv(j.panels(), j.colPanels))
}

// keepTask packs all of A, packGroup panels of one block of steps an item.
type keepTask GEMM

// Run packs one group of panels.
func (t *keepTask) Run(item, _ int) { t.job.keepItem(item) }

// stripTask runs strips of columns: each packs its own part of B (unless it
// is packed already) and multiplies all of A with it, so that no thread waits
// for another and one computes while the other waits for memory.
type stripTask GEMM

// Run does one strip of columns.
func (t *stripTask) Run(item, worker int) {
	j := &t.job
	first := item * j.colPanels
	j.strip(&t.workers[worker], first, min(first+j.colPanels, j.panels()))
}

// blocks multiplies large matrices. All threads pack a block of A and B
// together, then share the tiles of C that it contributes to.
func (g *GEMM) blocks() {
	j := &g.job
	nb := blockCols
	if j.packed != nil {
		nb = j.n // nothing to pack: one pass over A is enough
	}
	for j.j0 = 0; j.j0 < j.n; j.j0 += nb {
		j.nb = min(nb, j.n-j.j0)
		for j.p0 = 0; j.p0 < j.k; j.p0 += j.kc {
			j.kb = min(j.kc, j.k-j.p0)
			for j.i0 = 0; j.i0 < j.m; j.i0 += blockRows {
				j.mb = min(blockRows, j.m-j.i0)
				j.sizeBlock(g.pool.Threads())
				g.pool.Do((*packTask)(g), j.packItems())
				g.pool.Do((*tileTask)(g), j.rowChunks*j.colChunks)
			}
		}
	}
}

// packTask packs the block at hand, packGroup panels of A or B an item.
type packTask GEMM

// Run packs one group of panels.
func (t *packTask) Run(item, _ int) { t.job.packItem(item) }

// tileTask multiplies the packed block, one chunk of C an item.
type tileTask GEMM

// Run computes one chunk of C.
func (t *tileTask) Run(item, worker int) { t.job.chunk(item, t.workers[worker].spill) }
