package cpu

import (
	"retort/kernels"
	"retort/kernels/cpu/gemm"
	"retort/kernels/cpu/vec"
)

func plain(m mat) gemm.Matrix { return gemm.Matrix{Data: m.data, Stride: m.stride} }

func transposed(m mat) gemm.Matrix {
	return gemm.Matrix{Data: m.data, Stride: m.stride, Trans: true}
}

// Linear is y = x·wᵀ + b. A frozen w is read from its packed copy.
func (b *Backend) Linear(y, x, w, bias kernels.Tensor) {
	want("Linear", "x", x, x.Rows, w.Cols)
	want("Linear", "y", y, x.Rows, w.Rows)
	wantOptional("Linear", "b", bias, 1, w.Rows)
	ym, xm := view(y), view(x)
	if packed := b.frozen[w]; packed != nil {
		b.gemm.MulPacked(ym.data, ym.stride, x.Rows, plain(xm), packed, false)
	} else {
		b.gemm.Mul(ym.data, ym.stride, x.Rows, w.Rows, w.Cols, plain(xm), transposed(view(w)), false)
	}
	if !bias.Absent() {
		b.addBias(ym, view(bias))
	}
}

// LinearGELU is pre = x·wᵀ + b, h = gelu(pre).
func (b *Backend) LinearGELU(h, pre, x, w, bias kernels.Tensor, kind kernels.GELUKind) {
	b.Linear(pre, x, w, kernels.Tensor{})
	b.BiasGELU(h, pre, bias, kind)
}

// LinearBackwardInput is dx = dy·w or dx += dy·w.
func (b *Backend) LinearBackwardInput(dx, dy, w kernels.Tensor, accumulate bool) {
	want("LinearBackwardInput", "dy", dy, dx.Rows, w.Rows)
	want("LinearBackwardInput", "dx", dx, dy.Rows, w.Cols)
	dxm := view(dx)
	b.gemm.Mul(dxm.data, dxm.stride, dx.Rows, w.Cols, w.Rows, plain(view(dy)), plain(view(w)), accumulate)
}

// LinearBackwardWeight is dw += dyᵀ·x and db += Σ_t dy[t].
func (b *Backend) LinearBackwardWeight(dw, db, dy, x kernels.Tensor) {
	dym := view(dy)
	if !dw.Absent() {
		want("LinearBackwardWeight", "x", x, dy.Rows, x.Cols)
		want("LinearBackwardWeight", "dw", dw, dy.Cols, x.Cols)
		dwm := view(dw)
		b.gemm.Mul(dwm.data, dwm.stride, dw.Rows, dw.Cols, dy.Rows, transposed(dym), plain(view(x)), true)
	}
	if !db.Absent() {
		want("LinearBackwardWeight", "db", db, 1, dy.Cols)
		dbm := view(db)
		t := &b.tasks.biasGradient
		*t = biasGradientTask{b: b, db: dbm.data, dy: dym}
		b.pool.Do(t, items(dy.Cols, columnChunk))
	}
}

// biasTask adds one vector to every row.
type biasTask struct {
	y     mat
	bias  []float32
	chunk int
}

func (b *Backend) addBias(y, bias mat) {
	t := &b.tasks.bias
	*t = biasTask{y: y, bias: bias.data, chunk: rowsPerItem(y.cols)}
	b.pool.Do(t, items(y.rows, t.chunk))
}

// Run adds the bias to the item's rows.
func (t *biasTask) Run(item, _ int) {
	lo, hi := span(item, t.chunk, t.y.rows)
	for i := lo; i < hi; i++ {
		vec.AddTo(t.y.row(i), t.bias)
	}
}

// biasGradientTask sums dy over rows; an item is a range of columns.
type biasGradientTask struct {
	b  *Backend
	db []float32
	dy mat
}

// Run sums the item's columns in the order of the rows.
func (t *biasGradientTask) Run(item, worker int) {
	lo, hi := span(item, columnChunk, t.dy.cols)
	sum := t.b.scratch.workers[worker].columns[0][:hi-lo]
	clear(sum)
	for i := range t.dy.rows {
		vec.AddTo(sum, t.dy.row(i)[lo:hi])
	}
	vec.AddTo(t.db[lo:hi], sum)
}
