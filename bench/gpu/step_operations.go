package main

import (
	"slices"

	"retort/kernels"
)

// The operations of a training step, as the recorder notes them.

type tensors = []kernels.Tensor

// Zero is noted.
func (r *recorder) Zero(t kernels.Tensor) {
	r.note("Zero", 1, tensors{t}, nil, nil) // a driver's memset: no kernel
}

// Copy is noted.
func (r *recorder) Copy(dst, src kernels.Tensor) {
	r.note("Copy", 1, tensors{dst, src}, nil, func(b kernels.Backend, a tensors) { b.Copy(a[0], a[1]) })
}

// Embed is noted.
func (r *recorder) Embed(x, table, ids, pos, positions kernels.Tensor) {
	r.note("Embed", 1, tensors{x, table, ids, pos, positions}, nil, func(b kernels.Backend, a tensors) { b.Embed(a[0], a[1], a[2], a[3], a[4]) })
}

// EmbedBackward is noted.
func (r *recorder) EmbedBackward(dtable, dx kernels.Tensor, g kernels.Groups) {
	r.note("EmbedBackward", 1, tensors{dtable, dx, g.IDs, g.Starts, g.Order}, nil, func(b kernels.Backend, a tensors) {
		b.EmbedBackward(a[0], a[1], kernels.Groups{IDs: a[2], Starts: a[3], Order: a[4], Count: g.Count})
	})
}

// Norm is noted.
func (r *recorder) Norm(y, stats, x kernels.Tensor, p kernels.Norm) {
	r.note("Norm", 1, tensors{y, stats, x, p.Weight, p.Bias}, nil, func(b kernels.Backend, a tensors) {
		b.Norm(a[0], a[1], a[2], kernels.Norm{Kind: p.Kind, Weight: a[3], Bias: a[4], Eps: p.Eps})
	})
}

// AddNorm is noted.
func (r *recorder) AddNorm(y, stats, sum, x, delta kernels.Tensor, p kernels.Norm) {
	r.note("AddNorm", 1, tensors{y, stats, sum, x, delta, p.Weight, p.Bias}, nil, func(b kernels.Backend, a tensors) {
		b.AddNorm(a[0], a[1], a[2], a[3], a[4], kernels.Norm{Kind: p.Kind, Weight: a[5], Bias: a[6], Eps: p.Eps})
	})
}

// NormBackward is noted.
func (r *recorder) NormBackward(dx, dw, db, dy, x, stats kernels.Tensor, p kernels.Norm, accumulate bool) {
	name := "NormBackward"
	if accumulate {
		name += " +="
	}
	r.note(name, 1, tensors{dx, dw, db, dy, x, stats, p.Weight, p.Bias}, nil, func(b kernels.Backend, a tensors) {
		b.NormBackward(a[0], a[1], a[2], a[3], a[4], a[5], kernels.Norm{Kind: p.Kind, Weight: a[6], Bias: a[7], Eps: p.Eps}, accumulate)
	})
}

// Linear is noted.
func (r *recorder) Linear(y, x, w, b kernels.Tensor) {
	r.note("Linear", 1, tensors{y, x, w, b}, nil, func(b kernels.Backend, a tensors) { b.Linear(a[0], a[1], a[2], a[3]) })
}

// LinearGELU is noted.
func (r *recorder) LinearGELU(h, pre, x, w, b kernels.Tensor, kind kernels.GELUKind) {
	r.note("LinearGELU", 1, tensors{h, pre, x, w, b}, nil, func(b kernels.Backend, a tensors) { b.LinearGELU(a[0], a[1], a[2], a[3], a[4], kind) })
}

// LinearBackwardInput is noted.
func (r *recorder) LinearBackwardInput(dx, dy, w kernels.Tensor, accumulate bool) {
	r.note("LinearBackwardInput", 1, tensors{dx, dy, w}, nil, func(b kernels.Backend, a tensors) { b.LinearBackwardInput(a[0], a[1], a[2], accumulate) })
}

// LinearBackwardWeight is noted.
func (r *recorder) LinearBackwardWeight(dw, db, dy, x kernels.Tensor) {
	r.note("LinearBackwardWeight", 1, tensors{dw, db, dy, x}, nil, func(b kernels.Backend, a tensors) { b.LinearBackwardWeight(a[0], a[1], a[2], a[3]) })
}

// BiasGELU is noted.
func (r *recorder) BiasGELU(h, pre, b kernels.Tensor, kind kernels.GELUKind) {
	r.note("BiasGELU", 1, tensors{h, pre, b}, nil, func(b kernels.Backend, a tensors) { b.BiasGELU(a[0], a[1], a[2], kind) })
}

// GELUBackward is noted.
func (r *recorder) GELUBackward(dpre, dh, pre kernels.Tensor, kind kernels.GELUKind) {
	r.note("GELUBackward", 1, tensors{dpre, dh, pre}, nil, func(b kernels.Backend, a tensors) { b.GELUBackward(a[0], a[1], a[2], kind) })
}

// SwiGLU is noted.
func (r *recorder) SwiGLU(h, gateUp kernels.Tensor) {
	r.note("SwiGLU", 1, tensors{h, gateUp}, nil, func(b kernels.Backend, a tensors) { b.SwiGLU(a[0], a[1]) })
}

// SwiGLUBackward is noted.
func (r *recorder) SwiGLUBackward(dgateUp, dh, gateUp kernels.Tensor) {
	r.note("SwiGLUBackward", 1, tensors{dgateUp, dh, gateUp}, nil, func(b kernels.Backend, a tensors) { b.SwiGLUBackward(a[0], a[1], a[2]) })
}

// RoPE is noted.
func (r *recorder) RoPE(x, table, positions kernels.Tensor, inverse bool) {
	r.note("RoPE", 1, tensors{x, table, positions}, nil, func(b kernels.Backend, a tensors) { b.RoPE(a[0], a[1], a[2], inverse) })
}

// Attention is noted.
func (r *recorder) Attention(o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	docs.Starts = slices.Clone(docs.Starts) // the batch that owns them is used again
	r.note("Attention", 1, tensors{o, lse, q, k, v, docs.Device}, nil, func(b kernels.Backend, a tensors) {
		docs.Device = a[5]
		b.Attention(a[0], a[1], a[2], a[3], a[4], docs, h)
	})
}

// AttentionBackward is noted.
func (r *recorder) AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	docs.Starts = slices.Clone(docs.Starts)
	r.note("AttentionBackward", 1, tensors{dq, dk, dv, delta, do, o, lse, q, k, v, docs.Device}, nil, func(b kernels.Backend, a tensors) {
		docs.Device = a[10]
		b.AttentionBackward(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], docs, h)
	})
}

// GatherRows is noted.
func (r *recorder) GatherRows(dst, src, rows kernels.Tensor) {
	r.note("GatherRows", 1, tensors{dst, src, rows}, nil, func(b kernels.Backend, a tensors) { b.GatherRows(a[0], a[1], a[2]) })
}

// ScatterRows is noted.
func (r *recorder) ScatterRows(dst, src, rows kernels.Tensor) {
	r.note("ScatterRows", 1, tensors{dst, src, rows}, nil, func(b kernels.Backend, a tensors) { b.ScatterRows(a[0], a[1], a[2]) })
}

// headRows are as many rows of the head as are replayed: all others take as long.
const headRows = 1024

// HeadCrossEntropy is noted.
func (r *recorder) HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk kernels.Tensor) {
	n := min(x.Rows, headRows)
	r.note("HeadCrossEntropy", float64(x.Rows)/float64(n), tensors{
		logprobs.ColRange(0, n), dx.RowRange(0, n), dw, x.RowRange(0, n), w, targets.ColRange(0, n), weights.ColRange(0, n), chunk,
	}, nil, func(b kernels.Backend, a tensors) { b.HeadCrossEntropy(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]) })
}

// optimizedParameters are about as many parameters as the optimizer's replay updates.
const optimizedParameters = 8 << 20

// GlobalNorm is noted.
func (r *recorder) GlobalNorm(control kernels.Tensor, params []kernels.Parameter, maxNorm float32) {
	part, times := lastOf(params)
	r.note("GlobalNorm", times, append(tensors{control}, flatten(part)...), nil, func(b kernels.Backend, a tensors) {
		b.GlobalNorm(a[0], unflatten(part, a[1:]), maxNorm)
	})
}

// AdamW is noted.
func (r *recorder) AdamW(control kernels.Tensor, params []kernels.Parameter, hp kernels.AdamW) {
	part, times := lastOf(params)
	r.note("AdamW", times, append(tensors{control}, flatten(part)...), func(b kernels.Backend, a tensors) {
		b.GlobalNorm(a[0], unflatten(part, a[1:]), 1) // says that the gradients are finite
	}, func(b kernels.Backend, a tensors) { b.AdamW(a[0], unflatten(part, a[1:]), hp) })
}

// lastOf takes whole parameters from the end, which are blocks', and says how many times as
// many values all of them have.
func lastOf(params []kernels.Parameter) (part []kernels.Parameter, times float64) {
	total, taken := 0, 0
	for _, p := range params {
		total += p.Value.Len()
	}
	at := len(params)
	for at > 0 && taken < optimizedParameters {
		at--
		taken += params[at].Value.Len()
	}
	return params[at:], float64(total) / float64(taken)
}

func flatten(params []kernels.Parameter) (list tensors) {
	for _, p := range params {
		list = append(list, p.Value, p.Grad, p.Master, p.Moment1, p.Moment2)
	}
	return list
}

func unflatten(params []kernels.Parameter, list tensors) (out []kernels.Parameter) {
	for i, p := range params {
		p.Value, p.Grad, p.Master, p.Moment1, p.Moment2 = list[5*i], list[5*i+1], list[5*i+2], list[5*i+3], list[5*i+4]
		out = append(out, p)
	}
	return out
}
