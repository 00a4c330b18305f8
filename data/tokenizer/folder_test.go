package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func writeFolder(t *testing.T, files map[string]string) string {
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

func TestFolderReadsSpecialTokensAndTemplate(t *testing.T) {
	for name, c := range map[string]struct {
		files              map[string]string
		bos, eos, template string
	}{
		"tokenizer.json alone": {map[string]string{}, "", "", ""},
		"strings":              {map[string]string{configFile: `{"bos_token":"<e>","eos_token":"<e>","chat_template":"T"}`}, "<e>", "<e>", "T"},
		"objects and null":     {map[string]string{configFile: `{"bos_token":null,"eos_token":{"content":"<e>","lstrip":false}}`}, "", "<e>", ""},
		"named templates":      {map[string]string{configFile: `{"chat_template":[{"name":"tool_use","template":"U"},{"name":"default","template":"D"}]}`}, "", "", "D"},
		"template file wins":   {map[string]string{configFile: `{"chat_template":"T"}`, templateFile: "J\n"}, "", "", "J\n"},
		"special tokens' map":  {map[string]string{specialsFile: `{"eos_token":{"content":"<e>"}}`}, "", "<e>", ""},
		"configuration wins":   {map[string]string{configFile: `{"eos_token":"ab"}`, specialsFile: `{"eos_token":"<e>","bos_token":"a"}`}, "a", "ab", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.files[tokenizerFile] = tiny
			folder, err := OpenFolder(writeFolder(t, c.files))
			require.NoError(t, err)
			require.Equal(t, []string{c.bos, c.eos, c.template}, []string{folder.BOS, folder.EOS, folder.ChatTemplate})
			require.Len(t, folder.Files, len(c.files))
			for file, content := range c.files {
				require.Equal(t, content, string(folder.Files[file]))
			}
		})
	}
}

func TestFolderRefusesWhatDoesNotFit(t *testing.T) {
	for name, c := range map[string]struct {
		config string
		kind   error
		says   string
	}{
		"unknown token":       {`{"eos_token":"</s>"}`, ErrFolder, `eos_token "</s>"`},
		"token is a number":   {`{"eos_token":5}`, ErrFolder, "eos_token"},
		"template a number":   {`{"chat_template":5}`, ErrFolder, "chat_template"},
		"no default template": {`{"chat_template":[{"name":"x","template":"y"}]}`, ErrFolder, "default"},
		"not JSON":            {`{`, ErrJSON, configFile},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := OpenFolder(writeFolder(t, map[string]string{tokenizerFile: tiny, configFile: c.config}))
			require.ErrorIs(t, err, c.kind)
			require.ErrorContains(t, err, c.says)
		})
	}
	_, err := OpenFolder(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, tokenizerFile)
}

func TestGGUFIsRefusedWhenItContradictsItself(t *testing.T) {
	good := GGUFVocab{Model: "gpt2", Pre: "gpt-2", Tokens: []string{"a", "b", "ab"}, Types: []int32{1, 1, 1}, Merges: []string{"a b"}, BOS: -1, EOS: 0, PAD: -1, UNK: -1}
	_, err := FromGGUF(good)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(v *GGUFVocab)
		kind   error
		says   string
	}{
		"sentencepiece":   {func(v *GGUFVocab) { v.Model = "llama" }, ErrGGUF, `"llama"`},
		"unknown pre":     {func(v *GGUFVocab) { v.Pre = "tekken" }, ErrGGUF, `"tekken"`},
		"types too few":   {func(v *GGUFVocab) { v.Types = v.Types[1:] }, ErrGGUF, "3 tokens, but 2"},
		"bad UTF-8":       {func(v *GGUFVocab) { v.Tokens = []string{"a", "b", "\xff"} }, ErrGGUF, "token 2"},
		"bad UTF-8 merge": {func(v *GGUFVocab) { v.Merges = []string{"a \xff"} }, ErrGGUF, "merge 0"},
		"EOS outside":     {func(v *GGUFVocab) { v.EOS = 3 }, ErrGGUF, "eos_token"},
		"duplicate":       {func(v *GGUFVocab) { v.Tokens = []string{"a", "b", "a"} }, ErrDuplicateToken, `"a"`},
		"merge of one":    {func(v *GGUFVocab) { v.Merges = []string{"ab"} }, ErrMerge, "merges[0]"},
		"unknown merge":   {func(v *GGUFVocab) { v.Merges = []string{"b a"} }, ErrMergeToken, `"ba"`},
	} {
		t.Run(name, func(t *testing.T) {
			v := good
			c.change(&v)
			_, err := FromGGUF(v)
			require.ErrorIs(t, err, c.kind)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// ggufOf writes a tokenizer as a GGUF would hold it.
func ggufOf(t testing.TB, path, pre string) GGUFVocab {
	var file struct {
		AddedTokens []struct {
			ID      int32
			Content string
			Special bool
		} `json:"added_tokens"`
		Model struct {
			Vocab  map[string]int32
			Merges []any
		}
	}
	readJSON(t, path, &file)
	v := GGUFVocab{Model: "gpt2", Pre: pre, BOS: 1, EOS: 2, PAD: 2, UNK: 0}
	tok, err := FromFile(path)
	require.NoError(t, err)
	v.Tokens, v.Types = make([]string, tok.VocabSize()), make([]int32, tok.VocabSize())
	for id := range v.Tokens {
		v.Tokens[id], _ = tok.Token(int32(id))
		v.Types[id] = 1
	}
	for _, a := range file.AddedTokens {
		v.Types[a.ID] = ggufUserDefined
		if a.Special {
			v.Types[a.ID] = ggufControl
		}
	}
	for _, m := range file.Model.Merges {
		switch m := m.(type) {
		case string:
			v.Merges = append(v.Merges, m)
		case []any:
			v.Merges = append(v.Merges, m[0].(string)+" "+m[1].(string))
		}
	}
	return v
}

func TestGGUFRouteEqualsFileRoute(t *testing.T) {
	var golden map[string][]struct {
		Text string
		IDs  []int32
	}
	readJSON(t, shared(t, "golden", "tokenizers.json"), &golden)
	for name, pre := range map[string]string{"smollm2": "smollm", "qwen2_5": "qwen2", "gpt2": "gpt-2"} {
		t.Run(name, func(t *testing.T) {
			v := ggufOf(t, shared(t, "tokenizers", name, "tokenizer.json"), pre)
			folder, err := FolderFromGGUF(v, "TEMPLATE")
			require.NoError(t, err)
			file, err := FromFile(shared(t, "tokenizers", name, "tokenizer.json"))
			require.NoError(t, err)
			require.Equal(t, file.VocabSize(), folder.Tokenizer.VocabSize())
			for id := range int32(file.VocabSize()) {
				require.Equal(t, file.tokens[id], folder.Tokenizer.tokens[id])
				require.Equal(t, file.IsSpecial(id), folder.Tokenizer.IsSpecial(id))
			}
			dir := t.TempDir()
			for name, data := range folder.Files {
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
			}
			again, err := OpenFolder(dir)
			require.NoError(t, err)
			require.Equal(t, folder.Files, again.Files)
			require.Equal(t, []string{folder.BOS, folder.EOS, folder.PAD, "TEMPLATE"}, []string{again.BOS, again.EOS, again.PAD, again.ChatTemplate})
			for _, row := range golden[name] {
				require.Equal(t, row.IDs, folder.Tokenizer.Encode(row.Text), "%q", row.Text)
				require.Equal(t, row.IDs, again.Tokenizer.Encode(row.Text), "%q", row.Text)
			}
		})
	}
}

func TestGGUFFolderWritesItsFiles(t *testing.T) {
	v := GGUFVocab{Model: "gpt2", Pre: "llama-bpe", Tokens: []string{"a", "b", "\"\\\n", "<|x|>", "Ġa", "Ġ"}, Types: []int32{1, 1, 1, 3, 4, 1}, Merges: []string{"Ġ a"}, BOS: 3, EOS: 3, PAD: -1, UNK: -1}
	folder, err := FolderFromGGUF(v, "")
	require.NoError(t, err)
	require.Equal(t, []string{"<|x|>", "<|x|>", ""}, []string{folder.BOS, folder.EOS, folder.PAD})
	var names []string
	for name, data := range folder.Files {
		names = append(names, name)
		require.True(t, json.Valid(data), name)
	}
	sort.Strings(names)
	require.Equal(t, "tokenizer.json tokenizer_config.json", strings.Join(names, " "))
	require.Equal(t, []int32{0, 3, 5, 1, 4}, folder.Tokenizer.Encode("a<|x|> bĠa"))
	require.True(t, folder.Tokenizer.IsSpecial(3))
	require.False(t, folder.Tokenizer.IsSpecial(4))
}
