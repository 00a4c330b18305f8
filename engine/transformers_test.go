package engine

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// transformersScript prints the log-probabilities that transformers computes with a folder.
const transformersScript = `
import json, sys, torch, transformers
transformers.logging.set_verbosity_error()
folder, rows = sys.argv[1], json.load(open(sys.argv[2]))
model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
out = []
for prompt, completion in rows:
    a = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    b = tokenizer(completion, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    with torch.no_grad():
        lp = model(input_ids=torch.tensor([a + b])).logits[0].log_softmax(-1)
    out.append([float(lp[len(a) + i - 1, t]) for i, t in enumerate(b)])
print(json.dumps(out))
`

// python returns an interpreter that has transformers, or skips the test.
func python(t *testing.T) string {
	name := os.Getenv("RETORT_PYTHON")
	if name == "" {
		name = "python3"
	}
	if err := exec.Command(name, "-c", "import torch, transformers").Run(); err != nil {
		t.Skipf("no Python with torch and transformers (%s): set RETORT_PYTHON to compare with them", name)
	}
	return name
}

func TestTransformersLoadsTheFolderAndComputesTheSame(t *testing.T) {
	interpreter := python(t)
	rows := [][2]string{{"Tom has 5 apples. How many?\n", "5+3=8\n#### 8"}, {"a", " b c"}}
	for name, c := range tinyConfigs() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			k := backend(t, 2)
			s := tinyStudent(t, k, c)
			o := tinyOptions()
			o.MaxSteps, o.OutputDir = 2, dir
			tr, err := NewTrainer(s, randomExamples(8, 3), nil, o, Hooks{})
			require.NoError(t, err)
			_, err = tr.Run(context.Background())
			require.NoError(t, err)
			tr.Close()

			var lines []byte
			for _, r := range rows {
				raw, err := json.Marshal(map[string]string{"prompt": r[0], "completion": r[1]})
				require.NoError(t, err)
				lines = append(append(lines, raw...), '\n')
			}
			data := filepath.Join(t.TempDir(), "rows.jsonl")
			require.NoError(t, os.WriteFile(data, lines, 0o644))
			again, err := OpenStudent(k, dir) // what was written reads back, here and there
			require.NoError(t, err)
			defer again.Close()
			var have [][]float32
			_, err = ScoreRows(again, data, 0, func(row Score) error {
				have = append(have, append([]float32{}, row.LogProbs...))
				return nil
			})
			require.NoError(t, err)

			raw, err := json.Marshal(rows)
			require.NoError(t, err)
			asked := filepath.Join(t.TempDir(), "rows.json")
			require.NoError(t, os.WriteFile(asked, raw, 0o644))
			cmd := exec.Command(interpreter, "-c", transformersScript, dir, asked)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			require.NoError(t, err)
			var want [][]float64
			require.NoError(t, json.Unmarshal(out, &want))
			require.Len(t, have, len(want))
			for i := range want {
				require.Len(t, have[i], len(want[i]))
				for j := range want[i] {
					require.InDelta(t, want[i][j], have[i][j], 2e-5, "row %d token %d", i, j)
				}
			}
		})
	}
}

// peftScript is transformersScript with an adapter on the student.
const peftScript = `
import json, sys, torch, transformers, peft
transformers.logging.set_verbosity_error()
folder, adapter, rows = sys.argv[1], sys.argv[2], json.load(open(sys.argv[3]))
base = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
model = peft.PeftModel.from_pretrained(base, adapter).eval()
out = []
for ids in rows:
    with torch.no_grad():
        lp = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    out.append([float(lp[i, t]) for i, t in enumerate(ids[1:])])
print(json.dumps(out))
`

func TestPEFTLoadsTheAdapterAndComputesTheSame(t *testing.T) {
	interpreter := python(t)
	if exec.Command(interpreter, "-c", "import peft").Run() != nil {
		t.Skip("no Python with peft: set RETORT_PYTHON to compare with it")
	}
	for name, c := range tinyConfigs() {
		t.Run(name, func(t *testing.T) {
			folder, _ := studentFolder(t, c)
			k := backend(t, 2)
			s, err := OpenStudent(k, folder)
			require.NoError(t, err)
			defer s.Close()
			o := tinyOptions()
			o.MaxSteps, o.OutputDir, o.LearningRate = 4, filepath.Join(t.TempDir(), "run"), 0.05
			tr, err := NewTrainer(adapted(t, s), randomExamples(8, 3), nil, o, Hooks{})
			require.NoError(t, err)
			_, err = tr.Run(context.Background())
			require.NoError(t, err)
			tr.Close()

			examples := randomExamples(3, 9)
			var ids [][]int32
			for i := range examples {
				ids = append(ids, examples[i].IDs)
				for j := range examples[i].Weights {
					examples[i].Weights[j] = min(1, float32(j)) // the first token is never predicted
				}
			}
			raw, err := json.Marshal(ids)
			require.NoError(t, err)
			rows := filepath.Join(t.TempDir(), "rows.json")
			require.NoError(t, os.WriteFile(rows, raw, 0o644))
			printed, err := exec.Command(interpreter, "-c", peftScript, folder, o.OutputDir, rows).Output()
			require.NoError(t, err)
			var want [][]float64
			require.NoError(t, json.Unmarshal(printed, &want))
			merged, err := OpenMerged(k, folder, o.OutputDir)
			require.NoError(t, err)
			defer merged.Close()
			for _, student := range []*Student{s, merged} { // beside, and merged
				require.NoError(t, scoreExamples(student, examples, func(i int, logprobs []float32) error {
					require.Len(t, logprobs, len(want[i]))
					for j, lp := range logprobs {
						require.InDelta(t, want[i][j], lp, 2e-5, "row %d token %d", i, j)
					}
					return nil
				}))
			}
		})
	}
}
