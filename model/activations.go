package model

import (
	"fmt"
	"slices"

	"retort/kernels"
)

// activations is what one block computes and its backward pass reads again. When a pass
// does not train, one set serves all blocks in turn.
type activations struct {
	x      kernels.Tensor // (T, d)         residual stream entering the block
	h1     kernels.Tensor // (T, d)         x normalised
	stats1 kernels.Tensor // (T, 2)
	qkv    kernels.Tensor // (T, (H+2K)·D)  queries, keys (rotated, for Qwen3 normalised) and values
	qkRaw  kernels.Tensor // (T, (H+K)·D)   before the norm of heads; absent without one
	qStats kernels.Tensor // (T·H, 2)
	kStats kernels.Tensor // (T·K, 2)
	o      kernels.Tensor // (T, H·D)       attention's output
	lse    kernels.Tensor // (T, H)
	mid    kernels.Tensor // (T, d)         residual stream between attention and MLP
	h2     kernels.Tensor // (T, d)         mid normalised
	stats2 kernels.Tensor // (T, 2)
	up     kernels.Tensor // (T, 2F) gate and up, or (T, F) before GELU

	low [sites]kernels.Tensor // (T, n·r)   s·dropout(x)·Aᵀ of each site's adapter; absent without one
}

// shared is what blocks do not keep: scratch and gradients that live for one block.
type shared struct {
	delta  kernels.Tensor // (T, d)  output of attention or MLP on its way to the residual stream
	act    kernels.Tensor // (T, F)  the MLP's activation; recomputed in the backward pass
	final  kernels.Tensor // (T, d)  residual stream after the last block
	hidden kernels.Tensor // (T, d)  final normalised: the last hidden state
	statsF kernels.Tensor // (T, 2)

	rows   kernels.Tensor // (N, d)  hidden of the rows that enter the loss
	logits kernels.Tensor // (C, V)  a chunk of logits

	dx       kernels.Tensor // (T, d)  gradient of the residual stream, carried from block to block
	dh       kernels.Tensor // (T, d)  gradient of a norm's output; at first of hidden
	dqkv     kernels.Tensor // (T, (H+2K)·D)
	dqk      kernels.Tensor // (T, (H+K)·D)  before the norm of heads; absent without one
	do       kernels.Tensor // (T, H·D)
	attDelta kernels.Tensor // (T, H)
	dup      kernels.Tensor // (T, 2F) or (T, F)
	dact     kernels.Tensor // (T, F)
	drows    kernels.Tensor // (N, d)

	dlow    kernels.Tensor // (T, n·r)  gradient of an adapter's low; absent without one
	dropped kernels.Tensor // (T, d), (T, H·D) or (T, F): an adapter's input with dropout, or its gradient

	logprobs kernels.Tensor // (1, N·batches)
	kl       kernels.Tensor // (1, N·batches)  divergences from a teacher
}

// planner allocates a pass's buffers and keeps the first error.
type planner struct {
	k   kernels.Backend
	own []kernels.Tensor
	err error
	// What an adapter needs: the widths n·r of its sites, 0 for none, and whether it drops out.
	low     [sites]int
	dropout bool
}

// adapt plans for the adapter of weights w too.
func (p *planner) adapt(l LoRA, w *weights) {
	p.dropout = l.Dropout > 0
	for _, b := range w.blocks {
		for site := range b.lora {
			p.low[site] = max(p.low[site], b.lora[site].a.Rows)
		}
	}
}

func (p *planner) tensor(dtype kernels.DType, purpose kernels.Purpose, rows, cols int) kernels.Tensor {
	if p.err != nil {
		return kernels.Tensor{}
	}
	t, err := p.k.Alloc(dtype, purpose, rows, cols)
	if err != nil {
		p.err = err
		return t
	}
	p.own = append(p.own, t)
	return t
}

func (p *planner) activation(rows, cols int) kernels.Tensor {
	return p.tensor(p.k.ActivationType(), kernels.Activations, rows, cols)
}

func (p *planner) float(rows, cols int) kernels.Tensor {
	return p.tensor(kernels.Float32, kernels.Activations, rows, cols)
}

func (p *planner) ints(n int) kernels.Tensor {
	return p.tensor(kernels.Int32, kernels.Input, 1, n)
}

func (p *planner) free() {
	for _, t := range p.own {
		p.k.Free(t)
	}
	p.own = nil
}

// blocks plans the activations of every block: each its own when training; with
// checkpointing its own input and all else in turn; without training one set in turn.
func (p *planner) blocks(c Config, o PassOptions) []activations {
	out := make([]activations, c.Layers)
	for i := range out {
		switch {
		case i == 0 || o.Training && !o.Checkpointing:
			out[i] = p.block(c, o.Tokens)
		default:
			out[i] = out[0]
			if o.Training {
				out[i].x = p.activation(o.Tokens, c.Hidden)
			}
		}
	}
	return out
}

// block plans one block's activations for t tokens.
func (p *planner) block(c Config, t int) activations {
	d, heads := c.Hidden, c.Heads*c.HeadDim
	a := activations{
		x: p.activation(t, d), h1: p.activation(t, d), stats1: p.float(t, 2),
		qkv: p.activation(t, c.QKVRows()), o: p.activation(t, heads), lse: p.float(t, c.Heads),
		mid: p.activation(t, d), h2: p.activation(t, d), stats2: p.float(t, 2),
		up: p.activation(t, c.upCols()),
	}
	if c.QKNorm {
		a.qkRaw = p.activation(t, (c.Heads+c.KVHeads)*c.HeadDim)
		a.qStats, a.kStats = p.float(t*c.Heads, 2), p.float(t*c.KVHeads, 2)
	}
	for site, width := range p.low {
		if width > 0 {
			a.low[site] = p.activation(t, width)
		}
	}
	return a
}

// shared plans the scratch of a pass.
func (p *planner) shared(c Config, o PassOptions) shared {
	t, n := o.Tokens, o.Rows
	d, heads := c.Hidden, c.Heads*c.HeadDim
	s := shared{
		delta: p.activation(t, d), act: p.activation(t, c.FFN),
		final: p.activation(t, d), hidden: p.activation(t, d), statsF: p.float(t, 2),
		rows: p.activation(n, d), logits: p.float(max(1, min(n, p.k.HeadRows(c.Vocab))), c.Vocab),
		logprobs: p.float(1, n*max(1, o.Batches)), kl: p.float(1, n*max(1, o.Batches)),
	}
	if o.Training {
		s.dx, s.dh = p.activation(t, d), p.activation(t, d)
		s.dqkv, s.do, s.attDelta = p.activation(t, c.QKVRows()), p.activation(t, heads), p.float(t, c.Heads)
		s.dup, s.dact, s.drows = p.activation(t, c.upCols()), p.activation(t, c.FFN), p.activation(n, d)
		if c.QKNorm {
			s.dqk = p.activation(t, (c.Heads+c.KVHeads)*c.HeadDim)
		}
		if width := slices.Max(p.low[:]); width > 0 {
			s.dlow = p.activation(t, width)
			if p.dropout {
				s.dropped = p.activation(t, max(d, heads, c.FFN))
			}
		}
	}
	return s
}

// input plans the device side of a batch.
func (p *planner) input(c Config, t, n int) deviceBatch {
	d := deviceBatch{
		maxTokens: t, maxRows: n,
		ids: p.ints(t), positions: p.ints(t), starts: p.ints(t + 1), rows: p.ints(n), targets: p.ints(n),
		weights:  p.tensor(kernels.Float32, kernels.Input, 1, n),
		groupIDs: p.ints(t), groupStarts: p.ints(t + 1), groupOrder: p.ints(t),
		posIDs: p.ints(t), posStarts: p.ints(t + 1), posOrder: p.ints(t),
	}
	d.order, d.starts32, d.unique = make([]int32, 0, t), make([]int32, 0, t+1), make([]int32, 0, t)
	d.next = make([]int32, max(c.Vocab, c.Context))
	return d
}

// upCols is the width of the MLP's first product: gate and up, or GELU's input.
func (c Config) upCols() int {
	if c.SwiGLU {
		return 2 * c.FFN
	}
	return c.FFN
}

// top is the first t rows of a planned buffer.
func top(x kernels.Tensor, t int) kernels.Tensor {
	if x.Absent() {
		return x
	}
	return x.RowRange(0, t)
}

// first returns the views of a block's activations for t tokens.
func (a *activations) first(c Config, t int) activations {
	v := activations{
		x: top(a.x, t), h1: top(a.h1, t), stats1: top(a.stats1, t),
		qkv: top(a.qkv, t), qkRaw: top(a.qkRaw, t), qStats: top(a.qStats, t*c.Heads), kStats: top(a.kStats, t*c.KVHeads),
		o: top(a.o, t), lse: top(a.lse, t), mid: top(a.mid, t), h2: top(a.h2, t), stats2: top(a.stats2, t), up: top(a.up, t),
	}
	for site := range v.low {
		v.low[site] = top(a.low[site], t)
	}
	return v
}

// first returns the views of the shared buffers for t tokens, n of them in the loss.
func (s *shared) first(t, n int) shared {
	v := *s
	for _, x := range []*kernels.Tensor{&v.delta, &v.act, &v.final, &v.hidden, &v.statsF, &v.dx, &v.dh, &v.dqkv, &v.dqk, &v.do, &v.attDelta, &v.dup, &v.dact, &v.dlow, &v.dropped} {
		*x = top(*x, t)
	}
	v.rows, v.drows = top(v.rows, n), top(v.drows, n)
	return v
}

func (d *deviceBatch) fits(b *Batch) error {
	if len(b.IDs) > d.maxTokens || len(b.Rows) > d.maxRows {
		return fmt.Errorf("model: a batch of %d tokens, %d of them in the loss, for a pass planned for %d and %d",
			len(b.IDs), len(b.Rows), d.maxTokens, d.maxRows)
	}
	return nil
}
