package tokenizer

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"unicode/utf8"
)

// maxFileBytes bounds what is read as a tokenizer.json; the largest in use have about 40 MB.
const maxFileBytes = 256 << 20

// FromFile reads a tokenizer.json.
func FromFile(path string) (*Tokenizer, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return FromJSON(path, data)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(data) > maxFileBytes {
		err = fmt.Errorf("%s: more than %d bytes", path, maxFileBytes)
	}
	return data, err
}

// FromJSON reads the bytes of a tokenizer.json; name stands for it in errors. Truncation and padding written in it
// are not applied.
func FromJSON(name string, data []byte) (*Tokenizer, error) {
	t, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer %s: %w", name, err)
	}
	return t, nil
}

// bpeSpec is the model of a tokenizer.json but for its vocabulary.
type bpeSpec struct {
	Unknown        *string
	Prefix, Suffix string
	FuseUnknown    bool
	ByteFallback   bool
	IgnoreMerges   bool
	Merges         string // JSON
}

func parse(data []byte) (*Tokenizer, error) {
	if !utf8.Valid(data) {
		return nil, fault(ErrJSON, "not UTF-8")
	}
	file, err := parseObject("file", data)
	if err != nil {
		return nil, err
	}
	if !file.has("model") {
		return nil, fault(ErrNoModel, `no "model"`)
	}
	t := &Tokenizer{source: string(data), rawAdded: newAddedSet(), normalizedAdded: newAddedSet()}
	if t.normalize, err = buildNormalizer("normalizer", file["normalizer"]); err != nil {
		return nil, err
	}
	if t.decoder, err = buildDecoder("decoder", file["decoder"]); err != nil {
		return nil, err
	}
	if err = checkPostProcessor("post_processor", file["post_processor"]); err != nil {
		return nil, err
	}
	model, err := parseObject("model", file["model"])
	if err != nil {
		return nil, err
	}
	added, err := readAdded(file)
	if err != nil {
		return nil, err
	}
	if err := t.readVocabulary(model, added); err != nil {
		return nil, err
	}
	return t, t.readModel(model, file["pre_tokenizer"])
}

// readModel builds the model, and the pre-tokenizer that fits it.
func (t *Tokenizer) readModel(model jsonObject, preTokenizer json.RawMessage) error {
	kind := ""
	if err := model.read("model", "type", &kind); err != nil {
		return err
	}
	if kind == "" && model.has("merges") {
		kind = "BPE" // files of early versions name no type
	}
	switch kind {
	case "BPE":
		spec, err := readBPESpec(model)
		if err != nil {
			return err
		}
		split, raw, err := buildPreTokenizer(preTokenizer, spec.Prefix == "" && spec.Suffix == "")
		if err != nil {
			return err
		}
		bpe, err := newBPE(spec, t.ids, raw)
		if err != nil {
			return err
		}
		t.split, t.model = split, bpe
		return nil
	case "WordLevel":
		split, _, err := buildPreTokenizer(preTokenizer, false)
		if err != nil {
			return err
		}
		unknown := ""
		if err := model.read("model", "unk_token", &unknown); err != nil {
			return err
		}
		t.split, t.model = split, &wordLevel{vocab: t.ids, unknown: find(t.ids, unknown)}
		return nil
	}
	return fault(ErrUnknownModel, "model.type %q is neither BPE nor WordLevel", kind)
}

func readBPESpec(model jsonObject) (spec bpeSpec, err error) {
	dropout := 0.0
	for key, to := range map[string]any{"unk_token": &spec.Unknown, "continuing_subword_prefix": &spec.Prefix,
		"end_of_word_suffix": &spec.Suffix, "fuse_unk": &spec.FuseUnknown, "byte_fallback": &spec.ByteFallback,
		"ignore_merges": &spec.IgnoreMerges, "dropout": &dropout} {
		if err := model.read("model", key, to); err != nil {
			return spec, err
		}
	}
	if dropout != 0 {
		return spec, fault(ErrUnknownModel, "model.dropout %v makes ids random; set it to null", dropout)
	}
	spec.Merges = string(model["merges"])
	if spec.Merges == "" || spec.Merges[0] != '[' {
		return spec, fault(ErrMerge, "model.merges is not a list")
	}
	return spec, nil
}

// readAdded reads the added tokens, in the file's order.
func readAdded(file jsonObject) ([]*addedToken, error) {
	var raws []json.RawMessage
	if err := file.read("file", "added_tokens", &raws); err != nil {
		return nil, err
	}
	tokens := make([]*addedToken, len(raws))
	for i, raw := range raws {
		where := fmt.Sprintf("added_tokens[%d]", i)
		fields, err := parseObject(where, raw)
		if err != nil {
			return nil, err
		}
		tokens[i] = new(addedToken)
		if err := json.Unmarshal(raw, tokens[i]); err != nil {
			return nil, fault(ErrJSON, "%s: a value of the wrong type in %.80q", where, raw)
		}
		if tokens[i].Content == "" {
			return nil, fault(ErrAddedToken, "%s has no content", where)
		}
		id, ok := parseID(string(fields["id"]))
		if !ok {
			return nil, badID(where+".id", string(fields["id"]))
		}
		tokens[i].ID = id
	}
	return tokens, nil
}

func parseID(raw string) (int32, bool) {
	id, err := strconv.ParseInt(raw, 10, 32)
	return int32(id), err == nil && id >= 0
}

func badID(where, raw string) error {
	return fault(ErrBadID, "%s: %.40q is not a whole number from 0 to 2147483647", where, raw)
}

// readVocabulary reads model.vocab and joins the added tokens to it.
func (t *Tokenizer) readVocabulary(model jsonObject, added []*addedToken) error {
	raw := string(model["vocab"])
	if raw == "" || raw == "null" {
		return fault(ErrNoModel, `no "model.vocab"`)
	}
	if raw[0] != '{' {
		return fault(ErrJSON, "model.vocab: not an object")
	}
	t.ids = make(map[string]int32, len(raw)/24)
	var order []string
	for list := (jsonCursor{text: raw}); list.next(); {
		token, _ := list.str()
		list.blank()
		list.at++ // the colon
		value := list.scalar()
		id, ok := parseID(value)
		if !ok {
			return badID(fmt.Sprintf("model.vocab[%q]", token), value)
		}
		if _, twice := t.ids[token]; twice {
			return fault(ErrDuplicateToken, "model.vocab: %q occurs twice", token)
		}
		t.ids[token] = id
		order = append(order, token)
	}
	t.added = make(map[string]int32, len(added))
	t.special = make(map[int32]bool, len(added))
	extra := 0
	for i, token := range added {
		id, known := t.ids[token.Content]
		if known && id != token.ID {
			return fault(ErrAddedToken, "added_tokens[%d] %q has id %d, but model.vocab says %d", i, token.Content, token.ID, id)
		}
		if _, twice := t.added[token.Content]; twice {
			return fault(ErrDuplicateToken, "added_tokens[%d]: %q occurs twice", i, token.Content)
		}
		if !known {
			extra++
		}
		t.added[token.Content] = token.ID
	}
	if err := t.indexTokens(order, added, len(t.ids)+extra); err != nil {
		return err
	}
	t.recognise(added)
	return nil
}

// recognise makes the added tokens known to Encode and Decode. A normalized one is looked for, and written, as the
// normalizer leaves it; if that is not its content, Decode does not skip it. So does the reference.
func (t *Tokenizer) recognise(added []*addedToken) {
	specials := make(map[string]bool, len(added))
	for _, token := range added {
		if token.Special {
			specials[token.Content] = true
		}
	}
	for _, token := range added {
		spelling, set := token.Content, t.rawAdded
		if token.Normalized {
			spelling, set = t.normalize(token.Content), t.normalizedAdded
		}
		set.insert(spelling, token)
		t.tokens[token.ID] = spelling
		if specials[spelling] {
			t.special[token.ID] = true
		}
	}
}

// indexTokens fills tokens from the vocabulary, in the file's order, and the added tokens: count tokens must have the
// ids 0 to count-1, each one.
func (t *Tokenizer) indexTokens(vocabulary []string, added []*addedToken, count int) error {
	t.tokens = make([]string, count)
	taken := make([]bool, count)
	for _, token := range vocabulary {
		id := t.ids[token]
		if int(id) >= count {
			return fault(ErrNotDense, "%d tokens, but %q has id %d", count, token, id)
		}
		if taken[id] {
			return fault(ErrDuplicateID, "model.vocab: %q and %q have id %d", t.tokens[id], token, id)
		}
		taken[id], t.tokens[id] = true, token
	}
	for i, token := range added {
		if int(token.ID) >= count {
			return fault(ErrNotDense, "%d tokens, but added_tokens[%d] %q has id %d", count, i, token.Content, token.ID)
		}
		if taken[token.ID] && t.tokens[token.ID] != token.Content {
			return fault(ErrAddedToken, "added_tokens[%d] %q has id %d, which is %q", i, token.Content, token.ID, t.tokens[token.ID])
		}
		taken[token.ID], t.tokens[token.ID] = true, token.Content
	}
	return nil
}
