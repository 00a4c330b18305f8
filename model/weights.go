package model

import (
	"fmt"
	"math"
	"math/rand/v2"

	"retort/kernels"
)

// normWeights is one normalisation's parameters; bias is absent for RMSNorm.
type normWeights struct{ weight, bias kernels.Tensor }

// blockWeights is one transformer block. q, k and v are row ranges of one matrix, and
// so are gate and up, so that each is one matrix product.
type blockWeights struct {
	norm1    normWeights
	qkv      kernels.Tensor // ((H+2K)·D, d)
	qkvBias  kernels.Tensor // (1, (H+2K)·D) or absent
	qNorm    kernels.Tensor // (1, D) or absent
	kNorm    kernels.Tensor // (1, D) or absent
	out      kernels.Tensor // (d, H·D)
	outBias  kernels.Tensor // (1, d) or absent
	norm2    normWeights
	up       kernels.Tensor // (2F, d): gate, then up; (F, d) for GELU
	upBias   kernels.Tensor // (1, 2F) or (1, F) or absent
	down     kernels.Tensor // (d, F)
	downBias kernels.Tensor // (1, d) or absent

	lora [sites]lora // the adapters of qkv, out, up and down; in an adapter's weights alone
}

// weights holds one value for every parameter of a student or of an adapter: the parameters,
// their gradients, or one of AdamW's moments. What is not among them is absent.
type weights struct {
	arena  kernels.Tensor // the one allocation behind all of them
	embed  kernels.Tensor // (V, d)
	pos    kernels.Tensor // (P, d) or absent
	blocks []blockWeights
	norm   normWeights
	head   kernels.Tensor // (V, d); the embedding itself when tied
	named  []Named
}

// Named is one parameter under its Hugging Face name: a view of the memory where it
// lies, and the shape its file has.
type Named struct {
	Name   string
	Tensor kernels.Tensor
	Shape  []int
	// Transposed marks GPT-2's Conv1D weights, which files keep as (in, out) and
	// students as (out, in). Shape is the file's.
	Transposed bool
}

// spec is one fused matrix or vector of a student: where it goes and which named
// parameters its rows are.
type spec struct {
	rows, cols int
	place      func(w *weights, t kernels.Tensor)
	parts      []part
	vector     bool // (1, cols), of one dimension in files
	// site is which of a block's matrices this is, where adapters may attach; 0 elsewhere.
	layer, site int
}

// at marks the matrix as a site of adapters.
func (s spec) at(layer, site int) spec {
	s.layer, s.site = layer, site
	return s
}

// part is a range of rows (of a vector: of elements) under a Hugging Face name.
type part struct {
	name       string
	size       int
	transposed bool
}

// specs lists every parameter of the student in a fixed order: the order of the arena,
// of the files and of the optimizer.
func (c Config) specs() []spec {
	if c.Family == GPT2 {
		return c.gpt2Specs()
	}
	q, kv, d, f := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim, c.Hidden, c.FFN
	list := []spec{matrix(c.Vocab, d, func(w *weights, t kernels.Tensor) { w.embed = t }, "model.embed_tokens.weight")}
	for i := range c.Layers {
		p := fmt.Sprintf("model.layers.%d.", i)
		at := func(set func(b *blockWeights, t kernels.Tensor)) func(*weights, kernels.Tensor) {
			return func(w *weights, t kernels.Tensor) { set(&w.blocks[i], t) }
		}
		qkvParts := func(kind string) []part {
			return []part{{p + "self_attn.q_proj." + kind, q, false}, {p + "self_attn.k_proj." + kind, kv, false}, {p + "self_attn.v_proj." + kind, kv, false}}
		}
		upParts := func(kind string) []part {
			return []part{{p + "mlp.gate_proj." + kind, f, false}, {p + "mlp.up_proj." + kind, f, false}}
		}
		list = append(list,
			vector(d, at(func(b *blockWeights, t kernels.Tensor) { b.norm1.weight = t }), p+"input_layernorm.weight"),
			fused(q+2*kv, d, at(func(b *blockWeights, t kernels.Tensor) { b.qkv = t }), qkvParts("weight")).at(i, siteQKV))
		if c.QKVBias {
			list = append(list, fusedVector(q+2*kv, at(func(b *blockWeights, t kernels.Tensor) { b.qkvBias = t }), qkvParts("bias")))
		}
		if c.QKNorm {
			list = append(list,
				vector(c.HeadDim, at(func(b *blockWeights, t kernels.Tensor) { b.qNorm = t }), p+"self_attn.q_norm.weight"),
				vector(c.HeadDim, at(func(b *blockWeights, t kernels.Tensor) { b.kNorm = t }), p+"self_attn.k_norm.weight"))
		}
		list = append(list, matrix(d, q, at(func(b *blockWeights, t kernels.Tensor) { b.out = t }), p+"self_attn.o_proj.weight").at(i, siteOut))
		if c.OutBias {
			list = append(list, vector(d, at(func(b *blockWeights, t kernels.Tensor) { b.outBias = t }), p+"self_attn.o_proj.bias"))
		}
		list = append(list,
			vector(d, at(func(b *blockWeights, t kernels.Tensor) { b.norm2.weight = t }), p+"post_attention_layernorm.weight"),
			fused(2*f, d, at(func(b *blockWeights, t kernels.Tensor) { b.up = t }), upParts("weight")).at(i, siteUp))
		if c.MLPBias {
			list = append(list, fusedVector(2*f, at(func(b *blockWeights, t kernels.Tensor) { b.upBias = t }), upParts("bias")))
		}
		list = append(list, matrix(d, f, at(func(b *blockWeights, t kernels.Tensor) { b.down = t }), p+"mlp.down_proj.weight").at(i, siteDown))
		if c.MLPBias {
			list = append(list, vector(d, at(func(b *blockWeights, t kernels.Tensor) { b.downBias = t }), p+"mlp.down_proj.bias"))
		}
	}
	list = append(list, vector(d, func(w *weights, t kernels.Tensor) { w.norm.weight = t }, "model.norm.weight"))
	return c.withHead(list)
}

// gpt2Specs is specs for GPT-2, whose matrices are Conv1D and whose every layer has biases.
func (c Config) gpt2Specs() []spec {
	d, f := c.Hidden, c.FFN
	list := []spec{
		matrix(c.Vocab, d, func(w *weights, t kernels.Tensor) { w.embed = t }, "transformer.wte.weight"),
		matrix(c.Context, d, func(w *weights, t kernels.Tensor) { w.pos = t }, "transformer.wpe.weight"),
	}
	for i := range c.Layers {
		p := fmt.Sprintf("transformer.h.%d.", i)
		at := func(set func(b *blockWeights, t kernels.Tensor)) func(*weights, kernels.Tensor) {
			return func(w *weights, t kernels.Tensor) { set(&w.blocks[i], t) }
		}
		list = append(list,
			vector(d, at(func(b *blockWeights, t kernels.Tensor) { b.norm1.weight = t }), p+"ln_1.weight"),
			vector(d, at(func(b *blockWeights, t kernels.Tensor) { b.norm1.bias = t }), p+"ln_1.bias"),
			conv1D(3*d, d, at(func(b *blockWeights, t kernels.Tensor) { b.qkv = t }), p+"attn.c_attn.weight").at(i, siteQKV),
			vector(3*d, at(func(b *blockWeights, t kernels.Tensor) { b.qkvBias = t }), p+"attn.c_attn.bias"),
			conv1D(d, d, at(func(b *blockWeights, t kernels.Tensor) { b.out = t }), p+"attn.c_proj.weight").at(i, siteOut),
			vector(d, at(func(b *blockWeights, t kernels.Tensor) { b.outBias = t }), p+"attn.c_proj.bias"),
			vector(d, at(func(b *blockWeights, t kernels.Tensor) { b.norm2.weight = t }), p+"ln_2.weight"),
			vector(d, at(func(b *blockWeights, t kernels.Tensor) { b.norm2.bias = t }), p+"ln_2.bias"),
			conv1D(f, d, at(func(b *blockWeights, t kernels.Tensor) { b.up = t }), p+"mlp.c_fc.weight").at(i, siteUp),
			vector(f, at(func(b *blockWeights, t kernels.Tensor) { b.upBias = t }), p+"mlp.c_fc.bias"),
			conv1D(d, f, at(func(b *blockWeights, t kernels.Tensor) { b.down = t }), p+"mlp.c_proj.weight").at(i, siteDown),
			vector(d, at(func(b *blockWeights, t kernels.Tensor) { b.downBias = t }), p+"mlp.c_proj.bias"))
	}
	list = append(list,
		vector(d, func(w *weights, t kernels.Tensor) { w.norm.weight = t }, "transformer.ln_f.weight"),
		vector(d, func(w *weights, t kernels.Tensor) { w.norm.bias = t }, "transformer.ln_f.bias"))
	return c.withHead(list)
}

func (c Config) withHead(list []spec) []spec {
	if c.Tied {
		return list
	}
	return append(list, matrix(c.Vocab, c.Hidden, func(w *weights, t kernels.Tensor) { w.head = t }, "lm_head.weight"))
}

func matrix(rows, cols int, place func(*weights, kernels.Tensor), name string) spec {
	return fused(rows, cols, place, []part{{name, rows, false}})
}

func fused(rows, cols int, place func(*weights, kernels.Tensor), parts []part) spec {
	return spec{rows: rows, cols: cols, place: place, parts: parts}
}

func conv1D(rows, cols int, place func(*weights, kernels.Tensor), name string) spec {
	return fused(rows, cols, place, []part{{name, rows, true}})
}

func vector(n int, place func(*weights, kernels.Tensor), name string) spec {
	return fusedVector(n, place, []part{{name, n, false}})
}

func fusedVector(n int, place func(*weights, kernels.Tensor), parts []part) spec {
	return spec{rows: 1, cols: n, place: place, parts: parts, vector: true}
}

// count is the number of values of all specs.
func count(specs []spec) int {
	n := 0
	for _, s := range specs {
		n += s.rows * s.cols
	}
	return n
}

// newWeights allocates one zero for every value of the specs, in one arena.
func newWeights(k kernels.Backend, layers int, specs []spec, dtype kernels.DType, purpose kernels.Purpose) (*weights, error) {
	arena, err := k.Alloc(dtype, purpose, 1, count(specs))
	if err != nil {
		return nil, fmt.Errorf("model: %s of %d parameters: %w", purpose, count(specs), err)
	}
	w := &weights{arena: arena, blocks: make([]blockWeights, layers)}
	offset := 0
	for _, s := range specs {
		t := arena.ColRange(offset, offset+s.rows*s.cols).Reshape(s.rows, s.cols)
		offset += s.rows * s.cols
		s.place(w, t)
		lo := 0
		for _, p := range s.parts {
			n := Named{Name: p.name, Transposed: p.transposed, Shape: p.shape(s)}
			switch {
			case s.vector:
				n.Tensor = t.ColRange(lo, lo+p.size)
			case p.transposed:
				n.Tensor = t
			default:
				n.Tensor = t.RowRange(lo, lo+p.size)
			}
			lo += p.size
			w.named = append(w.named, n)
		}
	}
	if w.head.Absent() { // tied
		w.head = w.embed
	}
	return w, nil
}

// initialise draws fresh weights as transformers does: normal with the configuration's
// deviation, residual projections of GPT-2 smaller by sqrt(2·layers), biases zero and
// norms one. The same seed gives the same student on every machine.
func (w *weights) initialise(k kernels.Backend, c Config, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0x7265746f7274))
	for _, n := range w.named {
		host := make([]float32, n.Tensor.Len())
		switch {
		case len(n.Shape) == 2:
			std := c.InitStd
			if n.Transposed && n.Shape[1] == c.Hidden && hasSuffix(n.Name, "c_proj.weight") {
				std /= math.Sqrt(float64(2 * c.Layers))
			}
			for i := range host {
				host[i] = float32(rng.NormFloat64() * std)
			}
		case hasSuffix(n.Name, "norm.weight") || hasSuffix(n.Name, "ln_1.weight") || hasSuffix(n.Name, "ln_2.weight") || hasSuffix(n.Name, "ln_f.weight"):
			for i := range host {
				host[i] = 1
			}
		}
		k.Upload(n.Tensor, host)
	}
}

func hasSuffix(s, suffix string) bool {
	return len(s) >= len(suffix) && s[len(s)-len(suffix):] == suffix
}
