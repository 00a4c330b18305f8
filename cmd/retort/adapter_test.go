package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAdapterFromTheCommandLine(t *testing.T) {
	student := tinyFolder(t)
	rows := writeFile(t, "rows.jsonl", goodRows)
	runs := t.TempDir()
	adapter := func(name string, more ...string) string {
		out := filepath.Join(runs, name)
		code, stdout, stderr := capture(t, append([]string{"train", "--model_name_or_path", student, "--dataset", rows, "--output_dir", out, "--max_steps", "3",
			"--use_peft", "--learning_rate", "0.05"}, more...)...)
		require.Zero(t, code, stderr)
		require.Contains(t, stdout, "adapter, records")
		return out
	}
	first := adapter("first", "--lora_r", "2", "--lora_target_modules", "q_proj,v_proj", "--use_rslora")
	var config struct {
		Targets []string `json:"target_modules"`
		R       int
		RSLoRA  bool `json:"use_rslora"`
	}
	raw, err := os.ReadFile(filepath.Join(first, "adapter_config.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &config))
	require.Equal(t, []string{"q_proj", "v_proj"}, config.Targets)
	require.Equal(t, 2, config.R)
	require.True(t, config.RSLoRA)
	second := adapter("second", "--lora_target_modules", "up_proj", "--lora_target_modules", "down_proj")

	loss := func(args ...string) float64 {
		code, stdout, stderr := capture(t, append([]string{"score", "--dataset", rows, "--json", "--model_name_or_path"}, args...)...)
		require.Zero(t, code, stderr)
		var scored struct{ Loss float64 }
		require.NoError(t, json.Unmarshal([]byte(stdout), &scored))
		return scored.Loss
	}
	adapted := loss(student, "--adapter_name_or_path", first)
	require.Less(t, adapted, loss(student))
	merged := filepath.Join(runs, "merged")
	code, stdout, stderr := capture(t, "convert", "--model_name_or_path", student, "--adapter_name_or_path", first, "--output", merged)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, merged)
	require.Equal(t, adapted, loss(merged))

	generate := func(args ...string) string {
		code, stdout, stderr := capture(t, append([]string{"generate", "--prompt", "Tom", "--max_new_tokens", "4", "--model_name_or_path"}, args...)...)
		require.Zero(t, code, stderr)
		return stdout
	}
	require.Equal(t, generate(merged), generate(student, "--adapter_name_or_path", first))

	results := t.TempDir()
	code, stdout, stderr = capture(t, "eval", "--model_name_or_path", student, "--tasks", "generated", "--preset", "demo", "--limit", "3", "--max_new_tokens", "4",
		"--adapter_name_or_path", first, "--adapter_name_or_path", second, "--output_path", results, "--json")
	require.Zero(t, code, stderr)
	var compared struct {
		Adapters map[string]struct{ Results map[string]any }
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &compared))
	require.Len(t, compared.Adapters, 2)
	require.NotEmpty(t, compared.Adapters[second].Results)
	for _, name := range []string{"first", "second"} {
		files, err := os.ReadDir(filepath.Join(results, name))
		require.NoError(t, err)
		require.Len(t, files, 2)
	}
}

func TestBadAdaptersAreOneLineWithTheRightExitCode(t *testing.T) {
	student := tinyFolder(t)
	rows := writeFile(t, "rows.jsonl", goodRows)
	out := filepath.Join(t.TempDir(), "run")
	train := func(more ...string) []string {
		return append([]string{"train", "--model_name_or_path", student, "--dataset", rows, "--output_dir", out, "--max_steps", "1", "--quiet", "--use_peft"}, more...)
	}
	score := func(model, adapter string) []string {
		return []string{"score", "--dataset", rows, "--model_name_or_path", model, "--adapter_name_or_path", adapter}
	}
	code, _, stderr := capture(t, train("--lora_r", "2")...)
	require.Zero(t, code, stderr)
	other := edited(t, "config.json", `"model_type": "llama"`, `"model_type": "llama"`)
	config := filepath.Join(out, "adapter_config.json")
	rank := t.TempDir()
	for _, name := range []string{"adapter_config.json", "adapter_model.safetensors"} {
		raw, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(rank, name), []byte(strings.Replace(string(raw), `"r": 2`, `"r": 3`, 1)), 0o644))
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{train("--lora_r", "0"), 2, "r is 0"},
		{train("--lora_dropout", "1"), 2, "lora_dropout is 1"},
		{train("--lora_alpha", "-1"), 2, "lora_alpha is -1"},
		{train("--output_dir", out+"2", "--lora_target_modules", "c_attn"), 3, `"c_attn" is no linear layer of the student's blocks, which are down_proj`},
		{train("--output_dir", out+"2", "--adapter_name_or_path", other), 3, "has no adapter_config.json"},
		{train(), 3, "already holds a student or an adapter"},
		{score(student, filepath.Dir(rows)), 3, "has no adapter_config.json"},
		{score(student, rank), 3, "is [2 32], for this student it would be [3 32]"},
		{[]string{"score", "--dataset", rows, "--model_name_or_path", out}, 3, "is an adapter; give it as adapter_name_or_path"},
		{[]string{"convert", "--model_name_or_path", student, "--output", other}, 3, "already holds a student"},
		{[]string{"convert", "--model_name_or_path", student}, 2, "output"},
	} {
		code, _, stderr := capture(t, c.args...)
		require.Equal(t, c.code, code, "%v: %s", c.args, stderr)
		require.Contains(t, stderr, c.says)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	}
	require.FileExists(t, config)
}
