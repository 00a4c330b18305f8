package reference

import "retort/kernels"

// softmax turns scores into probabilities in place and returns their log-sum-exp.
func softmax[F Float](scores []F) (lse F) {
	largest := scores[0]
	for _, s := range scores {
		largest = max(largest, s)
	}
	var sum F
	for j, s := range scores {
		scores[j] = exp(s - largest)
		sum += scores[j]
	}
	for j := range scores {
		scores[j] /= sum
	}
	return largest + log(sum)
}

// attend is one head of one query over rows [first, first+count) of k and v, whose
// columns [at, at+len(q)) belong to the head: o = Σ softmax(scale·q·k)·v.
func attend[F Float](o, q []F, k, v Matrix[F], at, first, count int, scale F) (lse F) {
	scores := make([]F, count)
	for j := range scores {
		scores[j] = scale * dot(q, k.Row(first + j)[at:][:len(q)])
	}
	lse = softmax(scores)
	clear(o)
	for j, p := range scores {
		addScaled(o, p, v.Row(first + j)[at:][:len(q)])
	}
	return lse
}

// Attention is causal attention inside each document; document i is the tokens
// [starts[i], starts[i+1]).
func Attention[F Float](o, lse, q, k, v Matrix[F], starts []int32, h kernels.Heads) {
	for i := 1; i < len(starts); i++ {
		start, end := int(starts[i-1]), int(starts[i])
		for t := start; t < end; t++ {
			for head := range h.Query {
				at, kvAt := head*h.Size, head/(h.Query/h.KV)*h.Size
				lse.Row(t)[head] = attend(o.Row(t)[at:][:h.Size], q.Row(t)[at:][:h.Size],
					k, v, kvAt, start, t-start+1, F(h.Scale))
			}
		}
	}
}

// AttentionBackward differentiates Attention from its outputs. With s = scale·q·k,
// p = exp(s − lse), dp = do·v and delta = do·o:
//
//	dv = Σ p·do, ds = p·(dp − delta), dq = scale·Σ ds·k, dk = scale·Σ ds·q.
//
// delta is added from right to left: a document's first token has o = v, hence
// dp − delta = 0, and two sums in one order would cancel without the error that any
// float32 implementation has there.
//
// stored is what becomes of p and ds before they are multiplied, where a matrix unit takes
// them in a shorter type; nil leaves them alone.
func AttentionBackward[F Float](dq, dk, dv, delta, do, o, lse, q, k, v Matrix[F], starts []int32, h kernels.Heads,
	stored func(F) F) {
	if stored == nil {
		stored = func(x F) F { return x }
	}
	for t := range q.Rows {
		clear(dq.Row(t))
		clear(dk.Row(t))
		clear(dv.Row(t))
	}
	scale := F(h.Scale)
	for i := 1; i < len(starts); i++ {
		start, end := int(starts[i-1]), int(starts[i])
		for t := start; t < end; t++ {
			for head := range h.Query {
				at, kvAt := head*h.Size, head/(h.Query/h.KV)*h.Size
				part := func(m Matrix[F], row, from int) []F { return m.Row(row)[from:][:h.Size] }
				query, dout := part(q, t, at), part(do, t, at)
				sum := dotBackwards(dout, part(o, t, at))
				delta.Row(t)[head] = sum
				for j := start; j <= t; j++ {
					key := part(k, j, kvAt)
					p := exp(scale*dot(query, key) - lse.Row(t)[head])
					ds := p * (dot(dout, part(v, j, kvAt)) - sum)
					addScaled(part(dv, j, kvAt), stored(p), dout)
					ds = stored(ds)
					addScaled(part(dq, t, at), scale*ds, key)
					addScaled(part(dk, j, kvAt), scale*ds, query)
				}
			}
		}
	}
}

// CachedAttention lets query i read rows [first[i], first[i]+count[i]) of the cache.
func CachedAttention[F Float](o, q, kc, vc Matrix[F], first, count []int32, h kernels.Heads) {
	for i := range q.Rows {
		for head := range h.Query {
			at, kvAt := head*h.Size, head/(h.Query/h.KV)*h.Size
			attend(o.Row(i)[at:][:h.Size], q.Row(i)[at:][:h.Size], kc, vc, kvAt,
				int(first[i]), int(count[i]), F(h.Scale))
		}
	}
}
