package model

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/model/safetensors"
)

// stirredAdapter is a fresh adapter in use whose B is away from zero.
func stirredAdapter(t testing.TB, s *Student, l LoRA) *Adapter {
	a, err := s.NewAdapter(l, 5)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(7, 7))
	for _, n := range a.Named() {
		host := make([]float32, n.Tensor.Len())
		for i := range host {
			host[i] = float32(rng.NormFloat64()) * 0.3
		}
		s.k.Upload(n.Tensor, host)
	}
	s.Use(a)
	return a
}

// writeAdapter writes an adapter into a folder of the test.
func writeAdapter(t testing.TB, a *Adapter, c Config) string {
	dir := t.TempDir()
	files, err := a.Files(c)
	require.NoError(t, err)
	for name, write := range files {
		var buffer bytes.Buffer
		require.NoError(t, write(&buffer))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), buffer.Bytes(), 0o644))
	}
	return dir
}

func TestAdapterGradientsEqualFiniteDifferences(t *testing.T) {
	for name, c := range tiny() {
		for _, dropout := range []float64{0, 0.3} {
			t.Run(name, func(t *testing.T) {
				k := newCPU(t, 2)
				s := stirred(t, k, c)
				a := stirredAdapter(t, s, LoRA{R: 3, Alpha: 4, Dropout: dropout, RankStabilized: true, Targets: ParseTargets([]string{"all-linear"})})
				b := randomBatch(c, 7, 1, 12)
				b.Draw = 9
				p, err := NewPass(s, PassOptions{Tokens: len(b.IDs), Rows: len(b.Rows), Training: true, Seed: 3})
				require.NoError(t, err)
				p.Forward(b)
				p.LossBackward()
				require.Len(t, p.Gradients(), len(a.Named()), "the adapter's parameters and no others have gradients")
				for i, g := range p.Gradients() {
					gradient := make([]float32, g.Tensor.Len())
					require.NoError(t, k.Download(gradient, g.Tensor))
					start := make([]float32, len(gradient))
					n := a.Named()[i]
					require.NoError(t, k.Download(start, n.Tensor))
					want := 0.0
					for _, v := range gradient {
						want += float64(v) * float64(v)
					}
					want = math.Sqrt(want) // the derivative along the gradient
					const h = 2e-3
					at := func(sign float64) float64 {
						moved := make([]float32, len(start))
						for j := range moved {
							moved[j] = start[j] + float32(sign*h*float64(gradient[j])/want)
						}
						k.Upload(n.Tensor, moved)
						return lossOf(t, p, b)
					}
					numeric := (at(1) - at(-1)) / (2 * h)
					k.Upload(n.Tensor, start)
					require.InDelta(t, want, numeric, 2e-2*want+2e-3, g.Name)
				}
			})
		}
	}
}

func TestMergedAdapterEqualsTheAdapterBesideItsStudent(t *testing.T) {
	for name, c := range tiny() {
		t.Run(name, func(t *testing.T) {
			k := newCPU(t, 2)
			s := stirred(t, k, c)
			folder := t.TempDir()
			files, err := s.Files()
			require.NoError(t, err)
			for file, write := range files {
				var buffer bytes.Buffer
				require.NoError(t, write(&buffer))
				require.NoError(t, os.WriteFile(filepath.Join(folder, file), buffer.Bytes(), 0o644))
			}
			b := randomBatch(c, 5, 9)
			loss := func(s *Student) float64 {
				p, err := NewPass(s, PassOptions{Tokens: len(b.IDs), Rows: len(b.Rows)})
				require.NoError(t, err)
				defer p.Close()
				return lossOf(t, p, b)
			}
			base := loss(s)
			a := stirredAdapter(t, s, LoRA{R: 2, Alpha: 3, Targets: ParseTargets([]string{"all-linear"})})
			dir := writeAdapter(t, a, c)
			beside := loss(s)
			require.Greater(t, math.Abs(beside-base), 1e-3, "the adapter does nothing")

			merged, notes, err := LoadMerged(k, folder, dir)
			require.NoError(t, err)
			require.Empty(t, notes)
			require.InDelta(t, beside, loss(merged), 1e-5*math.Abs(beside))
			for i, n := range s.Named() { // biases, norms and embeddings, tied or not, to the bit
				if !strings.HasSuffix(n.Name, "proj.weight") && !n.Transposed {
					require.Equal(t, hostOf(t, k, n), hostOf(t, k, merged.Named()[i]), n.Name)
				}
			}

			again, err := s.LoadAdapter(dir) // a second one beside the first
			require.NoError(t, err)
			s.Use(again)
			require.Equal(t, beside, loss(s))
			s.Use(nil)
			require.Equal(t, base, loss(s), "the student itself was touched")
		})
	}
}

func hostOf(t testing.TB, k kernels.Backend, n Named) []float32 {
	host, err := n.Host(k)
	require.NoError(t, err)
	return host
}

func TestAdapterFilesAreThoseOfPEFT(t *testing.T) {
	readGolden(t, "llama-tied")
	k := newCPU(t, 2)
	s, _, err := Load(k, filepath.Join(golden, "llama-tied"))
	require.NoError(t, err)
	source := filepath.Join(golden, "llama-tied", "lora_end")
	a, err := s.LoadAdapter(source)
	require.NoError(t, err)
	dir := writeAdapter(t, a, s.Config)
	for _, file := range []string{AdapterConfigFile, AdapterWeightsFile} {
		want, err := os.ReadFile(filepath.Join(source, file))
		require.NoError(t, err)
		have, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(string(want)), strings.TrimSpace(string(have)), file)
	}
}

func TestMergedLogitsEqualPyTorch(t *testing.T) {
	rows, _, _ := readGolden(t, "llama-tied")
	folder := filepath.Join(golden, "llama-tied")
	s, _, err := LoadMerged(newCPU(t, 2), folder, filepath.Join(folder, "lora_end"))
	require.NoError(t, err)
	f, err := safetensors.Open(filepath.Join(folder, "lora_merged_logits.safetensors"))
	require.NoError(t, err)
	defer f.Close()
	want, err := f.Tensor("logits")
	require.NoError(t, err)
	b := pairBatch(rows[:1])
	b.Rows, b.Targets, b.Weights = nil, nil, nil
	for i := range b.IDs {
		b.Rows, b.Targets, b.Weights = append(b.Rows, int32(i)), append(b.Targets, 0), append(b.Weights, 0)
	}
	p, err := NewPass(s, PassOptions{Tokens: len(b.IDs), Rows: len(b.IDs)})
	require.NoError(t, err)
	logits, err := s.k.Alloc(kernels.Float32, kernels.Scratch, len(b.IDs), s.Vocab)
	require.NoError(t, err)
	p.Forward(b)
	p.Logits(logits)
	have := make([]float32, logits.Len())
	require.NoError(t, s.k.Download(have, logits))
	requireNear(t, "logits", have, want.Float32s(), 2e-5)
}

func TestAdapterAnswersAsItsMergedStudentDoes(t *testing.T) {
	_, greedy, _ := readGolden(t, "llama-tied")
	k := newCPU(t, 2)
	folder := filepath.Join(golden, "llama-tied")
	merged, _, err := LoadMerged(k, folder, filepath.Join(folder, "lora_end"))
	require.NoError(t, err)
	beside, _, err := Load(k, folder)
	require.NoError(t, err)
	a, err := beside.LoadAdapter(filepath.Join(folder, "lora_end"))
	require.NoError(t, err)
	beside.Use(a)
	var answers [2]Completion
	for i, s := range []*Student{merged, beside} {
		err := s.Generate([]Request{{Prompt: greedy[0].PromptIDs, MaxNew: 8}}, GenerateOptions{Stop: s.EOS, Done: func(_ int, c Completion) { answers[i] = c }})
		require.NoError(t, err)
	}
	require.Equal(t, answers[0].IDs, answers[1].IDs)
}

func TestDropoutIsDrawnAnewForEachBatchAndAgainTheSame(t *testing.T) {
	c := tiny()["llama"]
	s := stirred(t, newCPU(t, 2), c)
	stirredAdapter(t, s, LoRA{R: 2, Alpha: 3, Dropout: 0.5, Targets: ParseTargets([]string{"all-linear"})})
	b := randomBatch(c, 9, 4)
	loss := func(training bool, seed, draw uint64) float64 {
		p, err := NewPass(s, PassOptions{Tokens: len(b.IDs), Rows: len(b.Rows), Training: training, Seed: seed})
		require.NoError(t, err)
		defer p.Close()
		b.Draw = draw
		return lossOf(t, p, b)
	}
	first := loss(true, 1, 1)
	require.Equal(t, first, loss(true, 1, 1))
	require.NotEqual(t, first, loss(true, 1, 2))
	require.NotEqual(t, first, loss(true, 2, 1))
	require.Equal(t, loss(false, 1, 1), loss(false, 2, 2), "without training nothing is dropped")
}

func TestTrainingAnAdapterTakesMuchLessMemory(t *testing.T) {
	c := tiny()["llama"]
	c.Hidden, c.FFN, c.Vocab, c.HeadDim = 64, 192, 4096, 16
	k := newCPU(t, 1)
	s := stirred(t, k, c)
	l := LoRA{R: 4, Alpha: 8, Dropout: 0.1, Targets: ParseTargets([]string{"all-linear"})}
	o := PassOptions{Tokens: 16, Rows: 16, Training: true}
	full, err := EstimateTraining(k, c, nil, o)
	require.NoError(t, err)
	adapted, err := EstimateTraining(k, c, &l, o)
	require.NoError(t, err)
	for _, purpose := range []kernels.Purpose{kernels.Gradients, kernels.Optimizer} {
		require.Less(t, 10*adapted[purpose], full[purpose], purpose)
	}

	a := stirredAdapter(t, s, l)
	p, err := NewPass(s, o)
	require.NoError(t, err)
	defer p.Close()
	for range 2 {
		moments, err := a.NewSet(kernels.Optimizer)
		require.NoError(t, err)
		defer moments.Close()
	}
	inUse := k.InUse()
	inUse[kernels.Parameters] -= int64(s.rope.Len()) * 4 // not counted by the estimate
	require.Equal(t, adapted, inUse, "the estimate is what the run takes")
}

func TestTargetsAreThoseOfPEFT(t *testing.T) {
	llama, gpt2 := tiny()["llama"], tiny()["gpt2"]
	for _, x := range []struct {
		c     Config
		given []string
		want  int // modules of two layers
	}{
		{llama, []string{"all-linear"}, 14},
		{llama, []string{"q_proj", "v_proj"}, 4},
		{llama, []string{"q_proj,v_proj"}, 4},
		{llama, []string{"self_attn.q_proj"}, 2},
		{llama, []string{`.*\.layers\.1\..*_proj`}, 7},
		{llama, []string{`.*\.(?!gate)[a-z]+_proj`}, 12},
		{gpt2, []string{"all-linear"}, 8},
		{gpt2, []string{"c_proj"}, 4},
	} {
		specs, err := x.c.loraSpecs(LoRA{R: 1, Alpha: 1, Targets: ParseTargets(x.given)})
		require.NoError(t, err, x.given)
		have := 0
		for _, s := range specs {
			for _, p := range s.parts {
				require.Len(t, p.shape(s), 2)
				have += strings.Count(p.name, "lora_B")
			}
		}
		require.Equal(t, x.want, have, x.given)
	}
	var targets Targets
	require.NoError(t, json.Unmarshal([]byte(`["q_proj"]`), &targets))
	require.Equal(t, Targets{Names: []string{"q_proj"}}, targets)
	require.NoError(t, json.Unmarshal([]byte(`".*q_proj"`), &targets))
	require.Equal(t, Targets{Pattern: ".*q_proj"}, targets)
}

func TestAdaptersOfAnotherBaseAreRefused(t *testing.T) {
	k := newCPU(t, 1)
	c := tiny()["llama"]
	s := stirred(t, k, c)
	dir := writeAdapter(t, stirredAdapter(t, s, LoRA{R: 2, Alpha: 4, Targets: ParseTargets([]string{"q_proj", "down_proj"})}), c)
	config, err := os.ReadFile(filepath.Join(dir, AdapterConfigFile))
	require.NoError(t, err)
	edited := func(old, with string) string {
		other := t.TempDir()
		require.Contains(t, string(config), old)
		require.NoError(t, os.WriteFile(filepath.Join(other, AdapterConfigFile), []byte(strings.Replace(string(config), old, with, 1)), 0o644))
		weights, err := os.ReadFile(filepath.Join(dir, AdapterWeightsFile))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(other, AdapterWeightsFile), weights, 0o644))
		return other
	}
	withTensor := func(name string, shape ...int) string {
		other := edited(`"r": 2`, `"r": 2`)
		f, err := safetensors.Open(filepath.Join(dir, AdapterWeightsFile))
		require.NoError(t, err)
		defer f.Close()
		entries := []safetensors.Entry{{Name: name, Shape: shape, DType: safetensors.F32, Data: make([]float32, shape[0]*shape[1])}}
		for _, n := range f.Names() {
			dense, err := f.Tensor(n)
			require.NoError(t, err)
			entries = append(entries, safetensors.Entry{Name: n, Shape: dense.Shape(), DType: safetensors.F32, Data: dense.Float32s()})
		}
		var buffer bytes.Buffer
		require.NoError(t, safetensors.Write(&buffer, entries, nil))
		require.NoError(t, os.WriteFile(filepath.Join(other, AdapterWeightsFile), buffer.Bytes(), 0o644))
		return other
	}
	wider := c
	wider.Hidden = 24
	onlyConfig := edited(`"r": 2`, `"r": 2`)
	require.NoError(t, os.Remove(filepath.Join(onlyConfig, AdapterWeightsFile)))
	for _, x := range []struct {
		dir  string
		c    Config
		say  string
		kind error
	}{
		{dir, wider, "the adapter belongs to another base", ErrTensorShape},
		{dir, tiny()["gpt2"], "c_attn, c_fc, c_proj", ErrAdapter},
		{edited(`"r": 2`, `"r": 4`), c, "for this student it would be [4 16]", ErrTensorShape},
		{edited(`"q_proj"`, `"k_proj"`), c, "k_proj.lora_A.weight", ErrMissingTensor},
		{edited(`"use_dora": false`, `"use_dora": true`), c, "use_dora true is not supported", ErrAdapter},
		{edited(`"bias": "none"`, `"bias": "all"`), c, "bias", ErrAdapter},
		{edited(`"LORA"`, `"IA3"`), c, `peft_type "IA3"`, ErrAdapter},
		{edited(`"r": 2`, `"r": "two"`), c, "r must be a whole number", ErrAdapter},
		{edited(`"lora_alpha": 4`, `"lora_alpha": 0`), c, "lora_alpha is 0", ErrAdapter},
		{edited(`"r": 2`, `"r": 0`), c, "r is 0", ErrAdapter},
		{withTensor("base_model.model.model.embed_tokens.weight", 70, 16), c, "a vocabulary of 70 tokens, the student 61", ErrAdapter},
		{withTensor("base_model.model.model.embed_tokens.weight", 61, 16), c, "embeddings of their own", ErrAdapter},
		{withTensor("base_model.model.model.layers.0.mlp.up_proj.lora_A.weight", 2, 16), c, "fits no target module", ErrAdapter},
		{onlyConfig, c, "has no adapter_model.safetensors", ErrAdapter},
		{t.TempDir(), c, "has no adapter_config.json", ErrAdapter},
	} {
		_, err := openAdapter(x.dir, x.c)
		require.ErrorIs(t, err, x.kind, x.say)
		require.ErrorContains(t, err, x.say)
		require.NotContains(t, err.Error(), "\n")
	}
	_, err = s.NewAdapter(LoRA{R: 2, Alpha: 4, Targets: ParseTargets([]string{"q_proj", "qproj"})}, 1)
	require.ErrorContains(t, err, `target module "qproj" is no linear layer`)
	_, err = s.NewAdapter(LoRA{R: 2, Alpha: 4, Targets: ParseTargets([]string{"("})}, 1)
	require.ErrorIs(t, err, ErrAdapter)
}
