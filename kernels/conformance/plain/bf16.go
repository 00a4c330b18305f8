package plain

import (
	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// BF16 is the plain backend with bf16 activations: arithmetic in float32, every result
// rounded where it is stored, and factors of a second product (probabilities, gradients of
// scores and of logits) rounded as tensor cores take them.
type BF16 struct{ *Backend }

// NewBF16 returns a plain backend with bf16 activations.
func NewBF16() BF16 {
	b := BF16{New()}
	b.stored = reference.BF16
	return b
}

// Name tells it from the float32 one.
func (BF16) Name() string { return "plain bf16" }

// ActivationType is bf16.
func (BF16) ActivationType() kernels.DType { return kernels.BFloat16 }

// store rounds what an operation has written.
func store(tensors ...kernels.Tensor) {
	for _, t := range tensors {
		if t.Absent() || t.DType != kernels.BFloat16 {
			continue
		}
		for i := range t.Rows {
			for j, v := range Mat(t).Row(i) {
				Mat(t).Row(i)[j] = reference.BF16(v)
			}
		}
	}
}

// Upload rounds.
func (b BF16) Upload(t kernels.Tensor, src []float32) { b.Backend.Upload(t, src); store(t) }

// Copy rounds where dst is narrower.
func (b BF16) Copy(dst, src kernels.Tensor) { b.Backend.Copy(dst, src); store(dst) }

// Embed rounds x.
func (b BF16) Embed(x, table, ids, pos, positions kernels.Tensor) {
	b.Backend.Embed(x, table, ids, pos, positions)
	store(x)
}

// Norm rounds y.
func (b BF16) Norm(y, stats, x kernels.Tensor, n kernels.Norm) {
	b.Backend.Norm(y, stats, x, n)
	store(y)
}

// AddNorm normalises the sum as it is stored.
func (b BF16) AddNorm(y, stats, sum, x, delta kernels.Tensor, n kernels.Norm) {
	b.Backend.AddNorm(y, stats, sum, x, delta, n)
	store(sum)
	b.Norm(y, stats, sum, n)
}

// NormBackward rounds dx.
func (b BF16) NormBackward(dx, dw, db, dy, x, stats kernels.Tensor, n kernels.Norm, accumulate bool) {
	b.Backend.NormBackward(dx, dw, db, dy, x, stats, n, accumulate)
	store(dx)
}

// Linear rounds y, unless it is logits.
func (b BF16) Linear(y, x, w, bias kernels.Tensor) {
	b.Backend.Linear(y, x, w, bias)
	store(y)
}

// LinearGELU rounds what backward reads and what the next layer does.
func (b BF16) LinearGELU(h, pre, x, w, bias kernels.Tensor, kind kernels.GELUKind) {
	b.Linear(pre, x, w, bias)
	b.BiasGELU(h, pre, kernels.Tensor{}, kind)
}

// LinearBackwardInput rounds dx.
func (b BF16) LinearBackwardInput(dx, dy, w kernels.Tensor, accumulate bool) {
	b.Backend.LinearBackwardInput(dx, dy, w, accumulate)
	store(dx)
}

// BiasGELU rounds pre before the activation.
func (b BF16) BiasGELU(h, pre, bias kernels.Tensor, kind kernels.GELUKind) {
	b.Backend.BiasGELU(h, pre, bias, kind)
	store(pre)
	b.Backend.BiasGELU(h, pre, kernels.Tensor{}, kind)
	store(h)
}

// GELUBackward rounds dpre.
func (b BF16) GELUBackward(dpre, dh, pre kernels.Tensor, kind kernels.GELUKind) {
	b.Backend.GELUBackward(dpre, dh, pre, kind)
	store(dpre)
}

// SwiGLU rounds h.
func (b BF16) SwiGLU(h, gateUp kernels.Tensor) {
	b.Backend.SwiGLU(h, gateUp)
	store(h)
}

// SwiGLUBackward rounds dgateUp.
func (b BF16) SwiGLUBackward(dgateUp, dh, gateUp kernels.Tensor) {
	b.Backend.SwiGLUBackward(dgateUp, dh, gateUp)
	store(dgateUp)
}

// RoPE rounds x.
func (b BF16) RoPE(x, table, positions kernels.Tensor, inverse bool) {
	b.Backend.RoPE(x, table, positions, inverse)
	store(x)
}

// Attention rounds o.
func (b BF16) Attention(o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	b.Backend.Attention(o, lse, q, k, v, docs, h)
	store(o)
}

// AttentionBackward rounds probabilities and gradients of scores, then dq, dk and dv.
func (b BF16) AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	b.Backend.AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v, docs, h)
	store(dq, dk, dv)
}

// HeadCrossEntropy rounds the gradients of the logits, then dx.
func (b BF16) HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk kernels.Tensor) {
	b.Backend.HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk)
	store(dx)
}

// HeadDistill rounds the gradients of the logits, then dx.
func (b BF16) HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights kernels.Tensor, teacher kernels.Teacher, chunk kernels.Tensor) {
	b.Backend.HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights, teacher, chunk)
	store(dx)
}

// AdamW rounds the values that it makes of masters.
func (b BF16) AdamW(control kernels.Tensor, params []kernels.Parameter, hp kernels.AdamW) {
	b.Backend.AdamW(control, params, hp)
	for _, p := range params {
		store(p.Value)
	}
}

// CachedAttention rounds o.
func (b BF16) CachedAttention(o, q, kc, vc, first, count kernels.Tensor, h kernels.Heads) {
	b.Backend.CachedAttention(o, q, kc, vc, first, count, h)
	store(o)
}

// Dropout rounds y.
func (b BF16) Dropout(y, x kernels.Tensor, factor float32, m kernels.Mask, accumulate bool) {
	b.Backend.Dropout(y, x, factor, m, accumulate)
	store(y)
}
