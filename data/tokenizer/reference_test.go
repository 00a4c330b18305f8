package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// shared returns a path in ../shared of the repository, and skips the test when it is not there.
func shared(t testing.TB, parts ...string) string {
	path := filepath.Join(append([]string{"..", "..", "..", "shared"}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs ../shared/%s beside the repository: %v", filepath.Join(parts...), err)
	}
	return path
}

func readJSON(t testing.TB, path string, to any) {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, to))
}

// TestSmallTokenizersEqualReference holds every component against what the reference made of testdata (make.py).
func TestSmallTokenizersEqualReference(t *testing.T) {
	var cases []struct {
		Name      string
		Tokenizer json.RawMessage
		Rows      []struct {
			Text             *string
			IDs              []int32
			Decoded, Skipped string
		}
	}
	readJSON(t, filepath.Join("testdata", "cases.json"), &cases)
	require.NotEmpty(t, cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			tok, err := FromJSON(c.Name, c.Tokenizer)
			require.NoError(t, err)
			for _, row := range c.Rows {
				if row.Text != nil {
					for range 2 { // the second time out of the cache
						require.Equal(t, row.IDs, orEmpty(tok.Encode(*row.Text)), "%q", *row.Text)
					}
				}
				require.Equal(t, row.Decoded, tok.Decode(row.IDs, false), "decoded %v", row.IDs)
				require.Equal(t, row.Skipped, tok.Decode(row.IDs, true), "decoded without special tokens %v", row.IDs)
			}
		})
	}
}

func orEmpty(ids []int32) []int32 {
	if ids == nil {
		return []int32{}
	}
	return ids
}

func TestPretrainedTokenizersEqualGolden(t *testing.T) {
	var golden map[string][]struct {
		Text, Decoded string
		IDs           []int32
	}
	readJSON(t, shared(t, "golden", "tokenizers.json"), &golden)
	require.Len(t, golden, 3)
	for name, rows := range golden {
		t.Run(name, func(t *testing.T) {
			tok, err := FromFile(shared(t, "tokenizers", name, "tokenizer.json"))
			require.NoError(t, err)
			for _, row := range rows {
				require.Equal(t, row.IDs, tok.Encode(row.Text), "%q", row.Text)
				require.Equal(t, row.Decoded, tok.Decode(row.IDs, false), "%q", row.Text)
			}
		})
	}
}

func TestGoldenStudentsEncodeTheirPairs(t *testing.T) {
	for _, name := range []string{"gpt2", "llama-tied", "llama3-rope", "qwen2", "qwen3"} {
		t.Run(name, func(t *testing.T) {
			dir := shared(t, "golden", name)
			folder, err := OpenFolder(dir)
			require.NoError(t, err)
			eos, ok := folder.Tokenizer.ID(folder.EOS)
			require.True(t, ok)
			var expected struct {
				Rows []struct {
					PromptIDs     []int32 `json:"prompt_ids"`
					CompletionIDs []int32 `json:"completion_ids"`
				}
			}
			readJSON(t, filepath.Join(dir, "expected.json"), &expected)
			file, err := os.Open(filepath.Join(dir, "pairs.jsonl"))
			require.NoError(t, err)
			defer file.Close()
			lines := json.NewDecoder(file)
			for _, row := range expected.Rows {
				var pair struct{ Prompt, Completion string }
				require.NoError(t, lines.Decode(&pair))
				require.Equal(t, row.PromptIDs, folder.Tokenizer.Encode(pair.Prompt))
				require.Equal(t, row.CompletionIDs, append(folder.Tokenizer.Encode(pair.Completion), eos))
			}
			require.Len(t, expected.Rows, 24)
		})
	}
}
