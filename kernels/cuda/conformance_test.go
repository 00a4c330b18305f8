package cuda_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/conformance"
	"retort/kernels/cuda"
	"retort/kernels/cuda/driver/emu"
)

// open is the backend on the PTX machine.
func open(activation kernels.DType, workers int) func(testing.TB) kernels.Backend {
	return func(t testing.TB) kernels.Backend {
		b, err := cuda.New(emu.New(emu.Options{Workers: workers}), 0, cuda.Options{Activation: activation})
		require.NoError(t, err)
		return b
	}
}

func TestConformanceFloat32(t *testing.T) {
	conformance.Run(t, open(kernels.Float32, 0), conformance.Options{Owed: cuda.Owed, Twin: open(kernels.Float32, 1)})
}

func TestConformanceBF16(t *testing.T) {
	conformance.Run(t, open(kernels.BFloat16, 0), conformance.Options{Owed: cuda.Owed})
}

// TestConformanceHopper holds what has kernels of Hopper's own to the table, on a machine
// that runs the sm_90a texts.
func TestConformanceHopper(t *testing.T) {
	open := func(testing.TB) kernels.Backend {
		b, err := cuda.New(emu.New(emu.Options{Attributes: emu.H100}), 0, cuda.Options{Activation: kernels.BFloat16})
		require.NoError(t, err)
		return b
	}
	b := open(t)
	for _, e := range conformance.Table() {
		if slices.ContainsFunc(e.Methods, func(m string) bool {
			return strings.HasPrefix(m, "Linear") || m == "HeadCrossEntropy" || m == "Attention"
		}) {
			t.Run(e.Name, func(t *testing.T) { require.Empty(t, conformance.Faults(b, e.Name, conformance.Options{})) })
		}
	}
	require.NoError(t, b.Close())
}
