package cuda

import (
	"fmt"

	"retort/kernels"
)

// Owed names the methods of kernels.Backend that this backend lacks: conformance skips
// them by name, and calling one panics.
var Owed = []string{"HeadCrossEntropy", "Sample"}

func owed(method string) { panic(fmt.Sprintf("cuda: %s is not written yet", method)) }

// HeadCrossEntropy is owed.
func (b *Backend) HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk kernels.Tensor) {
	owed("HeadCrossEntropy")
}

// Sample is owed.
func (b *Backend) Sample(ids, logprobs, logits, uniforms kernels.Tensor, s kernels.Sampling) {
	owed("Sample")
}
