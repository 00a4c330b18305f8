package conformance

import (
	"math"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// More broken backends: activations, attention, loss, optimizer and decoding.

type geluKeepsPre struct{ *plain } // the bias is added, but not left in pre

func (m geluKeepsPre) BiasGELU(h, pre, b kernels.Tensor, kind kernels.GELUKind) {
	before := mat(pre).Clone()
	m.plain.BiasGELU(h, pre, b, kind)
	for i := range pre.Rows {
		copy(mat(pre).Row(i), before.Row(i))
	}
}

type geluOneForm struct{ *plain }

func (m geluOneForm) BiasGELU(h, pre, b kernels.Tensor, _ kernels.GELUKind) {
	m.plain.BiasGELU(h, pre, b, kernels.GELUTanh)
}

// linearGELUKeepsBias leaves the bias out of what it keeps for the backward.
type linearGELUKeepsBias struct{ *plain }

func (m linearGELUKeepsBias) LinearGELU(h, pre, x, w, b kernels.Tensor, kind kernels.GELUKind) {
	m.plain.LinearGELU(h, pre, x, w, b, kind)
	m.plain.Linear(pre, x, w, kernels.Tensor{})
}

// linearGELUOneForm knows the tanh form only.
type linearGELUOneForm struct{ *plain }

func (m linearGELUOneForm) LinearGELU(h, pre, x, w, b kernels.Tensor, _ kernels.GELUKind) {
	m.plain.LinearGELU(h, pre, x, w, b, kernels.GELUTanh)
}

type geluBackwardNotInPlace struct{ *plain } // clears its output before it reads dh

func (m geluBackwardNotInPlace) GELUBackward(dpre, dh, pre kernels.Tensor, kind kernels.GELUKind) {
	m.Zero(dpre)
	m.plain.GELUBackward(dpre, dh, pre, kind)
}

type swigluSwapped struct{ *plain }

func (m swigluSwapped) SwiGLU(h, gateUp kernels.Tensor) {
	for i := range h.Rows {
		gate, up := mat(gateUp).Row(i)[:h.Cols], mat(gateUp).Row(i)[h.Cols:]
		for j, v := range up {
			mat(h).Row(i)[j] = gate[j] * v / (1 + float32(math.Exp(-float64(v))))
		}
	}
}

type dropoutIgnoresStream struct{ *plain } // every layer the same mask

func (m dropoutIgnoresStream) Dropout(y, x kernels.Tensor, factor float32, mask kernels.Mask, accumulate bool) {
	mask.Stream = 0
	m.plain.Dropout(y, x, factor, mask, accumulate)
}

type dropoutNeverAccumulates struct{ *plain }

func (m dropoutNeverAccumulates) Dropout(y, x kernels.Tensor, factor float32, mask kernels.Mask, _ bool) {
	m.plain.Dropout(y, x, factor, mask, false)
}

type ropeAdjacentPairs struct{ *plain } // GPT-J's order

func (m ropeAdjacentPairs) RoPE(x, table, positions kernels.Tensor, inverse bool) {
	size := table.Cols
	shuffle := func(back bool) {
		for i := range x.Rows {
			for h := 0; h < x.Cols; h += size {
				head := mat(x).Row(i)[h:][:size]
				old := append([]float32(nil), head...)
				for j := range size {
					to, from := j/2+j%2*(size/2), j
					if back {
						to, from = from, to
					}
					head[to] = old[from]
				}
			}
		}
	}
	shuffle(false)
	m.plain.RoPE(x, table, positions, inverse)
	shuffle(true)
}

type ropeIgnoresInverse struct{ *plain }

func (m ropeIgnoresInverse) RoPE(x, table, positions kernels.Tensor, _ bool) {
	m.plain.RoPE(x, table, positions, false)
}

// merged is the mistake of taking all documents for one.
func merged(docs kernels.Documents) kernels.Documents {
	docs.Starts = []int32{0, docs.Starts[len(docs.Starts)-1]}
	return docs
}

type attentionLeaks struct{ *plain }

func (m attentionLeaks) Attention(o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	m.plain.Attention(o, lse, q, k, v, merged(docs), h)
}

type attentionSeesAhead struct{ *plain } // one token too far

func (m attentionSeesAhead) Attention(o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	m.plain.Attention(o, lse, q, k, v, docs, h)
	for t := 0; t+1 < q.Rows; t++ {
		one := func(x kernels.Tensor) kernels.Tensor { return x.RowRange(t, t+1) }
		reference.CachedAttention(mat(one(o)), mat(one(q)), mat(k), mat(v), []int32{0}, []int32{int32(t) + 2}, h)
	}
}

type attentionHeadsInterleaved struct{ *plain } // head h reads h % KV

func (m attentionHeadsInterleaved) Attention(o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	m.plain.Attention(o, lse, q, k, v, docs, h)
	for head := range h.Query {
		columns := func(t kernels.Tensor, i int) kernels.Tensor { return t.ColRange(i*h.Size, (i+1)*h.Size) }
		one := kernels.Heads{Query: 1, KV: 1, Size: h.Size, Scale: h.Scale}
		m.plain.Attention(columns(o, head), lse.ColRange(head, head+1), columns(q, head),
			columns(k, head%h.KV), columns(v, head%h.KV), docs, one)
	}
}

type attentionWithoutMaximum struct{ *plain } // exp of the scores as they are

func (m attentionWithoutMaximum) Attention(o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	m.plain.Attention(o, lse, q, k, v, docs, h)
	for i := range lse.Rows {
		for j, s := range mat(lse).Row(i) {
			mat(lse).Row(i)[j] = float32(math.Log(float64(float32(math.Exp(float64(s))))))
		}
	}
}

type attentionBackwardLeaks struct{ *plain }

func (m attentionBackwardLeaks) AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	m.plain.AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v, merged(docs), h)
}

type attentionBackwardOneGroup struct{ *plain } // dk takes the last head of a group only

func (m attentionBackwardOneGroup) AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	m.plain.AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v, docs, h)
	group := h.Query / h.KV
	for kv := range h.KV {
		head := (kv+1)*group - 1
		columns := func(t kernels.Tensor, i int) kernels.Tensor { return t.ColRange(i*h.Size, (i+1)*h.Size) }
		one := kernels.Heads{Query: 1, KV: 1, Size: h.Size, Scale: h.Scale}
		m.plain.AttentionBackward(columns(dq, head), columns(dk, kv), columns(dv, kv), delta.ColRange(head, head+1),
			columns(do, head), columns(o, head), lse.ColRange(head, head+1), columns(q, head), columns(k, kv), columns(v, kv), docs, one)
	}
}

type headIgnoresWeights struct{ *plain }

func (m headIgnoresWeights) HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk kernels.Tensor) {
	before := append([]float32(nil), vec(weights)...)
	for i := range vec(weights) {
		vec(weights)[i] = 1
	}
	m.plain.HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk)
	copy(vec(weights), before)
}

type headDropsLastChunk struct{ *plain } // rows after the last whole chunk

func (m headDropsLastChunk) HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk kernels.Tensor) {
	n := x.Rows / chunk.Rows * chunk.Rows
	if weights.Cols != x.Rows || logprobs.Cols != x.Rows || targets.Cols != x.Rows {
		n = x.Rows
	}
	if !dx.Absent() {
		dx = dx.RowRange(0, n)
	}
	part := func(t kernels.Tensor) kernels.Tensor { return t.ColRange(0, min(n, t.Cols)) }
	m.plain.HeadCrossEntropy(part(logprobs), dx, dw, x.RowRange(0, n), w, part(targets), part(weights), chunk)
}

type headOverwritesWeight struct{ *plain }

func (m headOverwritesWeight) HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk kernels.Tensor) {
	if !dw.Absent() {
		m.Zero(dw)
	}
	m.plain.HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk)
}

type globalNormForgetsLast struct{ *plain }

func (m globalNormForgetsLast) GlobalNorm(control kernels.Tensor, params []kernels.Parameter, maxNorm float32) {
	m.plain.GlobalNorm(control, params[:max(1, len(params)-1)], maxNorm)
}

type globalNormZeroLimit struct{ *plain } // clips to nothing when there is no limit

func (m globalNormZeroLimit) GlobalNorm(control kernels.Tensor, params []kernels.Parameter, maxNorm float32) {
	m.plain.GlobalNorm(control, params, maxNorm)
	vec(control)[kernels.ControlScale] = min(1, maxNorm/vec(control)[kernels.ControlNorm])
}

type globalNormAlwaysFinite struct{ *plain }

func (m globalNormAlwaysFinite) GlobalNorm(control kernels.Tensor, params []kernels.Parameter, maxNorm float32) {
	m.plain.GlobalNorm(control, params, maxNorm)
	vec(control)[kernels.ControlFinite] = 1
}

type globalNormResetsStep struct{ *plain }

func (m globalNormResetsStep) GlobalNorm(control kernels.Tensor, params []kernels.Parameter, maxNorm float32) {
	m.plain.GlobalNorm(control, params, maxNorm)
	vec(control)[kernels.ControlStep] = 0
}

type adamwIgnoresFinite struct{ *plain }

func (m adamwIgnoresFinite) AdamW(control kernels.Tensor, params []kernels.Parameter, hp kernels.AdamW) {
	vec(control)[kernels.ControlFinite] = 1
	m.plain.AdamW(control, params, hp)
}

type adamwDecaysEverything struct{ *plain }

func (m adamwDecaysEverything) AdamW(control kernels.Tensor, params []kernels.Parameter, hp kernels.AdamW) {
	var all []kernels.Parameter
	for _, p := range params {
		p.Decay = true
		all = append(all, p)
	}
	m.plain.AdamW(control, all, hp)
}

type adamwHalvesEpsilon struct{ *plain } // only tiny gradients show it

func (m adamwHalvesEpsilon) AdamW(control kernels.Tensor, params []kernels.Parameter, hp kernels.AdamW) {
	hp.Epsilon /= 2
	m.plain.AdamW(control, params, hp)
}

type adamwWithoutCorrection struct{ *plain }

func (m adamwWithoutCorrection) AdamW(control kernels.Tensor, params []kernels.Parameter, hp kernels.AdamW) {
	step := vec(control)[kernels.ControlStep]
	vec(control)[kernels.ControlStep] = 1e6
	m.plain.AdamW(control, params, hp)
	vec(control)[kernels.ControlStep] = step + vec(control)[kernels.ControlFinite]
}

type adamwIgnoresScale struct{ *plain }

func (m adamwIgnoresScale) AdamW(control kernels.Tensor, params []kernels.Parameter, hp kernels.AdamW) {
	scale := vec(control)[kernels.ControlScale]
	vec(control)[kernels.ControlScale] = 1
	m.plain.AdamW(control, params, hp)
	vec(control)[kernels.ControlScale] = scale
}

type cacheSwapsKeysAndValues struct{ *plain }

func (m cacheSwapsKeysAndValues) CacheStore(kc, vc, k, v, rows kernels.Tensor) {
	m.plain.CacheStore(vc, kc, k, v, rows)
}

type cachedReadsOneMore struct{ *plain }

func (m cachedReadsOneMore) CachedAttention(o, q, kc, vc, first, count kernels.Tensor, h kernels.Heads) {
	m.plain.CachedAttention(o, q, kc, vc, first, count, h)
	more := append([]int32(nil), ints(count)...)
	for i, at := range ints(first) {
		more[i] = min(more[i]+1, int32(kc.Rows)-at)
	}
	reference.CachedAttention(mat(o), mat(q), mat(kc), mat(vc), ints(first), more, h)
}

type sampleTakesLastOfEquals struct{ *plain }

func (m sampleTakesLastOfEquals) Sample(ids, logprobs, logits, uniforms kernels.Tensor, s kernels.Sampling) {
	m.plain.Sample(ids, logprobs, logits, uniforms, s)
	for i, id := range ints(ids) {
		for other, v := range mat(logits).Row(i) {
			if s.Temperature == 0 && v == mat(logits).Row(i)[id] {
				ints(ids)[i] = int32(other)
			}
		}
	}
}

type sampleTopKOneShort struct{ *plain }

func (m sampleTopKOneShort) Sample(ids, logprobs, logits, uniforms kernels.Tensor, s kernels.Sampling) {
	if s.TopK > 1 {
		s.TopK--
	}
	m.plain.Sample(ids, logprobs, logits, uniforms, s)
}

// sampleTopPBeforeTopK filters in the other order: nucleus of the whole distribution,
// then the k likeliest of it.
type sampleTopPBeforeTopK struct{ *plain }

func (m sampleTopPBeforeTopK) Sample(ids, logprobs, logits, uniforms kernels.Tensor, s kernels.Sampling) {
	if s.TopK > 0 && s.TopP < 1 && s.Temperature > 0 {
		nucleus := s
		nucleus.TopK = 0
		kept := 0
		for _, p := range reference.Filtered(mat(logits).Row(0), nucleus) {
			if p > 0 {
				kept++
			}
		}
		s.TopK, s.TopP = min(s.TopK, kept), 1
	}
	m.plain.Sample(ids, logprobs, logits, uniforms, s)
}

type sampleLogprobsAfterTemperature struct{ *plain }

func (m sampleLogprobsAfterTemperature) Sample(ids, logprobs, logits, uniforms kernels.Tensor, s kernels.Sampling) {
	m.plain.Sample(ids, logprobs, logits, uniforms, s)
	for i, id := range ints(ids) {
		if p := reference.Filtered(mat(logits).Row(i), s)[id]; p > 0 {
			vec(logprobs)[i] = float32(math.Log(float64(p)))
		}
	}
}

type sampleIgnoresTopP struct{ *plain }

func (m sampleIgnoresTopP) Sample(ids, logprobs, logits, uniforms kernels.Tensor, s kernels.Sampling) {
	s.TopP = 1
	m.plain.Sample(ids, logprobs, logits, uniforms, s)
}
