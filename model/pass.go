package model

import (
	"fmt"

	"retort/kernels"
)

// Pass is a student's forward and backward pass over packed documents, in buffers that
// are planned once for the largest batch. After Forward come Loss, or Loss and
// Backward. Nothing is allocated in a step and nothing waits for the device before
// LogProbs, which may be asked once for several batches.
type Pass struct {
	k    kernels.Backend
	c    Config
	w    *weights
	rope kernels.Tensor

	plan   planner
	in     deviceBatch
	layers []activations
	shared shared
	grads  *weights // nil when the pass does not train

	adapter   *Adapter // nil for the student alone
	loraScale float32
	seed      uint64 // of dropout
	draw      uint64 // Batch.Draw of the current batch
	// the log-probabilities at the beginning of shared.logprobs that LogProbs has not returned,
	// and how many it returned last
	kept, last, batches int
	// recompute: blocks keep only their input and are run again before their backward pass
	recompute bool

	// decoding: where this batch's keys and values go, and what its queries read
	cache                             *Cache
	decoding                          bool
	cacheRows, cacheFirst, cacheCount kernels.Tensor
}

// PassOptions says what a pass is planned for.
type PassOptions struct {
	Tokens   int  // packed tokens of a batch, at most
	Rows     int  // tokens of them in the loss, at most
	Batches  int  // batches whose log-probabilities LogProbs returns at once; 0 is 1
	Training bool // keep what the backward pass reads, and own the gradients
	// Checkpointing keeps only the input of every block and computes the rest again in the
	// backward pass: much less memory for about a third more time (Chen et al., arXiv 1604.06174).
	Checkpointing bool
	// Seed is of the adapter's dropout in training; Batch.Draw tells the batches apart.
	Seed uint64
}

// NewPass plans a pass over batches of at most the given size, with the adapter that the
// student uses. Training then is the adapter's, and the student is frozen.
func NewPass(s *Student, o PassOptions) (*Pass, error) {
	p := &Pass{k: s.k, c: s.Config, w: s.values, rope: s.rope, plan: planner{k: s.k}, batches: o.Batches, recompute: o.Training && o.Checkpointing, seed: o.Seed}
	if s.adapter != nil {
		p.adapter, p.loraScale = s.adapter, float32(s.adapter.Scale())
		p.plan.adapt(s.adapter.LoRA, s.adapter.values)
	}
	p.layers = p.plan.blocks(s.Config, o)
	p.shared = p.plan.shared(s.Config, o)
	p.in = p.plan.input(s.Config, o.Tokens, o.Rows)
	err := p.plan.err
	if err == nil && o.Training {
		trained := s.Trained()
		p.grads, err = newWeights(s.k, s.Layers, trained.specs, kernels.Float32, kernels.Gradients)
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("model: a pass over %d tokens: %w", o.Tokens, err)
	}
	return p, nil
}

// Close frees the pass's buffers and gradients.
func (p *Pass) Close() {
	p.plan.free()
	if p.grads != nil {
		p.k.Free(p.grads.arena)
		p.grads = nil
	}
}

// Gradients lists the gradients in the order and under the names of Student.Trained.
func (p *Pass) Gradients() []Named { return p.grads.named }

// ZeroGradients starts a new optimizer step.
func (p *Pass) ZeroGradients() {
	p.k.Zero(p.grads.arena)
	p.kept = 0
}

// Forward computes the last hidden state of every token of the batch.
func (p *Pass) Forward(b *Batch) {
	p.upload(b)
	p.run()
}

// upload checks the batch and copies it to the device.
func (p *Pass) upload(b *Batch) {
	if err := p.in.fits(b); err != nil {
		panic(err.Error())
	}
	b.check(p.c)
	p.draw = b.Draw
	p.in.upload(p.k, b, p.grads != nil && !p.grads.embed.Absent(), p.c.LearnedPositions)
}

// run is the forward pass over the batch on the device.
func (p *Pass) run() {
	k, c, t := p.k, p.c, p.in.t
	s := p.shared.first(t, p.in.n)
	a := p.activations(0)
	positions := kernels.Tensor{}
	if c.LearnedPositions {
		positions = p.in.positions.ColRange(0, t)
	}
	k.Embed(a.x, p.w.embed, p.in.ids.ColRange(0, t), p.w.pos, positions)
	k.Norm(a.h1, a.stats1, a.x, c.norm(p.w.blocks[0].norm1))
	for layer := range c.Layers {
		p.forward(layer, a, s)
		if layer+1 < c.Layers {
			next := p.activations(layer + 1)
			k.AddNorm(next.h1, next.stats1, next.x, a.mid, s.delta, c.norm(p.w.blocks[layer+1].norm1))
			a = next
		}
	}
	k.AddNorm(s.hidden, s.statsF, s.final, a.mid, s.delta, c.norm(p.w.norm))
}

// activations returns a block's buffers for the tokens of the current batch.
func (p *Pass) activations(layer int) activations {
	return p.layers[layer].first(p.c, p.in.t)
}

// Loss computes the log-probabilities of the batch's targets, nothing else.
func (p *Pass) Loss() {
	p.head(false, nil)
}

// LossBackward computes the log-probabilities of the batch's targets and adds the
// gradients of −Σ weight·logprob to those of the parameters.
func (p *Pass) LossBackward() {
	p.head(true, nil)
	p.backwardFromHidden()
}

// head runs the language-model head and the loss over the trained rows, with a teacher where
// there is one; with backward it leaves the gradient of the last hidden state in shared.dh,
// where other losses may add theirs before backwardFromHidden.
func (p *Pass) head(backward bool, teacher *kernels.Teacher) {
	k, n := p.k, p.in.n
	s := p.shared.first(p.in.t, n)
	logprobs, kl := p.keep(n)
	rows := p.in.rows.ColRange(0, n)
	targets, weights := p.in.targets.ColRange(0, n), p.in.weights.ColRange(0, n)
	k.GatherRows(s.rows, s.hidden, rows)
	drows, dhead := kernels.Tensor{}, kernels.Tensor{}
	if backward {
		drows, dhead = s.drows, p.grads.head
	}
	if teacher == nil {
		k.HeadCrossEntropy(logprobs, drows, dhead, s.rows, p.w.head, targets, weights, s.logits)
	} else {
		k.HeadDistill(logprobs, kl, drows, dhead, s.rows, p.w.head, targets, weights, *teacher, s.logits)
	}
	if backward {
		k.Zero(s.dh)
		k.ScatterRows(s.dh, s.drows, rows)
	}
}

// backwardFromHidden carries the gradient of the last hidden state down to the embedding.
func (p *Pass) backwardFromHidden() {
	k, c, g := p.k, p.c, p.grads
	s := p.shared.first(p.in.t, p.in.n)
	k.NormBackward(s.dx, g.norm.weight, g.norm.bias, s.dh, s.final, s.statsF, c.norm(p.w.norm), false)
	for layer := c.Layers - 1; layer >= 0; layer-- {
		a := p.activations(layer)
		if p.recompute {
			k.Norm(a.h1, a.stats1, a.x, c.norm(p.w.blocks[layer].norm1))
			p.forward(layer, a, s)
		}
		p.backward(layer, a, s, &g.blocks[layer])
	}
	if g.embed.Absent() { // frozen
		return
	}
	k.EmbedBackward(g.embed, s.dx, p.in.tokens)
	if c.LearnedPositions {
		k.EmbedBackward(g.pos, s.dx, p.in.positionG)
	}
}

// keep returns the places of n more log-probabilities and divergences. A pass that is read after
// every batch needs no call of LogProbs between them.
func (p *Pass) keep(n int) (logprobs, kl kernels.Tensor) {
	if p.batches <= 1 {
		p.kept = 0
	}
	p.kept += n
	return p.shared.logprobs.ColRange(p.kept-n, p.kept), p.shared.kl.ColRange(p.kept-n, p.kept)
}

// LogProbs waits for the device and returns the log-probability of every target of the
// batches since the last call, in their order, in dst's memory when it is large enough.
func (p *Pass) LogProbs(dst []float32) ([]float32, error) {
	n := p.kept
	if cap(dst) < n {
		dst = make([]float32, n)
	}
	dst, p.kept, p.last = dst[:n], 0, n
	return dst, p.k.Download(dst, p.shared.logprobs.ColRange(0, n))
}

// Logits writes the logits of the batch's rows (the tokens listed in Batch.Rows) to dst.
//
//	dst (N, V)
func (p *Pass) Logits(dst kernels.Tensor) {
	n := p.in.n
	s := p.shared.first(p.in.t, n)
	p.k.GatherRows(s.rows, s.hidden, p.in.rows.ColRange(0, n))
	p.k.Linear(dst, s.rows, p.w.head, kernels.Tensor{})
}
