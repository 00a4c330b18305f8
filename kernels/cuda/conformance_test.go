package cuda_test

import (
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
