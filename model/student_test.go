package model

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/model/gguf"
)

// tiny are small students of every family and of every switch of the configuration.
func tiny() map[string]Config {
	base := Config{Vocab: 61, Hidden: 16, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 8, FFN: 24, Context: 32, InitStd: 0.3, NormEps: 1e-5, BOS: -1}
	rope := &RoPE{Theta: 100, Type: "default"}
	llama := base
	llama.Family, llama.Norm, llama.SwiGLU, llama.Tied, llama.RoPE = Llama, kernels.RMSNorm, true, true, rope
	biased := llama
	biased.QKVBias, biased.OutBias, biased.MLPBias, biased.Tied = true, true, true, false
	biased.RoPE = &RoPE{Theta: 500, Type: "llama3", Factor: 4, LowFreqFactor: 1, HighFreqFactor: 4, OriginalContext: 64}
	qwen2 := llama
	qwen2.Family, qwen2.QKVBias, qwen2.KVHeads = Qwen2, true, 1
	qwen3 := llama
	qwen3.Family, qwen3.QKNorm, qwen3.HeadDim, qwen3.Tied = Qwen3, true, 6, false
	gpt2 := base
	gpt2.Family, gpt2.KVHeads, gpt2.HeadDim, gpt2.QKVBias, gpt2.OutBias, gpt2.MLPBias = GPT2, 4, 4, true, true, true
	gpt2.LearnedPositions, gpt2.Tied = true, true
	erf := gpt2
	erf.GELU = kernels.GELUErf
	return map[string]Config{"llama": llama, "llama with biases": biased, "qwen2": qwen2, "qwen3": qwen3, "gpt2": gpt2, "gpt2 with erf": erf}
}

// stirred is a fresh student whose norms and biases are away from their trivial start.
func stirred(t testing.TB, k kernels.Backend, c Config) *Student {
	s, err := New(k, c, 9)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(4, 4))
	for _, n := range s.Named() {
		if len(n.Shape) == 1 {
			host, err := n.Host(k)
			require.NoError(t, err)
			for i := range host {
				host[i] += float32(rng.NormFloat64()) * 0.2
			}
			k.Upload(n.Tensor, host)
		}
	}
	return s
}

// randomBatch is a few documents with some trained tokens.
func randomBatch(c Config, lengths ...int) *Batch {
	rng := rand.New(rand.NewPCG(8, uint64(len(lengths))))
	b := &Batch{}
	b.Reset()
	for _, n := range lengths {
		ids, weights := make([]int32, n), make([]float32, n)
		for i := range ids {
			ids[i] = int32(rng.IntN(c.Vocab))
			if i > n/3 {
				weights[i] = 0.05 + rng.Float32()/8
			}
		}
		b.Add(ids, weights)
	}
	return b
}

func lossOf(t testing.TB, p *Pass, b *Batch) float64 {
	p.Forward(b)
	p.Loss()
	logprobs, err := p.LogProbs(nil)
	require.NoError(t, err)
	loss := 0.0
	for i, lp := range logprobs {
		loss -= float64(b.Weights[i]) * float64(lp)
	}
	return loss
}

func TestGradientsEqualFiniteDifferences(t *testing.T) {
	for name, c := range tiny() {
		t.Run(name, func(t *testing.T) {
			k := newCPU(t, 2)
			s := stirred(t, k, c)
			b := randomBatch(c, 7, 1, 12)
			p, err := NewPass(s, PassOptions{Tokens: len(b.IDs), Rows: len(b.Rows), Training: true})
			require.NoError(t, err)
			p.Forward(b)
			p.LossBackward()
			rng := rand.New(rand.NewPCG(6, 6))
			for i, g := range p.Gradients() {
				gradient, err := g.Host(k)
				require.NoError(t, err)
				// the derivative in a random direction, and in that of the gradient itself
				n := s.Named()[i]
				start := make([]float32, n.Tensor.Len())
				require.NoError(t, k.Download(start, n.Tensor))
				raw := make([]float32, len(start))
				require.NoError(t, k.Download(raw, g.Tensor))
				direction, norm := make([]float64, len(start)), 0.0
				for j := range direction {
					direction[j] = float64(raw[j]) + 0.02*rng.NormFloat64()
					norm += direction[j] * direction[j]
				}
				norm = math.Sqrt(norm)
				want, moved := 0.0, make([]float32, len(start))
				const h = 3e-3
				at := func(sign float64) float64 {
					for j := range moved {
						moved[j] = start[j] + float32(sign*h*direction[j]/norm)
					}
					k.Upload(n.Tensor, moved)
					return lossOf(t, p, b)
				}
				numeric := (at(1) - at(-1)) / (2 * h)
				k.Upload(n.Tensor, start)
				for j := range direction {
					want += float64(raw[j]) * direction[j] / norm
				}
				require.InDelta(t, want, numeric, 2e-2*math.Abs(want)+3e-3, "%s (%d values)", g.Name, len(gradient))
			}
		})
	}
}

func TestFrozenFileRoundTripIsExact(t *testing.T) {
	for name, c := range tiny() {
		t.Run(name, func(t *testing.T) {
			k := newCPU(t, 1)
			s := stirred(t, k, c)
			dir := t.TempDir()
			files, err := s.Files()
			require.NoError(t, err)
			for file, write := range files {
				var buffer bytes.Buffer
				require.NoError(t, write(&buffer))
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), buffer.Bytes(), 0o644))
			}
			again, notes, err := Load(k, dir)
			require.NoError(t, err)
			require.Empty(t, notes)
			c.BOS = -1
			have := again.Config
			require.Equal(t, c.String(), have.String())
			require.Equal(t, c.RoPE, have.RoPE)
			for i, n := range s.Named() {
				a, err := n.Host(k)
				require.NoError(t, err)
				b, err := again.Named()[i].Host(k)
				require.NoError(t, err)
				require.Equal(t, a, b, n.Name)
			}
		})
	}
}

// permute is llama.cpp's order of the rows of q and k, the inverse of unpermute.
func permute(src []float32, heads, size int) []float32 {
	cols := len(src) / (heads * size)
	dst := make([]float32, len(src))
	for h := range heads {
		for i := range size / 2 {
			for j := range 2 {
				from, to := h*size+j*size/2+i, h*size+2*i+j
				copy(dst[to*cols:(to+1)*cols], src[from*cols:(from+1)*cols])
			}
		}
	}
	return dst
}

func TestGGUFGivesTheSameStudent(t *testing.T) {
	for name, c := range tiny() {
		if name == "gpt2 with erf" || name == "llama with biases" { // GGUF cannot say so
			continue
		}
		t.Run(name, func(t *testing.T) {
			k := newCPU(t, 1)
			s := stirred(t, k, c)
			arch := string(c.Family)
			meta := []gguf.KV{
				{Key: "general.architecture", Value: arch}, {Key: arch + ".embedding_length", Value: uint32(c.Hidden)},
				{Key: arch + ".block_count", Value: uint32(c.Layers)}, {Key: arch + ".feed_forward_length", Value: uint32(c.FFN)},
				{Key: arch + ".context_length", Value: uint32(c.Context)}, {Key: arch + ".attention.head_count", Value: uint32(c.Heads)},
				{Key: arch + ".attention.head_count_kv", Value: uint32(c.KVHeads)}, {Key: arch + ".attention.key_length", Value: uint32(c.HeadDim)},
			}
			if c.Family == GPT2 {
				meta = append(meta, gguf.KV{Key: arch + ".attention.layer_norm_epsilon", Value: float32(c.NormEps)})
			} else {
				meta = append(meta, gguf.KV{Key: arch + ".attention.layer_norm_rms_epsilon", Value: float32(c.NormEps)},
					gguf.KV{Key: arch + ".rope.freq_base", Value: float32(c.RoPE.Theta)})
			}
			var entries []gguf.Entry
			for _, n := range s.Named() {
				shape := n.Shape
				data := make([]float32, n.Tensor.Len())
				require.NoError(t, k.Download(data, n.Tensor)) // (out, in), as GGUF keeps GPT-2's too
				if n.Transposed {
					shape = []int{n.Shape[1], n.Shape[0]}
				}
				if c.Family == Llama && bytes.Contains([]byte(n.Name), []byte(".q_proj.")) {
					data = permute(data, c.Heads, c.HeadDim)
				}
				if c.Family == Llama && bytes.Contains([]byte(n.Name), []byte(".k_proj.")) {
					data = permute(data, c.KVHeads, c.HeadDim)
				}
				entries = append(entries, gguf.Entry{Name: ggufName(n.Name), Shape: shape, Type: gguf.F32, Data: data})
			}
			var file bytes.Buffer
			require.NoError(t, gguf.Write(&file, meta, entries))
			path := filepath.Join(t.TempDir(), "student.gguf")
			require.NoError(t, os.WriteFile(path, file.Bytes(), 0o644))
			again, notes, err := Load(k, filepath.Dir(path)) // a folder with one
			require.NoError(t, err)
			require.Empty(t, notes)
			require.Equal(t, c.NormEps, again.NormEps)
			require.Equal(t, c.RoPE, again.RoPE)
			b := randomBatch(c, 5, 9)
			losses := make([]float64, 2)
			for i, student := range []*Student{s, again} {
				p, err := NewPass(student, PassOptions{Tokens: len(b.IDs), Rows: len(b.Rows)})
				require.NoError(t, err)
				losses[i] = lossOf(t, p, b)
			}
			require.Equal(t, losses[0], losses[1])
		})
	}
}

func TestBothWaysOfWritingConfigAreRead(t *testing.T) {
	old := `{"model_type":"llama","vocab_size":9,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1,
	 "intermediate_size":8,"max_position_embeddings":64,"rms_norm_eps":1e-5,"tie_word_embeddings":true,"torch_dtype":"bfloat16","eos_token_id":[1,2],
	 "rope_theta":500000.0,"rope_scaling":{"factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":64,"rope_type":"llama3"}}`
	renewed := `{"model_type":"llama","vocab_size":9,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1,
	 "intermediate_size":8,"max_position_embeddings":64,"rms_norm_eps":1e-5,"tie_word_embeddings":true,"dtype":"bfloat16","eos_token_id":[1,2],
	 "rope_parameters":{"rope_theta":500000.0,"factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":64,"rope_type":"llama3"}}`
	a, err := ParseConfig([]byte(old))
	require.NoError(t, err)
	b, err := ParseConfig([]byte(renewed))
	require.NoError(t, err)
	require.Equal(t, a, b)
	require.Equal(t, []int32{1, 2}, a.EOS)
	require.Equal(t, "llama3", a.RoPE.Type)
}

func TestConfigurationsThatCannotBeUsedSayWhy(t *testing.T) {
	for says, text := range map[string]string{
		"unexpected end":         `{`,
		"model_type is missing":  `{}`,
		`"bert" is not`:          `{"model_type":"bert"}`,
		"vocab_size is 0":        `{"model_type":"gpt2","n_embd":8,"n_layer":1,"n_head":2,"n_positions":8}`,
		"evenly":                 `{"model_type":"llama","vocab_size":9,"hidden_size":9,"num_hidden_layers":1,"num_attention_heads":3,"num_key_value_heads":2,"intermediate_size":8}`,
		"use_sliding_window":     `{"model_type":"qwen2","use_sliding_window":true}`,
		`"yarn" is not`:          `{"model_type":"llama","rope_scaling":{"rope_type":"yarn"}}`,
		`hidden_act "gelu"`:      `{"model_type":"llama","hidden_act":"gelu"}`,
		"eos_token_id":           `{"model_type":"gpt2","eos_token_id":"x"}`,
		"scale_attn_by_inverse":  `{"model_type":"gpt2","scale_attn_by_inverse_layer_idx":true}`,
		"head size 3 is odd":     `{"model_type":"llama","vocab_size":9,"hidden_size":9,"num_hidden_layers":1,"num_attention_heads":3,"intermediate_size":8}`,
		"partial_rotary_factor":  `{"model_type":"llama","partial_rotary_factor":0.5}`,
		"only full_attention is": `{"model_type":"qwen2","layer_types":["sliding_attention"]}`,
	} {
		_, err := ParseConfig([]byte(text))
		require.ErrorIs(t, err, ErrConfig, says)
		require.ErrorContains(t, err, says)
	}
}

func TestPathsWithoutAStudentSaySo(t *testing.T) {
	k := newCPU(t, 1)
	empty := t.TempDir()
	two := t.TempDir()
	for _, name := range []string{"a.gguf", "b.gguf"} {
		require.NoError(t, os.WriteFile(filepath.Join(two, name), nil, 0o644))
	}
	for _, path := range []string{empty, filepath.Join(empty, "nothing"), filepath.Join(two, "a.gguf") + "x"} {
		_, _, err := Load(k, path)
		require.ErrorIs(t, err, ErrNoStudent, path)
	}
	_, _, err := Load(k, two)
	require.ErrorContains(t, err, "name the one you mean")
	require.False(t, errors.Is(err, ErrNoStudent))
}

func TestAnswersDoNotDependOnCompanyOrSlots(t *testing.T) {
	for name, c := range tiny() {
		t.Run(name, func(t *testing.T) {
			k := newCPU(t, 2)
			s := stirred(t, k, c)
			var requests []Request
			for i := range 7 {
				r := Request{MaxNew: 3 + 4*(i%3), Seed: uint64(i)}
				for j := range 1 + 3*i%11 {
					r.Prompt = append(r.Prompt, int32((i*7+j*5)%c.Vocab))
				}
				requests = append(requests, r)
			}
			run := func(slots int, temperature float32, only ...int) map[int]Completion {
				out := map[int]Completion{}
				asked := requests
				if len(only) > 0 {
					asked = []Request{requests[only[0]]}
				}
				err := s.Generate(asked, GenerateOptions{
					Slots: slots, Stop: []int32{3}, Sampling: kernels.Sampling{Temperature: temperature, TopP: 0.9},
					Done: func(r int, c Completion) { out[r] = c },
				})
				require.NoError(t, err)
				require.Len(t, out, len(asked))
				return out
			}
			for _, temperature := range []float32{0, 1.5} {
				all := run(7, temperature)
				require.Equal(t, all, run(2, temperature))
				require.Equal(t, all[5], run(1, temperature, 5)[0])
				for i, a := range all {
					require.LessOrEqual(t, len(a.IDs), requests[i].MaxNew)
					require.Len(t, a.LogProbs, len(a.IDs))
				}
			}
		})
	}
}

func TestUniformDrawsAreUniform(t *testing.T) {
	var bins [10]int
	for i := range 10000 {
		u := uniform(42, i)
		require.True(t, u >= 0 && u < 1)
		bins[int(u*10)]++
	}
	for _, n := range bins {
		require.InDelta(t, 1000, n, 150)
	}
}
