package bench

import (
	"time"

	"retort/kernels"
)

// cost is what one operation has taken so far, and the work it did: the multiplications
// and additions of its matrix products, and the bytes its arguments hold.
type cost struct {
	calls        int
	seconds      float64
	flops, bytes float64
}

// timed is a backend that measures every operation of a training step. It is for a backend
// whose operations have finished when they return, as the CPU's have.
type timed struct {
	kernels.Backend
	costs map[string]*cost
}

// measure times one operation over the given arguments.
func (t *timed) measure(name string, flops float64, args []kernels.Tensor, run func()) {
	c := t.costs[name]
	if c == nil {
		c = &cost{}
		t.costs[name] = c
	}
	began := time.Now()
	run()
	c.seconds += time.Since(began).Seconds()
	c.calls++
	c.flops += flops
	for _, a := range args {
		if !a.Absent() {
			c.bytes += float64(a.Len() * a.DType.Size())
		}
	}
}

type tensors = []kernels.Tensor

// product is the work of a matrix product (m, k)·(k, n).
func product(m, n, k int) float64 { return 2 * float64(m) * float64(n) * float64(k) }

// causal is the work of one product of attention: all pairs of a token and one before it.
func causal(d kernels.Documents, h kernels.Heads) float64 {
	pairs := 0.0
	for i := 1; i < len(d.Starts); i++ {
		n := float64(d.Starts[i] - d.Starts[i-1])
		pairs += n * (n + 1) / 2
	}
	return 2 * pairs * float64(h.Query*h.Size)
}

// Zero is timed.
func (t *timed) Zero(x kernels.Tensor) {
	t.measure("Zero", 0, tensors{x}, func() { t.Backend.Zero(x) })
}

// Embed is timed.
func (t *timed) Embed(x, table, ids, pos, positions kernels.Tensor) {
	t.measure("Embed", 0, tensors{x, x}, func() { t.Backend.Embed(x, table, ids, pos, positions) })
}

// EmbedBackward is timed.
func (t *timed) EmbedBackward(dtable, dx kernels.Tensor, g kernels.Groups) {
	t.measure("EmbedBackward", 0, tensors{dx, dx, dx}, func() { t.Backend.EmbedBackward(dtable, dx, g) })
}

// Norm is timed.
func (t *timed) Norm(y, stats, x kernels.Tensor, p kernels.Norm) {
	t.measure("Norm", 0, tensors{y, x}, func() { t.Backend.Norm(y, stats, x, p) })
}

// AddNorm is timed.
func (t *timed) AddNorm(y, stats, sum, x, delta kernels.Tensor, p kernels.Norm) {
	t.measure("AddNorm", 0, tensors{y, sum, x, delta}, func() { t.Backend.AddNorm(y, stats, sum, x, delta, p) })
}

// NormBackward is timed.
func (t *timed) NormBackward(dx, dw, db, dy, x, stats kernels.Tensor, p kernels.Norm, accumulate bool) {
	t.measure("NormBackward", 0, tensors{dx, dx, dy, x}, func() { t.Backend.NormBackward(dx, dw, db, dy, x, stats, p, accumulate) })
}

// Linear is timed.
func (t *timed) Linear(y, x, w, b kernels.Tensor) {
	t.measure("Linear", product(x.Rows, w.Rows, w.Cols), tensors{y, x, w}, func() { t.Backend.Linear(y, x, w, b) })
}

// LinearGELU is timed.
func (t *timed) LinearGELU(h, pre, x, w, b kernels.Tensor, kind kernels.GELUKind) {
	t.measure("LinearGELU", product(x.Rows, w.Rows, w.Cols), tensors{h, pre, x, w}, func() { t.Backend.LinearGELU(h, pre, x, w, b, kind) })
}

// LinearBackwardInput is timed.
func (t *timed) LinearBackwardInput(dx, dy, w kernels.Tensor, accumulate bool) {
	t.measure("LinearBackwardInput", product(dy.Rows, w.Rows, w.Cols), tensors{dx, dy, w}, func() { t.Backend.LinearBackwardInput(dx, dy, w, accumulate) })
}

// LinearBackwardWeight is timed.
func (t *timed) LinearBackwardWeight(dw, db, dy, x kernels.Tensor) {
	t.measure("LinearBackwardWeight", product(dw.Rows, dw.Cols, dy.Rows), tensors{dw, dw, dy, x}, func() { t.Backend.LinearBackwardWeight(dw, db, dy, x) })
}

// BiasGELU is timed.
func (t *timed) BiasGELU(h, pre, b kernels.Tensor, kind kernels.GELUKind) {
	t.measure("BiasGELU", 0, tensors{h, pre, pre}, func() { t.Backend.BiasGELU(h, pre, b, kind) })
}

// GELUBackward is timed.
func (t *timed) GELUBackward(dpre, dh, pre kernels.Tensor, kind kernels.GELUKind) {
	t.measure("GELUBackward", 0, tensors{dpre, dh, pre}, func() { t.Backend.GELUBackward(dpre, dh, pre, kind) })
}

// SwiGLU is timed.
func (t *timed) SwiGLU(h, gateUp kernels.Tensor) {
	t.measure("SwiGLU", 0, tensors{h, gateUp}, func() { t.Backend.SwiGLU(h, gateUp) })
}

// SwiGLUBackward is timed.
func (t *timed) SwiGLUBackward(dgateUp, dh, gateUp kernels.Tensor) {
	t.measure("SwiGLUBackward", 0, tensors{dgateUp, dh, gateUp}, func() { t.Backend.SwiGLUBackward(dgateUp, dh, gateUp) })
}

// Dropout is timed.
func (t *timed) Dropout(y, x kernels.Tensor, factor float32, m kernels.Mask, accumulate bool) {
	t.measure("Dropout", 0, tensors{y, x}, func() { t.Backend.Dropout(y, x, factor, m, accumulate) })
}

// RoPE is timed.
func (t *timed) RoPE(x, table, positions kernels.Tensor, inverse bool) {
	t.measure("RoPE", 0, tensors{x, x}, func() { t.Backend.RoPE(x, table, positions, inverse) })
}

// Attention is timed; it is two causal products.
func (t *timed) Attention(o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	t.measure("Attention", 2*causal(docs, h), tensors{o, q, k, v}, func() { t.Backend.Attention(o, lse, q, k, v, docs, h) })
}

// AttentionBackward is timed; it is five causal products.
func (t *timed) AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	t.measure("AttentionBackward", 5*causal(docs, h), tensors{dq, dk, dv, do, o, q, k, v}, func() {
		t.Backend.AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v, docs, h)
	})
}

// GatherRows is timed.
func (t *timed) GatherRows(dst, src, rows kernels.Tensor) {
	t.measure("GatherRows", 0, tensors{dst, dst}, func() { t.Backend.GatherRows(dst, src, rows) })
}

// ScatterRows is timed.
func (t *timed) ScatterRows(dst, src, rows kernels.Tensor) {
	t.measure("ScatterRows", 0, tensors{src, src}, func() { t.Backend.ScatterRows(dst, src, rows) })
}

// HeadCrossEntropy is timed; it is three products.
func (t *timed) HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk kernels.Tensor) {
	t.measure("HeadCrossEntropy", 3*product(x.Rows, w.Rows, w.Cols), tensors{dx, dw, x, w}, func() {
		t.Backend.HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk)
	})
}

// HeadDistill is timed; it is three products.
func (t *timed) HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights kernels.Tensor, teacher kernels.Teacher, chunk kernels.Tensor) {
	t.measure("HeadDistill", 3*product(x.Rows, w.Rows, w.Cols), tensors{dx, dw, x, w, teacher.Logits, teacher.IDs}, func() {
		t.Backend.HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights, teacher, chunk)
	})
}

// GlobalNorm is timed.
func (t *timed) GlobalNorm(control kernels.Tensor, params []kernels.Parameter, maxNorm float32) {
	var grads tensors
	for _, p := range params {
		grads = append(grads, p.Grad)
	}
	t.measure("GlobalNorm", 0, grads, func() { t.Backend.GlobalNorm(control, params, maxNorm) })
}

// AdamW is timed.
func (t *timed) AdamW(control kernels.Tensor, params []kernels.Parameter, hp kernels.AdamW) {
	var touched tensors
	for _, p := range params {
		touched = append(touched, p.Value, p.Value, p.Grad, p.Moment1, p.Moment1, p.Moment2, p.Moment2)
	}
	t.measure("AdamW", 0, touched, func() { t.Backend.AdamW(control, params, hp) })
}
