package reference

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
)

// The backward references are held to central finite differences of the forward
// references: for a loss Σ c·y with random c, the derivative by every input is
// (loss(x+h) − loss(x−h))/2h up to h², and the backward function with dy = c must say
// the same. Nothing of any backend takes part.

func normal(r *rand.Rand, rows, cols int) Matrix[float64] {
	m := New[float64](rows, cols)
	for i := range m.Data {
		m.Data[i] = r.NormFloat64()
	}
	return m
}

// weighted is Σ c·y, the scalar whose gradient by y is c.
func weighted(c, y Matrix[float64]) float64 { return dot(c.Data, y.Data) }

// requireGradient compares want, the gradient of loss by x, with finite differences.
func requireGradient(t *testing.T, name string, x Matrix[float64], loss func() float64, got Matrix[float64]) {
	t.Helper()
	const h = 1e-5
	for i, v := range x.Data {
		x.Data[i] = v + h
		above := loss()
		x.Data[i] = v - h
		below := loss()
		x.Data[i] = v
		slope := (above - below) / (2 * h)
		require.InDelta(t, slope, got.Data[i], 2e-8*(1+math.Abs(slope)), "%s: gradient by element %d", name, i)
	}
}

func TestNormBackwardIsTheGradientOfNorm(t *testing.T) {
	for _, kind := range []kernels.NormKind{kernels.LayerNorm, kernels.RMSNorm} {
		r := rand.New(rand.NewPCG(1, uint64(kind)))
		const T, n, groups, eps = 3, 5, 2, 0.1
		x, c, w, b := normal(r, T, n*groups), normal(r, T, n*groups), normal(r, 1, n), normal(r, 1, n)
		if kind == kernels.RMSNorm {
			b = Matrix[float64]{}
		}
		y, stats := New[float64](T, n*groups), New[float64](T*groups, 2)
		loss := func() float64 {
			Norm(y, stats, x, kind, w.Vector(), b.Vector(), eps)
			return weighted(c, y)
		}
		loss()
		before := normal(r, T, n*groups)
		dx, dw, db := before.Clone(), New[float64](1, n), New[float64](1, n)
		NormBackward(dx, dw, db, c, x, stats, kind, w.Vector(), true)
		addScaled(dx.Data, -1, before.Data)
		requireGradient(t, "x", x, loss, dx)
		requireGradient(t, "weight", w, loss, dw)
		if !b.Absent() {
			requireGradient(t, "bias", b, loss, db)
		}
		written := normal(r, T, n*groups)
		loss()
		NormBackward(written, Matrix[float64]{}, Matrix[float64]{}, c, x, stats, kind, w.Vector(), false)
		require.InDeltaSlice(t, dx.Data, written.Data, 1e-12)
	}
}

func TestLinearBackwardIsTheGradientOfLinear(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 0))
	x, w, b, c := normal(r, 4, 3), normal(r, 5, 3), normal(r, 1, 5), normal(r, 4, 5)
	y := New[float64](4, 5)
	loss := func() float64 { Linear(y, x, w, b.Vector()); return weighted(c, y) }
	dx, dw, db := normal(r, 4, 3), New[float64](5, 3), New[float64](1, 5)
	LinearBackwardInput(dx, c, w, false)
	LinearBackwardWeight(dw, db, c, x)
	requireGradient(t, "x", x, loss, dx)
	requireGradient(t, "w", w, loss, dw)
	requireGradient(t, "b", b, loss, db)
	twice := dx.Clone()
	LinearBackwardInput(twice, c, w, true)
	for i, v := range dx.Data {
		require.InDelta(t, 2*v, twice.Data[i], 1e-12)
	}
}

func TestActivationBackwardIsTheGradientOfTheActivation(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 0))
	pre, b, c := normal(r, 3, 7), normal(r, 1, 7), normal(r, 3, 7)
	h := New[float64](3, 7)
	for _, kind := range []kernels.GELUKind{kernels.GELUTanh, kernels.GELUErf} {
		loss := func() float64 { BiasGELU(h, pre.Clone(), b.Vector(), kind); return weighted(c, h) }
		after := pre.Clone()
		BiasGELU(h, after, b.Vector(), kind)
		dpre := New[float64](3, 7)
		GELUBackward(dpre, c, after, kind)
		requireGradient(t, "pre", pre, loss, dpre)
	}
	gateUp, dgateUp := normal(r, 3, 14), New[float64](3, 14)
	SwiGLUBackward(dgateUp, c, gateUp)
	requireGradient(t, "gateUp", gateUp, func() float64 { SwiGLU(h, gateUp); return weighted(c, h) }, dgateUp)
}

func TestRoPETurnsBack(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 0))
	x, table := normal(r, 3, 12), New[float64](5, 6)
	for p := range 5 {
		for i := range 3 {
			sin, cos := math.Sincos(float64(p) / float64(i+1))
			table.Row(p)[i], table.Row(p)[3+i] = cos, sin
		}
	}
	positions := []int32{4, 0, 2}
	c, before := normal(r, 3, 12), x.Clone()
	loss := func() float64 { y := x.Clone(); RoPE(y, table, positions, false); return weighted(c, y) }
	dx := c.Clone()
	RoPE(dx, table, positions, true)
	requireGradient(t, "x", x, loss, dx)
	RoPE(x, table, positions, false)
	require.Greater(t, math.Abs(x.Data[0]-before.Data[0]), 1e-3)
	RoPE(x, table, positions, true)
	require.InDeltaSlice(t, before.Data, x.Data, 1e-12)
}

func TestAttentionBackwardIsTheGradientOfAttention(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 0))
	h := kernels.Heads{Query: 6, KV: 2, Size: 2, Scale: 0.7}
	starts := []int32{0, 3, 4, 6}
	q, k, v, c := normal(r, 6, 12), normal(r, 6, 4), normal(r, 6, 4), normal(r, 6, 12)
	o, lse := New[float64](6, 12), New[float64](6, 6)
	loss := func() float64 { Attention(o, lse, q, k, v, starts, h); return weighted(c, o) }
	loss()
	dq, dk, dv := normal(r, 6, 12), normal(r, 6, 4), normal(r, 6, 4)
	AttentionBackward(dq, dk, dv, New[float64](6, 6), c, o, lse, q, k, v, starts, h, nil)
	requireGradient(t, "q", q, loss, dq)
	requireGradient(t, "k", k, loss, dk)
	requireGradient(t, "v", v, loss, dv)
}

func TestCachedAttentionEqualsAttention(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 0))
	h := kernels.Heads{Query: 4, KV: 2, Size: 3, Scale: 0.5}
	q, k, v := normal(r, 5, 12), normal(r, 5, 6), normal(r, 5, 6)
	o, lse, cached := New[float64](5, 12), New[float64](5, 4), New[float64](5, 12)
	Attention(o, lse, q, k, v, []int32{0, 3, 5}, h)
	CachedAttention(cached, q, k, v, []int32{0, 0, 0, 3, 3}, []int32{1, 2, 3, 1, 2}, h)
	require.Equal(t, o.Data, cached.Data)
}

func TestHeadCrossEntropyGradients(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 0))
	x, w := normal(r, 4, 3), normal(r, 7, 3)
	targets, weights := []int32{6, 0, 3, 3}, []float64{1, 0.5, 0, 2}
	logprobs := make([]float64, 4)
	var none Matrix[float64]
	loss := func() float64 {
		HeadCrossEntropy(logprobs, none, none, x, w, targets, weights, nil)
		return -dot(weights, logprobs)
	}
	dx, dw := normal(r, 4, 3), New[float64](7, 3)
	HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, nil)
	requireGradient(t, "x", x, loss, dx)
	requireGradient(t, "w", w, loss, dw)
	frozen := normal(r, 4, 3)
	HeadCrossEntropy(logprobs, frozen, none, x, w, targets, weights, nil)
	require.Equal(t, dx.Data, frozen.Data)
}

func TestHeadDistillGradients(t *testing.T) {
	const rows, width, vocabulary, k = 4, 3, 7, 3
	masked := math.Inf(-1)
	for _, ids := range [][]int32{nil, {6, 0, 3, 1, 2, 3, 5, 5, 4, 0, 1, 2}} {
		r := rand.New(rand.NewPCG(9, uint64(len(ids))))
		x, w := normal(r, rows, width), normal(r, vocabulary, width)
		targets, weights := []int32{6, 0, 3, 3}, []float64{1, 0.5, 0.2, 2}
		teacher := Teacher[float64]{Logits: normal(r, rows, vocabulary), IDs: ids, Weight: 0.7, Temperature: 1.7}
		if ids != nil {
			teacher.Logits = normal(r, rows, k)
		}
		teacher.Logits.Row(2)[0] = masked // row 2 names 5 once
		for j := range teacher.Logits.Row(3) {
			teacher.Logits.Row(3)[j] = masked
		}
		logprobs, kl := make([]float64, rows), make([]float64, rows)
		var none Matrix[float64]
		loss := func() float64 {
			HeadDistill(logprobs, kl, none, none, x, w, targets, weights, teacher, nil)
			sum := 0.0
			for i, lp := range logprobs {
				lambda := teacher.Weight
				if i == 3 {
					lambda = 0 // no teacher
				}
				sum += weights[i] * ((1-lambda)*-lp + lambda*teacher.Temperature*teacher.Temperature*kl[i])
			}
			return sum
		}
		dx, dw := normal(r, rows, width), New[float64](vocabulary, width)
		HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights, teacher, nil)
		requireGradient(t, "x", x, loss, dx)
		requireGradient(t, "w", w, loss, dw)
		loss()
		require.Positive(t, kl[0])
		require.Zero(t, kl[3])

		hard := make([]float64, rows)
		HeadCrossEntropy(hard, none, none, x, w, targets, weights, nil)
		require.Equal(t, hard, logprobs)
	}
}

func TestEmbedBackwardIsTheGradientOfEmbed(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 0))
	table, pos, c := normal(r, 5, 3), normal(r, 4, 3), normal(r, 4, 3)
	ids, positions := []int32{4, 1, 4, 0}, []int32{0, 1, 0, 1}
	x := New[float64](4, 3)
	loss := func() float64 { Embed(x, table, ids, pos, positions); return weighted(c, x) }
	dtable, dpos := New[float64](5, 3), New[float64](4, 3)
	EmbedBackward(dtable, c, ids)
	EmbedBackward(dpos, c, positions)
	requireGradient(t, "table", table, loss, dtable)
	requireGradient(t, "pos", pos, loss, dpos)
}
