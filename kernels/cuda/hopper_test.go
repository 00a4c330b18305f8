package cuda

import (
	"math/rand/v2"
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

// TestHopperTilesFollowTheShape states the choices for a device of 132 multiprocessors.
func TestHopperTilesFollowTheShape(t *testing.T) {
	for _, c := range []struct {
		layout         layout
		m, n, k, parts int
		tile           tile
	}{
		{rowsByRows, 8192, 768, 3072, 1, hopperWide},
		{rowsByRows, 8192, 3072, 768, 1, hopperLarge},
		{rowsByRows, 65, 768, 768, 1, hopperSmall},
		{rowsByRows, 64, 50257, 768, 1, hopperFew},
		{rowsByRows, 1, 768, 768, 1, hopperFew},
		{rowsByColumns, 1, 768, 768, 1, hopperSmall},
		{rowsByColumns, 65536, 768, 768, 1, hopperLarge},
		{columnsByColumns, 768, 768, 65536, 7, hopperLarge},
		{columnsByColumns, 3072, 768, 65536, 3, hopperWide},
		{columnsByColumns, 50257, 768, 8192, 1, hopperWide},
		{columnsByColumns, 8, 8, 100, 1, hopperSmall},
	} {
		require.Equal(t, c.tile, hopperTile(c.layout, c.m, c.n, c.k, c.parts, 132), "%s (%d, %d), k = %d", layoutNames[c.layout], c.m, c.n, c.k)
	}
}

// TestThePathDoesNotDependOnTheNumberOfRows holds the contract that a row has the same bits
// among any number of others, on a card whose wgmma rounds otherwise than its mma.sync.
func TestThePathDoesNotDependOnTheNumberOfRows(t *testing.T) {
	b, machine := openHopper(t)
	r := rand.New(rand.NewPCG(3, 4))
	operand := func(rows, cols, stride int) matrix {
		return b.matrix(newOperand(t, b, r, kernels.BFloat16, rows, cols, stride, false).view)
	}
	ran := func(rows, stride int, l layout) []string {
		machine.ResetCounts()
		b.product(l, operand(rows, 64, 64), operand(rows, 64, stride), operand(64, 64, 64), epilogue{})
		require.NoError(t, b.Sync())
		var names []string
		for name := range machine.Counts() {
			names = append(names, name)
		}
		return names
	}
	for _, rows := range []int{1, 17, 65, 300} {
		for l := rowsByRows; l <= rowsByColumns; l++ {
			ran(rows, 64, l)
		}
	}
	require.NotContains(t, b.modules, "gemm_bf16")
	require.Equal(t, []string{"rows_by_rows_64x64_unaligned"}, ran(5, 65, rowsByRows))
	require.Contains(t, b.modules, "gemm_bf16")
}

func TestTensorMapsAreEncodedOnceAndBounded(t *testing.T) {
	b, _ := openHopper(t)
	x, err := b.Alloc(kernels.BFloat16, kernels.Activations, mostMaps+2, 8)
	require.NoError(t, err)
	t.Cleanup(func() { b.Free(x) })
	m := b.matrix(x)
	first := b.tensorMap(m, boxRows)
	require.Same(t, first, b.tensorMap(m, boxRows))
	require.Zero(t, testing.AllocsPerRun(10, func() { b.tensorMap(m, boxRows) }))
	for m.rows = 1; m.rows <= mostMaps; m.rows++ {
		b.tensorMap(m, boxRows)
		require.LessOrEqual(t, len(b.maps), mostMaps)
	}
	require.NotEmpty(t, b.maps)
	require.NoError(t, b.Sync())
}
