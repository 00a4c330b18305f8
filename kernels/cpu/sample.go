package cpu

import (
	"cmp"
	"math"
	"slices"

	"retort/kernels"
	"retort/kernels/cpu/vec"
)

// sampleTask draws a token from each row of logits; an item is one row.
type sampleTask struct {
	b                  *Backend
	ids                []int32
	logprobs, uniforms []float32
	logits             mat
	s                  kernels.Sampling
}

// Sample draws one token a row.
func (b *Backend) Sample(ids, logprobs, logits, uniforms kernels.Tensor, s kernels.Sampling) {
	const op = "Sample"
	wantInts(op, "ids", ids, logits.Rows)
	want(op, "logprobs", logprobs, 1, logits.Rows)
	want(op, "uniforms", uniforms, 1, logits.Rows)
	lp, u := view(logprobs), view(uniforms)
	t := &b.tasks.sample
	*t = sampleTask{b: b, ids: ints(ids), logprobs: lp.data, uniforms: u.data, logits: view(logits), s: s}
	b.pool.Do(t, logits.Rows)
}

// coldest is the temperature below which the likeliest token is as good as certain.
const coldest = 1e-6

// Run draws the token of one row.
func (t *sampleTask) Run(item, worker int) {
	logits := t.logits.row(item)
	ws := &t.b.scratch.workers[worker]
	ws.row = grow(ws.row, max(len(logits), cap(ws.row)))
	p := ws.row[:len(logits)]
	shift := vec.Max(logits)
	logSum := math.Log(float64(vec.ExpShift(p, logits, 1, shift)))
	var id int32
	if t.s.Temperature < coldest {
		id = int32(max(0, slices.Index(logits, shift))) // the lowest id among equals; 0 for a row of NaN
	} else {
		id = t.draw(p, logits, shift, t.uniforms[item], ws)
	}
	t.ids[item] = id
	t.logprobs[item] = float32(float64(logits[id]-shift) - logSum)
}

// draw samples from softmax(logits/temperature) after top-k and top-p; p is scratch.
func (t *sampleTask) draw(p, logits []float32, shift, uniform float32, ws *workerScratch) int32 {
	for i, v := range logits { // the difference first: scaled logits may be too large for float32
		p[i] = v - shift
	}
	sum := float64(vec.ExpShift(p, p, 1/t.s.Temperature, 0))
	if t.s.TopK > 0 && t.s.TopK < len(p) || t.s.TopP < 1 {
		sum = t.filter(p, sum, ws)
	}
	target, cumulative, last := float64(uniform)*sum, 0.0, int32(0)
	for id, v := range p {
		if v <= 0 {
			continue
		}
		last = int32(id)
		if cumulative += float64(v); cumulative > target {
			break
		}
	}
	return last
}

// filter sets the probabilities that top-k and top-p remove to zero and returns the
// sum of what is left. p sums to sum.
func (t *sampleTask) filter(p []float32, sum float64, ws *workerScratch) float64 {
	ws.candidates = grow(ws.candidates, max(len(p), cap(ws.candidates)))[:0]
	// What lies below (1−topP)/V of the mass cannot reach 1−topP together, so top-p
	// removes it anyway; sorting the few others is much cheaper. Top-k keeps all.
	floor := float32(0)
	if t.s.TopK <= 0 {
		floor = float32((1 - float64(t.s.TopP)) / float64(len(p)) * sum * (1 - 1e-3))
	}
	for id, v := range p {
		if v > floor {
			ws.candidates = append(ws.candidates, int32(id))
		}
	}
	if len(ws.candidates) == 0 { // a row of NaN: nothing to choose from
		return sum
	}
	slices.SortFunc(ws.candidates, func(a, b int32) int {
		return cmp.Or(cmp.Compare(p[b], p[a]), cmp.Compare(a, b))
	})
	keep := ws.candidates
	if t.s.TopK > 0 && t.s.TopK < len(keep) {
		// transformers keeps every token as likely as the k-th
		k := t.s.TopK
		for k < len(keep) && p[keep[k]] == p[keep[t.s.TopK-1]] {
			k++
		}
		keep = keep[:k]
		sum = 0
		for _, id := range keep {
			sum += float64(p[id])
		}
	}
	if t.s.TopP < 1 {
		// the smallest set, most likely first, whose mass reaches top-p; never empty
		mass, n := 0.0, 0
		for n < len(keep) && (n == 0 || mass < float64(t.s.TopP)*sum) {
			mass += float64(p[keep[n]])
			n++
		}
		keep, sum = keep[:n], mass
	}
	// zero the rest without losing the kept values
	least := p[keep[len(keep)-1]]
	tied := 0 // kept tokens with exactly the least probability
	for _, id := range keep {
		if p[id] == least {
			tied++
		}
	}
	for id, v := range p {
		if v < least {
			p[id] = 0
		} else if v == least {
			if tied--; tied < 0 {
				p[id] = 0
			}
		}
	}
	return sum
}
