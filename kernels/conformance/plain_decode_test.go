package conformance

import (
	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// The second half of the plain backend: attention, loss, optimizer and decoding.

func (p *plain) Attention(o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	like("o", o, q.Rows, q.Cols)
	like("lse", lse, q.Rows, h.Query)
	like("k", k, q.Rows, h.KV*h.Size)
	like("v", v, q.Rows, h.KV*h.Size)
	reference.Attention(mat(o), mat(lse), mat(q), mat(k), mat(v), docs.Starts, h)
}

func (p *plain) AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	like("dq", dq, q.Rows, q.Cols)
	like("dk", dk, k.Rows, k.Cols)
	like("dv", dv, v.Rows, v.Cols)
	like("do", do, q.Rows, q.Cols)
	like("o", o, q.Rows, q.Cols)
	like("lse", lse, q.Rows, h.Query)
	like("delta", delta, q.Rows, h.Query)
	reference.AttentionBackward(mat(dq), mat(dk), mat(dv), mat(delta), mat(do), mat(o), mat(lse), mat(q), mat(k), mat(v), docs.Starts, h, nil)
}

func (p *plain) HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk kernels.Tensor) {
	likeHead(logprobs, dx, dw, x, w, targets, weights, chunk)
	reference.HeadCrossEntropy(vec(logprobs), mat(dx), mat(dw), mat(x), mat(w), ints(targets), vec(weights), nil)
}

func likeHead(logprobs, dx, dw, x, w, targets, weights, chunk kernels.Tensor) {
	like("logprobs", logprobs, 1, x.Rows)
	like("targets", targets, 1, x.Rows)
	like("weights", weights, 1, x.Rows)
	like("dx", dx, x.Rows, x.Cols)
	like("dw", dw, w.Rows, w.Cols)
	like("w", w, w.Rows, x.Cols)
	like("chunk", chunk, chunk.Rows, w.Rows)
}

func (p *plain) HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights kernels.Tensor, teacher kernels.Teacher, chunk kernels.Tensor) {
	likeHead(logprobs, dx, dw, x, w, targets, weights, chunk)
	like("kl", kl, 1, x.Rows)
	teacher.Want("HeadDistill", x.Rows, w.Rows)
	t := reference.Teacher[float32]{Logits: mat(teacher.Logits), Weight: teacher.Weight, Temperature: teacher.Temperature}
	for i := range teacher.IDs.Rows {
		t.IDs = append(t.IDs, ints(teacher.IDs.RowRange(i, i+1))...)
	}
	reference.HeadDistill(vec(logprobs), vec(kl), mat(dx), mat(dw), mat(x), mat(w), ints(targets), vec(weights), t, nil)
}

// parameters opens what is optimized.
func parameters(params []kernels.Parameter) (list []reference.Parameter[float32]) {
	for _, p := range params {
		for _, t := range []kernels.Tensor{p.Grad, p.Master, p.Moment1, p.Moment2} {
			like("parameter", t, p.Value.Rows, p.Value.Cols)
		}
		list = append(list, reference.Parameter[float32]{Value: mat(p.Value), Grad: mat(p.Grad),
			Master: mat(p.Master), Moment1: mat(p.Moment1), Moment2: mat(p.Moment2), Decay: p.Decay})
	}
	return list
}

func (p *plain) GlobalNorm(control kernels.Tensor, params []kernels.Parameter, maxNorm float32) {
	like("control", control, 1, kernels.ControlSlots)
	reference.GlobalNorm(vec(control), parameters(params), maxNorm)
}

func (p *plain) AdamW(control kernels.Tensor, params []kernels.Parameter, hp kernels.AdamW) {
	like("control", control, 1, kernels.ControlSlots)
	reference.AdamW(vec(control), parameters(params), hp)
}

func (p *plain) CacheStore(kc, vc, k, v, rows kernels.Tensor) {
	like("vc", vc, kc.Rows, kc.Cols)
	like("k", k, rows.Cols, kc.Cols)
	like("v", v, rows.Cols, kc.Cols)
	reference.ScatterRows(mat(kc), mat(k), ints(rows))
	reference.ScatterRows(mat(vc), mat(v), ints(rows))
}

func (p *plain) CachedAttention(o, q, kc, vc, first, count kernels.Tensor, h kernels.Heads) {
	like("q", q, first.Cols, h.Query*h.Size)
	like("o", o, q.Rows, q.Cols)
	like("count", count, 1, first.Cols)
	like("vc", vc, kc.Rows, kc.Cols)
	reference.CachedAttention(mat(o), mat(q), mat(kc), mat(vc), ints(first), ints(count), h)
}

func (p *plain) Sample(ids, logprobs, logits, uniforms kernels.Tensor, s kernels.Sampling) {
	like("ids", ids, 1, logits.Rows)
	like("logprobs", logprobs, 1, logits.Rows)
	like("uniforms", uniforms, 1, logits.Rows)
	reference.Sample(ints(ids), vec(logprobs), mat(logits), vec(uniforms), s)
}
