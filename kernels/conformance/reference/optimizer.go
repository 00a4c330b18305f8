package reference

import (
	"math"

	"retort/kernels"
)

// Parameter is kernels.Parameter on the host.
type Parameter[F Float] struct {
	Value, Grad      Matrix[F]
	Master           Matrix[F] // absent where Value keeps every digit
	Moment1, Moment2 Matrix[F]
	Decay            bool
}

// GlobalNorm writes the norm of all gradients, the factor that clips them to maxNorm
// and whether the norm is finite; the step's slot keeps its value.
func GlobalNorm[F Float](control []F, params []Parameter[F], maxNorm F) {
	var squares F
	for _, p := range params {
		for i := range p.Grad.Rows {
			squares += dot(p.Grad.Row(i), p.Grad.Row(i))
		}
	}
	norm := sqrt(squares)
	control[kernels.ControlNorm] = norm
	control[kernels.ControlScale] = 1
	if maxNorm > 0 {
		control[kernels.ControlScale] = min(1, maxNorm/(norm+1e-6))
	}
	control[kernels.ControlFinite] = 1
	if math.IsInf(float64(norm), 0) || math.IsNaN(float64(norm)) {
		control[kernels.ControlFinite] = 0
	}
}

// AdamW is one step on the clipped gradients g, in the order of PyTorch:
//
//	value ← value·(1 − lr·decay), m ← β1·m + (1−β1)·g, v ← β2·v + (1−β2)·g²,
//	value ← value − lr·m̂/(√v̂ + ε) with m̂ = m/(1−β1ᵗ), v̂ = v/(1−β2ᵗ).
//
// Where there is a master, it is updated and then copied to value.
func AdamW[F Float](control []F, params []Parameter[F], hp kernels.AdamW) {
	if control[kernels.ControlFinite] != 1 {
		return
	}
	control[kernels.ControlStep]++
	step := float64(control[kernels.ControlStep])
	rate, beta1, beta2 := F(hp.LearningRate), F(hp.Beta1), F(hp.Beta2)
	rest1, rest2 := F(1-hp.Beta1), F(1-hp.Beta2)
	correction1 := F(1 - math.Pow(hp.Beta1, step))
	correction2 := F(1 - math.Pow(hp.Beta2, step))
	for _, p := range params {
		for i := range p.Value.Rows {
			value, m, v := p.Value.Row(i), p.Moment1.Row(i), p.Moment2.Row(i)
			if p.Master.Rows > 0 {
				value = p.Master.Row(i)
			}
			for j, g := range p.Grad.Row(i) {
				g *= control[kernels.ControlScale]
				if p.Decay {
					value[j] *= 1 - rate*F(hp.WeightDecay)
				}
				m[j] = beta1*m[j] + rest1*g
				v[j] = beta2*v[j] + rest2*g*g
				value[j] -= rate * (m[j] / correction1) / (sqrt(v[j]/correction2) + F(hp.Epsilon))
			}
			copy(p.Value.Row(i), value)
		}
	}
}
