package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"retort/data"
	"retort/data/chat"
	"retort/data/problems"
	"retort/data/tokenizer"
	"retort/model"
	"retort/model/gguf"
)

// Text is the text side of a student: tokenizer, chat template and the tokens that end
// an answer. It is a data.Codec and safe for concurrent use.
type Text struct {
	*tokenizer.Folder
	template *chat.Template // nil without one
	eos      int32          // -1 without one
	stop     []int32
}

var _ data.Codec = (*Text)(nil)

// OpenText reads the text side of a student from a folder with tokenizer.json, or from a
// GGUF file's metadata.
func OpenText(path string) (*Text, error) {
	if _, err := os.Stat(filepath.Join(path, "tokenizer.json")); err == nil {
		folder, err := tokenizer.OpenFolder(path)
		if err != nil {
			return nil, err
		}
		stop, err := readStopIDs(filepath.Join(path, "generation_config.json"))
		if err != nil {
			return nil, err
		}
		return newText(folder, stop)
	}
	file, err := model.FindGGUF(path)
	if err != nil {
		return nil, err
	}
	if file == "" {
		return nil, fmt.Errorf("%s: tokenizer.json is missing; copy it from the student's Hugging Face folder", path)
	}
	return openGGUFText(file)
}

func openGGUFText(path string) (*Text, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	v := tokenizer.GGUFVocab{BOS: -1, EOS: -1, PAD: -1, UNK: -1}
	v.Model, _ = f.String("tokenizer.ggml.model")
	v.Pre, _ = f.String("tokenizer.ggml.pre")
	v.Tokens, _ = f.Strings("tokenizer.ggml.tokens")
	v.Merges, _ = f.Strings("tokenizer.ggml.merges")
	types, _ := f.Ints("tokenizer.ggml.token_type")
	for _, t := range types {
		v.Types = append(v.Types, int32(t))
	}
	for key, id := range map[string]*int32{"bos": &v.BOS, "eos": &v.EOS, "padding": &v.PAD, "unknown": &v.UNK} {
		if n, ok := f.Uint("tokenizer.ggml." + key + "_token_id"); ok {
			*id = int32(n)
		}
	}
	template, _ := f.String("tokenizer.chat_template")
	folder, err := tokenizer.FolderFromGGUF(v, template)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return newText(folder, nil)
}

// BuiltinText is the text side of fresh students: the problem generator's own tokenizer.
func BuiltinText() (*Text, error) {
	t, err := tokenizer.FromJSON("built-in tokenizer", problems.Tokenizer())
	if err != nil {
		return nil, err
	}
	folder := &tokenizer.Folder{
		Tokenizer: t, EOS: problems.EndOfText,
		Files: map[string][]byte{"tokenizer.json": problems.Tokenizer(), "tokenizer_config.json": problems.TokenizerConfig()},
	}
	return newText(folder, nil)
}

func newText(folder *tokenizer.Folder, stop []int32) (*Text, error) {
	t := &Text{Folder: folder, eos: -1, stop: stop}
	if id, ok := folder.Tokenizer.ID(folder.EOS); ok && folder.EOS != "" {
		t.eos = id
		t.addStop(id)
	} else if len(stop) > 0 { // a tokenizer without a name for it
		t.eos = stop[0]
	}
	if folder.ChatTemplate == "" {
		return t, nil
	}
	var err error
	t.template, err = chat.Parse(folder.ChatTemplate, map[string]string{
		"bos_token": folder.BOS, "eos_token": folder.EOS, "pad_token": folder.PAD,
	})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"<|im_end|>", "<|eot_id|>", "<|end|>"} { // ends of turn of common templates
		if id, ok := folder.Tokenizer.ID(name); ok {
			t.addStop(id)
		}
	}
	return t, nil
}

func (t *Text) addStop(id int32) {
	if !slices.Contains(t.stop, id) {
		t.stop = append(t.stop, id)
	}
}

// readStopIDs reads eos_token_id of a generation_config.json, a number or a list; a
// missing file has none.
func readStopIDs(path string) ([]int32, error) {
	raw, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var config struct {
		EOS json.RawMessage `json:"eos_token_id"`
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			err = errors.New("a JSON object is expected")
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	ids, err := model.ParseTokenIDs(config.EOS)
	if err != nil {
		return nil, fmt.Errorf("%s: eos_token_id: %w", path, err)
	}
	return ids, nil
}

// Encode turns text into ids; special tokens in the text are recognised, none are added.
func (t *Text) Encode(text string) []int32 { return t.Tokenizer.Encode(text) }

// Decode turns ids into text, special tokens left out.
func (t *Text) Decode(ids []int32) string { return t.Tokenizer.Decode(ids, true) }

// HasTemplate tells whether the student has a chat template.
func (t *Text) HasTemplate() bool { return t.template != nil }

// Render writes a conversation with the student's chat template.
func (t *Text) Render(messages []data.Message, addGenerationPrompt bool) (string, error) {
	converted := make([]chat.Message, len(messages))
	for i, m := range messages {
		converted[i] = chat.Message{Role: m.Role, Content: m.Content}
	}
	return t.template.Render(converted, addGenerationPrompt)
}

// EOS is the id of end-of-sequence, -1 when the student has none.
func (t *Text) EOS() int32 { return t.eos }

// IsSpecial tells whether id is a special token.
func (t *Text) IsSpecial(id int32) bool { return t.Tokenizer.IsSpecial(id) }

// Stop lists the ids that end an answer: generation_config's, end-of-sequence and the
// template's end of turn.
func (t *Text) Stop() []int32 { return t.stop }
