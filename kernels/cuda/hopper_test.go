package cuda

import (
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda/driver/emu"
)

// openHopper is openMachine for a machine that runs the sm_90a texts.
func openHopper(t testing.TB) (*Backend, *emu.Driver) {
	t.Helper()
	machine := emu.New(emu.Options{Attributes: emu.H100})
	b, err := New(machine, 0, Options{Activation: kernels.BFloat16})
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() }) // after planted bugs it fails
	return b, machine
}

// hopperTiles lists the tiles of src/gemm_bf16_sm90.cu that exist for a layout.
func hopperTiles(l layout) []tile {
	all := []tile{hopperSmall, hopperLarge, hopperWide}
	if l == rowsByRows {
		all = append(all, hopperFew)
	}
	return all
}

func TestEveryHopperTileMatchesFloat64AndAllGiveARowTheSameBits(t *testing.T) {
	for l := rowsByRows; l <= columnsByColumns; l++ {
		t.Run(layoutNames[l], func(t *testing.T) {
			b, _ := openHopper(t)
			// Edges in every direction; then a k that fills the ring and comes back to its
			// start; then next to nothing.
			for _, s := range [][3]int{{133, 269, 75}, {64, 32, 456}, {1, 1, 1}} {
				var first []float32
				for i, tile := range hopperTiles(l) {
					c := productCase{layout: l, tile: tile, parts: 1, m: s[0], n: s[1], k: s[2], outType: kernels.BFloat16, bias: true}
					got := c.run(t, b)
					if i == 0 {
						first = got
					}
					require.Equal(t, first, got, "%v has other bits than %s", c, hopperTiles(l)[0].name)
				}
			}
		})
	}
}

func TestHopperProductsAccumulateInPartsAndInFloat(t *testing.T) {
	b, _ := openHopper(t)
	for _, c := range []productCase{
		{layout: columnsByColumns, tile: hopperLarge, parts: 2, m: 67, n: 130, k: 203, accumulate: true},
		{layout: columnsByColumns, tile: hopperSmall, parts: 7, m: 67, n: 30, k: 129, accumulate: true}, // parts of 64: three are left
		{layout: rowsByColumns, tile: hopperSmall, parts: 1, m: 67, n: 30, k: 65, accumulate: true, bias: true},
		{layout: rowsByRows, tile: hopperFew, parts: 1, m: 3, n: 401, k: 16},
	} {
		c.outType = kernels.Float32
		got := c.run(t, b)
		require.Equal(t, got, c.run(t, b), "%v: two runs differ", c)
	}
}
