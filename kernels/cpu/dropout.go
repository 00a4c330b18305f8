package cpu

import (
	"math/bits"

	"retort/kernels"
)

// dropoutTask is y = factor·x, or y += factor·x, where the mask keeps an element.
type dropoutTask struct {
	y, x       mat
	factor     float32
	threshold  uint16
	mask       kernels.Mask
	accumulate bool
	chunk      int
}

// Dropout is y = factor·x where the mask keeps an element and 0 elsewhere, or y += that.
func (b *Backend) Dropout(y, x kernels.Tensor, factor float32, m kernels.Mask, accumulate bool) {
	want("Dropout", "y", y, x.Rows, x.Cols)
	t := &b.tasks.dropout
	*t = dropoutTask{y: view(y), x: view(x), factor: factor, threshold: uint16(m.Threshold()), mask: m, accumulate: accumulate, chunk: rowsPerItem(x.Cols)}
	b.pool.Do(t, items(x.Rows, t.chunk))
}

// perPhilox is how many elements one block of random bits decides.
const perPhilox = 8

// Run handles the item's rows.
func (t *dropoutTask) Run(item, _ int) {
	lo, hi := span(item, t.chunk, t.x.rows)
	for i := lo; i < hi; i++ {
		y, x := t.y.row(i), t.x.row(i)
		for j := 0; j < len(x); j += perPhilox {
			n := min(perPhilox, len(x)-j)
			t.block(y[j:j+n], x[j:j+n], uint32(j/perPhilox), uint32(i))
		}
	}
}

// block handles the elements that one block of random bits decides.
func (t *dropoutTask) block(y, x []float32, column, row uint32) {
	var words [4]uint32
	if t.threshold > 0 {
		words = philox([4]uint32{column, row, uint32(t.mask.Stream), uint32(t.mask.Stream >> 32)}, t.mask.Seed)
	}
	y = y[:len(x)]
	for j, v := range x {
		kept := t.factor
		if uint16(words[j/2]>>(j%2*16)) < t.threshold {
			kept, v = 0, 0 // also of what is not finite
		}
		if t.accumulate {
			y[j] += kept * v
		} else {
			y[j] = kept * v
		}
	}
}

// philox is Philox 4x32-10: ten rounds of multiplication over a counter.
func philox(c [4]uint32, key uint64) [4]uint32 {
	k0, k1 := uint32(key), uint32(key>>32)
	for range 10 {
		high0, low0 := bits.Mul32(0xd2511f53, c[0])
		high1, low1 := bits.Mul32(0xcd9e8d57, c[2])
		c = [4]uint32{high1 ^ c[1] ^ k0, low1, high0 ^ c[3] ^ k1, low0}
		k0 += 0x9e3779b9
		k1 += 0xbb67ae85
	}
	return c
}
