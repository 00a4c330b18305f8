package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda"
	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/driver/emu"
	"retort/kernels/cuda/driver/faulty"
)

// onEmu is the CUDA backend on the PTX machine, which is too slow for the race detector.
func onEmu(t testing.TB, activation kernels.DType) kernels.Backend {
	skipInShort(t)
	k, err := cuda.New(emu.New(emu.Options{}), 0, cuda.Options{Activation: activation})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}

func skipInShort(t testing.TB) {
	if testing.Short() {
		t.Skip("runs on the PTX machine: not with -short")
	}
}

// deviceOptions are few steps, each of two micro-batches.
func deviceOptions() TrainOptions {
	o := tinyOptions()
	o.MaxSteps, o.PerDeviceTrainBatchSize, o.GradientAccumulationSteps = 4, 2, 2
	return o
}

// trainOn trains a fresh tiny student on k, in dir where that is not empty, and stops
// after some steps where that is positive.
func trainOn(t *testing.T, k kernels.Backend, family, dir string, o TrainOptions, stopAfter int) *Trainer {
	t.Helper()
	s := tinyStudent(t, k, tinyConfigs()[family])
	o.OutputDir = dir
	ctx, hooks := context.Background(), Hooks{}
	if stopAfter > 0 {
		ctx, hooks = interruptAfter(stopAfter)
	}
	tr, err := NewTrainer(s, randomExamples(12, 3), nil, o, hooks)
	require.NoError(t, err)
	t.Cleanup(tr.Close)
	if _, err = tr.Run(ctx); stopAfter > 0 {
		require.ErrorIs(t, err, ErrInterrupted)
	} else {
		require.NoError(t, err)
	}
	return tr
}

// TestDevicesTrainAlike: the CPU and the CUDA kernels see the same batches in the same
// order, and lose the same; float32 to its last digits, bf16 to about its own.
func TestDevicesTrainAlike(t *testing.T) {
	for family := range tinyConfigs() {
		t.Run(family, func(t *testing.T) {
			host := trainOn(t, backend(t, 2), family, "", deviceOptions(), 0)
			device := trainOn(t, onEmu(t, kernels.Float32), family, "", deviceOptions(), 0)
			requireClose(t, host.Curve(), device.Curve(), 2e-5)
			require.Equal(t, host.position, device.position)
			require.Equal(t, host.totals.Trained, device.totals.Trained)
			narrow := trainOn(t, onEmu(t, kernels.BFloat16), family, "", deviceOptions(), 0)
			requireClose(t, host.Curve(), narrow.Curve(), 1e-2)
			require.Equal(t, host.position, narrow.position)
		})
	}
}

// TestEmuTrainsTheSameBitsAgain in both types, with gradient checkpointing too.
func TestEmuTrainsTheSameBitsAgain(t *testing.T) {
	for _, activation := range []kernels.DType{kernels.Float32, kernels.BFloat16} {
		o := deviceOptions()
		o.MaxSteps = 2
		first := trainOn(t, onEmu(t, activation), "llama", "", o, 0)
		o.GradientCheckpointing = true
		second := trainOn(t, onEmu(t, activation), "llama", "", o, 0)
		require.Equal(t, first.Curve(), second.Curve())
		require.Equal(t, weightHash(t, first.student), weightHash(t, second.student))
	}
}

// TestResumeAcrossDevices: a checkpoint of one device is continued on another.
func TestResumeAcrossDevices(t *testing.T) {
	skipInShort(t)
	straight := trainOn(t, backend(t, 2), "qwen3", "", deviceOptions(), 0).Curve()
	backends := map[string]func() kernels.Backend{
		"cpu":      func() kernels.Backend { return backend(t, 2) },
		"emu":      func() kernels.Backend { return onEmu(t, kernels.Float32) },
		"emu bf16": func() kernels.Backend { return onEmu(t, kernels.BFloat16) },
	}
	for _, way := range []struct {
		from, to  string
		tolerance float64
	}{{"cpu", "emu", 2e-5}, {"emu", "cpu", 2e-5}, {"emu bf16", "cpu", 1e-2}, {"cpu", "emu bf16", 1e-2}} {
		t.Run(way.from+" to "+way.to, func(t *testing.T) {
			dir := t.TempDir()
			trainOn(t, backends[way.from](), "qwen3", dir, deviceOptions(), 2)
			o := deviceOptions()
			o.ResumeFromCheckpoint = "auto"
			rest := trainOn(t, backends[way.to](), "qwen3", dir, o, 0).Curve()
			requireClose(t, straight[2:], rest, way.tolerance)
		})
	}
}

// TestBF16ResumesInTheSameBits: masters and moments are stored whole.
func TestBF16ResumesInTheSameBits(t *testing.T) {
	straight := trainOn(t, onEmu(t, kernels.BFloat16), "llama", "", deviceOptions(), 0)
	dir := t.TempDir()
	trainOn(t, onEmu(t, kernels.BFloat16), "llama", dir, deviceOptions(), 2)
	o := deviceOptions()
	o.ResumeFromCheckpoint = "auto"
	resumed := trainOn(t, onEmu(t, kernels.BFloat16), "llama", dir, o, 0)
	require.Equal(t, straight.Curve()[2:], resumed.Curve())
	require.Equal(t, weightHash(t, straight.student), weightHash(t, resumed.student))
}

// TestDeviceFaultsDuringTraining: whatever driver call fails, the run ends with a device
// error, nothing is asked of a lost device, no checkpoint comes from it, and a restart from
// the last checkpoint ends in the bits of the straight run. RETORT_FAULTS is how many calls
// are tried for each fault; "all" tries every one.
func TestDeviceFaultsDuringTraining(t *testing.T) {
	skipInShort(t)
	healthy := faulty.New(emu.New(emu.Options{}), 0, faulty.ECC)
	straight, err := trainOver(t, healthy, t.TempDir())
	require.NoError(t, err)
	calls, tries := healthy.Calls(), 6
	if n := os.Getenv("RETORT_FAULTS"); n == "all" {
		tries = calls
	} else if n != "" {
		tries, err = strconv.Atoi(n)
		require.NoError(t, err)
	}
	for i, fault := range faulty.Faults {
		for try := range tries {
			k := 1 + (try*calls+i*calls/len(faulty.Faults))/tries
			dir := t.TempDir()
			broken := faulty.New(emu.New(emu.Options{}), k, fault)
			_, err := trainOver(t, broken, dir)
			if err == nil {
				require.GreaterOrEqual(t, k, broken.Calls()-2, "%v at call %d went unnoticed", fault, k) // closing
				continue
			}
			require.ErrorIs(t, err, ErrDevice, "%v at call %d", fault, k)
			require.Zero(t, broken.Late(), "%v at call %d: the lost device was asked again", fault, k)
			hash, err := trainOver(t, faulty.New(emu.New(emu.Options{}), 0, fault), dir)
			require.NoError(t, err, "restart after %v at call %d", fault, k)
			require.Equal(t, straight, hash, "restart after %v at call %d", fault, k)
		}
	}
}

// trainOver trains two steps on a device of d, a checkpoint after each, from the last
// checkpoint in dir where there is one. It returns the hash of the weights.
func trainOver(t *testing.T, d driver.Driver, dir string) (string, error) {
	k, err := cuda.New(d, 0, cuda.Options{Activation: kernels.BFloat16})
	if err != nil {
		return "", err
	}
	defer k.Close()
	text, err := BuiltinText()
	require.NoError(t, err)
	c := tinyConfigs()["llama"]
	c.Layers = 1
	s, err := FreshStudent(k, c, text, 5)
	if err != nil {
		return "", err
	}
	defer s.Close()
	o := tinyOptions()
	o.OutputDir, o.MaxSteps, o.SaveSteps, o.PerDeviceTrainBatchSize = dir, 2, 1, 2
	if found, _ := filepath.Glob(filepath.Join(dir, "checkpoint-*")); len(found) > 0 {
		o.ResumeFromCheckpoint = "auto"
	}
	tr, err := NewTrainer(s, randomExamples(6, 3), nil, o, Hooks{})
	if err != nil {
		return "", err
	}
	defer tr.Close()
	if tr.state.GlobalStep < o.MaxSteps {
		if _, err := tr.Run(context.Background()); err != nil {
			return "", err
		}
	}
	hash := sha256.New()
	for _, n := range s.Stored() {
		host, err := n.Host(k)
		if err != nil {
			return "", err
		}
		require.NoError(t, binary.Write(hash, binary.LittleEndian, host))
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), nil
}

// TestRehearsalKnowsTheDeviceMemoryOfTheRun, to within 5 %.
func TestRehearsalKnowsTheDeviceMemoryOfTheRun(t *testing.T) {
	o := deviceOptions()
	rehearsed, err := NewTrainer(tinyStudent(t, onEmu(t, kernels.BFloat16), tinyConfigs()["gpt2"]), randomExamples(12, 3), nil, o, Hooks{})
	require.NoError(t, err)
	estimate, err := rehearsed.Rehearse(context.Background())
	rehearsed.Close()
	require.NoError(t, err)
	k := onEmu(t, kernels.BFloat16)
	trained := trainOn(t, k, "gpt2", "", o, 0)
	require.Equal(t, k.Peak(), trained.result().PeakMemoryBytes)
	require.InEpsilon(t, k.Peak(), estimate.PeakBytes, 0.05)
}
