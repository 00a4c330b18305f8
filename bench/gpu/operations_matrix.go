package main

import (
	"math"

	"retort/kernels"
)

// The operations that multiply matrices: projections, attention, the head with its loss.
func init() {
	product := func(d dims) float64 { return 2 * matrix(d.T, d.D) * float64(d.Out) }
	operands := func(d dims, size float64) float64 {
		return (matrix(d.T, d.D) + matrix(d.Out, d.D) + matrix(d.T, d.Out)) * size
	}
	register(
		operation{name: "Linear", methods: []string{"Linear"}, bytes: operands, flops: product, build: func(s *set, d dims) func() {
			y, x, w := s.zeros(d.T, d.Out), s.random(d.T, d.D, 1), s.weight(d.Out, d.D)
			return func() { s.b.Linear(y, x, w, kernels.Tensor{}) }
		}},
		operation{name: "LinearGELU", methods: []string{"LinearGELU"}, flops: product,
			bytes: func(d dims, size float64) float64 { return operands(d, size) + matrix(d.T, d.Out)*size },
			build: func(s *set, d dims) func() {
				h, pre, x := s.zeros(d.T, d.Out), s.zeros(d.T, d.Out), s.random(d.T, d.D, 1)
				w, bias := s.weight(d.Out, d.D), s.random(1, d.Out, 1)
				return func() { s.b.LinearGELU(h, pre, x, w, bias, kernels.GELUTanh) }
			}},
		operation{name: "LinearBackwardInput", methods: []string{"LinearBackwardInput"}, bytes: operands, flops: product, build: func(s *set, d dims) func() {
			dx, dy, w := s.zeros(d.T, d.D), s.random(d.T, d.Out, 1), s.weight(d.Out, d.D)
			return func() { s.b.LinearBackwardInput(dx, dy, w, false) }
		}},
		operation{name: "LinearBackwardWeight", methods: []string{"LinearBackwardWeight"}, flops: product,
			bytes: func(d dims, size float64) float64 {
				return (matrix(d.T, d.D)+matrix(d.T, d.Out))*size + 8*matrix(d.Out, d.D)
			},
			build: func(s *set, d dims) func() {
				dw, dy, x := s.zeros32(d.Out, d.D), s.random(d.T, d.Out, 1), s.random(d.T, d.D, 1)
				return func() { s.b.LinearBackwardWeight(dw, kernels.Tensor{}, dy, x) }
			}},
		operation{name: "Attention", methods: []string{"Attention"}, build: buildAttention,
			bytes: func(d dims, size float64) float64 { return 2 * matrix(d.T, (d.H+d.K)*d.Size) * size },
			flops: func(d dims) float64 { return 2 * causal(d) }},
		operation{name: "AttentionBackward", methods: []string{"Attention", "AttentionBackward"}, build: buildAttentionBackward,
			bytes: func(d dims, size float64) float64 { return 4 * matrix(d.T, (d.H+d.K)*d.Size) * size },
			flops: func(d dims) float64 { return 5 * causal(d) }},
		operation{name: "HeadCrossEntropy", methods: []string{"HeadCrossEntropy"}, build: buildHead,
			bytes: func(d dims, size float64) float64 {
				return 2*matrix(d.T, d.D)*size + matrix(d.V, d.D)*(size+8)
			},
			flops: func(d dims) float64 { return 6 * matrix(d.T, d.D) * float64(d.V) }},
		operation{name: "HeadDistill", methods: []string{"HeadDistill"}, build: buildDistill,
			bytes: func(d dims, size float64) float64 {
				return 2*matrix(d.T, d.D)*size + matrix(d.V, d.D)*(size+8) + 8*matrix(d.T, d.TopK)
			},
			flops: func(d dims) float64 { return 6 * matrix(d.T, d.D) * float64(d.V) }},
	)
}

// weight is a matrix whose products with normal values are normal.
func (s *set) weight(out, in int) kernels.Tensor {
	return s.random(out, in, float32(1/math.Sqrt(float64(in))))
}

// causal is the work of one product of attention: all pairs of a token and one before it.
func causal(d dims) float64 {
	pairs := float64(d.T/d.Doc) * matrix(d.Doc, d.Doc+1) / 2
	return 2 * pairs * float64(d.H*d.Size)
}

// documents cuts T tokens into documents of d.Doc.
func (s *set) documents(d dims) kernels.Documents {
	var starts []int32
	for t := 0; t <= d.T; t += d.Doc {
		starts = append(starts, int32(t))
	}
	return kernels.Documents{Starts: starts, Device: s.ints(starts), Longest: d.Doc}
}

func (d dims) heads() kernels.Heads {
	return kernels.Heads{Query: d.H, KV: d.K, Size: d.Size, Scale: float32(1 / math.Sqrt(float64(d.Size)))}
}

func buildAttention(s *set, d dims) func() {
	o, lse, q := s.zeros(d.T, d.H*d.Size), s.zeros32(d.T, d.H), s.random(d.T, d.H*d.Size, 1)
	k, v := s.random(d.T, d.K*d.Size, 1), s.random(d.T, d.K*d.Size, 1)
	docs := s.documents(d)
	return func() { s.b.Attention(o, lse, q, k, v, docs, d.heads()) }
}

func buildAttentionBackward(s *set, d dims) func() {
	query := func() kernels.Tensor { return s.random(d.T, d.H*d.Size, 1) }
	value := func() kernels.Tensor { return s.random(d.T, d.K*d.Size, 1) }
	o, lse, q, k, v := query(), s.zeros32(d.T, d.H), query(), value(), value()
	dq, dk, dv, delta, do := query(), value(), value(), s.zeros32(d.T, d.H), query()
	docs := s.documents(d)
	if s.err == nil && !s.blank {
		s.b.Attention(o, lse, q, k, v, docs, d.heads())
	}
	return func() { s.b.AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v, docs, d.heads()) }
}

func buildHead(s *set, d dims) func() {
	logprobs, dx, dw := s.zeros32(1, d.T), s.zeros(d.T, d.D), s.zeros32(d.V, d.D)
	x, w, chunk := s.random(d.T, d.D, 1), s.weight(d.V, d.D), s.zeros32(d.Chunk, d.V)
	targets, weights := s.ints(s.below(d.T, d.V)), s.random32(1, d.T, 1/float32(d.T))
	return func() { s.b.HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk) }
}

// buildDistill is a teacher that names d.TopK tokens of each row.
func buildDistill(s *set, d dims) func() {
	logprobs, kl, dx, dw := s.zeros32(1, d.T), s.zeros32(1, d.T), s.zeros(d.T, d.D), s.zeros32(d.V, d.D)
	x, w, chunk := s.random(d.T, d.D, 1), s.weight(d.V, d.D), s.zeros32(d.Chunk, d.V)
	targets, weights := s.ints(s.below(d.T, d.V)), s.random32(1, d.T, 1/float32(d.T))
	ids := make([]int32, 0, d.T*d.TopK)
	for range d.T {
		from := s.rand.IntN(d.V)
		for j := range d.TopK { // spread over the vocabulary, all different
			ids = append(ids, int32((from+j*(d.V/d.TopK))%d.V))
		}
	}
	teacher := kernels.Teacher{Logits: s.random32(d.T, d.TopK, 2), IDs: s.ints(ids), Weight: 0.5, Temperature: 2}
	if s.err == nil {
		teacher.IDs = teacher.IDs.Reshape(d.T, d.TopK)
	}
	return func() { s.b.HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights, teacher, chunk) }
}
