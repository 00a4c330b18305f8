package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/data"
	"retort/engine/checkpoint"
	"retort/kernels"
	"retort/kernels/cpu"
	"retort/model"
)

// tinyConfigs are one small student of every family.
func tinyConfigs() map[string]model.Config {
	base := model.Config{Vocab: 1024, Hidden: 32, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 8, FFN: 48, Context: 128, InitStd: 0.2, BOS: -1, NormEps: 1e-5}
	llama := base
	llama.Family, llama.Norm, llama.SwiGLU, llama.Tied, llama.RoPE = model.Llama, kernels.RMSNorm, true, true, &model.RoPE{Theta: 10000, Type: "default"}
	qwen3 := llama
	qwen3.Family, qwen3.QKNorm, qwen3.Tied, qwen3.HeadDim = model.Qwen3, true, false, 16
	gpt2 := base
	gpt2.Family, gpt2.KVHeads, gpt2.QKVBias, gpt2.OutBias, gpt2.MLPBias, gpt2.LearnedPositions, gpt2.Tied = model.GPT2, 4, true, true, true, true, true
	return map[string]model.Config{"llama": llama, "qwen3": qwen3, "gpt2": gpt2}
}

func backend(t testing.TB, threads int) kernels.Backend {
	k, err := cpu.New(threads)
	require.NoError(t, err)
	t.Cleanup(func() { k.Close() })
	return k
}

func tinyStudent(t testing.TB, k kernels.Backend, c model.Config) *Student {
	text, err := BuiltinText()
	require.NoError(t, err)
	s, err := FreshStudent(k, c, text, 5)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// randomExamples are documents of 4 to 40 tokens, the second half of each trained.
func randomExamples(n int, seed uint64) []data.Example {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]data.Example, n)
	for i := range out {
		length := 4 + rng.IntN(37)
		e := data.Example{Index: i, IDs: make([]int32, length), Weights: make([]float32, length)}
		for j := range e.IDs {
			e.IDs[j] = int32(rng.IntN(1000))
			if j >= length/2 {
				e.Weights[j] = 1
			}
		}
		out[i] = e
	}
	return out
}

func tinyOptions() TrainOptions {
	o := DefaultTrainOptions()
	o.MaxLength, o.MaxSteps, o.PerDeviceTrainBatchSize, o.LearningRate, o.WeightDecay = 128, 6, 4, 3e-3, 0.1
	o.SaveSteps, o.LoggingSteps, o.WarmupSteps = 0, 1, 2
	return o
}

// trainTiny trains a fresh tiny student and returns its weights' hash and its losses.
func trainTiny(t *testing.T, threads int, c model.Config, examples []data.Example, o TrainOptions, ctx context.Context) (hash string, losses []float64, err error) {
	s := tinyStudent(t, backend(t, threads), c)
	tr, err := NewTrainer(s, examples, nil, o, Hooks{})
	require.NoError(t, err)
	defer tr.Close()
	_, err = tr.Run(ctx)
	return weightHash(t, s), tr.Curve(), err
}

func weightHash(t testing.TB, s *Student) string {
	h := sha256.New()
	for _, n := range s.Named() {
		host, err := n.Host(s.Backend())
		require.NoError(t, err)
		require.NoError(t, binary.Write(h, binary.LittleEndian, host))
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestTrainingIsTheSameForAnyNumberOfThreads(t *testing.T) {
	for name, c := range tinyConfigs() {
		t.Run(name, func(t *testing.T) {
			one, lossOne, err := trainTiny(t, 1, c, randomExamples(20, 3), tinyOptions(), context.Background())
			require.NoError(t, err)
			two, lossTwo, err := trainTiny(t, 2, c, randomExamples(20, 3), tinyOptions(), context.Background())
			require.NoError(t, err)
			three, _, err := trainTiny(t, 3, c, randomExamples(20, 3), tinyOptions(), context.Background())
			require.NoError(t, err)
			require.Equal(t, one, two)
			require.Equal(t, one, three)
			require.Equal(t, lossOne, lossTwo)
		})
	}
}

func TestAccumulationOfEightByOneEqualsOneByEight(t *testing.T) {
	for name, c := range tinyConfigs() {
		t.Run(name, func(t *testing.T) {
			o := tinyOptions()
			o.PerDeviceTrainBatchSize, o.GradientAccumulationSteps = 8, 1
			_, wide, err := trainTiny(t, 2, c, randomExamples(20, 3), o, context.Background()) // the epoch's last window is short
			require.NoError(t, err)
			o.PerDeviceTrainBatchSize, o.GradientAccumulationSteps = 1, 8
			_, long, err := trainTiny(t, 2, c, randomExamples(20, 3), o, context.Background())
			require.NoError(t, err)
			requireClose(t, wide, long, 1e-5)
		})
	}
}

func TestPackedLossEqualsUnpacked(t *testing.T) {
	examples := randomExamples(24, 3)
	for name, c := range tinyConfigs() {
		t.Run(name, func(t *testing.T) {
			o := tinyOptions()
			o.Shuffle = false
			o.PerDeviceTrainBatchSize, o.MaxSteps = len(examples), 3
			_, plain, err := trainTiny(t, 2, c, examples, o, context.Background())
			require.NoError(t, err)
			o.Packing = true
			_, packed, err := trainTiny(t, 2, c, examples, o, context.Background())
			require.NoError(t, err)
			requireClose(t, plain, packed, 1e-5)
		})
	}
}

func TestGradientCheckpointingChangesNoBit(t *testing.T) {
	for name, c := range tinyConfigs() {
		t.Run(name, func(t *testing.T) {
			o := tinyOptions()
			plain, losses, err := trainTiny(t, 2, c, randomExamples(20, 3), o, context.Background())
			require.NoError(t, err)
			o.GradientCheckpointing = true
			again, lossesAgain, err := trainTiny(t, 2, c, randomExamples(20, 3), o, context.Background())
			require.NoError(t, err)
			require.Equal(t, plain, again)
			require.Equal(t, losses, lossesAgain)
		})
	}
}

func requireClose(t *testing.T, want, have []float64, tolerance float64) {
	require.Len(t, have, len(want))
	for i := range want {
		require.InEpsilon(t, want[i], have[i], tolerance, "step %d", i+1)
	}
}

// interruptAfter ends a context once the given number of steps is done.
func interruptAfter(steps int) (context.Context, Hooks) {
	ctx, cancel := context.WithCancel(context.Background())
	return ctx, Hooks{Progress: func(p Progress) {
		if p.Step >= steps {
			cancel()
		}
	}}
}

func TestResumeAtEveryStepEndsInTheSameWeights(t *testing.T) {
	examples := randomExamples(11, 3)
	for _, packing := range []bool{false, true} {
		for name, c := range tinyConfigs() {
			t.Run(fmt.Sprintf("%s packing %v", name, packing), func(t *testing.T) {
				o := tinyOptions()
				o.PerDeviceTrainBatchSize, o.GradientAccumulationSteps, o.Packing, o.MaxLength, o.MaxSteps = 1, 3, packing, 64, 7
				straight, losses, err := trainTiny(t, 2, c, examples, o, context.Background())
				require.NoError(t, err)
				for stop := 1; stop < o.MaxSteps; stop++ {
					o.OutputDir, o.ResumeFromCheckpoint = t.TempDir(), ""
					s := tinyStudent(t, backend(t, 2), c)
					ctx, hooks := interruptAfter(stop)
					tr, err := NewTrainer(s, examples, nil, o, hooks)
					require.NoError(t, err)
					_, err = tr.Run(ctx)
					require.ErrorIs(t, err, ErrInterrupted)
					tr.Close()

					o.ResumeFromCheckpoint = "auto"
					resumed, rest, err := trainTiny(t, 1, c, examples, o, context.Background())
					require.NoError(t, err)
					require.Equal(t, straight, resumed, "resumed after step %d", stop)
					require.Equal(t, losses[stop:], rest)
				}
			})
		}
	}
}

func TestResumeRefusesOtherData(t *testing.T) {
	c := tinyConfigs()["llama"]
	o := tinyOptions()
	o.OutputDir = t.TempDir()
	ctx, hooks := interruptAfter(2)
	s := tinyStudent(t, backend(t, 2), c)
	tr, err := NewTrainer(s, randomExamples(9, 3), nil, o, hooks)
	require.NoError(t, err)
	defer tr.Close()
	_, err = tr.Run(ctx)
	require.ErrorIs(t, err, ErrInterrupted)

	o.ResumeFromCheckpoint = "auto"
	_, err = NewTrainer(s, randomExamples(9, 4), nil, o, Hooks{})
	require.ErrorIs(t, err, ErrBadInput)
	require.ErrorContains(t, err, "data is not what")

	o.ResumeFromCheckpoint = ""
	fresh, err := NewTrainer(s, randomExamples(9, 3), nil, o, Hooks{})
	require.NoError(t, err)
	defer fresh.Close()
	_, err = fresh.Run(context.Background())
	require.ErrorIs(t, err, ErrBadInput, "a fresh run must not write over an earlier one's checkpoints")
}

func TestResumeRefusesAnotherStudentAndAFinishedRun(t *testing.T) {
	c := tinyConfigs()["llama"]
	o := tinyOptions()
	o.OutputDir, o.SaveSteps = t.TempDir(), 3
	examples := randomExamples(9, 3)
	_, _, err := trainTiny(t, 2, c, examples, o, context.Background())
	require.NoError(t, err)
	o.ResumeFromCheckpoint = "auto"
	wider := c
	wider.FFN, wider.Hidden = c.FFN/2, c.Hidden*2
	_, err = NewTrainer(tinyStudent(t, backend(t, 1), wider), examples, nil, o, Hooks{})
	require.ErrorIs(t, err, ErrBadInput)
	require.ErrorIs(t, err, model.ErrTensorShape)
	o.MaxSteps = 2
	_, err = NewTrainer(tinyStudent(t, backend(t, 1), c), examples, nil, o, Hooks{})
	require.ErrorIs(t, err, ErrUsage)
	o.MaxSteps, o.LearningRate = 8, 1e-5
	var notes []string
	tr, err := NewTrainer(tinyStudent(t, backend(t, 1), c), examples, nil, o, Hooks{Note: func(l string) { notes = append(notes, l) }})
	require.NoError(t, err)
	defer tr.Close()
	require.Contains(t, notes[0], "learning_rate 0.003 → 1e-05")
	require.Contains(t, notes[0], "max_steps 6 → 8")
}

func TestAutoResumeRefusesToStartAnewOverDamagedCheckpoints(t *testing.T) {
	c := tinyConfigs()["llama"]
	o := tinyOptions()
	o.OutputDir, o.SaveSteps = t.TempDir(), 6
	_, _, err := trainTiny(t, 2, c, randomExamples(9, 3), o, context.Background())
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filepath.Join(checkpoint.Dir(o.OutputDir, 6), "model.safetensors"), 10))
	o.ResumeFromCheckpoint = "auto"
	_, err = NewTrainer(tinyStudent(t, backend(t, 1), c), randomExamples(9, 3), nil, o, Hooks{})
	require.ErrorIs(t, err, ErrBadInput)
}

func TestNonFiniteRunKeepsItsGoodWeights(t *testing.T) {
	k := backend(t, 2)
	s := tinyStudent(t, k, tinyConfigs()["llama"])
	examples := randomExamples(40, 3)
	for i := 8; i < len(examples); i++ {
		for j := range examples[i].Weights {
			if examples[i].Weights[j] != 0 {
				examples[i].Weights[j] = float32(math.NaN())
			}
		}
	}
	o := tinyOptions()
	o.Shuffle, o.MaxSteps, o.OutputDir = false, 10, t.TempDir()
	tr, err := NewTrainer(s, examples, nil, o, Hooks{})
	require.NoError(t, err)
	defer tr.Close()
	_, err = tr.Run(context.Background())
	require.ErrorIs(t, err, ErrNonFinite)
	require.ErrorContains(t, err, "checkpoint-7")
	_, err = checkpoint.Verify(checkpoint.Dir(o.OutputDir, 7))
	require.NoError(t, err)
}

func TestDataFileThatChangesDuringTheRunChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	rows := []byte("{\"prompt\":\"a\",\"completion\":\"b c\"}\n{\"prompt\":\"d\",\"completion\":\"e\"}\n")
	train := func(change bool) string {
		require.NoError(t, os.WriteFile(path, rows, 0o644))
		k := backend(t, 2)
		s := tinyStudent(t, k, tinyConfigs()["llama"])
		o := tinyOptions()
		read, err := readRows(path)
		require.NoError(t, err)
		examples, _, err := encodeRows(s, read, o)
		require.NoError(t, err)
		tr, err := NewTrainer(s, examples, nil, o, Hooks{Progress: func(Progress) {
			if change {
				require.NoError(t, os.WriteFile(path, []byte("garbage"), 0o644))
			}
		}})
		require.NoError(t, err)
		defer tr.Close()
		_, err = tr.Run(context.Background())
		require.NoError(t, err)
		return weightHash(t, s)
	}
	require.Equal(t, train(false), train(true))
}

func TestDamagedCheckpointIsPassedOverLoudly(t *testing.T) {
	c := tinyConfigs()["llama"]
	o := tinyOptions()
	o.OutputDir, o.SaveSteps = t.TempDir(), 2
	examples := randomExamples(9, 3)
	straight, _, err := trainTiny(t, 2, c, examples, o, context.Background())
	require.NoError(t, err)
	broken := filepath.Join(checkpoint.Dir(o.OutputDir, 6), "model.safetensors")
	raw, err := os.ReadFile(broken)
	require.NoError(t, err)
	raw[len(raw)/2] ^= 1
	require.NoError(t, os.WriteFile(broken, raw, 0o644))

	o.ResumeFromCheckpoint = "auto"
	var notes []string
	s := tinyStudent(t, backend(t, 2), c)
	tr, err := NewTrainer(s, examples, nil, o, Hooks{Note: func(line string) { notes = append(notes, line) }})
	require.NoError(t, err)
	defer tr.Close()
	_, err = tr.Run(context.Background())
	require.NoError(t, err)
	require.Contains(t, notes[0], "WARNING")
	require.Contains(t, notes[0], "checkpoint-6")
	require.Equal(t, straight, weightHash(t, s))
}

func TestNonFiniteGradientsLeaveTheWeightsAndStopTheRun(t *testing.T) {
	for _, poison := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1e38} {
		k := backend(t, 2)
		s := tinyStudent(t, k, tinyConfigs()["llama"])
		examples := randomExamples(8, 3)
		for i := range examples { // a weight of the loss that is not finite poisons the gradients
			for j := range examples[i].Weights {
				if examples[i].Weights[j] != 0 {
					examples[i].Weights[j] = poison
				}
			}
		}
		o := tinyOptions()
		o.MaxSteps, o.OutputDir = 20, t.TempDir()
		var notes []string
		tr, err := NewTrainer(s, examples, nil, o, Hooks{Note: func(l string) { notes = append(notes, l) }})
		require.NoError(t, err)
		before := weightHash(t, s)
		r, err := tr.Run(context.Background())
		tr.Close()
		require.True(t, errors.Is(err, ErrNonFinite), "%v: %v", poison, err)
		require.Equal(t, badStepLimit, r.Steps)
		require.Equal(t, before, weightHash(t, s))
		require.Contains(t, notes[0], "Rows of the batch")
	}
}

func TestOneBadStepIsSurvived(t *testing.T) {
	k := backend(t, 2)
	s := tinyStudent(t, k, tinyConfigs()["llama"])
	examples := randomExamples(24, 3)
	for j := range examples[5].Weights {
		if examples[5].Weights[j] != 0 {
			examples[5].Weights[j] = float32(math.NaN())
		}
	}
	o := tinyOptions()
	o.Shuffle = false
	tr, err := NewTrainer(s, examples, nil, o, Hooks{})
	require.NoError(t, err)
	defer tr.Close()
	r, err := tr.Run(context.Background())
	require.NoError(t, err)
	require.Equal(t, 6, r.Steps)
	require.False(t, math.IsNaN(r.TrainLoss))
	last, ok := tr.state.LogHistory[5].Get("loss")
	require.True(t, ok)
	require.False(t, math.IsNaN(last), "the log sees again after the bad step")
}

func TestNothingIsAllocatedInsideAStep(t *testing.T) {
	k := backend(t, 2)
	for name, c := range tinyConfigs() {
		s := tinyStudent(t, k, c)
		tr, err := NewTrainer(s, randomExamples(16, 3), nil, tinyOptions(), Hooks{})
		require.NoError(t, err)
		var st Step
		tr.scheduler.next(&st)
		step := func() {
			tr.pass.ZeroGradients()
			tr.pass.Forward(&st.Micro[0].Batch)
			tr.pass.LossBackward()
			tr.optimizer.step(kernels.AdamW{LearningRate: 1e-3, Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-8}, 1)
		}
		step()
		least := math.Inf(1) // goroutines of other tests allocate too, but not in every try
		for range 5 {
			least = min(least, testing.AllocsPerRun(3, step))
		}
		require.Zero(t, least, name)
		tr.Close()
	}
}
