package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"retort/engine/checkpoint"
)

// asProgram makes the test binary run as retort itself.
const asProgram = "RETORT_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// program is a retort process of its own.
func program(t *testing.T, args ...string) *exec.Cmd {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// soakCount is the number of repetitions: few by default, more by `make soak`.
func soakCount(t *testing.T, variable string, usual int) int {
	if text := os.Getenv(variable); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		return n
	}
	return usual
}

// longRun is a training run of some seconds with a checkpoint after every step.
func longRun(model, rows, out string, steps int) []string {
	return []string{
		"train", "--model_name_or_path", model, "--dataset", rows, "--output_dir", out, "--max_steps", strconv.Itoa(steps),
		"--per_device_train_batch_size", "2", "--save_steps", "1", "--save_total_limit", "2", "--learning_rate", "1e-3",
		"--resume_from_checkpoint", "auto", "--quiet", "--report_to", "none",
	}
}

// stateHash is one hash of weights, moments and the losses of every step.
func stateHash(t *testing.T, out string, steps int) string {
	dir := checkpoint.Dir(out, steps)
	_, err := checkpoint.Verify(dir)
	require.NoError(t, err)
	h := sha256.New()
	for _, name := range []string{"model.safetensors", "optimizer.safetensors"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		h.Write(raw)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "trainer_state.json"))
	require.NoError(t, err)
	var state struct {
		History []map[string]float64 `json:"log_history"`
	}
	require.NoError(t, json.Unmarshal(raw, &state))
	for _, entry := range state.History {
		fmt.Fprintln(h, entry["step"], entry["loss"], entry["grad_norm"])
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func manyRows(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	code, _, stderr := capture(t, "generate-data", "--preset", "demo", "--rows", "40", "--output", path)
	require.Zero(t, code, stderr)
	return path
}

func TestKilledAtRandomPointsEndsInTheSameState(t *testing.T) {
	kills := soakCount(t, "RETORT_KILLS", 5)
	steps := 20 + 4*kills
	model, rows := tinyFolder(t), manyRows(t)
	straight := filepath.Join(t.TempDir(), "straight")
	out, err := program(t, longRun(model, rows, straight, steps)...).CombinedOutput()
	require.NoError(t, err, string(out))

	killed := filepath.Join(t.TempDir(), "killed")
	rng := rand.New(rand.NewPCG(uint64(kills), 1))
	done := 0
	for done < kills {
		cmd := program(t, longRun(model, rows, killed, steps)...)
		require.NoError(t, cmd.Start())
		time.Sleep(time.Duration(40+rng.IntN(160)) * time.Millisecond)
		_ = cmd.Process.Signal(syscall.SIGKILL) // it may have finished
		err := cmd.Wait()
		if err == nil {
			t.Logf("finished after %d kills", done)
			break
		}
		done++
	}
	out, err = program(t, longRun(model, rows, killed, steps)...).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, stateHash(t, straight, steps), stateHash(t, killed, steps), "%d kills", done)
}

func TestFreshProcessesWithAnyNumberOfThreadsGiveOneHash(t *testing.T) {
	runs := soakCount(t, "RETORT_RUNS", 4)
	model, rows := tinyFolder(t), manyRows(t)
	hashes := map[string]int{}
	for i := range runs {
		dir := filepath.Join(t.TempDir(), "run")
		cmd := program(t, longRun(model, rows, dir, 12)...)
		cmd.Env = append(cmd.Env, fmt.Sprintf("GOMAXPROCS=%d", 1+i%2))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		hashes[stateHash(t, dir, 12)]++
	}
	require.Len(t, hashes, 1, "%v", hashes)
}

func TestInterruptFinishesTheStepSavesAndExits130(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		out := filepath.Join(t.TempDir(), "run")
		args := append(longRun(tinyFolder(t), manyRows(t), out, 100000), "--save_steps", "0")
		cmd := program(t, args...)
		require.NoError(t, cmd.Start())
		log := filepath.Join(out, "trainer_log.jsonl")
		require.Eventually(t, func() bool {
			info, err := os.Stat(log)
			return err == nil && info.Size() > 0
		}, 20*time.Second, 5*time.Millisecond)
		require.NoError(t, cmd.Process.Signal(signal))
		err := cmd.Wait()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, 130, exit.ExitCode())
		_, step, skipped, err := checkpoint.Latest(out)
		require.NoError(t, err)
		require.Empty(t, skipped)
		require.Positive(t, step)
	}
}

func TestOtherCommandsLeaveAtOnceWithoutUnfinishedFiles(t *testing.T) {
	dir := t.TempDir()
	cmd := program(t, "generate-data", "--rows", "100000000", "--output", filepath.Join(dir, "p.jsonl"))
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		files, err := os.ReadDir(dir)
		return err == nil && len(files) > 0
	}, 20*time.Second, 5*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	err := cmd.Wait()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 130, exit.ExitCode())
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, files)
}

func TestTwoRunsInOneFolderAreRefused(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	model, rows := tinyFolder(t), manyRows(t)
	first := program(t, longRun(model, rows, out, 100000)...)
	require.NoError(t, first.Start())
	defer func() {
		_ = first.Process.Kill()
		_ = first.Wait()
	}()
	require.Eventually(t, func() bool {
		steps, err := checkpoint.Steps(out)
		return err == nil && len(steps) > 0
	}, 20*time.Second, 5*time.Millisecond)
	raw, err := program(t, longRun(model, rows, out, 100000)...).CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 3, exit.ExitCode(), string(raw))
	require.Contains(t, string(raw), "in use")
}
