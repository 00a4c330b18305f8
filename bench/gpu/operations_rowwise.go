package main

import (
	"math"
	"slices"

	"retort/kernels"
)

// The operations that move memory: norms, activations, positions, rows.
func init() {
	tensors := func(n float64) func(dims, float64) float64 {
		return func(d dims, size float64) float64 { return n * matrix(d.T, d.D) * size }
	}
	register(
		operation{name: "Copy", methods: []string{"Copy"}, bytes: tensors(2), build: func(s *set, d dims) func() {
			y, x := s.zeros(d.T, d.D), s.random(d.T, d.D, 1)
			return func() { s.b.Copy(y, x) }
		}},
		operation{name: "LayerNorm", methods: []string{"Norm"}, bytes: tensors(2), build: buildNorm(kernels.LayerNorm)},
		operation{name: "RMSNorm", methods: []string{"Norm"}, bytes: tensors(2), build: buildNorm(kernels.RMSNorm)},
		operation{name: "AddRMSNorm", methods: []string{"AddNorm"}, bytes: tensors(4), build: func(s *set, d dims) func() {
			y, stats, sum := s.zeros(d.T, d.D), s.zeros32(d.T, 2), s.zeros(d.T, d.D)
			x, delta := s.random(d.T, d.D, 1), s.random(d.T, d.D, 1)
			p := s.norm(kernels.RMSNorm, d.D)
			return func() { s.b.AddNorm(y, stats, sum, x, delta, p) }
		}},
		operation{name: "LayerNormBackward", methods: []string{"NormBackward"}, bytes: tensors(4), build: buildNormBackward(kernels.LayerNorm)},
		operation{name: "RMSNormBackward", methods: []string{"NormBackward"}, bytes: tensors(4), build: buildNormBackward(kernels.RMSNorm)},
		operation{name: "GELU", methods: []string{"BiasGELU"}, bytes: tensors(2), build: func(s *set, d dims) func() {
			h, pre := s.zeros(d.T, d.D), s.random(d.T, d.D, 1)
			return func() { s.b.BiasGELU(h, pre, kernels.Tensor{}, kernels.GELUTanh) }
		}},
		operation{name: "GELUBackward", methods: []string{"GELUBackward"}, bytes: tensors(3), build: func(s *set, d dims) func() {
			dpre, dh, pre := s.zeros(d.T, d.D), s.random(d.T, d.D, 1), s.random(d.T, d.D, 1)
			return func() { s.b.GELUBackward(dpre, dh, pre, kernels.GELUTanh) }
		}},
		operation{name: "SwiGLU", methods: []string{"SwiGLU"}, bytes: tensors(3), build: func(s *set, d dims) func() {
			h, gateUp := s.zeros(d.T, d.D), s.random(d.T, 2*d.D, 1)
			return func() { s.b.SwiGLU(h, gateUp) }
		}},
		operation{name: "SwiGLUBackward", methods: []string{"SwiGLUBackward"}, bytes: tensors(5), build: func(s *set, d dims) func() {
			dgateUp, dh, gateUp := s.zeros(d.T, 2*d.D), s.random(d.T, d.D, 1), s.random(d.T, 2*d.D, 1)
			return func() { s.b.SwiGLUBackward(dgateUp, dh, gateUp) }
		}},
		operation{name: "RoPE", methods: []string{"RoPE"}, build: buildRoPE, bytes: func(d dims, size float64) float64 {
			return 2 * matrix(d.T, d.H*d.Size) * size
		}},
		operation{name: "Embed", methods: []string{"Embed"}, bytes: tensors(2), build: func(s *set, d dims) func() {
			x, table, ids := s.zeros(d.T, d.D), s.random(d.V, d.D, 1), s.ints(s.below(d.T, d.V))
			return func() { s.b.Embed(x, table, ids, kernels.Tensor{}, kernels.Tensor{}) }
		}},
		operation{name: "EmbedBackward", methods: []string{"EmbedBackward"}, build: buildEmbedBackward,
			// Every token's row is read once, and each of its id's rows read and written.
			bytes: func(d dims, size float64) float64 {
				distinct := float64(d.V) * (1 - math.Pow(1-1/float64(d.V), float64(d.T)))
				return matrix(d.T, d.D)*size + 8*distinct*float64(d.D)
			}},
		operation{name: "GatherRows", methods: []string{"GatherRows"}, bytes: tensors(2), build: func(s *set, d dims) func() {
			dst, src, rows := s.zeros(d.T, d.D), s.random(d.T, d.D, 1), s.ints(s.below(d.T, d.T))
			return func() { s.b.GatherRows(dst, src, rows) }
		}},
	)
}

// norm is a normalisation of rows of n values.
func (s *set) norm(kind kernels.NormKind, n int) kernels.Norm {
	p := kernels.Norm{Kind: kind, Weight: s.random(1, n, 1), Eps: 1e-5}
	if kind == kernels.LayerNorm {
		p.Bias = s.random(1, n, 1)
	}
	return p
}

func buildNorm(kind kernels.NormKind) func(s *set, d dims) func() {
	return func(s *set, d dims) func() {
		y, stats, x, p := s.zeros(d.T, d.D), s.zeros32(d.T, 2), s.random(d.T, d.D, 1), s.norm(kind, d.D)
		return func() { s.b.Norm(y, stats, x, p) }
	}
}

// buildNormBackward adds to dx, as the residual stream does.
func buildNormBackward(kind kernels.NormKind) func(s *set, d dims) func() {
	return func(s *set, d dims) func() {
		y, stats, x, p := s.zeros(d.T, d.D), s.zeros32(d.T, 2), s.random(d.T, d.D, 1), s.norm(kind, d.D)
		dx, dy, dw, db := s.zeros(d.T, d.D), s.random(d.T, d.D, 1), s.zeros32(1, d.D), kernels.Tensor{}
		if kind == kernels.LayerNorm {
			db = s.zeros32(1, d.D)
		}
		if s.err == nil && !s.blank {
			s.b.Norm(y, stats, x, p)
		}
		return func() { s.b.NormBackward(dx, dw, db, dy, x, stats, p, true) }
	}
}

func buildRoPE(s *set, d dims) func() {
	const positions = 4096
	x, table := s.random(d.T, d.H*d.Size, 1), s.random32(positions, d.Size, 0.5)
	at := make([]int32, d.T)
	for i := range at {
		at[i] = int32(i % positions)
	}
	ids := s.ints(at)
	return func() { s.b.RoPE(x, table, ids, false) }
}

func buildEmbedBackward(s *set, d dims) func() {
	dtable, dx := s.zeros32(d.V, d.D), s.random(d.T, d.D, 1)
	tokens := map[int32][]int32{}
	for t, id := range s.below(d.T, d.V) {
		tokens[id] = append(tokens[id], int32(t))
	}
	var ids, order []int32
	for id := range tokens {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	starts := []int32{0}
	for _, id := range ids {
		order = append(order, tokens[id]...)
		starts = append(starts, int32(len(order)))
	}
	g := kernels.Groups{IDs: s.ints(ids), Starts: s.ints(starts), Order: s.ints(order), Count: len(ids)}
	return func() { s.b.EmbedBackward(dtable, dx, g) }
}
