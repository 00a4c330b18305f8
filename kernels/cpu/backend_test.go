package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/conformance"
)

func open(threads int) func(testing.TB) kernels.Backend {
	return func(t testing.TB) kernels.Backend {
		b, err := New(threads)
		require.NoError(t, err)
		return b
	}
}

func TestConformance(t *testing.T) {
	conformance.Run(t, open(2), conformance.Options{Large: !testing.Short(), Twin: open(1), NoHeap: true})
}

func BenchmarkConformance(b *testing.B) {
	conformance.Bench(b, open(0), conformance.Options{Large: true})
}

func TestForeignAndDeadTensorsPanic(t *testing.T) {
	b := open(1)(t)
	defer b.Close()
	x, err := b.Alloc(kernels.Float32, kernels.Scratch, 2, 3)
	require.NoError(t, err)
	require.Equal(t, map[kernels.Purpose]int64{kernels.Scratch: 24}, b.InUse())
	require.Panics(t, func() { b.Zero(kernels.Tensor{Buf: foreign{}, Rows: 2, Cols: 3, Stride: 3}) })
	b.Free(x)
	require.Empty(t, b.InUse())
	require.Panics(t, func() { b.Upload(x, make([]float32, 6)) }, "use after free")
	_, err = b.Alloc(kernels.BFloat16, kernels.Scratch, 2, 3)
	require.ErrorContains(t, err, "bfloat16")
	_, err = b.Alloc(kernels.Float32, kernels.Scratch, 1<<30, 1<<30)
	require.ErrorContains(t, err, "scratch")
}

// foreign is a buffer of another backend.
type foreign struct{}

func (foreign) Bytes() int64 { return 24 }
