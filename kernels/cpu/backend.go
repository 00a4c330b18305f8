// Package cpu is the Backend that runs on the processor: float32 throughout, spread
// over the cores by kernels/cpu/parallel, matrix products by kernels/cpu/gemm, flat
// loops by kernels/cpu/vec. It is the default device and the one that every other
// backend is compared with.
//
// Each operation is one small task type in the file of its family: a struct with the
// operation's views and a Run method over a range of rows (or columns). The Backend
// holds one of each, so that a training step allocates nothing. Work is cut by shape
// alone, never by the number of threads, and each item writes results of its own, so
// the bits do not depend on the machine's cores.
package cpu

import (
	"fmt"

	"retort/kernels"
	"retort/kernels/cpu/features"
	"retort/kernels/cpu/gemm"
	"retort/kernels/cpu/parallel"
)

// Backend computes on the processor. It is driven from one goroutine.
type Backend struct {
	pool    *parallel.Pool
	gemm    *gemm.GEMM
	inUse   map[kernels.Purpose]int64
	frozen  map[kernels.Tensor]*gemm.Packed
	scratch scratch
	tasks   tasks
	variant string
}

// tasks holds one reusable task of every operation.
type tasks struct {
	embed         embedTask
	embedBackward embedBackwardTask
	norm          normTask
	normBackward  normBackwardTask
	normParams    normParamsTask
	bias          biasTask
	biasGradient  biasGradientTask
	gelu          geluTask
	geluBackward  geluBackwardTask
	swiglu        swigluTask
	swigluBack    swigluBackwardTask
	dropout       dropoutTask
	rope          ropeTask
	attention     attentionTask
	attentionBack attentionBackwardTask
	gather        gatherTask
	crossEntropy  crossEntropyTask
	distill       distillTask
	squares       squaresTask
	adamw         adamwTask
	cacheStore    cacheStoreTask
	cached        cachedAttentionTask
	sample        sampleTask
}

var _ kernels.Backend = (*Backend)(nil)

// New returns a backend on the given number of threads; 0 means GOMAXPROCS. The error
// says when RETORT_CPU asks for an instruction set that this machine lacks.
func New(threads int) (*Backend, error) {
	variant, err := features.Selected()
	if err != nil {
		return nil, err
	}
	pool := parallel.New(threads)
	b := &Backend{
		pool:    pool,
		gemm:    gemm.New(pool),
		inUse:   map[kernels.Purpose]int64{},
		frozen:  map[kernels.Tensor]*gemm.Packed{},
		variant: variant,
	}
	b.scratch.workers = make([]workerScratch, pool.Threads())
	return b, nil
}

// Name shows instruction set and threads, for the header of a run.
func (b *Backend) Name() string {
	return fmt.Sprintf("cpu (%s, %d threads)", b.variant, b.pool.Threads())
}

// ActivationType is float32: the CPU is the reference.
func (b *Backend) ActivationType() kernels.DType { return kernels.Float32 }

// buffer is memory of this backend; one of the slices is nil.
type buffer struct {
	floats  []float32
	ints    []int32
	purpose kernels.Purpose
}

// Bytes is the size of the buffer's memory.
func (m *buffer) Bytes() int64 { return int64(len(m.floats)+len(m.ints)) * 4 }

// Alloc returns a zeroed tensor (rows, cols) of float32 or int32.
func (b *Backend) Alloc(dtype kernels.DType, purpose kernels.Purpose, rows, cols int) (kernels.Tensor, error) {
	if rows < 0 || cols < 0 || (cols > 0 && rows > maxElements/cols) {
		return kernels.Tensor{}, fmt.Errorf("cpu: cannot allocate (%d, %d) %v for %s", rows, cols, dtype, purpose)
	}
	m := &buffer{purpose: purpose}
	switch dtype {
	case kernels.Float32:
		m.floats = make([]float32, rows*cols)
	case kernels.Int32:
		m.ints = make([]int32, rows*cols)
	default:
		return kernels.Tensor{}, fmt.Errorf("cpu: no tensors of type %v on the CPU (asked for %s)", dtype, purpose)
	}
	b.inUse[purpose] += m.Bytes()
	return kernels.Tensor{Buf: m, Rows: rows, Cols: cols, Stride: cols, DType: dtype}, nil
}

// maxElements bounds one allocation: 2^40 elements, far above any machine's memory.
const maxElements = 1 << 40

// Free gives the buffer back to the garbage collector.
func (b *Backend) Free(t kernels.Tensor) {
	m := own(t)
	b.inUse[m.purpose] -= m.Bytes()
	m.floats, m.ints = nil, nil
	for w := range b.frozen {
		if w.Buf == t.Buf {
			delete(b.frozen, w)
		}
	}
}

// InUse is the number of bytes allocated now, by purpose.
func (b *Backend) InUse() map[kernels.Purpose]int64 {
	out := make(map[kernels.Purpose]int64, len(b.inUse))
	for p, n := range b.inUse {
		if n != 0 {
			out[p] = n
		}
	}
	return out
}

// Upload copies src into t row by row.
func (b *Backend) Upload(t kernels.Tensor, src []float32) {
	wantLen("Upload", t, len(src))
	m := view(t)
	for i := range t.Rows {
		copy(m.row(i), src[i*t.Cols:(i+1)*t.Cols])
	}
}

// UploadInts copies src into the int32 tensor t.
func (b *Backend) UploadInts(t kernels.Tensor, src []int32) {
	wantLen("UploadInts", t, len(src))
	copy(ints(t), src)
}

// Download copies t into dst; on the CPU there is nothing to wait for.
func (b *Backend) Download(dst []float32, t kernels.Tensor) error {
	wantLen("Download", t, len(dst))
	m := view(t)
	for i := range t.Rows {
		copy(dst[i*t.Cols:(i+1)*t.Cols], m.row(i))
	}
	return nil
}

// DownloadInts copies the int32 tensor t into dst.
func (b *Backend) DownloadInts(dst []int32, t kernels.Tensor) error {
	wantLen("DownloadInts", t, len(dst))
	copy(dst, ints(t))
	return nil
}

// Sync returns nil: operations have finished when they return, and the CPU does not fail.
func (b *Backend) Sync() error { return nil }

// Freeze packs w (out, in) once for Linear's matrix product.
func (b *Backend) Freeze(w kernels.Tensor) {
	m := view(w)
	b.frozen[w] = b.gemm.Pack(gemm.Matrix{Data: m.data, Stride: m.stride, Trans: true}, w.Cols, w.Rows)
}

// Thaw drops the packed copies.
func (b *Backend) Thaw() { clear(b.frozen) }

// Graph calls the operations anew every time: a call costs nothing to speak of here.
func (b *Backend) Graph(run func()) kernels.Graph { return graph(run) }

type graph func()

// Run calls the operations.
func (g graph) Run() { g() }

// Close does nothing.
func (g graph) Close() {}

// Close stops the worker threads.
func (b *Backend) Close() error {
	b.Thaw()
	b.pool.Close()
	return nil
}
