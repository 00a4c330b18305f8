package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels/cuda/compile/manifest"
)

func TestEveryStepMultiplies(t *testing.T) {
	const k = 64
	x, w := operands(k)
	value := func(b uint16) float64 { return float64(math.Float32frombits(uint32(b) << 16)) }
	for _, s := range steps {
		_, y, err := s.run(k)
		require.NoError(t, err, s.name)
		for i := range tile {
			for j := range tile {
				var sum float64
				for l := range k {
					sum += value(x[i*k+l]) * value(w[j*k+l])
				}
				require.InDelta(t, sum, value(y[i*tile+j]), math.Abs(sum)/128+1e-4, "%s: row %d, column %d", s.name, i, j)
			}
		}
	}
}

// TestStepsGainWhatTheySay holds what each step is there for.
func TestStepsGainWhatTheySay(t *testing.T) {
	const k = 128
	count := func(i int) (lanes int64, sectors, conflicts, perLoad float64) {
		c, _, err := steps[i].run(k)
		require.NoError(t, err)
		return c.Executed.Lane, c.GlobalLoad.Ratio(), c.SharedLoad.Ratio(), float64(c.MMA) / float64(max(1, c.SharedLoad.Requests))
	}
	naive, sectors, _, _ := count(0)
	require.Greater(t, sectors, 4.0, "lanes read rows of w, a sector each")
	tiles, sectors, _, _ := count(1)
	require.Equal(t, 1.0, sectors)
	require.Less(t, tiles, naive/2)
	cores, _, conflicts, _ := count(2)
	require.Less(t, cores, tiles/10)
	require.Equal(t, 4.0, conflicts, "rows of 64 bytes: eight rows meet in two groups of banks")
	_, sectors, conflicts, _ = count(4)
	require.Equal(t, []float64{1, 1}, []float64{sectors, conflicts})
}

func TestLadderPTXBelongsToItsSource(t *testing.T) {
	written, err := manifest.Read(".")
	require.NoError(t, err)
	now, err := manifest.Of(".", ".")
	require.NoError(t, err)
	require.Equal(t, now, written, "run 'make kernels'")
}
