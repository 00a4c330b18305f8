package model

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"

	"gorgonia.org/tensor"

	"retort/kernels"
	"retort/model/safetensors"
)

// Files are the files of the student's Hugging Face folder, tokenizer aside, each with
// the function that writes it: config.json, generation_config.json, model.safetensors.
func (s *Student) Files() (map[string]func(io.Writer) error, error) {
	config, err := s.ConfigJSON()
	if err != nil {
		return nil, err
	}
	generation, err := json.MarshalIndent(s.generationConfig(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("model: generation_config.json: %w", err)
	}
	return map[string]func(io.Writer) error{
		"config.json":            writeBytes(config),
		"generation_config.json": writeBytes(generation),
		"model.safetensors":      func(w io.Writer) error { return WriteTensors(w, s.k, s.Stored()) },
	}, nil
}

func writeBytes(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	}
}

// WriteTensors writes named tensors of a student (parameters, gradients or moments) as
// one safetensors file in float32, one tensor in host memory at a time. A value that is
// not finite is an error: nobody could go on from such a file.
func WriteTensors(w io.Writer, k kernels.Backend, named []Named) error {
	largest := 0
	for _, n := range named {
		largest = max(largest, n.Tensor.Len())
	}
	buffer := make([]float32, largest) // each tensor is written before the next is loaded
	entries := make([]safetensors.Entry, len(named))
	for i, n := range named {
		entries[i] = safetensors.Entry{
			Name: n.Name, Shape: n.Shape, DType: safetensors.F32,
			Load: func() ([]float32, error) { return n.finiteHost(k, buffer[:n.Tensor.Len()]) },
		}
	}
	return safetensors.Write(w, entries, nil)
}

// ReadTensors fills named tensors from a safetensors file that WriteTensors wrote.
func ReadTensors(path string, k kernels.Backend, named []Named) error {
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, n := range named {
		if info, ok := f.Info(n.Name); ok && !slices.Equal(info.Shape, n.Shape) {
			return fmt.Errorf("%w: tensor %s of %s is %v, the student's is %v", ErrTensorShape, n.Name, path, info.Shape, n.Shape)
		}
		host, err := f.Tensor(n.Name)
		if err == nil {
			err = n.upload(k, host)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// upload copies a tensor in the shape of its file to where the parameter lies.
func (n Named) upload(k kernels.Backend, host *tensor.Dense) error {
	if n.Transposed {
		if err := transpose(host); err != nil {
			return fmt.Errorf("model: %s: %w", n.Name, err)
		}
	}
	if i := firstNonFinite(host.Float32s()); i >= 0 {
		return fmt.Errorf("model: %w: %s, value %d is %v", ErrNonFinite, n.Name, i, host.Float32s()[i])
	}
	k.Upload(n.Tensor, host.Float32s())
	return nil
}

// firstNonFinite is the index of the first NaN or infinity, -1 for none.
func firstNonFinite(values []float32) int {
	for i, v := range values {
		if v-v != 0 {
			return i
		}
	}
	return -1
}

// transpose turns a matrix on the host round, in memory too.
func transpose(t *tensor.Dense) error {
	if err := t.T(); err != nil {
		return err
	}
	return t.Transpose()
}

func (n Named) finiteHost(k kernels.Backend, data []float32) ([]float32, error) {
	data, err := n.hostInto(k, data)
	if i := firstNonFinite(data); i >= 0 {
		return nil, fmt.Errorf("model: %w: %s, value %d is %v; not written", ErrNonFinite, n.Name, i, data[i])
	}
	return data, err
}

// Host downloads the tensor in the shape of its file.
func (n Named) Host(k kernels.Backend) ([]float32, error) {
	return n.hostInto(k, make([]float32, n.Tensor.Len()))
}

// hostInto is Host with the memory to use.
func (n Named) hostInto(k kernels.Backend, data []float32) ([]float32, error) {
	if err := k.Download(data, n.Tensor); err != nil {
		return nil, fmt.Errorf("model: %s: %w", n.Name, err)
	}
	if !n.Transposed {
		return data, nil
	}
	dense := tensor.New(tensor.WithShape(n.Tensor.Rows, n.Tensor.Cols), tensor.WithBacking(data))
	if err := transpose(dense); err != nil {
		return nil, fmt.Errorf("model: %s: %w", n.Name, err)
	}
	return dense.Float32s(), nil
}

// ConfigJSON is the student's config.json: the one it was read with, in float32, or a
// new one in the way of writing that transformers 4 and 5 both read.
func (s *Student) ConfigJSON() ([]byte, error) {
	fields := map[string]any{}
	if s.SourceConfig != nil {
		if err := json.Unmarshal(s.SourceConfig, &fields); err != nil {
			return nil, fmt.Errorf("model: config.json: %w", err)
		}
		delete(fields, "quantization_config")
		if _, old := fields["torch_dtype"]; old {
			fields["torch_dtype"] = "float32"
		} else {
			fields["dtype"] = "float32"
		}
	} else {
		fields = s.Config.fields()
	}
	return json.MarshalIndent(fields, "", "  ")
}

// fields is a fresh config.json.
func (c Config) fields() map[string]any {
	f := map[string]any{
		"model_type": string(c.Family), "vocab_size": c.Vocab, "tie_word_embeddings": c.Tied,
		"dtype": "float32", "torch_dtype": "float32", "initializer_range": c.InitStd, "use_cache": true,
	}
	c.specialTokens(f)
	if c.Family == GPT2 {
		act := "gelu_new"
		if c.GELU == kernels.GELUErf {
			act = "gelu"
		}
		merge(f, map[string]any{
			"architectures": []string{"GPT2LMHeadModel"}, "n_embd": c.Hidden, "n_layer": c.Layers, "n_head": c.Heads,
			"n_positions": c.Context, "n_inner": c.FFN, "activation_function": act, "layer_norm_epsilon": c.NormEps,
			"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0,
		})
		return f
	}
	architecture := map[Family]string{Llama: "LlamaForCausalLM", Qwen2: "Qwen2ForCausalLM", Qwen3: "Qwen3ForCausalLM"}[c.Family]
	rope := map[string]any{"rope_theta": c.RoPE.Theta, "rope_type": c.RoPE.Type}
	if c.RoPE.Type != "default" {
		rope["factor"] = c.RoPE.Factor
	}
	if c.RoPE.Type == "llama3" {
		rope["low_freq_factor"], rope["high_freq_factor"] = c.RoPE.LowFreqFactor, c.RoPE.HighFreqFactor
		rope["original_max_position_embeddings"] = c.RoPE.OriginalContext
	}
	merge(f, map[string]any{
		"architectures": []string{architecture}, "hidden_size": c.Hidden, "num_hidden_layers": c.Layers,
		"num_attention_heads": c.Heads, "num_key_value_heads": c.KVHeads, "head_dim": c.HeadDim,
		"intermediate_size": c.FFN, "max_position_embeddings": c.Context, "rms_norm_eps": c.NormEps,
		"hidden_act": "silu", "rope_theta": c.RoPE.Theta, "rope_parameters": rope, "attention_dropout": 0.0,
	})
	if c.RoPE.Type != "default" {
		f["rope_scaling"] = rope
	}
	switch c.Family {
	case Llama:
		f["attention_bias"], f["mlp_bias"] = c.QKVBias, c.MLPBias
	case Qwen3:
		f["attention_bias"] = c.QKVBias
	}
	if c.Family != Llama {
		f["use_sliding_window"] = false
	}
	return f
}

// specialTokens adds bos_token_id and eos_token_id, a single end as a number.
func (c Config) specialTokens(f map[string]any) {
	if c.BOS >= 0 {
		f["bos_token_id"] = c.BOS
	}
	switch len(c.EOS) {
	case 0:
	case 1:
		f["eos_token_id"] = c.EOS[0]
	default:
		f["eos_token_id"] = c.EOS
	}
}

// generationConfig is generation_config.json: the ids that end an answer.
func (s *Student) generationConfig() map[string]any {
	f := map[string]any{"_from_model_config": true}
	s.Config.specialTokens(f)
	return f
}

func merge(into, from map[string]any) {
	for key, v := range from {
		into[key] = v
	}
}

// shape returns the file shape of a part of a spec.
func (p part) shape(s spec) []int {
	switch {
	case s.vector:
		return []int{p.size}
	case p.transposed:
		return []int{s.cols, p.size}
	}
	return []int{p.size, s.cols}
}

// String shows the shape of the student for the header of a run.
func (c Config) String() string {
	return string(c.Family) + ", " + strconv.Itoa(c.Layers) + " layers, width " + strconv.Itoa(c.Hidden) + ", " +
		strconv.Itoa(c.Heads) + "/" + strconv.Itoa(c.KVHeads) + " heads of " + strconv.Itoa(c.HeadDim) + ", vocabulary " +
		strconv.Itoa(c.Vocab) + ", " + strconv.FormatFloat(float64(c.Parameters())/1e6, 'f', 1, 64) + " M parameters"
}
