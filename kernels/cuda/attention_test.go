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

// The conformance table meets several tiles for one head size; these tests do it for each,
// with bounds that follow from where values are rounded.

// attentionCase is one packed batch.
type attentionCase struct {
	activation      kernels.DType
	query, kv, size int
	docs            []int
	unaligned       bool // rows that begin at odd elements
}

func (c attentionCase) String() string {
	return fmt.Sprintf("%v %d/%d heads of %d, documents %v, unaligned=%v", c.activation, c.query, c.kv, c.size, c.docs, c.unaligned)
}

func (c attentionCase) heads() kernels.Heads {
	return kernels.Heads{Query: c.query, KV: c.kv, Size: c.size, Scale: float32(1 / math.Sqrt(float64(c.size)))}
}

// attentionRun is a case's arguments, and what the device made of them.
type attentionRun struct {
	starts                []int32
	q, k, v, do           operand
	o, dq, dk, dv         operand
	outO, outLSE          []float32
	outDQ, outDK, outDV   []float32
	kernelDocs            kernels.Documents
	queryWidth, keysWidth int
}

// run attends forward and backward.
func (c attentionCase) run(t testing.TB, b *Backend) *attentionRun {
	t.Helper()
	r := rand.New(rand.NewPCG(7, uint64(c.size)))
	a := &attentionRun{starts: []int32{0}, queryWidth: c.query * c.size, keysWidth: c.kv * c.size}
	for _, n := range c.docs {
		a.starts = append(a.starts, a.starts[len(a.starts)-1]+int32(n))
		a.kernelDocs.Longest = max(a.kernelDocs.Longest, n)
	}
	tokens := int(a.starts[len(a.starts)-1])
	device, err := b.Alloc(kernels.Int32, kernels.Input, 1, len(a.starts))
	require.NoError(t, err)
	t.Cleanup(func() { b.Free(device) })
	b.UploadInts(device, a.starts)
	a.kernelDocs.Starts, a.kernelDocs.Device = a.starts, device
	operand := func(width int, written bool) operand {
		stride := (width + 7) / 8 * 8
		if c.unaligned {
			stride = width | 1
		}
		return newOperand(t, b, r, c.activation, tokens, width, stride, written)
	}
	a.q, a.k, a.v, a.do = operand(a.queryWidth, false), operand(a.keysWidth, false), operand(a.keysWidth, false), operand(a.queryWidth, false)
	a.o, a.dq, a.dk, a.dv = operand(a.queryWidth, true), operand(a.queryWidth, true), operand(a.keysWidth, true), operand(a.keysWidth, true)
	lse, err := b.Alloc(kernels.Float32, kernels.Activations, tokens, c.query)
	require.NoError(t, err)
	delta, err := b.Alloc(kernels.Float32, kernels.Scratch, tokens, c.query)
	require.NoError(t, err)
	t.Cleanup(func() { b.Free(lse); b.Free(delta) })
	b.Attention(a.o.view, lse, a.q.view, a.k.view, a.v.view, a.kernelDocs, c.heads())
	b.AttentionBackward(a.dq.view, a.dk.view, a.dv.view, delta, a.do.view, a.o.view, lse, a.q.view, a.k.view, a.v.view, a.kernelDocs, c.heads())
	a.outO, a.outDQ, a.outDK, a.outDV = a.o.result(t, b), a.dq.result(t, b), a.dk.result(t, b), a.dv.result(t, b)
	a.outLSE = make([]float32, lse.Len())
	require.NoError(t, b.Download(a.outLSE, lse))
	return a
}

// requireFloat64 compares a run with float64. Weights and gradients of scores are off by
// unit (a rounding to bf16 as operands, or float's arithmetic), each result by one rounding.
func (c attentionCase) requireFloat64(t testing.TB, a *attentionRun) {
	t.Helper()
	unit, last := 0x1p-17, 0x1p-22
	if _, tensor := tensorAttention[c.size]; c.activation == kernels.BFloat16 {
		last = 0x1p-8
		if tensor {
			unit = 0x1p-8
		}
	}
	h, tokens := c.heads(), int(a.starts[len(a.starts)-1])
	matrix := func(values []float64, cols int) reference.Matrix[float64] { return reference.Of(tokens, cols, values) }
	widened := func(values []float32) []float64 {
		wide := make([]float64, len(values))
		for i, v := range values {
			wide[i] = float64(v)
		}
		return wide
	}
	zero := func(cols int) reference.Matrix[float64] { return reference.New[float64](tokens, cols) }
	q, k, v, do := matrix(a.q.values, a.queryWidth), matrix(a.k.values, a.keysWidth), matrix(a.v.values, a.keysWidth), matrix(a.do.values, a.queryWidth)
	o, lse := zero(a.queryWidth), zero(c.query)
	reference.Attention(o, lse, q, k, v, a.starts, h)
	near := func(name string, want, bound reference.Matrix[float64], got []float32) {
		for i, w := range want.Data {
			require.InDelta(t, w, float64(got[i]), bound.Data[i]+last*math.Abs(w), "%v: %s[%d, %d]", c, name, i/want.Cols, i%want.Cols)
		}
	}
	deviceO, deviceLSE := matrix(widened(a.outO), a.queryWidth), matrix(widened(a.outLSE), c.query)
	dq, dk, dv := zero(a.queryWidth), zero(a.keysWidth), zero(a.keysWidth)
	reference.AttentionBackward(dq, dk, dv, zero(c.query), do, deviceO, deviceLSE, q, k, v, a.starts, h, nil)

	// The bounds: the same sums over magnitudes.
	boundO, boundLSE, boundDQ, boundDK, boundDV := zero(a.queryWidth), zero(c.query), zero(a.queryWidth), zero(a.keysWidth), zero(a.keysWidth)
	for i := range boundLSE.Data {
		boundLSE.Data[i] = 1e-5
	}
	scale, size := float64(h.Scale), c.size
	for d := 1; d < len(a.starts); d++ {
		for i := int(a.starts[d-1]); i < int(a.starts[d]); i++ {
			for head := range c.query {
				at, kvAt := head*size, head/(c.query/c.kv)*size
				var delta, magnitude float64
				for e := range size {
					delta += do.Row(i)[at+e] * deviceO.Row(i)[at+e]
					magnitude += math.Abs(do.Row(i)[at+e])
				}
				for j := int(a.starts[d-1]); j <= i; j++ {
					var score, dp float64
					for e := range size {
						score += q.Row(i)[at+e] * k.Row(j)[kvAt+e]
						dp += do.Row(i)[at+e] * v.Row(j)[kvAt+e]
					}
					p := math.Exp(scale*score - deviceLSE.Row(i)[head])
					offP, offDS := unit*p, unit*p*math.Abs(dp-delta)+p*magnitude*0x1p-17
					for e := range size {
						boundO.Row(i)[at+e] += offP * math.Abs(v.Row(j)[kvAt+e])
						boundDQ.Row(i)[at+e] += scale * offDS * math.Abs(k.Row(j)[kvAt+e])
						boundDK.Row(j)[kvAt+e] += scale * offDS * math.Abs(q.Row(i)[at+e])
						boundDV.Row(j)[kvAt+e] += offP * math.Abs(do.Row(i)[at+e])
					}
				}
			}
		}
	}
	near("o", o, boundO, a.outO)
	near("lse", lse, boundLSE, a.outLSE)
	near("dq", dq, boundDQ, a.outDQ)
	near("dk", dk, boundDK, a.outDK)
	near("dv", dv, boundDV, a.outDV)
}

func TestAttentionOfSeveralTilesMatchesFloat64(t *testing.T) {
	long, short := []int{133, 1, 66}, []int{35, 1, 17}
	var cases []attentionCase
	for size := range tensorAttention {
		cases = append(cases, attentionCase{activation: kernels.BFloat16, query: 2, kv: 1, size: size, docs: long})
	}
	cases = append(cases,
		attentionCase{activation: kernels.BFloat16, query: 3, kv: 3, size: 64, docs: append([]int{5}, make([]int, 40)...)},
		attentionCase{activation: kernels.BFloat16, query: 2, kv: 2, size: 80, docs: short},
		attentionCase{activation: kernels.Float32, query: 3, kv: 1, size: 7, docs: short},
		attentionCase{activation: kernels.Float32, query: 1, kv: 1, size: 256, docs: short},
	)
	for i := range cases[len(cases)-4].docs { // more documents than a warp has lanes
		cases[len(cases)-4].docs[i] = 1 + i%3
	}
	for _, c := range cases {
		t.Run(c.String(), func(t *testing.T) {
			b, _ := openMachine(t, c.activation)
			c.requireFloat64(t, c.run(t, b))
		})
	}
}

func TestUnalignedRowsGiveAttentionTheSameBits(t *testing.T) {
	for _, size := range []int{16, 64, 96} {
		b, _ := openMachine(t, kernels.BFloat16)
		c := attentionCase{activation: kernels.BFloat16, query: 2, kv: 1, size: size, docs: []int{70, 3}}
		aligned := c.run(t, b)
		c.unaligned = true
		unaligned := c.run(t, b)
		for i, want := range [][]float32{aligned.outO, aligned.outLSE, aligned.outDQ, aligned.outDK, aligned.outDV} {
			got := [][]float32{unaligned.outO, unaligned.outLSE, unaligned.outDQ, unaligned.outDK, unaligned.outDV}[i]
			require.Equal(t, want, got, "size %d, result %d", size, i)
		}
	}
}
