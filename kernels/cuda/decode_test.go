package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// decoded attends to the first len(count) queries' ranges of a cache and returns the outputs
// and what float64 says of them.
func decoded(t testing.TB, b *Backend, h kernels.Heads, rows int, first, count []int32) (got []float32, want reference.Matrix[float64]) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, uint64(h.Size)))
	width, n := h.KV*h.Size, len(first)
	kc := newOperand(t, b, r, b.activation, rows, width, (width+7)/8*8, false)
	vc := newOperand(t, b, r, b.activation, rows, width, (width+7)/8*8, false)
	q := newOperand(t, b, r, b.activation, n, h.Query*h.Size, (h.Query*h.Size+7)/8*8, false)
	o := newOperand(t, b, r, b.activation, n, h.Query*h.Size, h.Query*h.Size, true)
	ints := func(values []int32) kernels.Tensor {
		x, err := b.Alloc(kernels.Int32, kernels.Input, 1, n)
		require.NoError(t, err)
		t.Cleanup(func() { b.Free(x) })
		b.UploadInts(x, values)
		return x
	}
	b.CachedAttention(o.view, q.view, kc.view, vc.view, ints(first), ints(count), h)
	want = reference.New[float64](n, h.Query*h.Size)
	reference.CachedAttention(want, reference.Of(n, h.Query*h.Size, q.values), reference.Of(rows, width, kc.values),
		reference.Of(rows, width, vc.values), first, count, h)
	return o.result(t, b), want
}

// TestLongRangesAndLargeGroupsDecode has ranges that give a part several spans, and more
// query heads a cache head than a block has rows.
func TestLongRangesAndLargeGroupsDecode(t *testing.T) {
	long := decodeParts*64 + 100
	for _, c := range []struct {
		activation kernels.DType
		h          kernels.Heads
	}{
		{kernels.BFloat16, kernels.Heads{Query: 3, KV: 1, Size: 64, Scale: 0.125}},
		{kernels.BFloat16, kernels.Heads{Query: 38, KV: 2, Size: 16, Scale: 0.25}},
		{kernels.BFloat16, kernels.Heads{Query: 2, KV: 1, Size: 24, Scale: 0.2}},
		{kernels.Float32, kernels.Heads{Query: 34, KV: 2, Size: 8, Scale: 0.3}},
	} {
		t.Run(fmt.Sprint(c.activation, " ", c.h), func(t *testing.T) {
			b, _ := openMachine(t, c.activation)
			got, want := decoded(t, b, c.h, long+20, []int32{3, 20, 0, 7}, []int32{int32(long), 64, 65, 1})
			unit := 0x1p-20
			if c.activation == kernels.BFloat16 {
				unit = 0x1p-8
			}
			for i, w := range want.Data {
				require.InDelta(t, w, float64(got[i]), unit*(math.Abs(w)+4), "query %d, column %d", i/want.Cols, i%want.Cols)
			}
		})
	}
}

func TestDecodedBitsDoNotDependOnTheOtherQueries(t *testing.T) {
	for _, activation := range []kernels.DType{kernels.Float32, kernels.BFloat16} {
		b, _ := openMachine(t, activation)
		h := kernels.Heads{Query: 4, KV: 2, Size: 32, Scale: 0.2}
		all, _ := decoded(t, b, h, 700, []int32{3, 20, 0}, []int32{200, 640, 65})
		alone, _ := decoded(t, b, h, 700, []int32{3}, []int32{200})
		require.Equal(t, all[:len(alone)], alone)
	}
}
