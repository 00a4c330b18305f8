package cuda

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
)

// TestRowKernelsFillTheirSectors runs the kernels that memory alone bounds at the shapes of
// a student: every request of a warp takes as few sectors as its bytes allow, shared memory
// has no bank conflicts, and what works on single elements moves 16 bytes a lane.
func TestRowKernelsFillTheirSectors(t *testing.T) {
	for _, activation := range []kernels.DType{kernels.Float32, kernels.BFloat16} {
		t.Run(activation.String(), func(t *testing.T) {
			b, machine := openMachine(t, activation)
			runRowKernels(t, b, 0)
			for name, c := range machine.Counts() {
				require.LessOrEqual(t, c.GlobalLoad.Ratio(), 1.05, name)
				require.LessOrEqual(t, c.GlobalStore.Ratio(), 1.05, name)
				require.Zero(t, c.SharedLoad.Conflicts()+c.SharedStore.Conflicts(), name)
				if strings.Contains(name, "glu") || strings.Contains(name, "gelu") {
					require.Equal(t, 512*c.GlobalLoad.Requests, c.GlobalLoad.Bytes, "%s: 16 bytes a lane", name)
				}
			}
		})
	}
}

// TestRowKernelsTakeAnyAddress puts every row of every argument one element beside where
// vectors may begin: no access is misaligned, and a norm has the same bits as elsewhere.
func TestRowKernelsTakeAnyAddress(t *testing.T) {
	for _, activation := range []kernels.DType{kernels.Float32, kernels.BFloat16} {
		t.Run(activation.String(), func(t *testing.T) {
			b, _ := openMachine(t, activation)
			require.Equal(t, runRowKernels(t, b, 0), runRowKernels(t, b, 1))
		})
	}
}

// runRowKernels queues each of the kernels once, at the widths of SmolLM2-135M, with rows
// that begin shift elements beside a multiple of 16 bytes. It returns the result of a norm.
func runRowKernels(t *testing.T, b *Backend, shift int) []float32 {
	t.Helper()
	const tokens, d, f, heads, size, vocabulary = 13, 576, 1536, 9, 64, 40
	alloc := func(dtype kernels.DType, rows, cols int) kernels.Tensor {
		x, err := b.Alloc(dtype, kernels.Activations, 1, rows*cols+shift)
		require.NoError(t, err)
		t.Cleanup(func() { b.Free(x) })
		return x.ColRange(shift, rows*cols+shift).Reshape(rows, cols)
	}
	activations := func(rows, cols int) kernels.Tensor { return alloc(b.activation, rows, cols) }
	ints := func(values ...int32) kernels.Tensor {
		x := alloc(kernels.Int32, 1, len(values))
		b.UploadInts(x, values)
		return x
	}
	ascending := make([]int32, tokens)
	for i := range ascending {
		ascending[i] = int32(i)
	}
	x, y, sum, h, gateUp := activations(tokens, d), activations(tokens, d), activations(tokens, d), activations(tokens, f), activations(tokens, 2*f)
	every, table := ints(ascending...), activations(vocabulary, d)

	values := make([]float32, x.Len())
	for i := range values {
		values[i] = float32(i*i%1013) / 1013
	}
	b.Upload(x, values)
	b.Embed(activations(tokens, d), table, every, table, every)
	b.EmbedBackward(alloc(kernels.Float32, vocabulary, d), x, kernels.Groups{
		IDs: ints(3, 5), Starts: ints(0, 4, tokens), Order: every, Count: 2})
	b.GatherRows(y, x, every)
	b.ScatterRows(y, x, every)
	b.Copy(sum.ColRange(0, d-size), x.ColRange(0, d-size))
	b.Zero(sum.ColRange(0, d-size))
	b.Copy(alloc(kernels.Float32, tokens, d), x)
	b.Copy(alloc(kernels.BFloat16, tokens, d), alloc(kernels.Float32, tokens, d))
	norm := kernels.Norm{Kind: kernels.LayerNorm, Weight: activations(1, d), Bias: activations(1, d), Eps: 1e-5}
	stats := alloc(kernels.Float32, tokens, 2)
	b.Norm(y, stats, x, kernels.Norm{Kind: kernels.RMSNorm, Weight: x.RowRange(0, 1), Eps: 1e-5})
	normed := make([]float32, y.Len())
	require.NoError(t, b.Download(normed, y))
	b.AddNorm(y, stats, sum, x, gateUp.ColRange(0, d), norm)
	b.NormBackward(y, alloc(kernels.Float32, 1, d), alloc(kernels.Float32, 1, d), y, x, stats, norm, true)
	b.BiasGELU(h, gateUp.ColRange(f, 2*f), activations(1, f), kernels.GELUTanh)
	b.GELUBackward(h, h, gateUp.ColRange(f, 2*f), kernels.GELUErf)
	b.SwiGLU(h, gateUp)
	b.SwiGLUBackward(activations(tokens, 2*f), h, gateUp)
	b.RoPE(x.ColRange(0, heads*size), alloc(kernels.Float32, tokens, size), every, false)
	value := activations(f, 17)
	p := kernels.Parameter{Value: value, Grad: alloc(kernels.Float32, f, 17), Moment1: alloc(kernels.Float32, f, 17), Moment2: alloc(kernels.Float32, f, 17)}
	if b.activation != kernels.Float32 {
		p.Master = alloc(kernels.Float32, f, 17)
	}
	control := alloc(kernels.Float32, 1, kernels.ControlSlots)
	b.GlobalNorm(control, []kernels.Parameter{p}, 1)
	b.AdamW(control, []kernels.Parameter{p}, kernels.AdamW{LearningRate: 1e-3, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8})
	require.NoError(t, b.Sync())
	return normed
}
