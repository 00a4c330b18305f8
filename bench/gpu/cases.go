package main

import (
	"fmt"

	"retort/kernels"
)

// benchCase is an operation at a shape, in an activation type.
type benchCase struct {
	Suite string
	Op    string
	Dims  dims
	Type  kernels.DType
}

// name is how the case is called in tables.
func (c benchCase) name() string { return fmt.Sprintf("%s %s %s", c.Op, c.Dims, c.Type) }

// suite is a group of cases, in the order in which they are measured: what matters most
// comes first, for a run whose time ends.
type suite struct {
	name  string
	cases func(s scale) []benchCase
}

var suites = []suite{
	{"rowwise", rowwiseCases}, {"optimizer", optimizerCases}, {"gemm", gemmCases},
	{"attention", attentionCases}, {"loss", lossCases},
}

// scale says how large the shapes are.
type scale struct {
	students []student
	cube     int   // the square product
	tokens   []int // of a micro-batch, the first for everything, the others for products
	doc      int   // tokens of the shortest document
	rows     int   // of the loss
	layers   int
	bf16     bool // the students' products in bf16 alone
}

// student is the geometry of a pretrained model that retort trains.
type student struct {
	name             string
	d, f, h, k, size int
	v                int
	gpt2             bool // layer norm and GELU instead of RMS norm and SwiGLU
}

// full are the students' shapes; predicted the same with fewer rows where that changes
// nothing but the time of the PTX machine; tiny what it runs within seconds.
var (
	students = []student{
		{name: "smollm2-135m", d: 576, f: 1536, h: 9, k: 3, size: 64, v: 49152},
		{name: "gpt2-124m", d: 768, f: 3072, h: 12, k: 12, size: 64, v: 50257, gpt2: true},
		{name: "qwen2.5-0.5b", d: 896, f: 4864, h: 14, k: 2, size: 64, v: 151936},
	}
	full      = scale{students: students, cube: 4096, tokens: []int{16384, 1024, 4096, 65536}, doc: 1024, rows: 16384, layers: 12}
	predicted = scale{students: students, cube: 4096, tokens: []int{16384}, doc: 1024, rows: 1024, layers: 1, bf16: true}
	tiny      = scale{
		students: []student{
			{name: "tiny llama", d: 64, f: 96, h: 4, k: 2, size: 16, v: 257},
			{name: "tiny gpt2", d: 48, f: 192, h: 3, k: 3, size: 16, v: 257, gpt2: true},
		},
		cube: 64, tokens: []int{48}, doc: 24, rows: 48, layers: 1,
	}
)

// types are bf16 everywhere, and float32 for one student.
func types(s student) []kernels.DType {
	if s.gpt2 {
		return []kernels.DType{kernels.BFloat16, kernels.Float32}
	}
	return []kernels.DType{kernels.BFloat16}
}

func rowwiseCases(s scale) (list []benchCase) {
	t := s.tokens[0]
	for _, m := range s.students {
		norms, activation := []string{"RMSNorm", "AddRMSNorm", "RMSNormBackward"}, []string{"SwiGLU", "SwiGLUBackward"}
		if m.gpt2 {
			norms, activation = []string{"LayerNorm", "LayerNormBackward"}, []string{"GELU", "GELUBackward"}
		}
		for _, dtype := range types(m) {
			add := func(op string, d dims) { list = append(list, benchCase{"rowwise", op, d, dtype}) }
			for _, op := range norms {
				add(op, dims{T: t, D: m.d})
			}
			for _, op := range activation {
				add(op, dims{T: t, D: m.f})
			}
			if !m.gpt2 {
				add("RoPE", dims{T: t, H: m.h + m.k, Size: m.size})
			}
			add("Embed", dims{T: t, D: m.d, V: m.v})
			add("EmbedBackward", dims{T: t, D: m.d, V: m.v})
			add("GatherRows", dims{T: t, D: m.d})
		}
	}
	return list
}

func optimizerCases(s scale) (list []benchCase) {
	for _, m := range s.students {
		for _, dtype := range types(m) {
			if m.gpt2 {
				d := dims{D: m.d, V: m.v, Layers: s.layers}
				list = append(list, benchCase{"optimizer", "GlobalNorm", d, dtype}, benchCase{"optimizer", "AdamW", d, dtype})
			}
		}
	}
	return list
}

// directions are a product and its two gradients.
var directions = []string{"Linear", "LinearBackwardInput", "LinearBackwardWeight"}

func gemmCases(s scale) (list []benchCase) {
	add := func(d dims, types ...kernels.DType) {
		for _, dtype := range types {
			for _, op := range directions {
				list = append(list, benchCase{"gemm", op, d, dtype})
			}
		}
	}
	add(dims{T: s.cube, D: s.cube, Out: s.cube}, kernels.BFloat16, kernels.Float32)
	for i, t := range s.tokens {
		for _, m := range s.students {
			kinds := types(m)
			if i > 0 || s.bf16 {
				kinds = kinds[:1]
			}
			add(dims{T: t, D: m.d, Out: (m.h + 2*m.k) * m.size}, kinds...)
			add(dims{T: t, D: m.d, Out: m.d}, kinds...)
			up := 2 * m.f
			if m.gpt2 {
				up = m.f
				list = append(list, benchCase{"gemm", "LinearGELU", dims{T: t, D: m.d, Out: up}, kernels.BFloat16})
			}
			add(dims{T: t, D: m.d, Out: up}, kinds...)
			add(dims{T: t, D: m.f, Out: m.d}, kinds...)
			if i == 0 {
				add(dims{T: min(s.rows, 4096), D: m.d, Out: m.v}, kernels.BFloat16)
			}
		}
	}
	return list
}

func attentionCases(s scale) (list []benchCase) {
	for _, m := range s.students {
		for _, dtype := range types(m) {
			for _, doc := range []int{s.doc, 2 * s.doc, 4 * s.doc} {
				t := max(1, s.tokens[0]/doc) * doc
				d := dims{T: t, H: m.h, K: m.k, Size: m.size, Doc: doc}
				list = append(list, benchCase{"attention", "Attention", d, dtype}, benchCase{"attention", "AttentionBackward", d, dtype})
			}
		}
	}
	return list
}

func lossCases(s scale) (list []benchCase) {
	for _, m := range s.students {
		for _, dtype := range types(m) {
			list = append(list, benchCase{"loss", "HeadCrossEntropy", dims{T: s.rows, D: m.d, V: m.v, Chunk: min(s.rows, 1024)}, dtype})
		}
		d := dims{T: s.rows, D: m.d, V: m.v, Chunk: min(s.rows, 1024), TopK: 64}
		list = append(list, benchCase{"loss", "HeadDistill", d, kernels.BFloat16})
	}
	return list
}
