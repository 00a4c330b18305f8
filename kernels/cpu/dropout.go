package cpu

import (
	"retort/kernels"
	"retort/kernels/cpu/vec"
)

// dropoutTask is y = factor·x, or y += factor·x, where the mask keeps an element.
type dropoutTask struct {
	y, x       mat
	factor     float32
	mask       vec.Mask
	accumulate bool
	chunk      int
}

// Dropout is y = factor·x where the mask keeps an element and 0 elsewhere, or y += that.
func (b *Backend) Dropout(y, x kernels.Tensor, factor float32, m kernels.Mask, accumulate bool) {
	want("Dropout", "y", y, x.Rows, x.Cols)
	t := &b.tasks.dropout
	*t = dropoutTask{
		y: view(y), x: view(x), factor: factor, accumulate: accumulate, chunk: rowsPerItem(x.Cols),
		mask: vec.Mask{Stream: m.Stream, Key: m.Seed, Threshold: uint16(m.Threshold())},
	}
	b.pool.Do(t, items(x.Rows, t.chunk))
}

// Run handles the item's rows.
func (t *dropoutTask) Run(item, _ int) {
	lo, hi := span(item, t.chunk, t.x.rows)
	mask := t.mask
	for i := lo; i < hi; i++ {
		mask.Row = uint32(i)
		vec.Dropout(t.y.row(i), t.x.row(i), t.factor, mask, t.accumulate)
	}
}
