package reference

import (
	"math/bits"

	"retort/kernels"
)

// Dropout is y = factor·x where the mask keeps an element and 0 elsewhere, or y += that.
func Dropout[F Float](y, x Matrix[F], factor F, m kernels.Mask, accumulate bool) {
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			if !Kept(m, i, j) {
				v = 0
			}
			if accumulate {
				y.Row(i)[j] += factor * v
			} else {
				y.Row(i)[j] = factor * v
			}
		}
	}
}

// Kept tells whether the mask keeps element (i, j).
func Kept(m kernels.Mask, i, j int) bool {
	counter := [4]uint64{uint64(j / 8), uint64(i), m.Stream % (1 << 32), m.Stream >> 32}
	key := [2]uint64{m.Seed % (1 << 32), m.Seed >> 32}
	for range 10 {
		a, b := 0xd2511f53*counter[0], 0xcd9e8d57*counter[2]
		counter = [4]uint64{b>>32 ^ counter[1] ^ key[0], b % (1 << 32), a>>32 ^ counter[3] ^ key[1], a % (1 << 32)}
		key[0], key[1] = (key[0]+0x9e3779b9)%(1<<32), (key[1]+0xbb67ae85)%(1<<32)
	}
	own := counter[j%8/2]
	if j%2 == 1 {
		own = bits.RotateLeft64(own, -16)
	}
	return int(own%(1<<16)) >= m.Threshold()
}
