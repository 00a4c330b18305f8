package cpu

import (
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
