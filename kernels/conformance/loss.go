package conformance

import (
	"fmt"
	"math"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// The language-model head and its loss, in chunks of rows of every kind: one row, all
// of them, more than there are, and numbers that do not divide N. Some rows have the
// weight 0, as prompts have. "offset" inputs add hundreds to all logits of a row, or
// take them away, which a softmax that subtracts its maximum does not notice.
func lossEntries() []Entry {
	small := []Shape{
		{N: 1, D: 1, V: 2, Chunk: 1}, {N: 0, D: 16, V: 33, Chunk: 4}, {N: 5, D: 16, V: 33, Chunk: 1},
		{N: 9, D: 33, V: 65, Chunk: 4}, {N: 7, D: 32, V: 129, Chunk: 16}, {N: 7, D: 32, V: 384, Chunk: 7},
		{N: 6, D: 48, V: 65, Chunk: 4, Strided: true}, {N: 6, D: 32, V: 65, Chunk: 5, Special: "offset"},
	}
	var all []Shape
	for _, s := range small {
		for _, absent := range []string{"", "dw", "dx dw"} {
			s.Absent = absent
			all = append(all, s)
		}
	}
	return []Entry{{
		Name: "HeadCrossEntropy", Methods: []string{"HeadCrossEntropy", "HeadRows"},
		Wrong: []string{"logprobs", "dx", "dw", "w", "targets", "weights", "chunk"},
		Doc:   "log-probabilities alone, with the gradient by x, with both gradients",
		Small: all,
		Large: []Shape{{N: 130, D: 64, V: 401, Chunk: 48}, {N: 257, D: 96, V: 384, Chunk: 64},
			{N: 11, D: 64, V: 50257, Chunk: 4}, {N: 11, D: 64, V: 50257, Chunk: 8, Absent: "dx dw"}},
		Arguments: headArguments,
		Call: func(b kernels.Backend, a *Args) {
			if n := b.HeadRows(a.V); n < 1 {
				panic(fmt.Sprintf("HeadRows(%d) is %d", a.V, n))
			}
			b.HeadCrossEntropy(a.t("logprobs"), a.t("dx"), a.t("dw"), a.t("x"), a.t("w"), a.t("targets"), a.t("weights"), a.t("chunk"))
		},
		Exact: headExact, Plain: headPlain,
		FLOPs: headFLOPs,
	}}
}

func headExact(v Values[float64]) {
	reference.HeadCrossEntropy(v.vec("logprobs"), v.m("dx"), v.m("dw"), v.m("x"), v.m("w"), v.i("targets"), v.vec("weights"), nil)
}

// headPlain rounds the gradients of the logits to the activation type, as a backend may:
// they are factors of two more products.
func headPlain(v Values[float32]) {
	stored := func(d float32) float32 { return round(v.activation, float64(d)) }
	reference.HeadCrossEntropy(v.vec("logprobs"), v.m("dx"), v.m("dw"), v.m("x"), v.m("w"), v.i("targets"), v.vec("weights"), stored)
}

// headArguments declares what every loss of the head has.
func headArguments(c *Case) {
	c.out32("logprobs", 1, c.N).column()
	c.out("dx", c.N, c.D).each(1)
	c.update32("dw", c.V, c.D)
	x := c.in("x", c.N, c.D).each(1)
	w := c.scale(c.in("w", c.V, c.D), 2/math.Sqrt(float64(c.D)))
	if c.Special == "offset" {
		c.fill(x, func(i int) float64 { return choose(i%c.D == 0, 150*float64(1-2*(i/c.D%2)), float64(x.floats[i])) })
		c.fill(w, func(i int) float64 { return choose(i%c.D == 0, 2, float64(w.floats[i])) })
	}
	c.ints("targets", c.below(c.N, c.V)).column()
	weights := c.in32("weights", 1, c.N).column()
	c.fill(weights, func(i int) float64 {
		if i%5 == 3 {
			return 0
		}
		return math.Abs(float64(weights.floats[i]))
	})
	c.declare("chunk", scratch, kernels.Float32, c.Chunk, c.V)
}

// headFLOPs counts the products for the logits and for the gradients that are asked for.
func headFLOPs(s Shape) float64 {
	products := 3.0
	if s.lacks("dw") {
		products--
	}
	if s.lacks("dx") {
		products--
	}
	return 2 * products * float64(s.N) * float64(s.D) * float64(s.V)
}
