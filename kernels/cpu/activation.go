package cpu

import (
	"retort/kernels"
	"retort/kernels/cpu/vec"
)

// geluTask adds the bias in place and applies GELU.
type geluTask struct {
	h, pre mat
	bias   []float32
	kind   kernels.GELUKind
	chunk  int
}

// BiasGELU is pre += b, h = gelu(pre).
func (b *Backend) BiasGELU(h, pre, bias kernels.Tensor, kind kernels.GELUKind) {
	want("BiasGELU", "h", h, pre.Rows, pre.Cols)
	wantOptional("BiasGELU", "b", bias, 1, pre.Cols)
	t := &b.tasks.gelu
	bv := view(bias)
	*t = geluTask{h: view(h), pre: view(pre), bias: bv.data, kind: kind, chunk: rowsPerItem(h.Cols)}
	b.pool.Do(t, items(h.Rows, t.chunk))
}

// Run applies the activation to the item's rows.
func (t *geluTask) Run(item, _ int) {
	lo, hi := span(item, t.chunk, t.h.rows)
	for i := lo; i < hi; i++ {
		h, pre := t.h.row(i), t.pre.row(i)
		if t.bias != nil {
			vec.AddTo(pre, t.bias)
		}
		if t.kind == kernels.GELUTanh {
			vec.GELUTanh(h, pre)
		} else {
			vec.GELUErf(h, pre)
		}
	}
}

// geluBackwardTask is dpre = dh·gelu'(pre).
type geluBackwardTask struct {
	dpre, dh, pre mat
	kind          kernels.GELUKind
	chunk         int
}

// GELUBackward is dpre = dh·gelu'(pre); dpre may be dh.
func (b *Backend) GELUBackward(dpre, dh, pre kernels.Tensor, kind kernels.GELUKind) {
	want("GELUBackward", "dpre", dpre, pre.Rows, pre.Cols)
	want("GELUBackward", "dh", dh, pre.Rows, pre.Cols)
	t := &b.tasks.geluBackward
	*t = geluBackwardTask{dpre: view(dpre), dh: view(dh), pre: view(pre), kind: kind, chunk: rowsPerItem(pre.Cols)}
	b.pool.Do(t, items(pre.Rows, t.chunk))
}

// Run handles the item's rows.
func (t *geluBackwardTask) Run(item, _ int) {
	lo, hi := span(item, t.chunk, t.pre.rows)
	for i := lo; i < hi; i++ {
		if t.kind == kernels.GELUTanh {
			vec.GELUTanhBackward(t.dpre.row(i), t.dh.row(i), t.pre.row(i))
		} else {
			vec.GELUErfBackward(t.dpre.row(i), t.dh.row(i), t.pre.row(i))
		}
	}
}

// swigluTask is h = silu(gate)·up.
type swigluTask struct {
	h, gateUp mat
	chunk     int
}

// SwiGLU is h = silu(gate)·up over the halves of gateUp.
func (b *Backend) SwiGLU(h, gateUp kernels.Tensor) {
	want("SwiGLU", "gateUp", gateUp, h.Rows, 2*h.Cols)
	t := &b.tasks.swiglu
	*t = swigluTask{h: view(h), gateUp: view(gateUp), chunk: rowsPerItem(2 * h.Cols)}
	b.pool.Do(t, items(h.Rows, t.chunk))
}

// Run handles the item's rows.
func (t *swigluTask) Run(item, _ int) {
	lo, hi := span(item, t.chunk, t.h.rows)
	f := t.h.cols
	for i := lo; i < hi; i++ {
		gateUp := t.gateUp.row(i)
		vec.SiLUMul(t.h.row(i), gateUp[:f], gateUp[f:])
	}
}

// swigluBackwardTask writes the gradients of gate and up.
type swigluBackwardTask struct {
	dgateUp, dh, gateUp mat
	chunk               int
}

// SwiGLUBackward writes the gradients of both halves.
func (b *Backend) SwiGLUBackward(dgateUp, dh, gateUp kernels.Tensor) {
	want("SwiGLUBackward", "dgateUp", dgateUp, dh.Rows, 2*dh.Cols)
	want("SwiGLUBackward", "gateUp", gateUp, dh.Rows, 2*dh.Cols)
	t := &b.tasks.swigluBack
	*t = swigluBackwardTask{dgateUp: view(dgateUp), dh: view(dh), gateUp: view(gateUp), chunk: rowsPerItem(2 * dh.Cols)}
	b.pool.Do(t, items(dh.Rows, t.chunk))
}

// Run handles the item's rows.
func (t *swigluBackwardTask) Run(item, _ int) {
	lo, hi := span(item, t.chunk, t.dh.rows)
	f := t.dh.cols
	for i := lo; i < hi; i++ {
		d, gateUp := t.dgateUp.row(i), t.gateUp.row(i)
		vec.SiLUMulBackward(d[:f], d[f:], t.dh.row(i), gateUp[:f], gateUp[f:])
	}
}

// ropeTask rotates the heads of each row by the row's position.
type ropeTask struct {
	x, table  mat
	positions []int32
	inverse   bool
	chunk     int
}

// RoPE rotates every head of x in place.
func (b *Backend) RoPE(x, table, positions kernels.Tensor, inverse bool) {
	wantInts("RoPE", "positions", positions, x.Rows)
	want("RoPE", "x", x, x.Rows, x.Cols/table.Cols*table.Cols)
	t := &b.tasks.rope
	*t = ropeTask{x: view(x), table: view(table), positions: ints(positions), inverse: inverse, chunk: rowsPerItem(x.Cols)}
	b.pool.Do(t, items(x.Rows, t.chunk))
}

// Run rotates the item's rows.
func (t *ropeTask) Run(item, _ int) {
	lo, hi := span(item, t.chunk, t.x.rows)
	size := t.table.cols
	half := size / 2
	for i := lo; i < hi; i++ {
		row, angles := t.x.row(i), t.table.row(int(t.positions[i]))
		cos, sin := angles[:half], angles[half:]
		for h := 0; h < len(row); h += size {
			x1, x2 := row[h:h+half], row[h+half:h+size]
			if t.inverse { // rotating (x2, x1) by the same angle turns (x1, x2) back
				vec.RotateHalf(x2, x1, cos, sin)
			} else {
				vec.RotateHalf(x1, x2, cos, sin)
			}
		}
	}
}
