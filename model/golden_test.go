package model

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cpu"
	"retort/model/safetensors"
)

// golden is where what PyTorch computes lies, beside the repository.
const golden = "../../shared/golden"

var families = []string{"gpt2", "llama-tied", "llama3-rope", "qwen2", "qwen3"}

// expectedRow is a row of expected.json.
type expectedRow struct {
	PromptIDs     []int32   `json:"prompt_ids"`
	CompletionIDs []int32   `json:"completion_ids"`
	LogProbs      []float64 `json:"logprobs"`
	GreedyIDs     []int32   `json:"greedy_ids"`
	Margin        []float64 `json:"margin"`
}

func readGolden(t testing.TB, family string) (rows, greedy []expectedRow, loss float64) {
	raw, err := os.ReadFile(filepath.Join(golden, family, "expected.json"))
	if os.IsNotExist(err) {
		t.Skip("../shared/golden is not here: PyTorch's figures are not compared")
	}
	require.NoError(t, err)
	var e struct {
		Rows            []expectedRow
		Greedy          []expectedRow
		ForwardBackward struct{ Loss float64 } `json:"forward_backward"`
	}
	require.NoError(t, json.Unmarshal(raw, &e))
	return e.Rows, e.Greedy, e.ForwardBackward.Loss
}

func newCPU(t testing.TB, threads int) kernels.Backend {
	k, err := cpu.New(threads)
	require.NoError(t, err)
	t.Cleanup(func() { k.Close() })
	return k
}

// pairBatch packs rows as one step whose loss is divided by their trained tokens.
func pairBatch(rows []expectedRow) *Batch {
	b := &Batch{}
	b.Reset()
	trained := 0
	for _, r := range rows {
		trained += len(r.CompletionIDs)
	}
	for _, r := range rows {
		weights := make([]float32, len(r.PromptIDs), len(r.PromptIDs)+len(r.CompletionIDs))
		for range r.CompletionIDs {
			weights = append(weights, 1/float32(trained))
		}
		b.Add(append(append([]int32{}, r.PromptIDs...), r.CompletionIDs...), weights)
	}
	return b
}

func TestLogitsAndGradientsEqualPyTorch(t *testing.T) {
	for _, family := range families {
		t.Run(family, func(t *testing.T) {
			rows, _, wantLoss := readGolden(t, family)
			s, notes, err := Load(newCPU(t, 2), filepath.Join(golden, family))
			require.NoError(t, err)
			require.Empty(t, notes)
			want, err := safetensors.Open(filepath.Join(golden, family, "forward_backward.safetensors"))
			require.NoError(t, err)
			defer want.Close()

			b := pairBatch(rows[:3])
			p, err := NewPass(s, PassOptions{Tokens: len(b.IDs), Rows: len(b.IDs), Training: true})
			require.NoError(t, err)
			p.Forward(b)
			p.LossBackward()
			logprobs, err := p.LogProbs(nil)
			require.NoError(t, err)
			loss := 0.0
			for i, lp := range logprobs {
				loss -= float64(lp) * float64(b.Weights[i])
			}
			require.InEpsilon(t, wantLoss, loss, 1e-5)

			for _, g := range p.Gradients() {
				have, err := g.Host(s.k)
				require.NoError(t, err)
				dense, err := want.Tensor("grad." + g.Name)
				require.NoError(t, err)
				requireNear(t, g.Name, have, dense.Float32s(), 1e-4)
			}
			requireLogits(t, s, p, b, want)
		})
	}
}

// everyRow is the batch with all its tokens as rows, for their logits.
func everyRow(b *Batch) *Batch {
	all := &Batch{IDs: b.IDs, Positions: b.Positions, Starts: b.Starts}
	for i := range b.IDs {
		all.Rows = append(all.Rows, int32(i))
		all.Targets, all.Weights = append(all.Targets, 0), append(all.Weights, 0)
	}
	return all
}

// requireLogits compares the logits of every token of the batch's documents.
func requireLogits(t *testing.T, s *Student, p *Pass, b *Batch, want *safetensors.File) {
	all := everyRow(b)
	logits, err := s.k.Alloc(kernels.Float32, kernels.Scratch, len(all.IDs), s.Vocab)
	require.NoError(t, err)
	p.Forward(all)
	p.Logits(logits)
	for doc := 1; doc < len(b.Starts); doc++ {
		lo, hi := int(b.Starts[doc-1]), int(b.Starts[doc])
		have := make([]float32, (hi-lo)*s.Vocab)
		require.NoError(t, s.k.Download(have, logits.RowRange(lo, hi)))
		dense, err := want.Tensor(fmt.Sprintf("logits.%d", doc-1))
		require.NoError(t, err)
		requireNear(t, "logits", have, dense.Float32s(), 2e-5)
	}
}

// requireNear compares tensors against the largest value of the wanted one.
func requireNear(t *testing.T, name string, have, want []float32, tolerance float64) {
	require.Len(t, have, len(want), name)
	largest, worst := 0.0, 0.0
	for i := range want {
		largest = max(largest, math.Abs(float64(want[i])))
		worst = max(worst, math.Abs(float64(have[i])-float64(want[i])))
	}
	if largest < 1e-6 { // biases of keys have no gradient but rounding
		largest = 1
	}
	require.LessOrEqual(t, worst/largest, tolerance, "%s: largest error %g of values up to %g", name, worst, largest)
}

func TestGreedyAnswersEqualPyTorchWhateverTheCompany(t *testing.T) {
	for _, family := range families {
		t.Run(family, func(t *testing.T) {
			_, greedy, _ := readGolden(t, family)
			s, _, err := Load(newCPU(t, 2), filepath.Join(golden, family))
			require.NoError(t, err)
			var requests []Request
			for _, g := range greedy {
				requests = append(requests, Request{Prompt: g.PromptIDs, MaxNew: len(g.GreedyIDs)})
			}
			answers := make([][]Completion, 2)
			for i, slots := range []int{1, 4} {
				answers[i] = make([]Completion, len(requests))
				err := s.Generate(requests, GenerateOptions{Stop: s.EOS, Slots: slots, Done: func(r int, c Completion) { answers[i][r] = c }})
				require.NoError(t, err)
			}
			require.Equal(t, answers[0], answers[1], "an answer changed with its company")
			for i, g := range greedy {
				sure := len(g.GreedyIDs)
				for j, m := range g.Margin {
					if m <= 0.02 {
						sure = j
						break
					}
				}
				require.Equal(t, g.GreedyIDs[:sure], answers[0][i].IDs[:sure], "prompt %d", i)
			}
		})
	}
}

func TestShardedBF16FolderIsTheSameStudent(t *testing.T) {
	rows, _, _ := readGolden(t, "qwen2")
	k := newCPU(t, 2)
	whole, _, err := Load(k, filepath.Join(golden, "qwen2"))
	require.NoError(t, err)
	sharded, _, err := Load(k, filepath.Join(golden, "qwen2", "bf16_sharded"))
	require.NoError(t, err)
	for i, n := range whole.Named() {
		a, err := n.Host(k)
		require.NoError(t, err)
		b, err := sharded.Named()[i].Host(k)
		require.NoError(t, err)
		requireNear(t, n.Name, b, a, 1.0/256)
	}
	require.NotEmpty(t, rows)
}
