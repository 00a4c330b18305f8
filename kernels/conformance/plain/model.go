package plain

import (
	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// The second half of the plain backend: attention, loss, optimizer and decoding.

// CanAttend is nil.
func (p *Backend) CanAttend(kernels.Heads) error { return nil }

// Attention is done by the reference.
func (p *Backend) Attention(o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	like("o", o, q.Rows, q.Cols)
	like("lse", lse, q.Rows, h.Query)
	like("k", k, q.Rows, h.KV*h.Size)
	like("v", v, q.Rows, h.KV*h.Size)
	reference.Attention(Mat(o), Mat(lse), Mat(q), Mat(k), Mat(v), docs.Starts, h)
}

// AttentionBackward is done by the reference.
func (p *Backend) AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	like("dq", dq, q.Rows, q.Cols)
	like("dk", dk, k.Rows, k.Cols)
	like("dv", dv, v.Rows, v.Cols)
	like("do", do, q.Rows, q.Cols)
	like("o", o, q.Rows, q.Cols)
	like("lse", lse, q.Rows, h.Query)
	like("delta", delta, q.Rows, h.Query)
	reference.AttentionBackward(Mat(dq), Mat(dk), Mat(dv), Mat(delta), Mat(do), Mat(o), Mat(lse), Mat(q), Mat(k), Mat(v), docs.Starts, h, p.stored)
}

// HeadCrossEntropy is done by the reference.
func (p *Backend) HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk kernels.Tensor) {
	likeHead(logprobs, dx, dw, x, w, targets, weights, chunk)
	reference.HeadCrossEntropy(Vec(logprobs), Mat(dx), Mat(dw), Mat(x), Mat(w), Ints(targets), Vec(weights), p.stored)
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

// HeadDistill is done by the reference.
func (p *Backend) HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights kernels.Tensor, teacher kernels.Teacher, chunk kernels.Tensor) {
	likeHead(logprobs, dx, dw, x, w, targets, weights, chunk)
	like("kl", kl, 1, x.Rows)
	teacher.Want("HeadDistill", x.Rows, w.Rows)
	t := reference.Teacher[float32]{Logits: Mat(teacher.Logits), Weight: teacher.Weight, Temperature: teacher.Temperature}
	for i := range teacher.IDs.Rows {
		t.IDs = append(t.IDs, Ints(teacher.IDs.RowRange(i, i+1))...)
	}
	reference.HeadDistill(Vec(logprobs), Vec(kl), Mat(dx), Mat(dw), Mat(x), Mat(w), Ints(targets), Vec(weights), t, p.stored)
}

// parameters opens what is optimized.
func parameters(params []kernels.Parameter) (list []reference.Parameter[float32]) {
	for _, p := range params {
		for _, t := range []kernels.Tensor{p.Grad, p.Master, p.Moment1, p.Moment2} {
			like("parameter", t, p.Value.Rows, p.Value.Cols)
		}
		list = append(list, reference.Parameter[float32]{Value: Mat(p.Value), Grad: Mat(p.Grad),
			Master: Mat(p.Master), Moment1: Mat(p.Moment1), Moment2: Mat(p.Moment2), Decay: p.Decay})
	}
	return list
}

// GlobalNorm is done by the reference.
func (p *Backend) GlobalNorm(control kernels.Tensor, params []kernels.Parameter, maxNorm float32) {
	like("control", control, 1, kernels.ControlSlots)
	reference.GlobalNorm(Vec(control), parameters(params), maxNorm)
}

// AdamW is done by the reference.
func (p *Backend) AdamW(control kernels.Tensor, params []kernels.Parameter, hp kernels.AdamW) {
	like("control", control, 1, kernels.ControlSlots)
	reference.AdamW(Vec(control), parameters(params), hp)
}

// CacheStore is done by the reference.
func (p *Backend) CacheStore(kc, vc, k, v, rows kernels.Tensor) {
	like("vc", vc, kc.Rows, kc.Cols)
	like("k", k, rows.Cols, kc.Cols)
	like("v", v, rows.Cols, kc.Cols)
	reference.ScatterRows(Mat(kc), Mat(k), Ints(rows))
	reference.ScatterRows(Mat(vc), Mat(v), Ints(rows))
}

// CachedAttention is done by the reference.
func (p *Backend) CachedAttention(o, q, kc, vc, first, count kernels.Tensor, h kernels.Heads) {
	like("q", q, first.Cols, h.Query*h.Size)
	like("o", o, q.Rows, q.Cols)
	like("count", count, 1, first.Cols)
	like("vc", vc, kc.Rows, kc.Cols)
	reference.CachedAttention(Mat(o), Mat(q), Mat(kc), Mat(vc), Ints(first), Ints(count), h)
}

// Sample is done by the reference.
func (p *Backend) Sample(ids, logprobs, logits, uniforms kernels.Tensor, s kernels.Sampling) {
	like("ids", ids, 1, logits.Rows)
	like("logprobs", logprobs, 1, logits.Rows)
	like("uniforms", uniforms, 1, logits.Rows)
	reference.Sample(Ints(ids), Vec(logprobs), Mat(logits), Vec(uniforms), s)
}
