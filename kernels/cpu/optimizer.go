package cpu

import (
	"math"

	"retort/kernels"
	"retort/kernels/cpu/vec"
)

// optimizerChunk is how many elements one item of the optimizer's loops covers.
const optimizerChunk = 64 << 10

// squaresTask sums the squares of one gradient, a chunk an item.
type squaresTask struct {
	grad     []float32
	partials []float64
}

// GlobalNorm writes norm, clip scale and finite flag.
func (b *Backend) GlobalNorm(control kernels.Tensor, params []kernels.Parameter, maxNorm float32) {
	want("GlobalNorm", "control", control, 1, kernels.ControlSlots)
	t := &b.tasks.squares
	total := 0.0
	for i := range params {
		grad := flat("GlobalNorm", "grad", params[i].Grad, params[i].Grad.Len())
		n := items(len(grad), optimizerChunk)
		b.scratch.partials = grow(b.scratch.partials, n)
		*t = squaresTask{grad: grad, partials: b.scratch.partials}
		b.pool.Do(t, n)
		for _, p := range t.partials {
			total += p
		}
	}
	norm := math.Sqrt(total)
	c := view(control)
	c.data[kernels.ControlNorm] = float32(norm)
	c.data[kernels.ControlScale] = 1
	if maxNorm > 0 && norm > 0 {
		c.data[kernels.ControlScale] = min(1, float32(float64(maxNorm)/(norm+1e-6)))
	}
	c.data[kernels.ControlFinite] = 0
	if total <= math.MaxFloat32 { // false for NaN too
		c.data[kernels.ControlFinite] = 1
	}
}

// Run sums one chunk in float64.
func (t *squaresTask) Run(item, _ int) {
	lo, hi := span(item, optimizerChunk, len(t.grad))
	t.partials[item] = vec.SumSquares(t.grad[lo:hi])
}

// flat opens a contiguous tensor of n elements as one slice.
func flat(op, name string, t kernels.Tensor, n int) []float32 {
	if t.Len() != n || !t.Contiguous() {
		want(op, name, t, 1, n)
	}
	m := view(t)
	return m.data
}

// adamwTask updates one parameter, a chunk an item.
type adamwTask struct {
	value, grad, moment1, moment2 []float32
	step                          vec.AdamWStep
}

// AdamW updates the parameters unless the finite flag says otherwise.
func (b *Backend) AdamW(control kernels.Tensor, params []kernels.Parameter, hp kernels.AdamW) {
	want("AdamW", "control", control, 1, kernels.ControlSlots)
	c := view(control)
	finite := c.data[kernels.ControlFinite] == 1
	if finite {
		c.data[kernels.ControlStep]++
	}
	count := float64(c.data[kernels.ControlStep])
	step := vec.AdamWStep{
		LearningRate: hp.LearningRate, Beta1: hp.Beta1, Beta2: hp.Beta2, Epsilon: hp.Epsilon,
		Scale:       c.data[kernels.ControlScale],
		Correction1: 1 - math.Pow(hp.Beta1, count),
		Correction2: 1 - math.Pow(hp.Beta2, count),
	}
	t := &b.tasks.adamw
	for i := range params {
		p := &params[i]
		n := p.Value.Len()
		*t = adamwTask{
			value:   flat("AdamW", "value", p.Value, n),
			grad:    flat("AdamW", "grad", p.Grad, n),
			moment1: flat("AdamW", "moment1", p.Moment1, n),
			moment2: flat("AdamW", "moment2", p.Moment2, n),
			step:    step,
		}
		if p.Decay {
			t.step.Decay = hp.WeightDecay
		}
		if finite {
			b.pool.Do(t, items(n, optimizerChunk))
		}
	}
}

// Run updates one chunk.
func (t *adamwTask) Run(item, _ int) {
	lo, hi := span(item, optimizerChunk, len(t.value))
	vec.AdamW(t.value[lo:hi], t.grad[lo:hi], t.moment1[lo:hi], t.moment2[lo:hi], &t.step)
}
