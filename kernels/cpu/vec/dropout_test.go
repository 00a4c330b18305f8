package vec

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// The known answers of Random123, the authors' own library.
func TestPhiloxGivesItsKnownAnswers(t *testing.T) {
	for _, c := range []struct {
		c0, c1      uint32
		stream, key uint64
		want        [2]uint64
	}{
		{want: [2]uint64{0xe169c58d6627e8d5, 0x9b00dbd8bc57ac4c}},
		{0xffffffff, 0xffffffff, 0xffffffffffffffff, 0xffffffffffffffff, [2]uint64{0x41c83b0e408f276d, 0x6d5451fda20bc7c6}},
		{0x243f6a88, 0x85a308d3, 0x0370734413198a2e, 0x299f31d0a4093822, [2]uint64{0x94fdccebd16cfe09, 0x24126ea15001e420}},
	} {
		require.Equal(t, c.want, philox(c.c0, c.c1, c.stream, c.key))
	}
}

func TestDropoutIsTheSameInEverySet(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range lengths {
		for _, accumulate := range []bool{false, true} {
			m := Mask{Row: 3, Stream: 7<<32 | 5, Key: 0x1234567890abcdef, Threshold: 20000}
			x, _ := vector(r, n, 1)
			start, _ := vector(r, n, 1)
			want := append([]float32{}, start...)
			for j := range want {
				word := philox(uint32(j/8), m.Row, m.Stream, m.Key)[j%8/4]
				v := float32(0)
				if uint16(word>>(j%4*16)) >= m.Threshold {
					v = 1.25 * x[j]
				}
				if accumulate {
					v += start[j]
				}
				want[j] = v
			}
			each(t, func(t *testing.T) {
				y, check := vector(r, n, 1)
				copy(y, start)
				Dropout(y, x, 1.25, m, accumulate)
				require.Equal(t, want, append([]float32{}, y...), "%d elements, accumulate %v", n, accumulate)
				check(t)
				Dropout(y, y, 0.5, Mask{}, false) // in place, and without a mask
				for j := range want {
					require.Equal(t, want[j]/2, y[j])
				}
			})
		}
	}
}
