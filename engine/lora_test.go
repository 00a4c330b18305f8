package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/data"
	"retort/kernels"
	"retort/model"
	"retort/model/safetensors"
)

// adapted gives the student a fresh adapter with dropout, in use.
func adapted(t testing.TB, s *Student) *Student {
	a, err := s.NewAdapter(model.LoRA{R: 4, Alpha: 8, Dropout: 0.2, Targets: model.ParseTargets([]string{"all-linear"})}, 5)
	require.NoError(t, err)
	s.Use(a)
	return s
}

// adapterHash is weightHash of the adapter in use.
func adapterHash(t testing.TB, s *Student) string {
	base := *s.Student
	base.Group = *s.Trained()
	return weightHash(t, &Student{Student: &base})
}

// trainAdapter trains a fresh adapter of a tiny student.
func trainAdapter(t *testing.T, k kernels.Backend, c model.Config, examples []data.Example, o TrainOptions, stopAfter int) *Trainer {
	t.Helper()
	s := adapted(t, tinyStudent(t, k, c))
	ctx, hooks := context.Background(), Hooks{}
	if stopAfter > 0 {
		ctx, hooks = interruptAfter(stopAfter)
	}
	tr, err := NewTrainer(s, examples, nil, o, hooks)
	require.NoError(t, err)
	t.Cleanup(tr.Close)
	if _, err = tr.Run(ctx); stopAfter > 0 {
		require.ErrorIs(t, err, ErrInterrupted)
	} else {
		require.NoError(t, err)
	}
	return tr
}

func TestEightStepsOfAnAdapterEqualPEFT(t *testing.T) {
	g := readGoldenFile(t, "llama-tied/lora.json")
	folder := filepath.Join(shared, "golden", "llama-tied")
	s, err := OpenStudent(backend(t, 2), folder)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.UseAdapter(filepath.Join(folder, "lora_start")))
	before := weightHash(t, s)
	o, h := DefaultTrainOptions(), g.Hyperparameters
	o.LearningRate, o.AdamBeta2, o.MaxGradNorm, o.MaxSteps, o.LRSchedulerType = h.LearningRate, h.Beta2, h.MaxNorm, h.MaxSteps, h.Schedule
	o.PerDeviceTrainBatchSize, o.Shuffle, o.LoggingSteps = h.Batch, false, 1
	rows, err := readRows(filepath.Join(folder, "pairs.jsonl"))
	require.NoError(t, err)
	examples, _, err := encodeRows(s, rows, o)
	require.NoError(t, err)
	tr, err := NewTrainer(s, examples, nil, o, Hooks{})
	require.NoError(t, err)
	defer tr.Close()
	_, err = tr.Run(context.Background())
	require.NoError(t, err)
	requireSteps(t, g.Train, tr, 1e-5, 5e-5)
	require.Equal(t, before, weightHash(t, s), "the student itself was trained")

	end, err := safetensors.Open(filepath.Join(folder, "lora_end", model.AdapterWeightsFile))
	require.NoError(t, err)
	defer end.Close()
	for _, n := range s.Adapter().Named() {
		want, err := end.Tensor(n.Name)
		require.NoError(t, err)
		have, err := n.Host(s.Backend())
		require.NoError(t, err)
		for i, v := range want.Float32s() {
			require.InDelta(t, v, have[i], 1e-4, "%s[%d]", n.Name, i)
		}
	}
}

func TestAdapterResumesAtEveryStepInTheSameBits(t *testing.T) {
	examples := randomExamples(11, 3)
	for name, c := range tinyConfigs() {
		t.Run(name, func(t *testing.T) {
			o := tinyOptions()
			o.PerDeviceTrainBatchSize, o.GradientAccumulationSteps, o.MaxLength, o.MaxSteps = 1, 3, 64, 5
			straight := trainAdapter(t, backend(t, 2), c, examples, o, 0)
			for stop := 1; stop < o.MaxSteps; stop++ {
				o.OutputDir, o.ResumeFromCheckpoint = t.TempDir(), ""
				trainAdapter(t, backend(t, 2), c, examples, o, stop)
				o.ResumeFromCheckpoint = "auto"
				resumed := trainAdapter(t, backend(t, 1), c, examples, o, 0)
				require.Equal(t, adapterHash(t, straight.student), adapterHash(t, resumed.student), "resumed after step %d", stop)
				require.Equal(t, straight.Curve()[stop:], resumed.Curve())
			}
		})
	}
}

func TestCheckpointingAnAdapterDropsTheSameElements(t *testing.T) {
	o := tinyOptions()
	c := tinyConfigs()["gpt2"]
	plain := trainAdapter(t, backend(t, 2), c, randomExamples(9, 3), o, 0)
	o.GradientCheckpointing = true
	again := trainAdapter(t, backend(t, 2), c, randomExamples(9, 3), o, 0)
	require.Equal(t, plain.Curve(), again.Curve())
	require.Equal(t, adapterHash(t, plain.student), adapterHash(t, again.student))
}

func TestDevicesTrainAdaptersAlike(t *testing.T) {
	for _, x := range []struct {
		family     string
		activation kernels.DType
		tolerance  float64
	}{{"llama", kernels.Float32, 2e-5}, {"gpt2", kernels.Float32, 2e-5}, {"qwen3", kernels.BFloat16, 1e-2}} {
		t.Run(x.family, func(t *testing.T) {
			o, examples, c := deviceOptions(), randomExamples(4, 3), tinyConfigs()[x.family]
			o.MaxSteps, o.GradientAccumulationSteps = 2, 1
			host := trainAdapter(t, backend(t, 2), c, examples, o, 0)
			requireClose(t, host.Curve(), trainAdapter(t, onEmu(t, x.activation), c, examples, o, 0).Curve(), x.tolerance)
		})
	}
}

func TestStepOfAnAdapterAllocatesNothing(t *testing.T) {
	s := adapted(t, tinyStudent(t, backend(t, 2), tinyConfigs()["llama"]))
	tr, err := NewTrainer(s, randomExamples(16, 3), nil, tinyOptions(), Hooks{})
	require.NoError(t, err)
	defer tr.Close()
	var st Step
	tr.scheduler.next(&st)
	step := func() {
		tr.pass.ZeroGradients()
		tr.pass.Forward(&st.Micro[0].Batch)
		tr.pass.LossBackward()
		tr.optimizer.step(kernels.AdamW{LearningRate: 1e-3, Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-8}, 1)
	}
	step()
	least := testing.AllocsPerRun(3, step)
	for range 4 { // goroutines of other tests allocate too, but not in every try
		least = min(least, testing.AllocsPerRun(3, step))
	}
	require.Zero(t, least)
}

// studentFolder writes a tiny student's folder and rows to train it on.
func studentFolder(t *testing.T, c model.Config) (folder, rows string) {
	s := tinyStudent(t, backend(t, 1), c)
	folder = t.TempDir()
	files, err := s.Files()
	require.NoError(t, err)
	for name, write := range files {
		f, err := os.Create(filepath.Join(folder, name))
		require.NoError(t, err)
		require.NoError(t, write(f))
		require.NoError(t, f.Close())
	}
	rows = filepath.Join(t.TempDir(), "rows.jsonl")
	require.NoError(t, os.WriteFile(rows, []byte(`{"prompt": "Tom has 5 apples.\n", "completion": "#### 5"}`+"\n"+`{"prompt": "Ann has 7 apples.\n", "completion": "#### 7"}`+"\n"), 0o644))
	return folder, rows
}

func TestTrainedAdapterIsContinuedMergedAndConverted(t *testing.T) {
	for family, c := range tinyConfigs() {
		t.Run(family, func(t *testing.T) {
			folder, rows := studentFolder(t, c)
			o := tinyOptions()
			o.ModelNameOrPath, o.Dataset, o.OutputDir, o.UsePEFT, o.LoraR, o.MaxSteps, o.LearningRate = folder, rows, filepath.Join(t.TempDir(), "run"), true, 2, 4, defaultRate
			k := backend(t, 2)
			r, err := Train(context.Background(), k, o, Hooks{}, nil)
			require.NoError(t, err)
			require.Equal(t, 4, r.Steps)
			require.FileExists(t, filepath.Join(o.OutputDir, "tokenizer.json"))
			require.NoFileExists(t, filepath.Join(o.OutputDir, "config.json"), "it would be taken for a student")
			card, err := os.ReadFile(filepath.Join(o.OutputDir, "README.md"))
			require.NoError(t, err)
			require.Contains(t, string(card), "library_name: peft")
			require.Contains(t, string(card), fmt.Sprintf("base_model: %q", filepath.Base(folder)))
			require.Contains(t, string(card), "| learning_rate | 0.0001 |")
			config, err := os.ReadFile(filepath.Join(o.OutputDir, model.AdapterConfigFile))
			require.NoError(t, err)
			require.Contains(t, string(config), fmt.Sprintf(`"base_model_name_or_path": %q`, folder))

			_, err = Train(context.Background(), k, o, Hooks{}, nil)
			require.ErrorContains(t, err, "already holds a student or an adapter")

			more := o
			more.AdapterNameOrPath, more.LoraR, more.OutputDir = o.OutputDir, 99, filepath.Join(t.TempDir(), "more")
			var notes []string
			_, err = Train(context.Background(), k, more, Hooks{Note: func(l string) { notes = append(notes, l) }}, nil)
			require.NoError(t, err)
			require.Contains(t, fmt.Sprint(notes), "LoRA of rank 2", "the adapter's own configuration wins")

			scores := func(s *Student, err error) (all []Score) {
				require.NoError(t, err)
				defer s.Close()
				_, err = ScoreRows(s, rows, 0, func(row Score) error { all = append(all, row); return nil })
				require.NoError(t, err)
				return all
			}
			merged := filepath.Join(t.TempDir(), "merged")
			require.NoError(t, Convert(k, folder, more.OutputDir, merged))
			require.ErrorIs(t, Convert(k, folder, more.OutputDir, merged), ErrBadInput)
			want := scores(OpenMerged(k, folder, more.OutputDir))
			require.Equal(t, want, scores(OpenStudent(k, merged)))
			require.NotEqual(t, want, scores(OpenStudent(k, folder)))
		})
	}
}

func TestAdaptersThatDoNotFitAreBadInput(t *testing.T) {
	folder, rows := studentFolder(t, tinyConfigs()["llama"])
	o := tinyOptions()
	o.ModelNameOrPath, o.Dataset, o.OutputDir, o.UsePEFT = folder, rows, t.TempDir(), true
	o.LoraTargetModules = []string{"c_attn"}
	_, err := Train(context.Background(), backend(t, 1), o, Hooks{}, nil)
	require.ErrorIs(t, err, ErrBadInput)
	require.ErrorContains(t, err, `"c_attn" is no linear layer`)
	o.AdapterNameOrPath = t.TempDir()
	_, err = Train(context.Background(), backend(t, 1), o, Hooks{}, nil)
	require.ErrorIs(t, err, ErrBadInput)
	require.ErrorIs(t, err, model.ErrAdapter)
	o.AdapterNameOrPath, o.LoraDropout = "", 1
	require.ErrorIs(t, o.Validate(), ErrUsage)
}
