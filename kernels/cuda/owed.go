package cuda

import (
	"fmt"

	"retort/kernels"
)

// Owed names the methods of kernels.Backend that this backend lacks: conformance skips
// them by name, and calling one panics.
var Owed = []string{
	"Linear", "LinearBackwardInput", "LinearBackwardWeight",
	"HeadCrossEntropy", "Sample",
}

func owed(method string) { panic(fmt.Sprintf("cuda: %s is not written yet", method)) }

// Linear is owed.
func (b *Backend) Linear(y, x, w, bias kernels.Tensor) { owed("Linear") }

// LinearBackwardInput is owed.
func (b *Backend) LinearBackwardInput(dx, dy, w kernels.Tensor, accumulate bool) {
	owed("LinearBackwardInput")
}

// LinearBackwardWeight is owed.
func (b *Backend) LinearBackwardWeight(dw, db, dy, x kernels.Tensor) { owed("LinearBackwardWeight") }

// HeadCrossEntropy is owed.
func (b *Backend) HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk kernels.Tensor) {
	owed("HeadCrossEntropy")
}

// Sample is owed.
func (b *Backend) Sample(ids, logprobs, logits, uniforms kernels.Tensor, s kernels.Sampling) {
	owed("Sample")
}
