package model

import "retort/kernels"

// The transformer block, forward and backward, mirrored line for line. Families differ
// by what the configuration switches on: biases, q/k norm, RoPE, SwiGLU or GELU.

// forward runs one block. a.h1 holds the normalised input already; the MLP's output is
// left in s.delta, for the next norm to add to a.mid.
func (p *Pass) forward(layer int, a activations, s shared) {
	k, c, w := p.k, p.c, &p.w.blocks[layer]
	k.Linear(a.qkv, a.h1, w.qkv, w.qkvBias)
	p.adapt(a.qkv, a.h1, layer, siteQKV, a, s)
	p.positions(a, w)
	p.attend(layer, a)
	k.Linear(s.delta, a.o, w.out, w.outBias)
	p.adapt(s.delta, a.o, layer, siteOut, a, s)
	k.AddNorm(a.h2, a.stats2, a.mid, a.x, s.delta, c.norm(w.norm2))
	p.mlp(layer, a, s)
}

// positions puts order into queries and keys: Qwen3's norm of heads, then RoPE.
func (p *Pass) positions(a activations, w *blockWeights) {
	k, c := p.k, p.c
	qEnd, kEnd := c.Heads*c.HeadDim, (c.Heads+c.KVHeads)*c.HeadDim
	if c.QKNorm {
		k.Copy(a.qkRaw, a.qkv.ColRange(0, kEnd))
		k.Norm(a.qkv.ColRange(0, qEnd), a.qStats, a.qkRaw.ColRange(0, qEnd), c.headNorm(w.qNorm))
		k.Norm(a.qkv.ColRange(qEnd, kEnd), a.kStats, a.qkRaw.ColRange(qEnd, kEnd), c.headNorm(w.kNorm))
	}
	if c.RoPE != nil {
		k.RoPE(a.qkv.ColRange(0, kEnd), p.rope, p.in.positions.ColRange(0, p.in.t), false)
	}
}

// mlp computes the block's MLP from a.h2 into s.delta.
func (p *Pass) mlp(layer int, a activations, s shared) {
	k, c, w := p.k, p.c, &p.w.blocks[layer]
	switch {
	case c.SwiGLU:
		k.Linear(a.up, a.h2, w.up, w.upBias)
		p.adapt(a.up, a.h2, layer, siteUp, a, s)
		k.SwiGLU(s.act, a.up)
	case p.loraAt(layer, siteUp) != nil: // it is added before the activation
		k.Linear(a.up, a.h2, w.up, w.upBias)
		p.adapt(a.up, a.h2, layer, siteUp, a, s)
		k.BiasGELU(s.act, a.up, kernels.Tensor{}, c.GELU)
	default:
		k.LinearGELU(s.act, a.up, a.h2, w.up, w.upBias, c.GELU)
	}
	k.Linear(s.delta, s.act, w.down, w.downBias)
	p.adapt(s.delta, s.act, layer, siteDown, a, s)
}

// backward carries the gradient of the residual stream, s.dx, from the block's output to
// its input and adds up the gradients g of the block's parameters; those of a frozen student
// are absent.
func (p *Pass) backward(layer int, a activations, s shared, g *blockWeights) {
	k, c, w := p.k, p.c, &p.w.blocks[layer]
	p.mlpBackward(layer, a, s, g)
	k.NormBackward(s.dx, g.norm2.weight, g.norm2.bias, s.dh, a.mid, a.stats2, c.norm(w.norm2), true)

	k.LinearBackwardWeight(g.out, g.outBias, s.dx, a.o)
	k.LinearBackwardInput(s.do, s.dx, w.out, false)
	p.adaptBackward(s.do, s.dx, a.o, layer, siteOut, a, s)
	q, kk, v := c.split(a.qkv)
	dq, dk, dv := c.split(s.dqkv)
	k.AttentionBackward(dq, dk, dv, s.attDelta, s.do, a.o, a.lse, q, kk, v, p.in.docs, c.heads())
	p.positionsBackward(a, s, w, g)
	k.LinearBackwardWeight(g.qkv, g.qkvBias, s.dqkv, a.h1)
	k.LinearBackwardInput(s.dh, s.dqkv, w.qkv, false)
	p.adaptBackward(s.dh, s.dqkv, a.h1, layer, siteQKV, a, s)
	k.NormBackward(s.dx, g.norm1.weight, g.norm1.bias, s.dh, a.x, a.stats1, c.norm(w.norm1), true)
}

// mlpBackward leaves the gradient of a.h2 in s.dh. The activation is computed again
// rather than kept: it is the largest buffer of a block and the cheapest to make.
func (p *Pass) mlpBackward(layer int, a activations, s shared, g *blockWeights) {
	k, c, w := p.k, p.c, &p.w.blocks[layer]
	if c.SwiGLU {
		k.SwiGLU(s.act, a.up)
	} else {
		k.BiasGELU(s.act, a.up, kernels.Tensor{}, c.GELU) // a.up holds the bias since the forward pass
	}
	k.LinearBackwardWeight(g.down, g.downBias, s.dx, s.act)
	k.LinearBackwardInput(s.dact, s.dx, w.down, false)
	p.adaptBackward(s.dact, s.dx, s.act, layer, siteDown, a, s)
	if c.SwiGLU {
		k.SwiGLUBackward(s.dup, s.dact, a.up)
	} else {
		k.GELUBackward(s.dup, s.dact, a.up, c.GELU)
	}
	k.LinearBackwardWeight(g.up, g.upBias, s.dup, a.h2)
	k.LinearBackwardInput(s.dh, s.dup, w.up, false)
	p.adaptBackward(s.dh, s.dup, a.h2, layer, siteUp, a, s)
}

// positionsBackward turns the gradients of queries and keys back, in s.dqkv.
func (p *Pass) positionsBackward(a activations, s shared, w, g *blockWeights) {
	k, c := p.k, p.c
	qEnd, kEnd := c.Heads*c.HeadDim, (c.Heads+c.KVHeads)*c.HeadDim
	if c.RoPE != nil {
		k.RoPE(s.dqkv.ColRange(0, kEnd), p.rope, p.in.positions.ColRange(0, p.in.t), true)
	}
	if c.QKNorm {
		k.Copy(s.dqk, s.dqkv.ColRange(0, kEnd))
		k.NormBackward(s.dqkv.ColRange(0, qEnd), g.qNorm, kernels.Tensor{}, s.dqk.ColRange(0, qEnd),
			a.qkRaw.ColRange(0, qEnd), a.qStats, c.headNorm(w.qNorm), false)
		k.NormBackward(s.dqkv.ColRange(qEnd, kEnd), g.kNorm, kernels.Tensor{}, s.dqk.ColRange(qEnd, kEnd),
			a.qkRaw.ColRange(qEnd, kEnd), a.kStats, c.headNorm(w.kNorm), false)
	}
}

// attend runs attention: over the packed documents, or for decoding over the cache, in
// which the new keys and values are stored first.
func (p *Pass) attend(layer int, a activations) {
	k, c := p.k, p.c
	q, kk, v := c.split(a.qkv)
	if p.cache != nil {
		k.CacheStore(p.cache.keys[layer], p.cache.values[layer], kk, v, p.cacheRows.ColRange(0, p.in.t))
	}
	if p.decoding {
		k.CachedAttention(a.o, q, p.cache.keys[layer], p.cache.values[layer], p.cacheFirst.ColRange(0, p.in.t), p.cacheCount.ColRange(0, p.in.t), c.heads())
	} else {
		k.Attention(a.o, a.lse, q, kk, v, p.in.docs, c.heads())
	}
}

// split returns queries (T, H·D), keys and values (T, K·D) of the fused activation.
func (c Config) split(qkv kernels.Tensor) (q, k, v kernels.Tensor) {
	qEnd, kEnd := c.Heads*c.HeadDim, (c.Heads+c.KVHeads)*c.HeadDim
	return qkv.ColRange(0, qEnd), qkv.ColRange(qEnd, kEnd), qkv.ColRange(kEnd, c.QKVRows())
}

// norm is a block's normalisation with its parameters.
func (c Config) norm(w normWeights) kernels.Norm {
	return kernels.Norm{Kind: c.Norm, Weight: w.weight, Bias: w.bias, Eps: float32(c.NormEps)}
}

// headNorm is Qwen3's normalisation of every head.
func (c Config) headNorm(weight kernels.Tensor) kernels.Norm {
	return kernels.Norm{Kind: kernels.RMSNorm, Weight: weight, Eps: float32(c.NormEps)}
}
