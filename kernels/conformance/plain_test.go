package conformance

import (
	"errors"
	"fmt"
	"maps"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// plain is a backend that does each operation with the float32 reference, on memory
// that is a Go slice: nothing is fast and everything is easy to see. It shows that
// the table can be passed; its mutants show that the table notices.
type plain struct {
	inUse map[kernels.Purpose]int64
}

func newPlain() *plain { return &plain{inUse: map[kernels.Purpose]int64{}} }

// always is a graph that records nothing.
type always func()

func (g always) Run()   { g() }
func (g always) Close() {}

// memory holds floats or integers.
type memory struct {
	floats  []float32
	ints    []int32
	purpose kernels.Purpose
}

func (m *memory) Bytes() int64 { return 4 * int64(len(m.floats)+len(m.ints)) }

func (p *plain) Name() string                           { return "plain" }
func (p *plain) ActivationType() kernels.DType          { return kernels.Float32 }
func (p *plain) InUse() map[kernels.Purpose]int64       { return maps.Clone(p.inUse) }
func (p *plain) Available() (int64, bool)               { return 1 << 40, true }
func (p *plain) Peak() int64                            { return 1 }
func (p *plain) Sync() error                            { return nil }
func (p *plain) Close() error                           { return nil }
func (p *plain) Graph(run func()) kernels.Graph         { return always(run) }
func (p *plain) Freeze(kernels.Tensor)                  {}
func (p *plain) Thaw()                                  {}
func (p *plain) Upload(t kernels.Tensor, src []float32) { move(mat(t), src, true) }
func (p *plain) UploadInts(t kernels.Tensor, src []int32) {
	if t.Len() != len(src) {
		panic("length")
	}
	copy(ints(t), src)
}

func (p *plain) Download(dst []float32, t kernels.Tensor) error {
	move(mat(t), dst, false)
	return nil
}

func (p *plain) DownloadInts(dst []int32, t kernels.Tensor) error {
	copy(dst, ints(t))
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

func (p *plain) Alloc(dtype kernels.DType, purpose kernels.Purpose, rows, cols int) (kernels.Tensor, error) {
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

func (p *plain) Free(t kernels.Tensor) { p.inUse[t.Buf.(*memory).purpose] -= t.Buf.Bytes() }

// mat opens a float tensor, ints an int32 tensor, vec the only row of a vector.
func mat(t kernels.Tensor) reference.Matrix[float32] {
	if t.Absent() {
		return reference.Matrix[float32]{}
	}
	return reference.Matrix[float32]{Data: t.Buf.(*memory).floats[t.Off:], Rows: t.Rows, Cols: t.Cols, Stride: t.Stride}
}

func ints(t kernels.Tensor) []int32 {
	if t.Absent() {
		return nil
	}
	return t.Buf.(*memory).ints[t.Off:][:t.Len()]
}

func vec(t kernels.Tensor) []float32 { return mat(t).Vector() }

// like panics unless t, where given, has the shape (rows, cols).
func like(name string, t kernels.Tensor, rows, cols int) {
	if !t.Absent() && (t.Rows != rows || t.Cols != cols) {
		panic(fmt.Sprintf("%s is %v, want (%d, %d)", name, t, rows, cols))
	}
}

func (p *plain) Zero(t kernels.Tensor) {
	if t.DType == kernels.Int32 {
		clear(ints(t))
		return
	}
	for i := range t.Rows {
		clear(mat(t).Row(i))
	}
}

func (p *plain) Copy(dst, src kernels.Tensor) {
	like("dst", dst, src.Rows, src.Cols)
	for i := range src.Rows {
		copy(mat(dst).Row(i), mat(src).Row(i))
	}
}

func (p *plain) Embed(x, table, ids, pos, positions kernels.Tensor) {
	like("x", x, ids.Cols, table.Cols)
	like("positions", positions, 1, x.Rows)
	reference.Embed(mat(x), mat(table), ints(ids), mat(pos), ints(positions))
}

func (p *plain) EmbedBackward(dtable, dx kernels.Tensor, g kernels.Groups) {
	like("dx", dx, g.Order.Cols, dtable.Cols)
	ids, starts := make([]int32, dx.Rows), ints(g.Starts)
	for u, id := range ints(g.IDs) {
		for _, t := range ints(g.Order)[starts[u]:starts[u+1]] {
			ids[t] = id
		}
	}
	reference.EmbedBackward(mat(dtable), mat(dx), ids)
}

func (p *plain) GatherRows(dst, src, rows kernels.Tensor) {
	like("dst", dst, rows.Cols, src.Cols)
	reference.GatherRows(mat(dst), mat(src), ints(rows))
}

func (p *plain) ScatterRows(dst, src, rows kernels.Tensor) {
	like("src", src, rows.Cols, dst.Cols)
	reference.ScatterRows(mat(dst), mat(src), ints(rows))
}

func (p *plain) Norm(y, stats, x kernels.Tensor, n kernels.Norm) {
	like("y", y, x.Rows, x.Cols)
	like("stats", stats, x.Rows*x.Cols/n.Weight.Cols, 2)
	reference.Norm(mat(y), mat(stats), mat(x), n.Kind, vec(n.Weight), vec(n.Bias), n.Eps)
}

func (p *plain) AddNorm(y, stats, sum, x, delta kernels.Tensor, n kernels.Norm) {
	like("y", y, x.Rows, x.Cols)
	like("sum", sum, x.Rows, x.Cols)
	like("delta", delta, x.Rows, x.Cols)
	like("stats", stats, x.Rows, 2)
	reference.AddNorm(mat(y), mat(stats), mat(sum), mat(x), mat(delta), n.Kind, vec(n.Weight), vec(n.Bias), n.Eps)
}

func (p *plain) NormBackward(dx, dw, db, dy, x, stats kernels.Tensor, n kernels.Norm, accumulate bool) {
	like("dx", dx, x.Rows, x.Cols)
	like("dy", dy, x.Rows, x.Cols)
	like("stats", stats, x.Rows*x.Cols/n.Weight.Cols, 2)
	like("dw", dw, 1, n.Weight.Cols)
	reference.NormBackward(mat(dx), mat(dw), mat(db), mat(dy), mat(x), mat(stats), n.Kind, vec(n.Weight), accumulate)
}

func (p *plain) Linear(y, x, w, b kernels.Tensor) {
	like("x", x, x.Rows, w.Cols)
	like("y", y, x.Rows, w.Rows)
	like("b", b, 1, w.Rows)
	reference.Linear(mat(y), mat(x), mat(w), vec(b))
}

func (p *plain) LinearGELU(h, pre, x, w, b kernels.Tensor, kind kernels.GELUKind) {
	p.Linear(pre, x, w, kernels.Tensor{})
	p.BiasGELU(h, pre, b, kind)
}

func (p *plain) LinearBackwardInput(dx, dy, w kernels.Tensor, accumulate bool) {
	like("dy", dy, dy.Rows, w.Rows)
	like("dx", dx, dy.Rows, w.Cols)
	reference.LinearBackwardInput(mat(dx), mat(dy), mat(w), accumulate)
}

func (p *plain) LinearBackwardWeight(dw, db, dy, x kernels.Tensor) {
	like("dw", dw, dy.Cols, x.Cols)
	like("db", db, 1, dy.Cols)
	reference.LinearBackwardWeight(mat(dw), mat(db), mat(dy), mat(x))
}

func (p *plain) BiasGELU(h, pre, b kernels.Tensor, kind kernels.GELUKind) {
	like("h", h, pre.Rows, pre.Cols)
	like("b", b, 1, pre.Cols)
	reference.BiasGELU(mat(h), mat(pre), vec(b), kind)
}

func (p *plain) GELUBackward(dpre, dh, pre kernels.Tensor, kind kernels.GELUKind) {
	like("dpre", dpre, pre.Rows, pre.Cols)
	reference.GELUBackward(mat(dpre), mat(dh), mat(pre), kind)
}

func (p *plain) SwiGLU(h, gateUp kernels.Tensor) {
	like("gateUp", gateUp, h.Rows, 2*h.Cols)
	reference.SwiGLU(mat(h), mat(gateUp))
}

func (p *plain) SwiGLUBackward(dgateUp, dh, gateUp kernels.Tensor) {
	like("dgateUp", dgateUp, gateUp.Rows, gateUp.Cols)
	like("gateUp", gateUp, dh.Rows, 2*dh.Cols)
	reference.SwiGLUBackward(mat(dgateUp), mat(dh), mat(gateUp))
}

func (p *plain) RoPE(x, table, positions kernels.Tensor, inverse bool) {
	like("positions", positions, 1, x.Rows)
	reference.RoPE(mat(x), mat(table), ints(positions), inverse)
}

func (p *plain) Dropout(y, x kernels.Tensor, factor float32, m kernels.Mask, accumulate bool) {
	like("y", y, x.Rows, x.Cols)
	reference.Dropout(mat(y), mat(x), factor, m, accumulate)
}
