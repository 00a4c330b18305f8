package vec

import (
	"math"
	"math/bits"
)

// Mask is what Dropout draws from: an element's 16 bits of Philox 4x32-10 (Salmon et al.,
// SC 2011) with the key, those of the counter (j/8, row, stream) for elements 8·(j/8) to
// 8·(j/8)+7. It drops what is below the threshold.
type Mask struct {
	Row         uint32
	Stream, Key uint64
	Threshold   uint16
}

const (
	perPhilox = 8  // elements that one block of random bits decides
	perTurn   = 64 // of the assembly
)

// Dropout sets y = factor x where the mask keeps an element and 0 elsewhere, or with
// accumulate adds that to y.
func Dropout(y, x []float32, factor float32, m Mask, accumulate bool) {
	same("Dropout", len(y), len(x))
	whole := 0
	if active.dropout != nil {
		whole = len(x) / perTurn * perTurn
		c := [8]uint32{math.Float32bits(factor), 0, m.Row, uint32(m.Stream), uint32(m.Stream >> 32), uint32(m.Key), uint32(m.Key >> 32), uint32(m.Threshold) * 0x10001}
		if accumulate {
			c[1] = 0xffffffff
		}
		active.dropout(y[:whole], x[:whole], c)
	}
	for j := whole; j < len(x); j += perPhilox {
		end := min(j+perPhilox, len(x))
		m.dropout(y[j:end], x[j:end], factor, uint32(j/perPhilox), accumulate)
	}
}

// dropout handles the elements of one block of random bits. An element is dropped by clearing
// its bits: no processor could predict a branch.
func (m Mask) dropout(y, x []float32, factor float32, column uint32, accumulate bool) {
	var random [2]uint64
	if m.Threshold > 0 {
		random = philox(column, m.Row, m.Stream, m.Key)
	}
	for j, v := range x {
		word := &random[j/4]
		kept := uint32(^((int32(uint16(*word)) - int32(m.Threshold)) >> 31))
		*word >>= 16
		v = math.Float32frombits(math.Float32bits(factor*v) & kept)
		if accumulate {
			v += y[j]
		}
		y[j] = v
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
