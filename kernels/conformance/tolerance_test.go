package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
)

// TestToleranceFollowsThePlainError moves one result, then all of them, away from the
// truth: a little more than the plain reference's worst is allowed once, not everywhere.
func TestToleranceFollowsThePlainError(t *testing.T) {
	const n, worst = 64, 1e-3
	a := &Arg{name: "y", rows: 1, cols: n}
	draw := func(errors func(i int) float32) sample {
		s := sample{got: make([]float32, n), plain: make([]float32, n), exact: make([]float64, n)}
		for i := range n {
			s.exact[i], s.got[i], s.plain[i] = 1, 1+errors(i), 1
		}
		s.plain[7] += worst
		return s
	}
	once := func(size float32) []sample {
		return []sample{draw(func(i int) float32 { return float32(choose(i == 3, float64(size), 0)) })}
	}
	require.NoError(t, judge(a, false, once(1.9*worst)))
	require.ErrorContains(t, judge(a, false, once(2.1*worst)), "y[0, 3]")
	require.ErrorContains(t, judge(a, false, []sample{draw(func(int) float32 { return 0.9 * worst })}), "root mean square")
	require.Error(t, judge(a, true, once(1e-7)), "what is moved has no error at all")
}

func TestRoundToBF16IsToNearestEven(t *testing.T) {
	for _, c := range []struct{ in, want float64 }{
		{1, 1}, {1 + 1./256, 1}, {1 + 3./256, 1 + 4./256}, {1 + 1.01/256, 1 + 2./256}, {-3.14159, -3.140625},
	} {
		require.Equal(t, float32(c.want), round(kernels.BFloat16, c.in), "%g", c.in)
	}
}
