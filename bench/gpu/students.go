package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"retort/kernels"
	"retort/kernels/cuda"
	"retort/model"
)

// studentSuite is a group of figures of whole students: training, fine-tuning, decoding.
// Each adds its rows to the report, until the time is spent.
type studentSuite struct {
	name string
	run  func(r *runner, s *studentBench) error
}

var studentSuites = []studentSuite{
	{"train", (*runner).trainSuite}, {"decode", (*runner).decodeSuite}, {"sft", (*runner).sftSuite},
}

// studentBench is what the suites of students measure with.
type studentBench struct {
	m     *bencher
	p     *peer
	dir   string // weights and tokens for both sides
	until time.Time
}

// students measures whole students beside PyTorch's.
func (r *runner) students() error {
	began := time.Now()
	part := func(name, status string) error {
		return r.add(Part{Name: name, Status: status, Seconds: time.Since(began).Seconds()})
	}
	m, err := r.open()
	if err != nil {
		return part("students", "skipped: "+err.Error())
	}
	r.describe(m)
	dir, err := os.MkdirTemp("", "retort-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	flags := r.peerFlags
	if m.emu { // PyTorch beside the PTX machine shows that both compute the same
		flags = append(flags, "--device", "cpu", "--eager")
	}
	p := startPeer(r.python, filepath.Join("bench", "peers", "gpu_train.py"), filepath.Join(r.output, "peer-train.log"), flags...)
	defer p.stop()
	r.report.Peer = p.name()
	if err := part("peer of students", p.status); err != nil {
		return err
	}
	status := statusOK
	for _, s := range studentSuites {
		if !listed(r.suites, s.name) {
			continue
		}
		bench := &studentBench{m: m, p: p, dir: dir, until: r.until("students")}
		if err := attempt(func() error { return s.run(r, bench) }); err != nil {
			status = fmt.Sprintf("failed: %s: %v", s.name, err)
		}
		if err := r.report.write(r.output); err != nil {
			return err
		}
	}
	return part("students", status)
}

// attempt turns a panic into an error, so that one student's failure leaves the others' figures.
func attempt(run func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return run()
}

// student opens a fresh backend in bf16 with a student of random weights on it.
func (s *studentBench) student(c model.Config) (*cuda.Backend, *model.Student, error) {
	b, err := cuda.New(s.m.driver, 0, cuda.Options{Activation: kernels.BFloat16})
	if err != nil {
		return nil, nil, err
	}
	student, err := model.New(b, c, 1)
	if err != nil {
		_ = b.Close()
		return nil, nil, err
	}
	return b, student, nil
}

// folder writes the student as a Hugging Face folder, so that the peer begins with the same
// weights.
func (s *studentBench) folder(student *model.Student, name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	files, err := student.Files()
	if err != nil {
		return "", err
	}
	for name, write := range files {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		if err := write(f); err != nil {
			_ = f.Close()
			return "", err
		}
		if err := f.Close(); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// skip adds a row that says why there is no figure.
func (r *runner) skip(suite, name, status string) {
	r.report.Rows = append(r.report.Rows, Row{Suite: suite, Name: name, Status: status})
}

const timeSpent = "skipped: the time of this run was spent"

// contender is a configuration in the words that the peer reads.
type contender struct {
	Family   string  `json:"family"`
	Vocab    int     `json:"vocab"`
	Hidden   int     `json:"hidden"`
	Layers   int     `json:"layers"`
	Heads    int     `json:"heads"`
	KVHeads  int     `json:"kv_heads"`
	HeadDim  int     `json:"head_dim"`
	FFN      int     `json:"ffn"`
	Context  int     `json:"context"`
	NormEps  float64 `json:"norm_eps"`
	QKVBias  bool    `json:"qkv_bias"`
	Theta    float64 `json:"theta"`
	Embedded bool    `json:"learned_positions"`
}

func contenderOf(c model.Config) contender {
	p := contender{
		string(c.Family), c.Vocab, c.Hidden, c.Layers, c.Heads, c.KVHeads, c.HeadDim, c.FFN, c.Context, c.NormEps, c.QKVBias, 0, c.LearnedPositions,
	}
	if c.RoPE != nil {
		p.Theta = c.RoPE.Theta
	}
	return p
}

// drawTokens returns n ids, small ones more often, as words are: a student learns that
// within a few steps, so that a loss curve shows something.
func drawTokens(n, vocab int, seed uint64) []int32 {
	rng := rand.New(rand.NewPCG(seed, 3))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(math.Pow(float64(vocab), rng.Float64())) - 1
	}
	return ids
}

// pretrained are the shapes of the students that are measured; their weights are random.
// Each as its config.json on the Hugging Face hub has it, with 2048 positions at most.
var pretrained = []namedConfig{
	{"gpt2-124m", model.Config{
		Family: model.GPT2, Vocab: 50257, Hidden: 768, Layers: 12, Heads: 12, KVHeads: 12, HeadDim: 64, FFN: 3072, Context: 1024,
		Norm: kernels.LayerNorm, NormEps: 1e-5, QKVBias: true, OutBias: true, MLPBias: true, LearnedPositions: true, Tied: true, InitStd: 0.02, BOS: -1,
	}},
	{"smollm2-135m", model.Config{
		Family: model.Llama, Vocab: 49152, Hidden: 576, Layers: 30, Heads: 9, KVHeads: 3, HeadDim: 64, FFN: 1536, Context: 2048,
		Norm: kernels.RMSNorm, NormEps: 1e-5, SwiGLU: true, Tied: true, InitStd: 0.02, BOS: -1, RoPE: &model.RoPE{Theta: 100000, Type: "default"},
	}},
	{"qwen2.5-0.5b", model.Config{
		Family: model.Qwen2, Vocab: 151936, Hidden: 896, Layers: 24, Heads: 14, KVHeads: 2, HeadDim: 64, FFN: 4864, Context: 2048,
		Norm: kernels.RMSNorm, NormEps: 1e-6, QKVBias: true, SwiGLU: true, Tied: true, InitStd: 0.02, BOS: -1, RoPE: &model.RoPE{Theta: 1e6, Type: "default"},
	}},
}

// namedConfig is a student's shape under the name that tables use.
type namedConfig struct {
	name string
	model.Config
}

// miniature is a shape with the student's structure that the PTX machine trains in seconds.
func miniature(c namedConfig) namedConfig {
	c.name = "tiny " + c.name
	c.Heads, c.KVHeads, c.HeadDim = 4, max(1, 4*c.KVHeads/c.Heads), 16
	c.Vocab, c.Hidden, c.Layers, c.FFN, c.Context = 128, 64, 2, 96, 64
	return c
}
