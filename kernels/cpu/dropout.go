package cpu

import (
	"math"
	"math/bits"

	"retort/kernels"
)

// dropoutTask is y = factor·x, or y += factor·x, where the mask keeps an element.
type dropoutTask struct {
	y, x       mat
	factor     float32
	threshold  int32
	mask       kernels.Mask
	accumulate bool
	chunk      int
}

// Dropout is y = factor·x where the mask keeps an element and 0 elsewhere, or y += that.
func (b *Backend) Dropout(y, x kernels.Tensor, factor float32, m kernels.Mask, accumulate bool) {
	want("Dropout", "y", y, x.Rows, x.Cols)
	t := &b.tasks.dropout
	*t = dropoutTask{y: view(y), x: view(x), factor: factor, threshold: int32(m.Threshold()), mask: m, accumulate: accumulate, chunk: rowsPerItem(x.Cols)}
	b.pool.Do(t, items(x.Rows, t.chunk))
}

// Run handles the item's rows.
func (t *dropoutTask) Run(item, _ int) {
	lo, hi := span(item, t.chunk, t.x.rows)
	for i := lo; i < hi; i++ {
		t.row(t.y.row(i), t.x.row(i), uint32(i))
	}
}

// perPhilox is how many elements one block of random bits decides.
const perPhilox = 8

// row handles row i. An element is dropped by clearing its bits, so that nothing depends on
// a branch that no processor can predict.
func (t *dropoutTask) row(y, x []float32, i uint32) {
	y = y[:len(x)]
	for from := 0; from < len(x); from += perPhilox {
		var random [2]uint64
		if t.threshold > 0 {
			random = philox(uint32(from/perPhilox), i, t.mask.Stream, t.mask.Seed)
		}
		for j := from; j < min(from+perPhilox, len(x)); j++ {
			word := &random[(j-from)/4]
			kept := uint32(^((int32(uint16(*word)) - t.threshold) >> 31))
			*word >>= 16
			v := math.Float32frombits(math.Float32bits(t.factor*x[j]) & kept)
			if t.accumulate {
				v += y[j]
			}
			y[j] = v
		}
	}
}

// philox is Philox 4x32-10, ten rounds of multiplication, of the counter (c0, c1, stream):
// 128 bits, the lowest first.
func philox(c0, c1 uint32, stream, key uint64) [2]uint64 {
	c2, c3 := uint32(stream), uint32(stream>>32)
	k0, k1 := uint32(key), uint32(key>>32)
	for range 10 {
		high0, low0 := bits.Mul32(0xd2511f53, c0)
		high1, low1 := bits.Mul32(0xcd9e8d57, c2)
		c0, c1, c2, c3 = high1^c1^k0, low1, high0^c3^k1, low0
		k0 += 0x9e3779b9
		k1 += 0xbb67ae85
	}
	return [2]uint64{uint64(c0) | uint64(c1)<<32, uint64(c2) | uint64(c3)<<32}
}
