package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda"
	"retort/kernels/cuda/driver/emu"
	"retort/model"
)

// The FLOPs of a token: GPT-2 has 124.4 M parameters, of which the 1024 positions are looked up.
func TestLookedUpEmbeddingsAreNotCounted(t *testing.T) {
	c := named("gpt2-124m").Config
	require.Equal(t, 124439808, c.Parameters())
	require.InDelta(t, 6*(124439808-1024*768)+12*12*768*1024, flopsPerToken(c, 1024), 1)
	c = named("qwen2.5-0.5b").Config
	require.Equal(t, 494032768, c.Parameters())
	tied := flopsPerToken(c, 1024)
	c.Tied = false
	require.InDelta(t, tied, flopsPerToken(c, 1024), 1, "an untied embedding adds a table, no product")
}

func TestExamplesHaveTheLengthsOfGSM8K(t *testing.T) {
	c := sftCaseFor(false)
	examples, lengths := c.examples()
	tokens := 0
	for i, e := range examples {
		require.Len(t, e.IDs, lengths[i][0]+lengths[i][1])
		require.Equal(t, lengths[i][1], e.Trained())
		tokens += len(e.IDs)
	}
	require.InDelta(t, 184.5, float64(tokens)/float64(len(examples)), 0.1)
	require.InDelta(t, c.batch, float64(c.packs*c.length)*float64(len(examples))/float64(tokens), 4, "steps of as many rows")
}

// The replays of a recorded step launch what the step itself launches, kernel by kernel.
func TestARecordedStepIsTheRealOne(t *testing.T) {
	for _, c := range trainCases(true) {
		r, phantom, err := phantomStudent(c.Config)
		require.NoError(t, err)
		for _, checkpointing := range []bool{false, true} {
			calls, err := c.record(r, phantom, checkpointing)
			require.NoError(t, err)
			k := newCounter(emu.A100, 0)
			replayed := map[string]float64{}
			for _, call := range calls {
				if call.run == nil {
					continue
				}
				counts, err := k.replay(call)
				require.NoError(t, err, call.op)
				for name, n := range counts {
					replayed[name] += call.times * float64(n.Launches)
				}
			}
			k.close()

			d := emu.New(emu.Options{})
			b, err := cuda.New(d, 0, cuda.Options{Activation: kernels.BFloat16})
			require.NoError(t, err)
			student, err := model.New(b, c.Config, 1)
			require.NoError(t, err)
			require.NoError(t, b.Sync())
			d.ResetCounts()
			c.curve = 0
			o := c.options(c.accumulation, 1)
			o.GradientCheckpointing = checkpointing
			_, _, err = trainSteps(student, c.examples(), o)
			require.NoError(t, err)
			real := map[string]float64{}
			for name, n := range d.Counts() {
				real[name] = float64(n.Launches)
			}
			student.Close()
			require.NoError(t, b.Close())
			require.Equal(t, real, replayed, c.name)
		}
	}
}

// The workspace, which needs a replay, is in the table: it is far below the margin here.
func TestQwenFineTuningFitsInSixteenGigabytes(t *testing.T) {
	c := trainCase{namedConfig: named("qwen2.5-0.5b"), length: 1024, accumulation: 1}
	var totals []int64
	for _, c.rows = range []int{1, 4} {
		for _, checkpointing := range []bool{false, true} {
			m, err := c.estimate(0, checkpointing)
			require.NoError(t, err)
			require.Less(t, m.Total, int64(15e9), "%d rows, checkpointing %v", c.rows, checkpointing)
			totals = append(totals, m.Total)
		}
	}
	require.Less(t, totals[1], totals[0], "checkpointing saves memory")
	require.Less(t, totals[3], totals[2])
}

func TestPredictedStepsAreKeptBesideMeasuredOnes(t *testing.T) {
	out := t.TempDir()
	c := trainCases(true)[1]
	report := Report{Device: "NVIDIA H200, sm_90", Rows: []Row{{Suite: "train", Name: c.title(), Status: statusOK, Milliseconds: 7, MillisecondsAgain: 6}}}
	require.NoError(t, report.write(out))
	require.NoError(t, predictSteps(options{device: "emu", output: out}, io.Discard))
	raw, err := os.ReadFile(filepath.Join(out, "gpu-predicted-step.json"))
	require.NoError(t, err)
	var found struct {
		Steps  []StepPrediction
		Memory []StepMemory
	}
	require.NoError(t, json.Unmarshal(raw, &found))
	require.Len(t, found.Steps, 9)
	require.Len(t, found.Memory, 4)
	for _, p := range found.Steps {
		share := 0.0
		for _, s := range p.Share {
			share += s
		}
		require.InDelta(t, 1, share, 1e-9)
		require.Positive(t, p.Milliseconds)
		require.Equal(t, p.Card == "H100" && p.Student == c.name, p.Measured == "6 ms on H200", p)
	}
	table, err := os.ReadFile(filepath.Join(out, "gpu-predicted-step.md"))
	require.NoError(t, err)
	require.Contains(t, string(table), "6 ms on H200 |")
}

// With a Python that has PyTorch (RETORT_PYTHON), the peer's students are ours: both begin
// with the same weights and lose alike.
func TestPeersLossCurveIsOurs(t *testing.T) {
	python := os.Getenv("RETORT_PYTHON")
	if python == "" {
		python = "python3"
	}
	if exec.Command(python, "-c", "import torch").Run() != nil {
		t.Skipf("no Python with torch (%s): set RETORT_PYTHON to compare with it", python)
	}
	t.Chdir(filepath.Join("..", ".."))
	out := t.TempDir()
	require.NoError(t, run(options{device: "emu", suites: "train", parts: "students", python: python, output: out, budget: time.Minute}, io.Discard))
	raw, err := os.ReadFile(filepath.Join(out, "gpu.json"))
	require.NoError(t, err)
	var r Report
	require.NoError(t, json.Unmarshal(raw, &r))
	curves := 0
	for _, row := range r.Rows {
		require.Equal(t, statusOK, row.Status, row.Name)
		if strings.HasPrefix(row.Name, "loss after") {
			curves++
			require.InDeltaSlice(t, row.Curve, row.PeerCurve, 0.01, row.Name) // bf16 rounds by 0.4 %
		}
	}
	require.Equal(t, len(pretrained), curves)
}
