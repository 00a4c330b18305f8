package model

import (
	"errors"
	"fmt"
	"slices"

	"retort/kernels"
)

// ErrPromptTooLong is returned when a prompt leaves no room for an answer.
var ErrPromptTooLong = errors.New("prompt too long")

// ErrInterrupted is returned when GenerateOptions.Interrupted ended a call.
var ErrInterrupted = errors.New("decoding was interrupted")

// Request is one prompt to continue.
type Request struct {
	Prompt []int32
	MaxNew int    // tokens to generate at most
	Seed   uint64 // with the token's index it decides every draw
}

// Completion is what a student answered. IDs include the stop token that ended it.
type Completion struct {
	IDs          []int32
	LogProbs     []float32 // of each id under the student, before temperature and filters
	FinishReason string    // "stop" or "length"
}

// GenerateOptions says how to decode.
type GenerateOptions struct {
	Sampling kernels.Sampling
	Stop     []int32 // ids that end an answer
	Slots    int     // sequences decoded side by side, at most; 0 means 32
	// OnToken, when not nil, sees a request's answer after each token and may end it
	// with finish reason "stop"; ids is only valid during the call.
	OnToken func(request int, ids []int32) (stop bool)
	// Interrupted, when not nil, is asked between steps and ends the call with ErrInterrupted;
	// answers that are not finished are lost.
	Interrupted func() bool
	// Done receives answers as they finish, in any order.
	Done func(request int, c Completion)
}

// prefillTokens is about how many prompt tokens one prefill pass takes.
const prefillTokens = 512

// cacheBytes is about how much memory the cache may take: long answers are decoded fewer
// at a time.
const cacheBytes = 2 << 30

// sequence is a request being decoded in a slot of the cache.
type sequence struct {
	request, slot int
	length        int // tokens in the cache
	limit         int // tokens to generate at most
	last          int32
	out           Completion
}

// generator decodes many requests with one cache: a finished sequence gives its slot to
// the next waiting request at once.
type generator struct {
	s        *Student
	o        GenerateOptions
	requests []Request
	cache    *Cache
	prefill  *Pass
	decode   *Pass
	graphs   map[int]kernels.Graph // a decoding step, by number of sequences
	active   []*sequence
	free     []int // slots
	next     int   // first waiting request

	plan                            planner
	logits, ids, logprobs, uniforms kernels.Tensor

	batch              Batch
	rows, first, count []int32
	hostUniforms       []float32
	hostIDs            []int32
	hostLogProbs       []float32
}

// Generate answers the requests, many at a time. What a request is answered depends on
// its prompt and seed alone, never on its company.
func (s *Student) Generate(requests []Request, o GenerateOptions) error {
	if len(requests) == 0 {
		return nil
	}
	longest, prompt := 0, 0
	for i, r := range requests {
		switch {
		case len(r.Prompt) == 0:
			return fmt.Errorf("model: request %d has an empty prompt", i)
		case len(r.Prompt) >= s.Context:
			return fmt.Errorf("model: request %d: %w: %d tokens in a context of %d leave none for an answer", i, ErrPromptTooLong, len(r.Prompt), s.Context)
		}
		prompt = max(prompt, len(r.Prompt))
		longest = max(longest, len(r.Prompt)+min(max(0, r.MaxNew), s.Context-len(r.Prompt)))
	}
	if o.Slots <= 0 {
		o.Slots = 32
	}
	perSlot := 2 * s.Layers * longest * s.KVHeads * s.HeadDim * s.k.ActivationType().Size()
	slots := max(1, min(o.Slots, len(requests), cacheBytes/perSlot))
	g := &generator{s: s, o: o, requests: requests}
	defer g.close()
	if err := g.allocate(slots, longest, max(prompt, prefillTokens)); err != nil {
		return err
	}
	s.freeze()
	defer s.k.Thaw()
	for g.next < len(requests) || len(g.active) > 0 {
		if o.Interrupted != nil && o.Interrupted() {
			return ErrInterrupted
		}
		if err := g.admit(); err != nil {
			return err
		}
		if err := g.step(); err != nil {
			return err
		}
	}
	return nil
}

// freeze lets the backend keep the matrices in the layout that decoding reads fastest.
func (s *Student) freeze() {
	for i := range s.values.blocks {
		b := &s.values.blocks[i]
		for _, w := range []kernels.Tensor{b.qkv, b.out, b.up, b.down} {
			s.k.Freeze(w)
		}
	}
	s.k.Freeze(s.values.head)
}

func (g *generator) allocate(slots, length, prompt int) error {
	var err error
	if g.cache, err = newCache(g.s, slots, length); err != nil {
		return err
	}
	if g.prefill, err = newCachedPass(g.s, g.cache, prompt, slots, false); err != nil {
		return err
	}
	if g.decode, err = newCachedPass(g.s, g.cache, slots, slots, true); err != nil {
		return err
	}
	g.plan = planner{k: g.s.k}
	g.logits = g.plan.float(slots, g.s.Vocab)
	g.ids = g.plan.ints(slots)
	g.logprobs, g.uniforms = g.plan.float(1, slots), g.plan.float(1, slots)
	for i := range slots {
		g.free = append(g.free, slots-1-i)
	}
	g.hostIDs, g.hostLogProbs = make([]int32, slots), make([]float32, slots)
	g.graphs = map[int]kernels.Graph{}
	return g.plan.err
}

func (g *generator) close() {
	for _, step := range g.graphs {
		step.Close()
	}
	for _, p := range []*Pass{g.prefill, g.decode} {
		if p != nil {
			p.Close()
		}
	}
	if g.cache != nil {
		g.cache.close()
	}
	g.plan.free()
}

// admit fills free slots with waiting requests: their prompts run packed, each takes its
// first token.
func (g *generator) admit() error {
	for len(g.free) > 0 && g.next < len(g.requests) {
		g.batch.Reset()
		g.rows = g.rows[:0]
		var fresh []*sequence
		for len(g.free) > 0 && g.next < len(g.requests) {
			r := g.requests[g.next]
			if len(fresh) > 0 && len(g.batch.IDs)+len(r.Prompt) > g.prefill.in.maxTokens {
				break
			}
			if r.MaxNew <= 0 {
				g.finish(&sequence{request: g.next, slot: -1}, "length")
				g.next++
				continue
			}
			slot := g.free[len(g.free)-1]
			g.free = g.free[:len(g.free)-1]
			q := &sequence{request: g.next, slot: slot, length: len(r.Prompt), limit: min(r.MaxNew, g.s.Context-len(r.Prompt))}
			g.batch.Add(r.Prompt, nil)
			for i := range r.Prompt {
				g.rows = append(g.rows, int32(slot*g.cache.length+i))
			}
			g.batch.Rows = append(g.batch.Rows, int32(len(g.batch.IDs)-1))
			fresh = append(fresh, q)
			g.next++
		}
		if len(fresh) == 0 {
			continue
		}
		g.padTargets()
		g.prefill.uploadCached(&g.batch, g.rows, nil, nil)
		if err := g.draw(g.prefill, fresh); err != nil {
			return err
		}
	}
	return nil
}

// padTargets gives the rows of the batch the targets and weights that a loss would need;
// decoding reads only their logits.
func (g *generator) padTargets() {
	n := len(g.batch.Rows)
	g.batch.Targets = append(g.batch.Targets[:0], make([]int32, n)...)
	g.batch.Weights = append(g.batch.Weights[:0], make([]float32, n)...)
}

// step decodes one token of every active sequence.
func (g *generator) step() error {
	if len(g.active) == 0 {
		return nil
	}
	g.batch.Reset()
	g.rows, g.first, g.count = g.rows[:0], g.first[:0], g.count[:0]
	for i, q := range g.active {
		base := int32(q.slot * g.cache.length)
		g.batch.Add([]int32{q.last}, nil)
		g.batch.Positions[i] = int32(q.length)
		g.batch.Rows = append(g.batch.Rows, int32(i))
		g.rows = append(g.rows, base+int32(q.length))
		g.first = append(g.first, base)
		q.length++
		g.count = append(g.count, int32(q.length))
	}
	g.padTargets()
	g.decode.uploadCached(&g.batch, g.rows, g.first, g.count)
	running := g.active
	g.active = nil
	return g.draw(g.decode, running)
}

// draw runs the pass over the batch that was uploaded, samples the next token of each
// sequence, finishes those that end and keeps the others active.
func (g *generator) draw(p *Pass, sequences []*sequence) error {
	n := len(sequences)
	g.hostUniforms = g.hostUniforms[:0]
	for _, q := range sequences {
		g.hostUniforms = append(g.hostUniforms, uniform(g.requests[q.request].Seed, len(q.out.IDs)))
	}
	ids, logprobs := g.ids.ColRange(0, n), g.logprobs.ColRange(0, n)
	g.s.k.Upload(g.uniforms.ColRange(0, n), g.hostUniforms)
	if p == g.decode {
		g.graph(n).Run()
	} else {
		g.compute(p, n)
	}
	if err := g.s.k.DownloadInts(g.hostIDs[:n], ids); err != nil {
		return fmt.Errorf("model: decoding: %w", err)
	}
	if err := g.s.k.Download(g.hostLogProbs[:n], logprobs); err != nil {
		return fmt.Errorf("model: decoding: %w", err)
	}
	for i, q := range sequences {
		q.last = g.hostIDs[i]
		q.out.IDs = append(q.out.IDs, q.last)
		q.out.LogProbs = append(q.out.LogProbs, g.hostLogProbs[i])
		switch {
		case slices.Contains(g.o.Stop, q.last), g.o.OnToken != nil && g.o.OnToken(q.request, q.out.IDs):
			g.finish(q, "stop")
		case len(q.out.IDs) >= q.limit:
			g.finish(q, "length")
		default:
			g.active = append(g.active, q)
		}
	}
	return nil
}

// compute is the device's part of a step of n sequences: forward, logits, tokens.
func (g *generator) compute(p *Pass, n int) {
	logits := g.logits.RowRange(0, n)
	p.run()
	p.Logits(logits)
	g.s.k.Sample(g.ids.ColRange(0, n), g.logprobs.ColRange(0, n), logits, g.uniforms.ColRange(0, n), g.o.Sampling)
}

// graph is a decoding step of n sequences, whose launches cost more than its arithmetic.
func (g *generator) graph(n int) kernels.Graph {
	if g.graphs[n] == nil {
		g.graphs[n] = g.s.k.Graph(func() { g.compute(g.decode, n) })
	}
	return g.graphs[n]
}

func (g *generator) finish(q *sequence, reason string) {
	q.out.FinishReason = reason
	if q.slot >= 0 {
		g.free = append(g.free, q.slot)
	}
	if g.o.Done != nil {
		g.o.Done(q.request, q.out)
	}
}

// uniform is draw number i of the given seed, in [0, 1): SplitMix64 (Steele, Lea and
// Flood, OOPSLA 2014) of a counter, so that a draw needs no state.
func uniform(seed uint64, i int) float32 {
	x := seed + 0x9e3779b97f4a7c15*(uint64(i)+1)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return float32(x>>40) * (1.0 / (1 << 24))
}
