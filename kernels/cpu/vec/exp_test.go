package vec

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestExpIsGoodToTwoUlp walks over all float32 in prime steps. The bound
// counts float32 steps from the exact value, gradual underflow included.
func TestExpIsGoodToTwoUlp(t *testing.T) {
	each(t, func(t *testing.T) {
		const block, stride = 1 << 12, 1021
		x, y := make([]float32, 0, block), make([]float32, block)
		worst := 0.0
		flush := func() {
			ExpShift(y[:len(x)], x, 1, 0)
			for i, v := range x {
				want := math.Exp(float64(v))
				got := y[i]
				switch {
				case math.IsNaN(float64(v)):
					require.True(t, math.IsNaN(float64(got)), "exp(%v) = %v", v, got)
					continue
				case want > math.MaxFloat32*(1+0x1p-25):
					require.True(t, math.IsInf(float64(got), 1), "exp(%v) = %v", v, got)
					continue
				}
				exponent := max(math.Ilogb(max(want, 0x1p-140)), -126)
				ulps := math.Abs(float64(got)-want) / math.Ldexp(1, exponent-23)
				if ulps > worst {
					worst = ulps
				}
				if !(ulps <= 2) {
					require.Failf(t, "inaccurate", "exp(%v) = %v, want %v: %v ulp", v, got, want, ulps)
				}
			}
			x = x[:0]
		}
		for b := uint64(0); b < 1<<32; b += stride {
			x = append(x, math.Float32frombits(uint32(b)))
			if len(x) == block {
				flush()
			}
		}
		for v := float32(-105); v < 90; v += 0.0013 { // where the results are not 0, 1 or +Inf
			if x = append(x, v); len(x) == block {
				flush()
			}
		}
		flush()
		t.Logf("largest error %.3f ulp", worst)
	})
}

func TestExpAtTheEnds(t *testing.T) {
	inf := float32(math.Inf(1))
	each(t, func(t *testing.T) {
		x := []float32{0, float32(math.Copysign(0, -1)), inf, -inf, float32(math.NaN()), 88.72283, 88.7229, -87.33655, -103.5, -104.1, 3e38, -3e38}
		y := make([]float32, len(x))
		sum := ExpShift(y, x, 1, 0)
		require.True(t, math.IsNaN(float64(sum)))
		require.Equal(t, []float32{1, 1, inf, 0}, y[:4])
		require.True(t, math.IsNaN(float64(y[4])))
		require.InEpsilon(t, math.MaxFloat32, y[5], 1e-5)
		require.Equal(t, inf, y[6])
		require.InEpsilon(t, 0x1p-126, y[7], 1e-5)
		require.Equal(t, []float32{0x1p-149, 0, inf, 0}, y[8:])
	})
}

func TestExpShiftReturnsTheSum(t *testing.T) {
	each(t, func(t *testing.T) {
		for _, n := range lengths {
			x, y := make([]float32, n), make([]float32, n)
			for i := range x {
				x[i] = float32(i%13) - 5
			}
			sum, want := ExpShift(y, x, 0.5, 2), 0.0
			for i := range y {
				near(t, y[i], math.Exp(float64(0.5*x[i]-2)), 0, 2)
				want += float64(y[i])
			}
			require.Equal(t, float32(want), sum, "n %d", n)
		}
	})
}

func TestActivationsSaturateWithoutNaN(t *testing.T) {
	each(t, func(t *testing.T) {
		x := []float32{-1000, -200, -100, -89, 89, 100, 200, 1000}
		one, h, d := make([]float32, len(x)), make([]float32, len(x)), make([]float32, len(x))
		for i := range one {
			one[i] = 1
		}
		check := func(name string, y []float32, low float32, high func(x float32) float32) {
			for i, v := range x {
				want := low
				if v > 0 {
					want = high(v)
				}
				require.InDelta(t, want, y[i], 1e-30, "%s(%v)", name, v)
			}
		}
		same := func(x float32) float32 { return x }
		unit := func(float32) float32 { return 1 }
		SiLUMul(h, x, one)
		check("SiLU", h, 0, same)
		SiLUMulBackward(h, d, one, x, one)
		check("SiLU'", h, 0, unit)
		GELUTanh(h, x)
		check("GELUTanh", h, 0, same)
		GELUTanhBackward(h, one, x)
		check("GELUTanh'", h, 0, unit)
		GELUErf(h, x)
		check("GELUErf", h, 0, same)
		GELUErfBackward(h, one, x)
		check("GELUErf'", h, 0, unit)
	})
}

// TestGELUErfIsGoodInTheTails compares with float64 in relative error, down to
// where the result leaves float32's normal range.
func TestGELUErfIsGoodInTheTails(t *testing.T) {
	each(t, func(t *testing.T) {
		var x []float32
		for v := float32(-13); v < 7; v += 0.0007 {
			x = append(x, v)
		}
		y, slope, one := make([]float32, len(x)), make([]float32, len(x)), make([]float32, len(x))
		for i := range one {
			one[i] = 1
		}
		GELUErf(y, x)
		GELUErfBackward(slope, one, x)
		for i, v := range x {
			u := float64(v)
			near(t, y[i], u*normalCDF(u), 0, 6, v)
			density := math.Exp(-u*u/2) / math.Sqrt(2*math.Pi)
			near(t, slope[i], normalCDF(u)+u*density, normalCDF(u)+math.Abs(u)*density, 6, v)
		}
		y = y[:3]
		GELUErf(y, []float32{float32(math.NaN()), float32(math.Inf(1)), 0})
		require.True(t, math.IsNaN(float64(y[0])))
		require.Equal(t, []float32{float32(math.Inf(1)), 0}, y[1:])
	})
}
