// Package model is the students: GPT-2, Llama, Qwen2 and Qwen3 from one description of
// a block, their hand-written forward and backward passes over a kernels.Backend, their
// reading and writing as Hugging Face folders and GGUF files, and their decoding with a
// cache of keys and values. It owns a student's parameters and the buffers of a pass;
// it knows neither text nor training. Package engine drives it.
package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"

	"retort/kernels"
)

// Family names the architecture as config.json's model_type does.
type Family string

// The families one block description covers.
const (
	GPT2  Family = "gpt2"
	Llama Family = "llama"
	Qwen2 Family = "qwen2"
	Qwen3 Family = "qwen3"
)

// ErrConfig is wrapped by every error about a config.json that cannot be used.
var ErrConfig = errors.New("student configuration")

// RoPE is the description of rotary positions.
type RoPE struct {
	Theta float64
	// Type is "default", "linear" or "llama3".
	Type string
	// Factor stretches positions (linear, llama3); the rest is llama3's alone.
	Factor, LowFreqFactor, HighFreqFactor float64
	OriginalContext                       int
}

// Config describes a student. Families differ in it and in nothing else.
type Config struct {
	Family  Family
	Vocab   int // rows of the embedding
	Hidden  int // d
	Layers  int
	Heads   int // query heads H
	KVHeads int // key and value heads K, a divisor of Heads
	HeadDim int // D
	FFN     int // F
	Context int // largest number of positions

	Norm    kernels.NormKind
	NormEps float64

	QKVBias, OutBias, MLPBias bool
	QKNorm                    bool // Qwen3: RMSNorm of every query and key head
	SwiGLU                    bool // else GELU of the kind below
	GELU                      kernels.GELUKind
	Tied                      bool // the head is the embedding
	RoPE                      *RoPE
	LearnedPositions          bool // GPT-2: a table of positions instead of RoPE

	// HasDropout tells that config.json asks for dropout, which is not applied.
	HasDropout bool
	// InitStd is the deviation of freshly drawn weights.
	InitStd float64
	// BOS and EOS are token ids, EOS possibly several; BOS is -1 when absent.
	BOS int32
	EOS []int32
}

// rawConfig is config.json in both of transformers' ways of writing it.
type rawConfig struct {
	ModelType string `json:"model_type"`
	Vocab     int    `json:"vocab_size"`

	// Llama, Qwen
	Hidden      int             `json:"hidden_size"`
	Layers      int             `json:"num_hidden_layers"`
	Heads       int             `json:"num_attention_heads"`
	KVHeads     *int            `json:"num_key_value_heads"`
	HeadDim     *int            `json:"head_dim"`
	FFN         int             `json:"intermediate_size"`
	Context     int             `json:"max_position_embeddings"`
	RMSEps      *float64        `json:"rms_norm_eps"`
	Act         string          `json:"hidden_act"`
	Bias        bool            `json:"attention_bias"`
	MLPBias     bool            `json:"mlp_bias"`
	Theta       *float64        `json:"rope_theta"`      // transformers 4
	RopeScaling json.RawMessage `json:"rope_scaling"`    // transformers 4
	RopeParams  json.RawMessage `json:"rope_parameters"` // transformers 5
	Sliding     bool            `json:"use_sliding_window"`
	AttnDropout float64         `json:"attention_dropout"`
	LayerTypes  []string        `json:"layer_types"`
	PartialRoPE *float64        `json:"partial_rotary_factor"`
	Tied        *bool           `json:"tie_word_embeddings"`
	InitRange   *float64        `json:"initializer_range"`
	BOS         *int32          `json:"bos_token_id"`
	EOS         json.RawMessage `json:"eos_token_id"`

	// GPT-2
	Embd       int      `json:"n_embd"`
	Layer      int      `json:"n_layer"`
	Head       int      `json:"n_head"`
	Positions  int      `json:"n_positions"`
	Inner      *int     `json:"n_inner"`
	GPT2Act    string   `json:"activation_function"`
	LNEps      *float64 `json:"layer_norm_epsilon"`
	ScaleAttn  *bool    `json:"scale_attn_weights"`
	ScaleByIdx bool     `json:"scale_attn_by_inverse_layer_idx"`
	ResidPdrop *float64 `json:"resid_pdrop"`
	EmbdPdrop  *float64 `json:"embd_pdrop"`
	AttnPdrop  *float64 `json:"attn_pdrop"`
}

// rawRoPE is rope_parameters, rope_scaling, or both merged.
type rawRoPE struct {
	Theta    *float64 `json:"rope_theta"`
	Type     string   `json:"rope_type"`
	OldType  string   `json:"type"`
	Factor   float64  `json:"factor"`
	Low      float64  `json:"low_freq_factor"`
	High     float64  `json:"high_freq_factor"`
	Original int      `json:"original_max_position_embeddings"`
}

// ParseConfig reads a config.json. Errors wrap ErrConfig and name the key.
func ParseConfig(data []byte) (Config, error) {
	var r rawConfig
	if err := json.Unmarshal(data, &r); err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrConfig, inJSON(err))
	}
	var c Config
	var err error
	switch Family(r.ModelType) {
	case GPT2:
		c, err = r.gpt2()
	case Llama, Qwen2, Qwen3:
		c, err = r.llamaLike()
	case "":
		err = errors.New("model_type is missing")
	default:
		err = fmt.Errorf("model_type %q is not supported (gpt2, llama, qwen2 and qwen3 are)", r.ModelType)
	}
	if err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	c.Family, c.Vocab, c.BOS = Family(r.ModelType), r.Vocab, orElse(r.BOS, -1)
	c.InitStd = orElse(r.InitRange, 0.02)
	if c.EOS, err = ParseTokenIDs(r.EOS); err != nil {
		return Config{}, fmt.Errorf("%w: eos_token_id: %w", ErrConfig, err)
	}
	return c, c.Validate()
}

func (r *rawConfig) gpt2() (Config, error) {
	c := Config{
		Hidden: r.Embd, Layers: r.Layer, Heads: r.Head, KVHeads: r.Head, Context: r.Positions,
		FFN: orElse(r.Inner, 4*r.Embd), Norm: kernels.LayerNorm, NormEps: orElse(r.LNEps, 1e-5),
		QKVBias: true, OutBias: true, MLPBias: true, LearnedPositions: true, Tied: orElse(r.Tied, true),
		HasDropout: orElse(r.ResidPdrop, 0.1) > 0 || orElse(r.EmbdPdrop, 0.1) > 0 || orElse(r.AttnPdrop, 0.1) > 0,
	}
	if c.Heads > 0 {
		c.HeadDim = c.Hidden / c.Heads
	}
	if r.ScaleByIdx || !orElse(r.ScaleAttn, true) {
		return c, errors.New("scale_attn_weights=false and scale_attn_by_inverse_layer_idx=true are not supported")
	}
	switch r.GPT2Act {
	case "", "gelu_new", "gelu_pytorch_tanh", "gelu_fast":
		c.GELU = kernels.GELUTanh
	case "gelu":
		c.GELU = kernels.GELUErf
	default:
		return c, fmt.Errorf("activation_function %q is not supported (gelu_new and gelu are)", r.GPT2Act)
	}
	return c, nil
}

func (r *rawConfig) llamaLike() (Config, error) {
	family := Family(r.ModelType)
	c := Config{
		Hidden: r.Hidden, Layers: r.Layers, Heads: r.Heads, KVHeads: orElse(r.KVHeads, r.Heads),
		FFN: r.FFN, Context: orElse(nonZero(r.Context), 2048), Norm: kernels.RMSNorm, NormEps: orElse(r.RMSEps, 1e-6),
		SwiGLU: true, Tied: orElse(r.Tied, false), HasDropout: r.AttnDropout > 0,
		QKVBias: family == Qwen2 || r.Bias, OutBias: family != Qwen2 && r.Bias,
		MLPBias: family == Llama && r.MLPBias, QKNorm: family == Qwen3,
	}
	if c.Heads > 0 {
		c.HeadDim = orElse(r.HeadDim, c.Hidden/c.Heads)
	}
	if family == Qwen3 && r.HeadDim == nil {
		c.HeadDim = 128 // transformers' default for Qwen3
	}
	if r.Act != "" && r.Act != "silu" {
		return c, fmt.Errorf("hidden_act %q is not supported (silu is)", r.Act)
	}
	if r.Sliding {
		return c, errors.New("use_sliding_window=true is not supported (attention here is full and causal)")
	}
	for _, t := range r.LayerTypes {
		if t != "full_attention" {
			return c, fmt.Errorf("layer_types has %q; only full_attention is supported", t)
		}
	}
	if orElse(r.PartialRoPE, 1) != 1 {
		return c, fmt.Errorf("partial_rotary_factor %v is not supported", *r.PartialRoPE)
	}
	var err error
	c.RoPE, err = r.rope()
	return c, err
}

func (r *rawConfig) rope() (*RoPE, error) {
	var raw rawRoPE
	for key, part := range map[string]json.RawMessage{"rope_scaling": r.RopeScaling, "rope_parameters": r.RopeParams} {
		if len(part) > 0 && string(part) != "null" {
			if err := json.Unmarshal(part, &raw); err != nil {
				return nil, fmt.Errorf("%s: %w", key, inJSON(err))
			}
		}
	}
	theta := orElse(raw.Theta, orElse(r.Theta, 10000))
	out := &RoPE{
		Theta: theta, Type: raw.Type, Factor: raw.Factor,
		LowFreqFactor: raw.Low, HighFreqFactor: raw.High, OriginalContext: raw.Original,
	}
	if out.Type == "" {
		out.Type = raw.OldType
	}
	switch out.Type {
	case "", "default":
		out.Type = "default"
	case "linear":
		if out.Factor < 1 {
			return nil, fmt.Errorf("rope factor %v of type linear must be at least 1", out.Factor)
		}
	case "llama3":
		if out.Factor < 1 || out.LowFreqFactor <= 0 || out.HighFreqFactor <= out.LowFreqFactor || out.OriginalContext <= 0 {
			return nil, errors.New("rope type llama3 needs factor, low_freq_factor < high_freq_factor and original_max_position_embeddings")
		}
	default:
		return nil, fmt.Errorf("rope type %q is not supported (default, linear and llama3 are)", out.Type)
	}
	return out, nil
}

// Validate checks that the sizes fit together; errors wrap ErrConfig.
func (c Config) Validate() error {
	for _, f := range []struct {
		name         string
		value, limit int // limits bound what a malformed file can make us allocate
	}{
		{"vocab_size", c.Vocab, 1 << 24}, {"hidden size", c.Hidden, 1 << 20}, {"number of layers", c.Layers, 1 << 12},
		{"number of heads", c.Heads, 1 << 12}, {"number of key-value heads", c.KVHeads, 1 << 12}, {"head size", c.HeadDim, 1 << 16},
		{"intermediate size", c.FFN, 1 << 24}, {"number of positions", c.Context, 1 << 20},
	} {
		if f.value <= 0 || f.value > f.limit {
			return fmt.Errorf("%w: %s is %d, must lie within 1 to %d", ErrConfig, f.name, f.value, f.limit)
		}
	}
	switch {
	case !(c.NormEps > 0 && c.NormEps < 1):
		return fmt.Errorf("%w: the norm's epsilon is %v, must lie between 0 and 1", ErrConfig, c.NormEps)
	case c.RoPE != nil && (!(c.RoPE.Theta > 1) || math.IsInf(c.RoPE.Theta, 0)):
		return fmt.Errorf("%w: rope_theta is %v, must be above 1", ErrConfig, c.RoPE.Theta)
	case slices.ContainsFunc(c.EOS, func(id int32) bool { return id < 0 || int(id) >= c.Vocab }):
		return fmt.Errorf("%w: eos_token_id %v lies beyond the vocabulary of %d tokens", ErrConfig, c.EOS, c.Vocab)
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("%w: %d query heads cannot share %d key-value heads evenly", ErrConfig, c.Heads, c.KVHeads)
	case c.LearnedPositions && c.Hidden%c.Heads != 0:
		return fmt.Errorf("%w: hidden size %d is not a multiple of %d heads", ErrConfig, c.Hidden, c.Heads)
	case c.RoPE != nil && c.HeadDim%2 != 0:
		return fmt.Errorf("%w: head size %d is odd, RoPE turns pairs", ErrConfig, c.HeadDim)
	}
	return nil
}

// heads is the geometry of attention.
func (c Config) heads() kernels.Heads {
	return kernels.Heads{Query: c.Heads, KV: c.KVHeads, Size: c.HeadDim, Scale: float32(1 / math.Sqrt(float64(c.HeadDim)))}
}

// QKVRows is the width of the fused q, k and v activation: (H+2K)·D.
func (c Config) QKVRows() int { return (c.Heads + 2*c.KVHeads) * c.HeadDim }

// Parameters is the number of trained values, a tied head counted once.
func (c Config) Parameters() int { return count(c.specs()) }

// ParseTokenIDs reads a JSON id, a list of ids, or null: eos_token_id in its three forms.
func ParseTokenIDs(raw json.RawMessage) ([]int32, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var one int32
	if json.Unmarshal(raw, &one) == nil {
		return []int32{one}, nil
	}
	var many []int32
	if err := json.Unmarshal(raw, &many); err != nil {
		return nil, fmt.Errorf("%s is neither a token id nor a list of them", raw)
	}
	return many, nil
}

// inJSON puts an error of encoding/json about a value of the wrong type into the words of
// the file; errors of syntax stay as they are.
func inJSON(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	if wrong.Field == "" {
		return fmt.Errorf("a JSON object is expected, not a JSON %s", wrong.Value)
	}
	want := map[reflect.Kind]string{
		reflect.Int: "a whole number", reflect.Int32: "a whole number", reflect.Float64: "a number",
		reflect.String: "a string", reflect.Bool: "true or false", reflect.Slice: "a list",
	}[wrong.Type.Kind()]
	return fmt.Errorf("%s must be %s, not a JSON %s", wrong.Field, want, wrong.Value)
}

func orElse[T any](p *T, fallback T) T {
	if p == nil {
		return fallback
	}
	return *p
}

func nonZero(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}
