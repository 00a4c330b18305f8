package engine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/data"
	"retort/kernels"
	"retort/kernels/conformance/plain"
	"retort/model/safetensors"
)

// shared is where PyTorch's figures lie, beside the repository.
const shared = "../../shared"

// goldenStep is one optimizer step as PyTorch took it.
type goldenStep struct {
	Step         int
	Loss         float64
	GradNorm     float64 `json:"grad_norm"`
	LearningRate float64 `json:"learning_rate"`
	Tokens       int
}

// goldenRow is a row with its ids, log-probabilities and, for greedy answers, margins.
type goldenRow struct {
	Row           int
	PromptIDs     []int32   `json:"prompt_ids"`
	CompletionIDs []int32   `json:"completion_ids"`
	GreedyIDs     []int32   `json:"greedy_ids"`
	LogProbs      []float64 `json:"logprobs"`
	Margin        []float64 `json:"margin"`
}

// goldenFile is expected.json of a family, or smollm2.json.
type goldenFile struct {
	Hyperparameters struct {
		LearningRate float64 `json:"learning_rate"`
		WeightDecay  float64 `json:"weight_decay"`
		Beta1        float64 `json:"adam_beta1"`
		Beta2        float64 `json:"adam_beta2"`
		Epsilon      float64 `json:"adam_epsilon"`
		MaxNorm      float64 `json:"max_grad_norm"`
		MaxSteps     int     `json:"max_steps"`
		Warmup       int     `json:"warmup_steps"`
		Schedule     string  `json:"lr_scheduler_type"`
		Batch        int     `json:"per_device_train_batch_size"`
	}
	Rows, Greedy []goldenRow
	Train        []goldenStep
}

func readGoldenFile(t *testing.T, path string) goldenFile {
	raw, err := os.ReadFile(filepath.Join(shared, "golden", path))
	if os.IsNotExist(err) {
		t.Skip("../shared/golden is not here: PyTorch's figures are not compared")
	}
	require.NoError(t, err)
	var g goldenFile
	require.NoError(t, json.Unmarshal(raw, &g))
	return g
}

// requireSteps compares the log of a run with PyTorch's.
func requireSteps(t *testing.T, want []goldenStep, tr *Trainer, loss, norm float64) {
	require.Len(t, tr.state.LogHistory, len(want))
	for i, w := range want {
		entry := tr.state.LogHistory[i]
		haveLoss, _ := entry.Get("loss")
		haveNorm, _ := entry.Get("grad_norm")
		require.InEpsilon(t, w.Loss, haveLoss, loss, "loss of step %d", w.Step)
		require.InEpsilon(t, w.GradNorm, haveNorm, norm, "gradient norm of step %d", w.Step)
		if i > 0 && w.LearningRate > 0 {
			rate, _ := entry.Get("learning_rate")
			require.InEpsilon(t, w.LearningRate, rate, 1e-6)
		}
	}
}

// trainGolden takes the twelve steps of a golden family on k.
func trainGolden(t *testing.T, k kernels.Backend, family string) (*Trainer, goldenFile) {
	g := readGoldenFile(t, family+"/expected.json")
	folder := filepath.Join(shared, "golden", family)
	s, err := OpenStudent(k, folder)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	o, h := DefaultTrainOptions(), g.Hyperparameters
	o.LearningRate, o.WeightDecay, o.AdamBeta1, o.AdamBeta2, o.AdamEpsilon = h.LearningRate, h.WeightDecay, h.Beta1, h.Beta2, h.Epsilon
	o.MaxGradNorm, o.MaxSteps, o.WarmupSteps, o.LRSchedulerType = h.MaxNorm, h.MaxSteps, h.Warmup, h.Schedule
	o.PerDeviceTrainBatchSize, o.Shuffle, o.LoggingSteps = h.Batch, false, 1
	rows, err := readRows(filepath.Join(folder, "pairs.jsonl"))
	require.NoError(t, err)
	examples, _, err := encodeRows(s, rows, o)
	require.NoError(t, err)
	tr, err := NewTrainer(s, examples, nil, o, Hooks{})
	require.NoError(t, err)
	t.Cleanup(tr.Close)
	_, err = tr.Run(context.Background())
	require.NoError(t, err)
	return tr, g
}

// requireGoldenWeights compares the weights after the twelve steps with PyTorch's.
func requireGoldenWeights(t *testing.T, s *Student, family string) {
	after, err := safetensors.Open(filepath.Join(shared, "golden", family, "after_training.safetensors"))
	require.NoError(t, err)
	defer after.Close()
	for _, n := range s.Named() {
		want, err := after.Tensor(n.Name)
		require.NoError(t, err)
		have, err := n.Host(s.Backend())
		require.NoError(t, err)
		tolerance := 1e-4
		if strings.HasSuffix(n.Name, "k_proj.bias") || strings.HasSuffix(n.Name, "c_attn.bias") {
			tolerance = 5e-3 // a key's bias has no true gradient: Adam steps on rounding noise
		}
		for i, v := range want.Float32s() {
			require.InDelta(t, v, have[i], tolerance, "%s[%d]", n.Name, i)
		}
	}
}

var goldenFamilies = []string{"gpt2", "llama-tied", "llama3-rope", "qwen2", "qwen3"}

func TestTwelveTrainingStepsEqualPyTorch(t *testing.T) {
	for _, family := range goldenFamilies {
		t.Run(family, func(t *testing.T) {
			tr, g := trainGolden(t, backend(t, 2), family)
			requireSteps(t, g.Train, tr, 1e-5, 5e-5)
			requireGoldenWeights(t, tr.student, family)
		})
	}
}

// TestTrainingInBF16ErrsAtMostTwiceAsMuchAsAPlainBF16: the losses of twelve steps against
// PyTorch's in float32, root mean square over the steps. (The same steps in float32 on the
// PTX machine are held by tools/check.py, through the command line.)
func TestTrainingInBF16ErrsAtMostTwiceAsMuchAsAPlainBF16(t *testing.T) {
	skipInShort(t)
	for _, family := range goldenFamilies {
		t.Run(family, func(t *testing.T) {
			off := func(k kernels.Backend) float64 {
				tr, g := trainGolden(t, k, family)
				sum := 0.0
				for i, w := range g.Train {
					sum += math.Pow(tr.Curve()[i]/w.Loss-1, 2)
				}
				return math.Sqrt(sum / float64(len(g.Train)))
			}
			device, reference := off(onEmu(t, kernels.BFloat16)), off(plain.NewBF16())
			t.Logf("losses are off by %.2g, a plain bf16's by %.2g", device, reference)
			require.LessOrEqual(t, device, 2*reference+1e-5)
		})
	}
}

func TestScoresEqualPyTorch(t *testing.T) {
	for _, family := range goldenFamilies {
		t.Run(family, func(t *testing.T) {
			g := readGoldenFile(t, family+"/expected.json")
			folder := filepath.Join(shared, "golden", family)
			s, err := OpenStudent(backend(t, 2), folder)
			require.NoError(t, err)
			defer s.Close()
			requireScores(t, s, filepath.Join(folder, "pairs.jsonl"), g.Rows, 2e-5)
		})
	}
}

// requireScores compares ids and log-probabilities of every row of a file.
func requireScores(t *testing.T, s *Student, path string, want []goldenRow, tolerance float64) {
	i := 0
	_, err := ScoreRows(s, path, 0, func(row Score) error {
		require.Equal(t, want[i].PromptIDs, row.PromptIDs)
		require.Equal(t, want[i].CompletionIDs, row.CompletionIDs)
		for j, lp := range want[i].LogProbs {
			require.InDelta(t, lp, row.LogProbs[j], tolerance, "row %d token %d", i, j)
		}
		i++
		return nil
	})
	require.NoError(t, err)
	require.Len(t, want, i)
}

// gsm8kMessages writes rows of GSM8K's test split as conversations.
func gsm8kMessages(t *testing.T, first, n int) string {
	raw, err := os.ReadFile(filepath.Join(shared, "data", "gsm8k", "test.jsonl"))
	require.NoError(t, err)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 1<<20)
	for i := 0; lines.Scan(); i++ {
		var row struct{ Question, Answer string }
		require.NoError(t, json.Unmarshal(lines.Bytes(), &row))
		if i >= first && i < first+n {
			require.NoError(t, enc.Encode(map[string]any{"messages": []data.Message{{Role: "user", Content: row.Question}, {Role: "assistant", Content: row.Answer}}}))
		}
	}
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o644))
	return path
}

func TestPretrainedStudentFromGGUFEqualsPyTorch(t *testing.T) {
	if testing.Short() {
		t.Skip("the pretrained student takes some seconds")
	}
	folder := filepath.Join(shared, "models", "smollm2-135m-instruct")
	if _, err := os.Stat(folder); err != nil {
		t.Skip("../shared/models is not here: the pretrained student is not compared")
	}
	g := readGoldenFile(t, "smollm2.json")
	s, err := OpenStudent(backend(t, 2), folder)
	require.NoError(t, err)
	defer s.Close()
	rows := gsm8kMessages(t, g.Rows[0].Row, 6)
	requireScores(t, s, rows, g.Rows, 1e-3)

	questions, err := readRows(rows)
	require.NoError(t, err)
	answers, err := AnswerRows(s, questions[:len(g.Greedy)], AnswerOptions{MaxNewTokens: 48, Sampling: kernels.Sampling{TopP: 1}}, nil)
	require.NoError(t, err)
	for i, a := range answers {
		sure := len(g.Greedy[i].GreedyIDs)
		for j, m := range g.Greedy[i].Margin {
			if m <= 0.02 {
				sure = j
				break
			}
		}
		require.Equal(t, g.Greedy[i].GreedyIDs[:sure], a.CompletionIDs[:min(sure, len(a.CompletionIDs))], "row %d", i)
	}

	o := DefaultTrainOptions()
	o.LearningRate, o.WeightDecay, o.AdamBeta2, o.LRSchedulerType = 1e-4, 0.1, 0.95, "constant"
	o.MaxSteps, o.PerDeviceTrainBatchSize, o.Shuffle, o.LoggingSteps = 3, 2, false, 1
	examples, _, err := encodeRows(s, questions, o)
	require.NoError(t, err)
	tr, err := NewTrainer(s, examples, nil, o, Hooks{})
	require.NoError(t, err)
	defer tr.Close()
	_, err = tr.Run(context.Background())
	require.NoError(t, err)
	requireSteps(t, g.Train, tr, 1e-4, 1e-3)
	require.False(t, math.IsNaN(tr.curve[2]))
}
