package main

import "fmt"

// product is one multiplication C (m, n) = A (m, k) B (k, n); transposed
// matrices are stored the other way round.
type product struct {
	name           string
	m, n, k        int
	transA, transB bool
}

func (p product) flops() float64 { return 2 * float64(p.m) * float64(p.n) * float64(p.k) }

// linears are the weights (out, in) of a layer: attention's projections and the MLP's.
var linears = map[int][][2]int{
	576: {{960, 576}, {576, 576}, {3072, 576}, {576, 1536}},  // SmolLM2-135M
	768: {{2304, 768}, {768, 768}, {3072, 768}, {768, 3072}}, // GPT-2
}

const (
	vocabulary = 49152
	headRows   = 256 // rows of logits computed at a time
)

// products are those of a training step: y = x·wᵀ, dx = dy·w, dw = dyᵀ·x for
// every linear layer and several numbers of tokens, and for the head.
func products() []product {
	var all []product
	add := func(tokens, out, in int) {
		shape := fmt.Sprintf("T=%d %d→%d", tokens, in, out)
		all = append(all,
			product{"forward " + shape, tokens, out, in, false, true},
			product{"dX " + shape, tokens, in, out, false, false},
			product{"dW " + shape, out, in, tokens, true, false})
	}
	for _, d := range []int{576, 768} {
		for _, tokens := range []int{256, 1024, 4096} {
			for _, w := range linears[d] {
				add(tokens, w[0], w[1])
			}
		}
		add(headRows, vocabulary, d)
	}
	return all
}
