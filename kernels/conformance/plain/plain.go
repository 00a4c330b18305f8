// Package plain is a backend that does each operation with the float32 reference, on memory
// that is a Go slice: nothing is fast and everything is easy to see. Tests alone use it: it
// shows that the conformance table can be passed, and with bf16 activations it is the plain
// reference that a device's error is measured by.
package plain

import (
	"errors"
	"fmt"
	"maps"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// Backend is the plain backend with float32 activations.
type Backend struct {
	inUse  map[kernels.Purpose]int64
	stored func(float32) float32 // how factors of a second product are kept; nil: as they are
}

// New returns a plain backend.
func New() *Backend { return &Backend{inUse: map[kernels.Purpose]int64{}} }

// always is a graph that records nothing.
type always func()

// Run calls the operations.
func (g always) Run() { g() }

// Close does nothing.
func (g always) Close() {}

// memory holds floats or integers.
type memory struct {
	floats  []float32
	ints    []int32
	purpose kernels.Purpose
}

// Bytes is the memory's size.
func (m *memory) Bytes() int64 { return 4 * int64(len(m.floats)+len(m.ints)) }

// Name says which backend it is.
func (p *Backend) Name() string { return "plain" }

// ActivationType is float32.
func (p *Backend) ActivationType() kernels.DType { return kernels.Float32 }

// InUse counts allocations.
func (p *Backend) InUse() map[kernels.Purpose]int64 { return maps.Clone(p.inUse) }

// Available is plenty.
func (p *Backend) Available() (int64, bool) { return 1 << 40, true }

// Peak is not kept track of.
func (p *Backend) Peak() int64 { return 1 }

// HeadRows is one: the reference needs no chunk.
func (p *Backend) HeadRows(int) int { return 1 }

// Sync has nothing to wait for.
func (p *Backend) Sync() error { return nil }

// Close has nothing to free.
func (p *Backend) Close() error { return nil }

// Graph records nothing.
func (p *Backend) Graph(run func()) kernels.Graph { return always(run) }

// Freeze does nothing.
func (p *Backend) Freeze(kernels.Tensor) {}

// Thaw does nothing.
func (p *Backend) Thaw() {}

// Upload copies row by row.
func (p *Backend) Upload(t kernels.Tensor, src []float32) { move(Mat(t), src, true) }

// UploadInts works on the slice.
func (p *Backend) UploadInts(t kernels.Tensor, src []int32) {
	if t.Len() != len(src) {
		panic("length")
	}
	copy(Ints(t), src)
}

// Download works on the slice.
func (p *Backend) Download(dst []float32, t kernels.Tensor) error {
	move(Mat(t), dst, false)
	return nil
}

// DownloadInts works on the slice.
func (p *Backend) DownloadInts(dst []int32, t kernels.Tensor) error {
	copy(dst, Ints(t))
	return nil
}

func move(m reference.Matrix[float32], host []float32, up bool) {
	if m.Rows*m.Cols != len(host) {
		panic("length")
	}
	for i := range m.Rows {
		if up {
			copy(m.Row(i), host[i*m.Cols:])
		} else {
			copy(host[i*m.Cols:], m.Row(i))
		}
	}
}

// Alloc works on the slice.
func (p *Backend) Alloc(dtype kernels.DType, purpose kernels.Purpose, rows, cols int) (kernels.Tensor, error) {
	if rows > 1<<20 || cols > 1<<20 {
		return kernels.Tensor{}, errors.New("too much for " + string(purpose))
	}
	m := &memory{purpose: purpose}
	if dtype == kernels.Int32 {
		m.ints = make([]int32, rows*cols)
	} else {
		m.floats = make([]float32, rows*cols)
	}
	p.inUse[purpose] += m.Bytes()
	return kernels.Tensor{Buf: m, Rows: rows, Cols: cols, Stride: cols, DType: dtype}, nil
}

// Free works on the slice.
func (p *Backend) Free(t kernels.Tensor) { p.inUse[t.Buf.(*memory).purpose] -= t.Buf.Bytes() }

// Mat opens a float tensor.
func Mat(t kernels.Tensor) reference.Matrix[float32] {
	if t.Absent() {
		return reference.Matrix[float32]{}
	}
	return reference.Matrix[float32]{Data: t.Buf.(*memory).floats[t.Off:], Rows: t.Rows, Cols: t.Cols, Stride: t.Stride}
}

// Ints opens an int32 tensor.
func Ints(t kernels.Tensor) []int32 {
	if t.Absent() {
		return nil
	}
	return t.Buf.(*memory).ints[t.Off:][:t.Len()]
}

// Vec opens the only row of a vector.
func Vec(t kernels.Tensor) []float32 { return Mat(t).Vector() }

// like panics unless t, where given, has the shape (rows, cols).
func like(name string, t kernels.Tensor, rows, cols int) {
	if !t.Absent() && (t.Rows != rows || t.Cols != cols) {
		panic(fmt.Sprintf("%s is %v, want (%d, %d)", name, t, rows, cols))
	}
}

// Zero works on the slice.
func (p *Backend) Zero(t kernels.Tensor) {
	if t.DType == kernels.Int32 {
		clear(Ints(t))
		return
	}
	for i := range t.Rows {
		clear(Mat(t).Row(i))
	}
}

// Copy works on the slice.
func (p *Backend) Copy(dst, src kernels.Tensor) {
	like("dst", dst, src.Rows, src.Cols)
	for i := range src.Rows {
		copy(Mat(dst).Row(i), Mat(src).Row(i))
	}
}

// Embed is done by the reference.
func (p *Backend) Embed(x, table, ids, pos, positions kernels.Tensor) {
	like("x", x, ids.Cols, table.Cols)
	like("positions", positions, 1, x.Rows)
	reference.Embed(Mat(x), Mat(table), Ints(ids), Mat(pos), Ints(positions))
}

// EmbedBackward is done by the reference.
func (p *Backend) EmbedBackward(dtable, dx kernels.Tensor, g kernels.Groups) {
	like("dx", dx, g.Order.Cols, dtable.Cols)
	ids, starts := make([]int32, dx.Rows), Ints(g.Starts)
	for u, id := range Ints(g.IDs) {
		for _, t := range Ints(g.Order)[starts[u]:starts[u+1]] {
			ids[t] = id
		}
	}
	reference.EmbedBackward(Mat(dtable), Mat(dx), ids)
}

// GatherRows is done by the reference.
func (p *Backend) GatherRows(dst, src, rows kernels.Tensor) {
	like("dst", dst, rows.Cols, src.Cols)
	reference.GatherRows(Mat(dst), Mat(src), Ints(rows))
}

// ScatterRows is done by the reference.
func (p *Backend) ScatterRows(dst, src, rows kernels.Tensor) {
	like("src", src, rows.Cols, dst.Cols)
	reference.ScatterRows(Mat(dst), Mat(src), Ints(rows))
}

// Norm is done by the reference.
func (p *Backend) Norm(y, stats, x kernels.Tensor, n kernels.Norm) {
	like("y", y, x.Rows, x.Cols)
	like("stats", stats, x.Rows*x.Cols/n.Weight.Cols, 2)
	reference.Norm(Mat(y), Mat(stats), Mat(x), n.Kind, Vec(n.Weight), Vec(n.Bias), n.Eps)
}

// AddNorm is done by the reference.
func (p *Backend) AddNorm(y, stats, sum, x, delta kernels.Tensor, n kernels.Norm) {
	like("y", y, x.Rows, x.Cols)
	like("sum", sum, x.Rows, x.Cols)
	like("delta", delta, x.Rows, x.Cols)
	like("stats", stats, x.Rows, 2)
	reference.AddNorm(Mat(y), Mat(stats), Mat(sum), Mat(x), Mat(delta), n.Kind, Vec(n.Weight), Vec(n.Bias), n.Eps)
}

// NormBackward is done by the reference.
func (p *Backend) NormBackward(dx, dw, db, dy, x, stats kernels.Tensor, n kernels.Norm, accumulate bool) {
	like("dx", dx, x.Rows, x.Cols)
	like("dy", dy, x.Rows, x.Cols)
	like("stats", stats, x.Rows*x.Cols/n.Weight.Cols, 2)
	like("dw", dw, 1, n.Weight.Cols)
	reference.NormBackward(Mat(dx), Mat(dw), Mat(db), Mat(dy), Mat(x), Mat(stats), n.Kind, Vec(n.Weight), accumulate)
}

// Linear is done by the reference.
func (p *Backend) Linear(y, x, w, b kernels.Tensor) {
	like("x", x, x.Rows, w.Cols)
	like("y", y, x.Rows, w.Rows)
	like("b", b, 1, w.Rows)
	reference.Linear(Mat(y), Mat(x), Mat(w), Vec(b))
}

// LinearGELU is done by the reference.
func (p *Backend) LinearGELU(h, pre, x, w, b kernels.Tensor, kind kernels.GELUKind) {
	p.Linear(pre, x, w, kernels.Tensor{})
	p.BiasGELU(h, pre, b, kind)
}

// LinearBackwardInput is done by the reference.
func (p *Backend) LinearBackwardInput(dx, dy, w kernels.Tensor, accumulate bool) {
	like("dy", dy, dy.Rows, w.Rows)
	like("dx", dx, dy.Rows, w.Cols)
	reference.LinearBackwardInput(Mat(dx), Mat(dy), Mat(w), accumulate)
}

// LinearBackwardWeight is done by the reference.
func (p *Backend) LinearBackwardWeight(dw, db, dy, x kernels.Tensor) {
	like("dw", dw, dy.Cols, x.Cols)
	like("db", db, 1, dy.Cols)
	reference.LinearBackwardWeight(Mat(dw), Mat(db), Mat(dy), Mat(x))
}

// BiasGELU is done by the reference.
func (p *Backend) BiasGELU(h, pre, b kernels.Tensor, kind kernels.GELUKind) {
	like("h", h, pre.Rows, pre.Cols)
	like("b", b, 1, pre.Cols)
	reference.BiasGELU(Mat(h), Mat(pre), Vec(b), kind)
}

// GELUBackward is done by the reference.
func (p *Backend) GELUBackward(dpre, dh, pre kernels.Tensor, kind kernels.GELUKind) {
	like("dpre", dpre, pre.Rows, pre.Cols)
	reference.GELUBackward(Mat(dpre), Mat(dh), Mat(pre), kind)
}

// SwiGLU is done by the reference.
func (p *Backend) SwiGLU(h, gateUp kernels.Tensor) {
	like("gateUp", gateUp, h.Rows, 2*h.Cols)
	reference.SwiGLU(Mat(h), Mat(gateUp))
}

// SwiGLUBackward is done by the reference.
func (p *Backend) SwiGLUBackward(dgateUp, dh, gateUp kernels.Tensor) {
	like("dgateUp", dgateUp, gateUp.Rows, gateUp.Cols)
	like("gateUp", gateUp, dh.Rows, 2*dh.Cols)
	reference.SwiGLUBackward(Mat(dgateUp), Mat(dh), Mat(gateUp))
}

// RoPE is done by the reference.
func (p *Backend) RoPE(x, table, positions kernels.Tensor, inverse bool) {
	like("positions", positions, 1, x.Rows)
	reference.RoPE(Mat(x), Mat(table), Ints(positions), inverse)
}

// Dropout is done by the reference.
func (p *Backend) Dropout(y, x kernels.Tensor, factor float32, m kernels.Mask, accumulate bool) {
	like("y", y, x.Rows, x.Cols)
	reference.Dropout(Mat(y), Mat(x), factor, m, accumulate)
}
