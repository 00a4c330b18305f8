package evaluate

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWilsonEqualsTheFormulaInFortyDigits(t *testing.T) {
	cases := []struct {
		k, n      int
		low, high float64
	}{
		{0, 10, 0, 0.2775327998628892},
		{10, 10, 0.7224672001371107, 1},
		{5, 10, 0.236593090512564, 0.763406909487436},
		{1, 3, 0.06149194472039624, 0.7923403991979523},
		{700, 1319, 0.5037224879302895, 0.5575093395573453},
		{0, 0, 0, 1},
	}
	for _, c := range cases {
		got := Wilson(c.k, c.n)
		require.InDelta(t, c.low, got.Low, 1e-15, "%d of %d", c.k, c.n)
		require.InDelta(t, c.high, got.High, 1e-15, "%d of %d", c.k, c.n)
	}
	require.Zero(t, Wilson(0, 7).Low)
	require.Equal(t, 1.0, Wilson(7, 7).High)
	require.Panics(t, func() { Wilson(4, 3) })
}

func TestWilsonCoversTheTruthNineteenTimesInTwenty(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 0))
	const n, runs = 60, 20000
	covered := 0
	for range runs {
		p := 0.05 + 0.9*rng.Float64() // at one p the coverage steps about, being of whole counts
		k := 0
		for range n {
			if rng.Float64() < p {
				k++
			}
		}
		if in := Wilson(k, n); in.Low <= p && p <= in.High {
			covered++
		}
	}
	require.InDelta(t, 0.95, float64(covered)/runs, 0.008)
}

func TestTallyOfVerdicts(t *testing.T) {
	var tally Tally
	require.Zero(t, tally.Accuracy())
	require.Zero(t, tally.Stderr())
	for i := range 10 {
		tally.Add(Verdict{Correct: i < 7, Parsed: i < 9})
	}
	require.Equal(t, Tally{10, 7, 1}, tally)
	require.InDelta(t, 0.7, tally.Accuracy(), 1e-15)
	require.InDelta(t, 0.1, tally.ParseFailureRate(), 1e-15)
	require.InDelta(t, 0.15275252316519466, tally.Stderr(), 1e-15) // numpy: std(ddof=1)/sqrt(n)
	require.Equal(t, Wilson(7, 10), tally.Interval())
}

func TestMcNemarEqualsExactFractions(t *testing.T) {
	cases := []struct {
		b, c int
		p    float64
	}{
		{0, 0, 1}, {1, 0, 1}, {5, 0, 0.0625}, {10, 3, 0.09228515625}, {7, 7, 1}, {40, 60, 0.05688793364098079},
		{1, 19, 4.00543212890625e-05}, {900, 1100, 8.457089535503927e-06}, {3000, 3000, 1},
	}
	for _, c := range cases {
		require.InEpsilon(t, c.p, mcnemar(c.b, c.c), 1e-9, "%d, %d", c.b, c.c)
		require.Equal(t, mcnemar(c.b, c.c), mcnemar(c.c, c.b))
	}
}

func TestComparePairedCountsRows(t *testing.T) {
	a := []bool{true, true, true, false, true, true, true, false}
	b := []bool{true, false, false, true, false, false, false, false}
	got, err := ComparePaired(a, b)
	require.NoError(t, err)
	require.Equal(t, Paired{Both: 1, OnlyA: 5, OnlyB: 1, Neither: 1, Difference: 0.5, PValue: mcnemar(5, 1)}, got)
	require.InDelta(t, 0.21875, got.PValue, 1e-12) // 2·(1+6)/64
	_, err = ComparePaired(a, b[:3])
	require.ErrorContains(t, err, "8 rows with 3")
	empty, err := ComparePaired(nil, nil)
	require.NoError(t, err)
	require.Equal(t, 1.0, empty.PValue)
}

func TestBootstrapIsSeededAndNearTheNormalInterval(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 0))
	values := make([]float64, 400)
	for i := range values {
		values[i] = 100 + 15*rng.NormFloat64()
	}
	in := BootstrapMean(values, 2000, 1)
	require.Equal(t, in, BootstrapMean(values, 2000, 1))
	require.NotEqual(t, in, BootstrapMean(values, 2000, 2))
	mean, variance := Mean(values), 0.0
	for _, v := range values {
		variance += (v - mean) * (v - mean)
	}
	half := z95 * math.Sqrt(variance/float64(len(values)-1)/float64(len(values)))
	require.InDelta(t, mean-half, in.Low, 0.12)
	require.InDelta(t, mean+half, in.High, 0.12)

	require.Equal(t, Interval{3, 3}, BootstrapMean([]float64{3, 3, 3}, 100, 1))
	require.True(t, math.IsNaN(BootstrapMean(nil, 100, 1).Low))
}

func TestQuantileInterpolates(t *testing.T) {
	sorted := []float64{0, 10, 20, 30}
	for q, want := range map[float64]float64{0: 0, 1: 30, 0.5: 15, 0.25: 7.5, 0.9: 27} {
		require.InDelta(t, want, quantile(sorted, q), 1e-12)
	}
	require.Equal(t, 4.0, quantile([]float64{4}, 0.975))
}
