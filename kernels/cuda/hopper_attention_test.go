package cuda

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
)

// TestHopperAttentionOfSeveralTilesMatchesFloat64 has documents that end inside a tile, at its
// end, and in the middle of what one tensor copy brings.
func TestHopperAttentionOfSeveralTilesMatchesFloat64(t *testing.T) {
	for size, forward := range hopperForward {
		c := attentionCase{activation: kernels.BFloat16, query: 2, kv: 1, size: size, docs: []int{270, 1, 128, 65}}
		t.Run(c.String(), func(t *testing.T) {
			b, machine := openHopper(t)
			a := c.run(t, b)
			c.requireFloat64(t, a)
			require.Contains(t, machine.Counts(), forward.name)
			require.NotNil(t, b.modules[forward.file])

			first := c.docs[0] * a.queryWidth
			require.Equal(t, a.firstAlone(t, b, c), a.outO[:first], "the first document has other bits alone")
		})
	}
}

// firstAlone attends in the first document alone, where its arguments lie.
func (a *attentionRun) firstAlone(t testing.TB, b *Backend, c attentionCase) []float32 {
	t.Helper()
	n := c.docs[0]
	docs := kernels.Documents{Starts: a.starts[:2], Device: a.kernelDocs.Device.ColRange(0, 2), Longest: n}
	lse, err := b.Alloc(kernels.Float32, kernels.Activations, n, c.query)
	require.NoError(t, err)
	defer b.Free(lse)
	b.Attention(a.o.view.RowRange(0, n), lse, a.q.view.RowRange(0, n), a.k.view.RowRange(0, n), a.v.view.RowRange(0, n), docs, c.heads())
	return a.o.result(t, b)[:n*a.queryWidth]
}

// TestInfiniteValuesStayInTheirDocument: a tensor copy brings the next document's first rows too.
func TestInfiniteValuesStayInTheirDocument(t *testing.T) {
	for size := range hopperForward {
		b, _ := openHopper(t)
		c := attentionCase{activation: kernels.BFloat16, query: 2, kv: 1, size: size, docs: []int{70, 30}}
		a := c.run(t, b)
		before := a.outO
		raw := make([]float32, a.v.whole.Len())
		require.NoError(t, b.Download(raw, a.v.whole))
		for i := (1 + c.docs[0]) * a.v.whole.Cols; i < len(raw); i++ { // row 0 is margin
			raw[i] = float32(math.Inf(1))
		}
		b.Upload(a.v.whole, raw)
		lse, err := b.Alloc(kernels.Float32, kernels.Activations, 100, c.query)
		require.NoError(t, err)
		b.Attention(a.o.view, lse, a.q.view, a.k.view, a.v.view, a.kernelDocs, c.heads())
		after := a.o.result(t, b)
		first := c.docs[0] * a.queryWidth
		require.Equal(t, before[:first], after[:first])
		require.False(t, math.Abs(float64(after[first])) < math.MaxFloat32, "the second document's own values are infinite")
		b.Free(lse)
	}
}
