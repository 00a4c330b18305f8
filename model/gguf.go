package model

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"retort/kernels"
	"retort/model/gguf"
)

// loadGGUF reads a student from a GGUF file: its configuration from the metadata, its
// tensors dequantized, under their Hugging Face names and in Hugging Face's order of rows.
func loadGGUF(k kernels.Backend, path, adapter string) (*Student, []string, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	c, err := ggufConfig(f)
	if err != nil {
		return nil, nil, fmt.Errorf("model: %s: %w", path, err)
	}
	s, notes, err := fill(k, c, newGGUFSource(f, c), adapter)
	if err != nil {
		return nil, nil, fmt.Errorf("model: %s: %w", path, err)
	}
	return s, notes, nil
}

// ggufConfig reads the configuration from a GGUF file's metadata.
func ggufConfig(f *gguf.File) (Config, error) {
	arch, _ := f.String("general.architecture")
	c := Config{Family: Family(arch), InitStd: 0.02, BOS: -1}
	switch c.Family {
	case GPT2, Llama, Qwen2, Qwen3:
	default:
		return c, fmt.Errorf("%w: general.architecture %q is not supported (gpt2, llama, qwen2 and qwen3 are)", ErrConfig, arch)
	}
	var missing []string
	number := func(key string) int {
		n, ok := f.Uint(arch + "." + key)
		if !ok {
			missing = append(missing, arch+"."+key)
		}
		return int(n)
	}
	optional := func(key string, fallback int) int {
		if n, ok := f.Uint(arch + "." + key); ok {
			return int(n)
		}
		return fallback
	}
	c.Hidden, c.Layers = number("embedding_length"), number("block_count")
	c.FFN, c.Context, c.Heads = number("feed_forward_length"), number("context_length"), number("attention.head_count")
	c.KVHeads = optional("attention.head_count_kv", c.Heads)
	if c.Heads > 0 {
		c.HeadDim = optional("attention.key_length", c.Hidden/c.Heads)
	}
	epsilon := "attention.layer_norm_rms_epsilon"
	if c.Family == GPT2 {
		epsilon = "attention.layer_norm_epsilon"
	}
	var ok bool
	if c.NormEps, ok = f.Float(arch + "." + epsilon); !ok {
		missing = append(missing, arch+"."+epsilon)
	}
	c.NormEps = shortest(c.NormEps)
	if len(missing) > 0 {
		return c, fmt.Errorf("%w: the GGUF metadata lack %s", ErrConfig, strings.Join(missing, ", "))
	}
	embedding, ok := f.Info("token_embd.weight")
	if !ok || len(embedding.Shape) != 2 {
		return c, fmt.Errorf("%w: token_embd.weight of two dimensions", ErrMissingTensor)
	}
	c.Vocab = embedding.Shape[0]
	has := func(name string) bool { _, ok := f.Info(name); return ok }
	c.Tied = !has("output.weight")
	if id, ok := f.Uint("tokenizer.ggml.eos_token_id"); ok {
		c.EOS = []int32{int32(id)}
	}
	if id, ok := f.Uint("tokenizer.ggml.bos_token_id"); ok {
		c.BOS = int32(id)
	}
	if c.Family == GPT2 {
		c.Norm, c.QKVBias, c.OutBias, c.MLPBias, c.LearnedPositions = kernels.LayerNorm, true, true, true, true
		return c, c.Validate()
	}
	c.Norm, c.SwiGLU = kernels.RMSNorm, true
	c.QKVBias, c.OutBias = has("blk.0.attn_q.bias"), has("blk.0.attn_output.bias")
	c.MLPBias, c.QKNorm = has("blk.0.ffn_gate.bias"), has("blk.0.attn_q_norm.weight")
	var err error
	if c.RoPE, err = ggufRoPE(f, arch, c.HeadDim); err != nil {
		return c, err
	}
	return c, c.Validate()
}

// shortest is the float64 whose decimals are those of the float32 that a file held:
// 1e-5, not 9.99999974e-6.
func shortest(v float64) float64 {
	var out float64
	fmt.Sscan(fmt.Sprint(float32(v)), &out)
	return out
}

// ggufRoPE reads the rotary positions. llama.cpp keeps Llama 3's bands as one factor a
// frequency (rope_freqs.weight); the description that gives them is restored and checked.
func ggufRoPE(f *gguf.File, arch string, headDim int) (*RoPE, error) {
	r := &RoPE{Theta: 10000, Type: "default"}
	if theta, ok := f.Float(arch + ".rope.freq_base"); ok {
		r.Theta = shortest(theta)
	}
	if n, ok := f.Uint(arch + ".rope.dimension_count"); ok && int(n) != headDim {
		return nil, fmt.Errorf("%w: rope.dimension_count %d with heads of %d is not supported", ErrConfig, n, headDim)
	}
	switch scaling, _ := f.String(arch + ".rope.scaling.type"); scaling {
	case "", "none":
	case "linear":
		r.Type = "linear"
		r.Factor, _ = f.Float(arch + ".rope.scaling.factor")
	default:
		return nil, fmt.Errorf("%w: rope scaling %q of the GGUF file is not supported", ErrConfig, scaling)
	}
	if _, ok := f.Info("rope_freqs.weight"); !ok {
		return r, nil
	}
	factors := make([]float32, headDim/2)
	if err := f.ReadFloat32("rope_freqs.weight", factors); err != nil {
		return nil, err
	}
	scaled := RoPE{Theta: r.Theta, Type: "llama3", Factor: float64(slices.Max(factors)), LowFreqFactor: 1, HighFreqFactor: 4, OriginalContext: 8192}
	for i, factor := range factors {
		want, have := r.frequency(i, headDim)/factor, scaled.frequency(i, headDim)
		if math.Abs(float64(have-want)) > 1e-3*float64(want) {
			return nil, fmt.Errorf("%w: rope_freqs.weight is not Llama 3's scaling", ErrConfig)
		}
	}
	return &scaled, nil
}

// ggufSource shows a GGUF file under Hugging Face names.
type ggufSource struct {
	f     *gguf.File
	c     Config
	named map[string]string // Hugging Face name → GGUF name
}

func newGGUFSource(f *gguf.File, c Config) *ggufSource {
	s := &ggufSource{f: f, c: c, named: map[string]string{}}
	for _, sp := range c.specs() {
		for _, p := range sp.parts {
			s.named[p.name] = ggufName(p.name)
		}
	}
	return s
}

// layerName takes a Hugging Face name apart: layer and what it is within the layer.
var layerName = regexp.MustCompile(`^(?:model\.layers|transformer\.h)\.(\d+)\.(.+)\.(weight|bias)$`)

// ggufParts are llama.cpp's names of what a layer has.
var ggufParts = map[string]string{
	"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
	"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
	"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
	"mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
	"ln_1": "attn_norm", "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
	"mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
	"model.embed_tokens": "token_embd", "transformer.wte": "token_embd", "transformer.wpe": "position_embd",
	"model.norm": "output_norm", "transformer.ln_f": "output_norm", "lm_head": "output",
}

// ggufName is llama.cpp's name of a Hugging Face parameter.
func ggufName(name string) string {
	if m := layerName.FindStringSubmatch(name); m != nil {
		return "blk." + m[1] + "." + ggufParts[m[2]] + "." + m[3]
	}
	dot := strings.LastIndexByte(name, '.')
	return ggufParts[name[:dot]] + name[dot:]
}

// names lists the file's tensors, known ones under their Hugging Face names.
func (s *ggufSource) names() []string {
	back := make(map[string]string, len(s.named))
	for hf, g := range s.named {
		back[g] = hf
	}
	var out []string
	for _, g := range s.f.Names() {
		if hf, ok := back[g]; ok {
			g = hf
		}
		if g != "rope_freqs.weight" { // read with the configuration
			out = append(out, g)
		}
	}
	return out
}

// shape is the tensor's shape; GGUF keeps GPT-2's matrices as (out, in) already, and is
// shown here with the (in, out) of the Hugging Face file.
func (s *ggufSource) shape(name string) ([]int, bool) {
	g, known := s.named[name]
	if !known {
		return nil, false
	}
	info, ok := s.f.Info(g)
	if ok && s.conv1D(name) && len(info.Shape) == 2 {
		return []int{info.Shape[1], info.Shape[0]}, true
	}
	return info.Shape, ok
}

func (s *ggufSource) conv1D(name string) bool {
	return s.c.Family == GPT2 && strings.Contains(name, ".c_") && strings.HasSuffix(name, ".weight")
}

func (s *ggufSource) read(name string) (*tensor.Dense, error) {
	t, err := s.f.Tensor(s.named[name])
	if err != nil {
		return nil, err
	}
	if s.conv1D(name) {
		return t, transpose(t)
	}
	switch {
	case s.c.Family != Llama:
	case strings.Contains(name, ".q_proj."):
		return unpermute(t, s.c.Heads, s.c.HeadDim), nil
	case strings.Contains(name, ".k_proj."):
		return unpermute(t, s.c.KVHeads, s.c.HeadDim), nil
	}
	return t, nil
}

// unpermute undoes llama.cpp's order of the rows of q and k: its converter interleaves the
// two halves of every head (row 2i+j for row j·D/2+i), because its RoPE turns neighbours.
func unpermute(t *tensor.Dense, heads, size int) *tensor.Dense {
	src := t.Float32s()
	cols := len(src) / (heads * size)
	dst := make([]float32, len(src))
	for h := range heads {
		for i := range size / 2 {
			for j := range 2 {
				to, from := h*size+j*size/2+i, h*size+2*i+j
				copy(dst[to*cols:(to+1)*cols], src[from*cols:(from+1)*cols])
			}
		}
	}
	return tensor.New(tensor.WithShape(t.Shape()...), tensor.WithBacking(dst))
}
