package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/engine"
	"retort/engine/check"
	"retort/engine/demo"
	"retort/kernels/cpu"
)

// capture runs one command line and returns its exit code and output.
func capture(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	oldOut, oldErr := os.Stdout, os.Stderr
	defer func() { os.Stdout, os.Stderr = oldOut, oldErr }()
	var readers [2]*os.File
	var writers [2]*os.File
	for i := range readers {
		var err error
		readers[i], writers[i], err = os.Pipe()
		require.NoError(t, err)
	}
	os.Stdout, os.Stderr = writers[0], writers[1]
	var texts [2]bytes.Buffer
	done := make(chan struct{}, 2)
	for i := range readers {
		go func() {
			_, _ = io.Copy(&texts[i], readers[i])
			done <- struct{}{}
		}()
	}
	code = run(args)
	for i := range writers {
		writers[i].Close()
	}
	<-done
	<-done
	return code, texts[0].String(), texts[1].String()
}

// tinyFolder writes a small fresh student's folder.
func tinyFolder(t *testing.T) string {
	k, err := cpu.New(2)
	require.NoError(t, err)
	defer k.Close()
	text, err := engine.BuiltinText()
	require.NoError(t, err)
	c := demo.Config(text.Tokenizer.VocabSize())
	c.Layers, c.Hidden, c.Heads, c.KVHeads, c.HeadDim, c.FFN, c.Context = 1, 32, 2, 1, 16, 32, 128
	s, err := engine.FreshStudent(k, c, text, 3)
	require.NoError(t, err)
	defer s.Close()
	files, err := s.Files()
	require.NoError(t, err)
	dir := t.TempDir()
	for name, write := range files {
		f, err := os.Create(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, write(f))
		require.NoError(t, f.Close())
	}
	return dir
}

// addToken gives a tokenizer one token more than the student's embedding has rows.
func addToken(t *testing.T, path string) {
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, json.Unmarshal(raw, &document))
	document["added_tokens"] = append(document["added_tokens"].([]any), map[string]any{
		"id": 1024, "content": "<extra>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true,
	})
	raw, err = json.Marshal(document)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, raw, 0o644))
}

func writeFile(t *testing.T, name, text string) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

const goodRows = `{"prompt": "Tom has 5 apples.\n", "completion": "#### 5"}
{"prompt": "Ann has 7 apples.\n", "completion": "#### 7"}
`

func TestBadInputIsOneLineWithTheRightExitCode(t *testing.T) {
	model := tinyFolder(t)
	rows := writeFile(t, "rows.jsonl", goodRows)
	out := filepath.Join(t.TempDir(), "run")
	broken := tinyFolder(t)
	require.NoError(t, os.Truncate(filepath.Join(broken, "model.safetensors"), 100))
	wrongShape := tinyFolder(t)
	config, err := os.ReadFile(filepath.Join(wrongShape, "config.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(wrongShape, "config.json"), bytes.Replace(config, []byte(`"intermediate_size": 32`), []byte(`"intermediate_size": 48`), 1), 0o644))
	smallVocab := tinyFolder(t)
	addToken(t, filepath.Join(smallVocab, "tokenizer.json"))
	train := func(model, rows string, more ...string) []string {
		return append([]string{"train", "--model_name_or_path", model, "--dataset", rows, "--output_dir", out, "--max_steps", "1", "--quiet"}, more...)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"no command", nil, 2, nil},
		{"unknown command", []string{"trian"}, 2, []string{"did you mean train"}},
		{"unknown flag", train(model, rows, "--learning_rat", "1"), 2, []string{"--learning_rat", "learning_rate"}},
		{"not a number", train(model, rows, "--learning_rate", "fast"), 2, []string{"learning_rate"}},
		{"out of range", train(model, rows, "--adam_beta1", "1"), 2, []string{"adam_beta1"}},
		{"no dataset", []string{"train", "--model_name_or_path", model, "--output_dir", out}, 2, []string{"dataset is missing"}},
		{"unknown device", train(model, rows, "--device", "tpu"), 2, []string{"tpu"}},
		{"no GPU", train(model, rows, "--device", "cuda"), 5, []string{"cuda"}},
		{"no such student", train("nowhere", rows), 3, []string{"nowhere"}},
		{"no such data", train(model, "nowhere.jsonl"), 3, []string{"nowhere.jsonl"}},
		{"empty data", train(model, writeFile(t, "empty.jsonl", "")), 3, []string{"empty.jsonl", "empty"}},
		{"bad JSON", train(model, writeFile(t, "bad.jsonl", goodRows+"{\"prompt\": ")), 3, []string{"bad.jsonl:3"}},
		{"unknown format", train(model, writeFile(t, "odd.jsonl", `{"x": 1}`)), 3, []string{"odd.jsonl:1"}},
		{"all masked", train(model, writeFile(t, "masked.jsonl", `{"prompt": "a", "completion": ""}`)), 3, []string{"empty completion"}},
		{"too long", train(model, rows, "--max_length", "4"), 3, []string{"rows.jsonl:1", "max_length"}},
		{"preferences", train(model, writeFile(t, "p.jsonl", `{"prompt": "a", "chosen": "b", "rejected": "c"}`)), 3, []string{"preference"}},
		{"messages without a template", train(model, writeFile(t, "m.jsonl", `{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}`)), 3, []string{"chat template"}},
		{"truncated weights", train(broken, rows), 3, []string{"model.safetensors"}},
		{"wrong shape", train(wrongShape, rows), 3, []string{"gate_proj", "[32 32]", "[48 32]"}},
		{"vocabulary mismatch", train(smallVocab, rows), 3, []string{"1025 tokens", "1024 rows"}},
		{"unknown key", []string{"train", "--config", writeFile(t, "run.yaml", "dataset: a\nlerning_rate: 1\n")}, 3, []string{"run.yaml:2", "lerning_rate", "learning_rate"}},
		{"key twice", []string{"train", "--config", writeFile(t, "run.yaml", "dataset: a\ndataset: b\n")}, 3, []string{"run.yaml"}},
		{"environment missing", []string{"train", "--config", writeFile(t, "run.yaml", "dataset: ${RETORT_NOT_SET}\n")}, 3, []string{"RETORT_NOT_SET"}},
		{"bad yaml value", []string{"train", "--config", writeFile(t, "run.yaml", "max_steps: many\n")}, 3, []string{"run.yaml:1", "max_steps"}},
		{"unwritable folder", train(model, rows, "--output_dir", filepath.Join(rows, "below")), 3, []string{"rows.jsonl"}},
		{"infinite option", train(model, rows, "--weight_decay", "inf"), 2, []string{"weight_decay"}},
		{"epochs beyond counting", train(model, rows, "--max_steps", "0", "--num_train_epochs", "1e30"), 2, []string{"num_train_epochs"}},
		{"too many samples", []string{"generate", "--model_name_or_path", model, "--prompt", "a", "--num_samples", "1000000000"}, 2, []string{"1000000000"}},
		{"too many problems", []string{"eval", "--model_name_or_path", model, "--tasks", "generated", "--limit", "1000000000"}, 2, []string{"1000000000"}},
		{"output is a folder", []string{"generate", "--model_name_or_path", model, "--prompt", "a", "--output", model}, 3, []string{"folder"}},
		{"weights that are not numbers", train(poisoned(t, math.NaN()), rows), 3, []string{"model.norm.weight", "NaN"}},
		{"unknown suite", []string{"bench", "--suite", "foo"}, 2, []string{"foo"}},
		{"resume from nothing", train(model, rows, "--resume_from_checkpoint", "nowhere"), 3, []string{"nowhere"}},
		{"prompt too long", []string{"generate", "--model_name_or_path", model, "--prompt", strings.Repeat("apples ", 200)}, 3, []string{"context"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := capture(t, c.args...)
			require.Equal(t, c.code, code, stderr)
			for _, s := range c.says {
				require.Contains(t, stderr, s)
			}
			if len(c.says) > 0 {
				require.Equal(t, 1, strings.Count(stderr, "\n"), "more than one line: %s", stderr)
			}
			_, err := os.Stat(filepath.Join(out, "model.safetensors"))
			require.ErrorIs(t, err, os.ErrNotExist, "nothing half-written")
		})
	}
}

func TestTrainScoreGenerateFromTheCommandLine(t *testing.T) {
	model := tinyFolder(t)
	rows := writeFile(t, "rows.jsonl", goodRows)
	out := filepath.Join(t.TempDir(), "run")
	config := writeFile(t, "run.yaml", "model_name_or_path: ${RETORT_TEST_MODEL}\ndataset: "+rows+"\nmax_steps: 99\nlearning_rate: 0.01\npacking: True\nmax_length: 64\n")
	t.Setenv("RETORT_TEST_MODEL", model)
	code, stdout, stderr := capture(t, "train", "--config", config, "--max-steps", "3", "--output-dir", out, "--shuffle", "false", "--json")
	require.Zero(t, code, stderr)
	var result struct {
		Steps     int
		TrainLoss float64 `json:"train_loss"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &result))
	require.Equal(t, 3, result.Steps, "flags override the file")
	for _, name := range []string{
		"model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
		"trainer_state.json", "trainer_log.jsonl", "train_results.json", "all_results.json", "training_loss.png", "README.md",
	} {
		_, err := os.Stat(filepath.Join(out, name))
		require.NoError(t, err)
	}
	events, err := filepath.Glob(filepath.Join(out, "events.out.tfevents.*"))
	require.NoError(t, err)
	require.Len(t, events, 1)

	scores := filepath.Join(t.TempDir(), "scores.jsonl")
	code, stdout, stderr = capture(t, "score", "--model_name_or_path", out, "--dataset", rows, "--output", scores)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "2 rows")
	raw, err := os.ReadFile(scores)
	require.NoError(t, err)
	require.Equal(t, 2, bytes.Count(raw, []byte("\n")))

	code, stdout, stderr = capture(t, "generate", "--model_name_or_path", out, "--dataset", rows, "--max_new_tokens", "4", "--temperature", "0.7", "--num_samples", "2")
	require.Zero(t, code, stderr)
	require.Equal(t, 4, strings.Count(stdout, "\n"))
	_, again, _ := capture(t, "generate", "--model_name_or_path", out, "--dataset", rows, "--max_new_tokens", "4", "--temperature", "0.7", "--num_samples", "2")
	require.Equal(t, stdout, again, "the same seed gives the same answers")
}

func TestDryRunShowsMasksAndTrainsNothing(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	code, stdout, stderr := capture(t, "train", "--model_name_or_path", tinyFolder(t), "--dataset", writeFile(t, "rows.jsonl", goodRows), "--dry-run", "--output_dir", out)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "Tom has 5 apples.\n⟦#### 5<|endoftext|>⟧")
	_, err := os.Stat(out)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	for _, c := range commands() {
		code, stdout, _ := capture(t, c.name, "--help")
		require.Zero(t, code)
		require.Contains(t, stdout, "EXAMPLE\n    retort "+c.name)
		require.Contains(t, stdout, "--device")
		code, keys, _ := capture(t, c.name, completeKeys)
		require.Zero(t, code)
		require.Contains(t, keys, "--json\n")
	}
}

func TestGeneratedDataTrainsAndEvaluates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.jsonl")
	code, _, stderr := capture(t, "generate-data", "--preset", "demo", "--rows", "20", "--output", path)
	require.Zero(t, code, stderr)
	out := filepath.Join(t.TempDir(), "run")
	code, _, stderr = capture(t, "train", "--model_name_or_path", tinyFolder(t), "--dataset", path, "--max_steps", "2", "--output_dir", out, "--quiet")
	require.Zero(t, code, stderr)
	results := t.TempDir()
	code, stdout, stderr := capture(t, "eval", "--model_name_or_path", out, "--tasks", "generated", "--preset", "demo", "--limit", "6", "--max_new_tokens", "8", "--output_path", results)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "strict-match")
	files, err := os.ReadDir(results)
	require.NoError(t, err)
	require.Len(t, files, 2)
}

// poisoned is a student one of whose weights is the given value.
func poisoned(t *testing.T, value float64) string {
	dir := tinyFolder(t)
	path := filepath.Join(dir, "model.safetensors")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var header map[string]struct {
		Offsets [2]int `json:"data_offsets"`
	}
	length := int(binary.LittleEndian.Uint64(raw))
	require.NoError(t, json.Unmarshal(bytes.Replace(raw[8:8+length], []byte(`"__metadata__":{"format":"pt"},`), nil, 1), &header))
	at := 8 + length + header["model.norm.weight"].Offsets[0]
	binary.LittleEndian.PutUint32(raw[at:], math.Float32bits(float32(value)))
	require.NoError(t, os.WriteFile(path, raw, 0o644))
	return dir
}

func TestOutputLeavesDevicesAndOtherFilesAlone(t *testing.T) {
	dir := t.TempDir()
	bystander, pipe := filepath.Join(dir, "ids.jsonl.partial"), filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(bystander, []byte("mine"), 0o644))
	require.NoError(t, os.Symlink("/dev/null", pipe))
	model := tinyFolder(t)
	for _, output := range []string{filepath.Join(dir, "ids.jsonl"), pipe} {
		code, _, stderr := capture(t, "tokenize", "--model_name_or_path", model, "--text", "a", "--output", output)
		require.Zero(t, code, stderr)
	}
	raw, err := os.ReadFile(bystander)
	require.NoError(t, err)
	require.Equal(t, "mine", string(raw))
	info, err := os.Stat(pipe)
	require.NoError(t, err)
	require.False(t, info.Mode().IsRegular(), "a device was replaced by a file")
	left, err := filepath.Glob(filepath.Join(dir, ".*partial*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestASecondRunWritesOverNoStudentUnlessTold(t *testing.T) {
	rows := writeFile(t, "rows.jsonl", goodRows)
	out := filepath.Join(t.TempDir(), "run")
	args := []string{"train", "--model_name_or_path", tinyFolder(t), "--dataset", rows, "--output_dir", out, "--max_steps", "1", "--quiet"}
	code, _, stderr := capture(t, args...)
	require.Zero(t, code, stderr)
	code, _, stderr = capture(t, args...)
	require.Equal(t, 3, code)
	require.Contains(t, stderr, "overwrite_output_dir")
	template := filepath.Join(out, "chat_template.jinja")
	require.NoError(t, os.WriteFile(template, []byte("of the earlier student"), 0o644))
	code, _, stderr = capture(t, append(args, "--overwrite_output_dir")...)
	require.Zero(t, code, stderr)
	_, err := os.Stat(template)
	require.ErrorIs(t, err, os.ErrNotExist, "a mixture of two students")
}

func TestAnswersOfUnboundedLengthEndAtTheContext(t *testing.T) {
	code, stdout, stderr := capture(t, "generate", "--model_name_or_path", tinyFolder(t), "--dataset", writeFile(t, "r.jsonl", goodRows), "--max_new_tokens", "9223372036854775807")
	require.Zero(t, code, stderr)
	require.Equal(t, 2, strings.Count(stdout, "\n"))
}

func TestCheckCountsAndRefuses(t *testing.T) {
	rows := writeFile(t, "rows.jsonl", goodRows+goodRows+`{"prompt": "x", "completion": ""}`+"\n")
	code, stdout, stderr := capture(t, "check", "--dataset", rows, "--json")
	require.Zero(t, code, stderr)
	var r check.Report
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	require.Equal(t, 5, r.Rows)
	require.Equal(t, 4, r.Usable)
	require.Equal(t, 2, r.Duplicates)
	require.Equal(t, 1, r.Rejects.Total())
	code, stdout, _ = capture(t, "check", "--dataset", rows)
	require.Zero(t, code)
	require.Contains(t, stdout, "Tom has 5 apples.\n⟦#### 5<|endoftext|>⟧")
	code, _, stderr = capture(t, "check", "--dataset", writeFile(t, "none.jsonl", `{"prompt": "x", "completion": ""}`))
	require.Equal(t, 3, code)
	require.Contains(t, stderr, "empty completion")
}

func TestCheckSaysWhatItFoundAlsoWhereItRefuses(t *testing.T) {
	eval := writeFile(t, "eval.jsonl", `{"problem": "Tom has 5 apples, how many?"}`)
	rows := writeFile(t, "rows.json", `[{"prompt": "Tom has 5 apples. How many?", "completion": "5"}, {"text": 1}]`)
	code, stdout, stderr := capture(t, "check", "--dataset", rows, "--eval_dataset", eval)
	require.Equal(t, 3, code)
	require.Contains(t, stdout, "1 an evaluation asks the same (contamination) (line 1)")
	require.Contains(t, stdout, "1 unknown row format (line 2)")
	require.Contains(t, stdout, "eval.jsonl:1: the same question")
	require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	code, stdout, _ = capture(t, "check", "--dataset", rows, "--eval_dataset", eval, "--json")
	require.Equal(t, 3, code)
	var r check.Report
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	require.Equal(t, 1, r.Contamination.Hits[0].Line)
	output := filepath.Join(t.TempDir(), "out.jsonl")
	code, stdout, stderr = capture(t, "check", "--dataset", rows, "--output", output, "--format", "sharegpt")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "1 rows written")
	written, err := os.ReadFile(output)
	require.NoError(t, err)
	require.Equal(t, `{"conversations":[{"from":"human","value":"Tom has 5 apples. How many?"},{"from":"gpt","value":"5"}]}`+"\n", string(written))
	require.FileExists(t, strings.TrimSuffix(output, ".jsonl")+".rejects.jsonl")
	code, _, stderr = capture(t, "check", "--dataset", rows, "--output", output, "--format", "csv")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "use one of [messages")
}

func TestTokenizeWritesIDsInOrder(t *testing.T) {
	model := tinyFolder(t)
	input := writeFile(t, "in.jsonl", "{\"text\": \"Tom has 5 apples.\"}\n{\"text\": \"\"}\n")
	code, stdout, stderr := capture(t, "tokenize", "--model_name_or_path", model, "--input", input)
	require.Zero(t, code, stderr)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	require.Len(t, lines, 2)
	var row engine.Tokenized
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &row))
	require.NotEmpty(t, row.IDs)
	require.JSONEq(t, `{"index": 1, "text": "", "ids": []}`, lines[1])
	code, _, stderr = capture(t, "tokenize", "--model_name_or_path", model, "--input", writeFile(t, "m.jsonl", `{"messages": []}`))
	require.Equal(t, 3, code)
	require.Contains(t, stderr, "m.jsonl:1")
}

func TestCompletionScriptsNameEveryCommand(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		code, stdout, _ := capture(t, "completion", "--shell", shell)
		require.Zero(t, code)
		for _, c := range commands() {
			require.Contains(t, stdout, c.name)
		}
	}
	code, _, _ := capture(t, "completion", "--shell", "tcsh")
	require.Equal(t, 2, code)
}

func TestScoreAfterTrainingEqualsTheLossThatTrainingSaw(t *testing.T) {
	rows := writeFile(t, "rows.jsonl", goodRows)
	out := filepath.Join(t.TempDir(), "run")
	code, _, stderr := capture(t, "train", "--model_name_or_path", tinyFolder(t), "--dataset", rows, "--eval_dataset", rows, "--allow_contamination", "--max_steps", "2", "--output_dir", out, "--quiet")
	require.Zero(t, code, stderr)
	raw, err := os.ReadFile(filepath.Join(out, "eval_results.json"))
	require.NoError(t, err)
	var evaluated struct {
		Loss float64 `json:"eval_loss"`
	}
	require.NoError(t, json.Unmarshal(raw, &evaluated))
	code, stdout, stderr := capture(t, "score", "--model_name_or_path", out, "--dataset", rows, "--json")
	require.Zero(t, code, stderr)
	var scored struct{ Loss float64 }
	require.NoError(t, json.Unmarshal([]byte(stdout), &scored))
	require.InDelta(t, evaluated.Loss, scored.Loss, 1e-6)
}
