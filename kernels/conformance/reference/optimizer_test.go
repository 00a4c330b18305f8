package reference

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
)

// TestAdamWByHand follows two steps of one value with numbers worked out by hand:
// with moments of zero the first step has m̂ = g and v̂ = g².
func TestAdamWByHand(t *testing.T) {
	p := Parameter[float64]{Value: Of(1, 1, []float64{2}), Grad: Of(1, 1, []float64{4}),
		Moment1: New[float64](1, 1), Moment2: New[float64](1, 1), Decay: true}
	hp := kernels.AdamW{LearningRate: 0.5, Beta1: 0.5, Beta2: 0.75, Epsilon: 1, WeightDecay: 0.25}
	control := []float64{4, 0.5, 1, 0} // the clipped gradient is 2
	AdamW(control, []Parameter[float64]{p}, hp)
	value := 2*(1-0.5*0.25) - 0.5*2/(2+1)
	require.InDelta(t, value, p.Value.Data[0], 1e-15)
	require.Equal(t, 1.0, p.Moment1.Data[0])
	require.Equal(t, 1.0, p.Moment2.Data[0])
	require.Equal(t, 1.0, control[kernels.ControlStep])

	p.Grad.Data[0] = -2 // clipped to −1: m = 0.5 − 0.5 = 0, so only decay moves the value
	AdamW(control, []Parameter[float64]{p}, hp)
	require.InDelta(t, value*(1-0.5*0.25), p.Value.Data[0], 1e-15)
	require.InDelta(t, 0.75+0.25, p.Moment2.Data[0], 1e-15)

	control[kernels.ControlFinite] = 0
	before := p.Value.Data[0]
	AdamW(control, []Parameter[float64]{p}, hp)
	require.Equal(t, before, p.Value.Data[0])
	require.Equal(t, 2.0, control[kernels.ControlStep])
}

func TestGlobalNormClipsAndSeesWhatIsNotFinite(t *testing.T) {
	grad := Of(1, 2, []float64{3, 4})
	params := []Parameter[float64]{{Grad: grad}}
	control := []float64{0, 0, 0, 9}
	GlobalNorm(control, params, 1)
	require.InDeltaSlice(t, []float64{5, 1 / (5 + 1e-6), 1, 9}, control, 1e-15)
	GlobalNorm(control, params, 10)
	require.Equal(t, 1.0, control[kernels.ControlScale])
	GlobalNorm(control, params, 0)
	require.Equal(t, 1.0, control[kernels.ControlScale])
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		grad.Data[1] = bad
		GlobalNorm(control, params, 1)
		require.Zero(t, control[kernels.ControlFinite])
	}
}
