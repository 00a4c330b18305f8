package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMessagesNameTheKeyAndItsValueInPlainWords(t *testing.T) {
	model := tinyFolder(t)
	rows := writeFile(t, "rows.jsonl", goodRows)
	long := writeFile(t, "long.jsonl", `{"prompt": "`+strings.Repeat("apples ", 200)+`", "completion": "x"}`)
	generate := func(more ...string) []string {
		return append([]string{"generate", "--model_name_or_path", model, "--prompt", "a"}, more...)
	}
	for _, c := range []struct {
		args   []string
		code   int
		says   string
		sayNot string
	}{
		{[]string{"train", "--learning_rate", "fast"}, 2, `--learning_rate: "fast" is not a number`, "strconv"},
		{[]string{"train", "--max_steps", "1.5"}, 2, `--max_steps: "1.5" is not a whole number`, "strconv"},
		{[]string{"train", "--packing", "maybe"}, 2, `--packing: "maybe" is not true or false`, ""},
		{[]string{"train", "--packing=maybe"}, 2, `--packing: "maybe" is not true or false`, ""},
		{[]string{"train", "runs"}, 2, `unexpected argument "runs"`, ""},
		{[]string{"train", "-learning_rate", "1"}, 2, "keys have two dashes: --learning_rate", ""},
		{[]string{"train", "--config", writeFile(t, "run.yaml", "max_steps: many\n")}, 3, `run.yaml:1: max_steps: "many" is not a whole number`, "strconv"},
		{generate("--temperature", "-1"), 2, "temperature is -1, must be 0 or more", "top_k"},
		{generate("--temperature", "nan"), 2, "temperature is NaN", "top_k"},
		{generate("--top_p", "0"), 2, "top_p is 0, must be above 0 and at most 1", "top_k"},
		{generate("--num_samples", "0"), 2, "num_samples is 0, must be at least 1", "top_k"},
		{[]string{"generate", "--model_name_or_path", model, "--dataset", rows, "--limit", "-1"}, 2, "limit is -1", ""},
		{[]string{"score", "--model_name_or_path", model, "--dataset", rows, "--limit", "-1"}, 2, "limit is -1", ""},
		{[]string{"eval", "--model_name_or_path", model, "--tasks", "generated", "--limit", "-1"}, 2, "limit is -1", ""},
		{[]string{"check", "--dataset", rows, "--max_length", "-1"}, 2, "max_length is -1", ""},
		{[]string{"generate-data", "--distractors", "nan"}, 2, "distractors is NaN", ""},
		{[]string{"score", "--model_name_or_path", model, "--dataset", long}, 3, "that is the student's context", "excess_length_strategy"},
		{[]string{"check", "--dataset", rows, "--model_name_or_path", edited(t, "config.json", `"hidden_size": 32`, `"hidden_size": "32"`)}, 0, "", ""},
		{[]string{"score", "--dataset", rows, "--model_name_or_path", edited(t, "config.json", `"hidden_size": 32`, `"hidden_size": "32"`)}, 3,
			"config.json: student configuration: hidden_size must be a whole number, not a JSON string", "unmarshal"},
		{[]string{"score", "--dataset", rows, "--model_name_or_path", edited(t, "config.json", `"vocab_size"`, `"eos_token_id": 1024, "vocab_size"`)}, 3,
			"eos_token_id [1024] lies beyond the vocabulary of 1024 tokens", ""},
		{[]string{"score", "--dataset", rows, "--model_name_or_path", edited(t, "generation_config.json", `{`, `{"eos_token_id": [0, 5000],`)}, 3,
			"eos_token_id 5000 lies beyond the vocabulary of 1024 tokens", ""},
		{[]string{"score", "--dataset", rows, "--model_name_or_path", edited(t, "generation_config.json", `{`, `[{`)}, 3, "generation_config.json", "unmarshal"},
		{[]string{"tokenize", "--model_name_or_path", model, "--input", writeFile(t, "a.jsonl", `{"text": 3}`)}, 3, `a.jsonl:1: "text" must be a string, got 3`, "unmarshal"},
		{[]string{"tokenize", "--model_name_or_path", model, "--input", writeFile(t, "b.jsonl", `{"text": "a", "text": "b"}`)}, 3, `b.jsonl:1: the key "text" occurs twice`, ""},
		{[]string{"tokenize", "--model_name_or_path", model, "--input", writeFile(t, "c.jsonl", `{"Text": "a"}`)}, 3, `c.jsonl:1: neither "text" nor "messages"`, ""},
		{[]string{"tokenize", "--model_name_or_path", model, "--input", writeFile(t, "d.jsonl", `{"text": "\ud800"}`)}, 3, `half of a surrogate pair`, ""},
	} {
		code, _, stderr := capture(t, c.args...)
		require.Equal(t, c.code, code, "%v: %s", c.args, stderr)
		if c.code == 0 {
			continue
		}
		require.Contains(t, stderr, c.says)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		require.NotContains(t, stderr, "bad input: bad input")
		if c.sayNot != "" {
			require.NotContains(t, stderr, c.sayNot)
		}
	}
}

// edited is a student's folder with one file changed.
func edited(t *testing.T, name, old, with string) string {
	dir := tinyFolder(t)
	path := filepath.Join(dir, name)
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(raw), old)
	text := strings.Replace(string(raw), old, with, 1)
	if strings.HasPrefix(with, `{"eos_token_id"`) {
		text = with + `"pad_token_id": 0}`
	}
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return dir
}

func TestWithJSONStandardErrorIsLinesOfJSON(t *testing.T) {
	rows := writeFile(t, "rows.jsonl", goodRows)
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"train", "--json", "--model_name_or_path", tinyFolder(t), "--dataset", rows, "--max_steps", "2", "--output_dir", filepath.Join(t.TempDir(), "run"), "--logging_steps", "1"}, 0},
		{[]string{"train", "--json", "--model_name_or_path", "nowhere", "--dataset", rows, "--output_dir", t.TempDir()}, 3},
		{[]string{"train", "--learning_rat", "1", "--json"}, 2},
		{[]string{"train", "--config", writeFile(t, "run.yaml", "json: true\ndataset: "+rows+"\n")}, 2},
		{[]string{"score", "--json=true"}, 2},
		{[]string{"trian", "--json"}, 2},
	} {
		code, _, stderr := capture(t, c.args...)
		require.Equal(t, c.code, code, stderr)
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		var last map[string]any
		for _, line := range lines {
			last = nil
			require.NoError(t, json.Unmarshal([]byte(line), &last), line)
		}
		if c.code != 0 {
			require.NotEmpty(t, last["error"])
			require.EqualValues(t, c.code, last["code"])
			require.False(t, strings.HasPrefix(last["error"].(string), "retort"))
		}
	}
	_, _, stderr := capture(t, "score", "--json", "false")
	require.True(t, strings.HasPrefix(stderr, "retort score: usage"), stderr)
}

func TestFullStandardOutputFails(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("needs /dev/full: %v", err)
	}
	defer full.Close()
	model, rows := tinyFolder(t), writeFile(t, "rows.jsonl", goodRows)
	for _, args := range [][]string{
		{"score", "--model_name_or_path", model, "--dataset", rows}, {"score", "--json", "--model_name_or_path", model, "--dataset", rows},
		{"check", "--dataset", rows}, {"check", "--help"}, {"doctor"}, {"help"}, {"--version"}, {"generate", "--model_name_or_path", model, "--prompt", "a", "--max_new_tokens", "1"},
	} {
		cmd := program(t, args...)
		cmd.Stdout = full
		var stderr strings.Builder
		cmd.Stderr = &stderr
		require.Error(t, cmd.Run(), "%v", args)
		require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%v", args)
		require.Contains(t, stderr.String(), "no space left on device", "%v", args)
		require.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
	}
}

func TestVersionSaysWhatWasBuilt(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		code, stdout, _ := capture(t, arg)
		require.Zero(t, code)
		require.Regexp(t, `^retort \S.*\ngo1\.\S+, \w+/\w+, with(out)? CUDA\n$`, stdout)
	}
}

func TestSamplesAreNumbered(t *testing.T) {
	_, stdout, stderr := capture(t, "generate", "--model_name_or_path", tinyFolder(t), "--dataset", writeFile(t, "rows.jsonl", goodRows), "--max_new_tokens", "2", "--num_samples", "2", "--temperature", "1")
	var got [][2]int
	for _, line := range strings.Split(strings.TrimSpace(stdout), "\n") {
		row := struct{ Index, Sample int }{-1, -1}
		require.NoError(t, json.Unmarshal([]byte(line), &row), stderr)
		got = append(got, [2]int{row.Index, row.Sample})
	}
	require.Equal(t, [][2]int{{0, 0}, {0, 1}, {1, 0}, {1, 1}}, got)
}

func TestPreviewsOfLongRowsAreCut(t *testing.T) {
	rows := writeFile(t, "rows.jsonl", `{"prompt": "START `+strings.Repeat("apples ", 10000)+` MIDDLE", "completion": "`+strings.Repeat("pears ", 10000)+`END"}`)
	code, stdout, stderr := capture(t, "check", "--dataset", rows)
	require.Zero(t, code, stderr)
	require.Less(t, len(stdout), 5000)
	for _, part := range []string{"START", "MIDDLE", "END", " characters … "} {
		require.Contains(t, stdout, part)
	}
}

// TestOddRowsAreCountedAndDoNotStopAFile: what a template refuses, turns that it rewrites,
// and halves of surrogate pairs are rejects.
func TestOddRowsAreCountedAndDoNotStopAFile(t *testing.T) {
	model := tinyFolder(t)
	require.NoError(t, os.WriteFile(filepath.Join(model, "chat_template.jinja"), []byte(
		"{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}{{ m.role + ': ' + (m.content | replace('bad', 'good')) + '<|endoftext|>' }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"), 0o644))
	talk := func(role, question, answer string) string {
		return `{"messages": [{"role": "` + role + `", "content": "` + question + `"}, {"role": "assistant", "content": "` + answer + `"}]}` + "\n"
	}
	rows := writeFile(t, "rows.jsonl", talk("user", "a", "b")+talk("tool", "a", "b")+talk("user", "a", "bad")+talk("user", `\ud83d`, "b")+talk("user", `\ud83d\ude00`, "b"))
	code, stdout, stderr := capture(t, "check", "--dataset", rows, "--model_name_or_path", model, "--quiet")
	require.Zero(t, code, stderr)
	for _, part := range []string{"2 usable", "refuses the conversation: no tools here (line 2)", "changes the answer's text", "(line 3)", "half of a surrogate pair", "(line 4)"} {
		require.Contains(t, stdout, part)
	}
	code, _, stderr = capture(t, "generate", "--dataset", rows, "--model_name_or_path", model, "--quiet", "--max_new_tokens", "1")
	require.Equal(t, 3, code)
	require.Contains(t, stderr, "rows.jsonl:2")
}

func TestTemplateWithoutEndIsOneLine(t *testing.T) {
	model := tinyFolder(t)
	require.NoError(t, os.WriteFile(filepath.Join(model, "chat_template.jinja"), []byte("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), 0o644))
	rows := writeFile(t, "rows.jsonl", `{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}`)
	code, _, stderr := capture(t, "check", "--dataset", rows, "--model_name_or_path", model)
	require.Equal(t, 3, code)
	require.Contains(t, stderr, "chat template goes beyond a limit: macros call each other")
	require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
}
