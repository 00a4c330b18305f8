package demo

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/data"
	"retort/engine"
	"retort/kernels/cpu"
)

func TestDemoRunsToItsTable(t *testing.T) {
	k, err := cpu.New(2)
	require.NoError(t, err)
	defer k.Close()
	o := Options{Steps: 3, TestProblems: 12, Seed: 1, OutputDir: t.TempDir()}
	r, err := Run(context.Background(), k, o, nil)
	require.NoError(t, err)
	require.Len(t, r.Arms, 2)
	require.NotEmpty(t, r.Findings)
	require.NotEmpty(t, r.Example)
	for _, a := range r.Arms {
		n := 0
		for _, s := range a.BySteps {
			n += s.N
		}
		require.Equal(t, o.TestProblems, n)
		require.Positive(t, a.TrainLoss)
	}
	require.Greater(t, r.Arms[1].TrainedTokens, r.Arms[0].TrainedTokens, "rationales are trained too")
	for _, name := range []string{"training_loss.png", "report.json"} {
		info, err := os.Stat(filepath.Join(o.OutputDir, name))
		require.NoError(t, err)
		require.Positive(t, info.Size())
	}
}

// BenchmarkTrainingStep is one optimizer step of the demo's rationale arm.
func BenchmarkTrainingStep(b *testing.B) {
	k, err := cpu.New(0)
	require.NoError(b, err)
	defer k.Close()
	text, err := engine.BuiltinText()
	require.NoError(b, err)
	o := Options{Steps: b.N, Seed: 1}
	s, err := engine.FreshStudent(k, Config(text.Tokenizer.VocabSize()), text, 1)
	require.NoError(b, err)
	examples, err := trainExamples(text, o, data.Pair.Text)
	require.NoError(b, err)
	t := engine.DefaultTrainOptions()
	t.PerDeviceTrainBatchSize, t.MaxSteps = batchSize, b.N
	trainer, err := engine.NewTrainer(s, examples, nil, t, engine.Hooks{})
	require.NoError(b, err)
	b.ResetTimer()
	r, err := trainer.Run(context.Background())
	require.NoError(b, err)
	b.ReportMetric(r.TokensPerSecond, "tokens/s")
}
