package reference

import (
	"sort"

	"retort/kernels"
)

// Filtered is the distribution that Sample draws from: logits divided by the
// temperature, then top-k, then top-p, each on what the one before it left, as
// transformers' warpers do. Values equal to the k-th largest all stay. Top-p keeps
// the smallest set of the likeliest tokens whose probability reaches TopP, at least
// one token; among equals the lower id stays. Temperature 0 leaves the largest logit,
// the lowest id among equals.
func Filtered[F Float](logits []F, s kernels.Sampling) []F {
	probs := make([]F, len(logits))
	order := byLogit(logits)
	if s.Temperature == 0 {
		probs[order[0]] = 1
		return probs
	}
	kept := len(order)
	if s.TopK > 0 && s.TopK < kept {
		for kept = s.TopK; kept < len(order) && logits[order[kept]] == logits[order[s.TopK-1]]; {
			kept++
		}
	}
	ranked := softmaxOf(logits, order[:kept], F(s.Temperature))
	if s.TopP < 1 {
		reached := ranked[0]
		for n := 1; n < kept; n++ {
			if reached >= F(s.TopP) {
				kept = n
				break
			}
			reached += ranked[n]
		}
		ranked = softmaxOf(logits, order[:kept], F(s.Temperature))
	}
	for n, p := range ranked {
		probs[order[n]] = p
	}
	return probs
}

// byLogit lists the ids from the largest logit to the smallest, ascending among equals.
func byLogit[F Float](logits []F) []int {
	order := make([]int, len(logits))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return logits[order[a]] > logits[order[b]] })
	return order
}

// softmaxOf is the softmax of the logits of some ids at a temperature, in their order.
func softmaxOf[F Float](logits []F, ids []int, temperature F) []F {
	p := make([]F, len(ids))
	for i, id := range ids {
		p[i] = logits[id] / temperature
	}
	softmax(p)
	return p
}

// LogSoftmax is log softmax(logits).
func LogSoftmax[F Float](logits []F) []F {
	p := append([]F(nil), logits...)
	lse := softmax(p)
	for i, v := range logits {
		p[i] = v - lse
	}
	return p
}

// Sample draws one token a row: the first id at which the cumulative probability of
// Filtered exceeds the row's uniform; the last possible id when rounding keeps the
// sum below it.
func Sample[F Float](ids []int32, logprobs []F, logits Matrix[F], uniforms []F, s kernels.Sampling) {
	for i := range ids {
		var cumulative F
		for id, p := range Filtered(logits.Row(i), s) {
			if p == 0 {
				continue
			}
			ids[i] = int32(id)
			if cumulative += p; cumulative > uniforms[i] {
				break
			}
		}
		logprobs[i] = LogSoftmax(logits.Row(i))[ids[i]]
	}
}
