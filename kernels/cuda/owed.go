package cuda

import (
	"fmt"

	"retort/kernels"
)

// Owed names the methods of kernels.Backend that this backend lacks: conformance skips
// them by name, and calling one panics.
var Owed = []string{
	"Attention", "AttentionBackward", "CachedAttention",
}

func owed(method string) { panic(fmt.Sprintf("cuda: %s is not written yet", method)) }

// Attention is owed.
func (b *Backend) Attention(o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	owed("Attention")
}

// AttentionBackward is owed.
func (b *Backend) AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	owed("AttentionBackward")
}

// CachedAttention is owed.
func (b *Backend) CachedAttention(o, q, kc, vc, first, count kernels.Tensor, h kernels.Heads) {
	owed("CachedAttention")
}
