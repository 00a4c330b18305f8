package cuda

import (
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda/ptx"
)

// tileCounts is what a product of one tile, with k long, does on the PTX machine.
func tileCounts(t testing.TB, activation kernels.DType, l layout, which tile, k int) ptx.Counts {
	t.Helper()
	m, n := which.rows, which.columns
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
	return machine.Counts()[layoutNames[l]+"_"+which.name].Counts
}

// TestTilesAreReadWithoutWaste holds what makes the products fast as far as the PTX machine
// can tell: no bank conflicts, whole sectors, and few instructions beside the arithmetic. The
// difference of two lengths of k is the loop alone.
func TestTilesAreReadWithoutWaste(t *testing.T) {
	for _, activation := range []kernels.DType{kernels.BFloat16, kernels.Float32} {
		for l := rowsByRows; l <= columnsByColumns; l++ {
			for _, which := range tilesOf(activation, l) {
				if which == brainUnaligned {
					continue // reads element by element
				}
				short, long := tileCounts(t, activation, l, which, 96), tileCounts(t, activation, l, which, 160)
				name := layoutNames[l] + " " + which.name
				require.Zero(t, long.SharedLoad.Conflicts()+long.SharedStore.Conflicts(), name)
				require.Equal(t, 1.0, long.GlobalLoad.Ratio(), name)
				require.Equal(t, 1.0, long.GlobalStore.Ratio(), name)
				all := float64(long.Executed.Warp - short.Executed.Warp)
				loads := float64(long.SharedLoad.Requests - short.SharedLoad.Requests)
				switch which {
				case brainLarge:
					mma := float64(long.MMA - short.MMA)
					require.Equal(t, 4.0, mma/loads, "%s: mma a shared load", name)
					require.Less(t, all/mma, 2.4, "%s: instructions an mma", name)
				case floatLarge:
					fma := float64(long.ByKind[ptx.KindFloat].Warp - short.ByKind[ptx.KindFloat].Warp)
					require.Equal(t, 16.0, fma/loads, "%s: fma a shared load", name)
					require.Less(t, all/fma, 1.3, "%s: instructions an fma", name)
				}
			}
		}
	}
}
