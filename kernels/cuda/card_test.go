//go:build cuda && linux && (amd64 || arm64)

package cuda_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/conformance"
	"retort/kernels/cuda"
)

// On a card: the whole table with the large shapes, or with -short the small ones alone,
// which is what compute-sanitizer has time for. A machine without a card skips.

func TestCardConformanceFloat32(t *testing.T) { onCard(t, kernels.Float32) }

func TestCardConformanceBF16(t *testing.T) { onCard(t, kernels.BFloat16) }

func onCard(t *testing.T, activation kernels.DType) {
	if r := cuda.Probe(); r.Problem != "" {
		t.Skipf("no card to test on: %s", r.Summary())
	}
	open := func(t testing.TB) kernels.Backend {
		b, err := cuda.Open(0, cuda.Options{Activation: activation})
		require.NoError(t, err)
		return b
	}
	conformance.Run(t, open, conformance.Options{Owed: cuda.Owed, Large: !testing.Short()})
}
