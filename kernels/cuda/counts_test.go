package cuda

import (
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda/ptx"
)

// productCounts is what a product of (m, k) and (k, n) does on the PTX machine with the tile.
func productCounts(t testing.TB, activation kernels.DType, l layout, which tile, m, n, k int) ptx.Counts {
	t.Helper()
	b, machine := openMachine(t, activation)
	alloc := func(rows, cols int) matrix {
		x, err := b.Alloc(activation, kernels.Activations, rows, cols)
		require.NoError(t, err)
		t.Cleanup(func() { b.Free(x) })
		return b.matrix(x)
	}
	left, right := alloc(m, k), alloc(k, n)
	switch l {
	case rowsByRows:
		right = alloc(n, k)
	case columnsByColumns:
		left = alloc(k, m)
	}
	b.productBy(which, 1, l, alloc(m, n), left, right, epilogue{})
	require.NoError(t, b.Sync())
	var c ptx.Counts
	for _, kernel := range machine.Counts() {
		c.Add(kernel.Counts)
	}
	return c
}

func TestX(t *testing.T) {
	for _, a := range []kernels.DType{kernels.BFloat16, kernels.Float32} {
		for l := rowsByRows; l <= columnsByColumns; l++ {
			for _, which := range tilesOf(a, l) {
				c := productCounts(t, a, l, which, which.rows, which.columns, 256)
				d := productCounts(t, a, l, which, which.rows, which.columns, 512)
				mma := float64(d.MMA - c.MMA)
				t.Logf("%v %s %s: conflicts load %d store %d, global ratio %.3f store %.3f; loop: warp instr %d, mma %v, per mma %.2f, shared loads %d  kinds:", a, layoutNames[l], which.name,
					c.SharedLoad.Conflicts(), c.SharedStore.Conflicts(), c.GlobalLoad.Ratio(), c.GlobalStore.Ratio(), d.Executed.Warp-c.Executed.Warp, mma, float64(d.Executed.Warp-c.Executed.Warp)/mma, d.SharedLoad.Requests-c.SharedLoad.Requests)
				for k := range d.ByKind {
					if v := d.ByKind[k].Warp - c.ByKind[k].Warp; v > 0 {
						t.Logf("    %v %d", ptx.Kind(k), v)
					}
				}
			}
		}
	}
}
