package bench

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"retort/data"
	"retort/engine"
	"retort/kernels"
	"retort/kernels/cpu"
	"retort/model"
)

// stepResult is what both sides of the step suite print.
type stepResult struct {
	TokensPerSecond float64 `json:"tokens_per_second"` // median step
	PeakBytes       float64 `json:"peak_bytes"`
	Loss            float64 `json:"loss"`
	// Memory is what our process allocated, in bytes by purpose.
	Memory map[kernels.Purpose]int64 `json:"memory"`
}

// The training step that is measured: 4 documents of 256 tokens, all trained, float32.
const (
	stepRows   = 4
	stepTokens = 256
	stepCount  = 5
)

// stepStudents are the students of the step suite, with random weights.
var stepStudents = map[string]model.Config{
	"gpt2-124m": {
		Family: model.GPT2, Vocab: 50257, Hidden: 768, Layers: 12, Heads: 12, KVHeads: 12, HeadDim: 64, FFN: 3072, Context: 1024,
		Norm: kernels.LayerNorm, NormEps: 1e-5, QKVBias: true, OutBias: true, MLPBias: true, LearnedPositions: true, Tied: true, InitStd: 0.02, BOS: -1,
	},
	"smollm2-135m": {
		Family: model.Llama, Vocab: 49152, Hidden: 576, Layers: 30, Heads: 9, KVHeads: 3, HeadDim: 64, FFN: 1536, Context: 1024,
		Norm: kernels.RMSNorm, NormEps: 1e-5, SwiGLU: true, Tied: true, InitStd: 0.02, BOS: -1, RoPE: &model.RoPE{Theta: 100000, Type: "default"},
	},
}

// adapterSuffix marks a step that trains an adapter of the student, with PEFT's defaults as
// TRL sets them, instead of the student.
const adapterSuffix = "-lora"

// stepSuite compares a whole optimizer step, and the memory it takes, with PyTorch's; that of
// an adapter with PEFT's on top of it, where the Python has it.
func stepSuite(ctx context.Context, all Options) ([]Row, error) {
	var rows []Row
	for _, name := range []string{"gpt2-124m", "smollm2-135m", "smollm2-135m" + adapterSuffix} {
		o, peer := all, "PyTorch"
		if strings.HasSuffix(name, adapterSuffix) {
			peer = "PEFT"
			if o.Python != "" && exec.CommandContext(ctx, o.Python, "-c", "import peft").Run() != nil {
				o.Python = ""
				o.Log("the Python has no peft: " + name + " is measured alone")
			}
		}
		us, them, err := sides[stepResult](ctx, o, []string{"step:" + name},
			[]string{peerScript("train_step.py"), name, strconv.Itoa(stepRows), strconv.Itoa(stepTokens), strconv.Itoa(stepCount)})
		if err != nil {
			return nil, err
		}
		rows = append(rows,
			versus(fmt.Sprintf("training step %s, %d×%d tokens, float32", name, stepRows, stepTokens), "tokens/s", peer, us, them, false,
				func(r stepResult) float64 { return r.TokensPerSecond }),
			versus("peak resident memory of that process, "+name, "GiB", peer, us, them, true,
				func(r stepResult) float64 { return r.PeakBytes / (1 << 30) }))
		for _, purpose := range slices.Sorted(maps.Keys(us[0].Memory)) {
			rows = append(rows, Row{Name: fmt.Sprintf("of it %s, %s", purpose, name), Ours: float64(us[0].Memory[purpose]) / (1 << 30), Unit: "GiB"})
		}
	}
	return rows, nil
}

// stepWorker trains a few steps of the named student on random tokens.
func stepWorker(name string) (stepResult, error) {
	k, err := cpu.New(0)
	if err != nil {
		return stepResult{}, err
	}
	defer k.Close()
	var speeds []float64
	var memory map[kernels.Purpose]int64
	r, err := runSteps(k, name, stepRows, stepCount+1, func(step int, seconds float64) {
		if step > 1 { // the first warms up
			speeds = append(speeds, stepRows*stepTokens/seconds)
		}
		memory = k.InUse()
	})
	return stepResult{TokensPerSecond: median(speeds), PeakBytes: float64(r.PeakMemoryBytes), Loss: r.LastLoss, Memory: memory}, err
}

// runSteps trains the named student for some steps of so many rows of random tokens, and
// tells watch how long each took.
func runSteps(k kernels.Backend, name string, rows, steps int, watch func(step int, seconds float64)) (engine.TrainResult, error) {
	base, adapted := strings.CutSuffix(name, adapterSuffix)
	c, ok := stepStudents[base]
	if !ok {
		return engine.TrainResult{}, fmt.Errorf("no student %q", name)
	}
	m, err := model.New(k, c, 1)
	if err != nil {
		return engine.TrainResult{}, err
	}
	t := engine.DefaultTrainOptions()
	if adapted {
		a, err := m.NewAdapter(model.LoRA{R: t.LoraR, Alpha: t.LoraAlpha, Dropout: t.LoraDropout, Targets: model.ParseTargets(t.LoraTargetModules)}, 1)
		if err != nil {
			return engine.TrainResult{}, err
		}
		m.Use(a)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	examples := make([]data.Example, rows)
	for i := range examples {
		examples[i] = data.Example{Index: i, IDs: make([]int32, stepTokens), Weights: make([]float32, stepTokens)}
		for j := range stepTokens {
			examples[i].IDs[j] = int32(rng.IntN(c.Vocab))
			examples[i].Weights[j] = 1
		}
	}
	t.PerDeviceTrainBatchSize, t.MaxSteps, t.Shuffle, t.LearningRate = rows, steps, false, 1e-4
	began := time.Now()
	trainer, err := engine.NewTrainer(&engine.Student{Student: m}, examples, nil, t, engine.Hooks{Progress: func(p engine.Progress) {
		watch(p.Step, time.Since(began).Seconds())
		began = time.Now()
	}})
	if err != nil {
		return engine.TrainResult{}, err
	}
	defer trainer.Close()
	return trainer.Run(context.Background())
}
