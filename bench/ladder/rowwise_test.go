package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryRowwiseStepComputesTheSame(t *testing.T) {
	for _, r := range rowwiseLadders {
		x, w := r.operands()
		wide := func(values []float32) []float64 {
			out := make([]float64, len(values))
			for i, v := range values {
				out[i] = float64(v)
			}
			return out
		}
		for i := range len(r.steps) + 1 {
			c, err := r.run(i)
			require.NoError(t, err, "%s, step %d", r.title, i+1)
			want := make([]float64, r.n)
			for row := range countedRows {
				r.exact(want, wide(x[row*r.in:(row+1)*r.in]), wide(w))
				for j, v := range want {
					require.InDelta(t, v, c.y[row*r.n+j], math.Abs(v)/128+1e-4, "%s, step %d, row %d, column %d", r.title, i+1, row, j)
				}
			}
			sectors, ideal := c.GlobalLoad.Units+c.GlobalStore.Units, c.GlobalLoad.Ideal+c.GlobalStore.Ideal
			if i > 0 || r.steps[0].name != "norm_thread_a_row" {
				require.Equal(t, ideal, sectors, "%s, step %d", r.title, i+1)
			} else {
				require.Greater(t, sectors, 4*ideal, "lanes read a row apart")
			}
		}
	}
}
