// Package tokenizer turns text into token ids and back, exactly as the reference (the Rust library tokenizers)
// does for the same tokenizer.json: byte-level BPE and word-level models.
//
// It owns the text side of a student's folder: tokenizer.json, the special tokens' names, the chat template's
// source, and the same made from a GGUF's vocabulary. It does not render templates (package chat does) and adds no
// token of its own: the caller appends end-of-sequence. Engine and cmd may call it; it imports nothing of ours.
//
// The way of a text (tokenizer.go): added tokens written in it are cut out (added.go); what lies between is
// normalized (normalize.go), split into pieces (split.go; the common patterns by hand in scan.go, any other by a
// regular expression in pattern.go), and each piece becomes ids (bpe.go, merge.go; wordlevel.go).
package tokenizer

import "strings"

// Tokenizer encodes text to ids and decodes ids to text. It is immutable and safe for concurrent use.
type Tokenizer struct {
	source string // the tokenizer.json it was made from

	tokens  []string         // content by id
	ids     map[string]int32 // the model's vocabulary: content to id
	added   map[string]int32 // added tokens: content to id
	special map[int32]bool   // added tokens that skipSpecial leaves out

	rawAdded        *addedSet // recognised in the text as written
	normalizedAdded *addedSet // recognised after normalization
	normalize       normalizer
	split           splitter
	model           model
	decoder         decoder
}

// model turns one piece of pre-tokenized text into ids.
type model interface {
	appendPiece(dst []int32, piece string) []int32
}

// Encode returns the ids of text. Added tokens that are written in the text are recognised as the reference does;
// no beginning or end of sequence is added. Invalid UTF-8 reads as U+FFFD. What a vocabulary without an unknown
// token cannot spell is left out, as in the reference.
func (t *Tokenizer) Encode(text string) []int32 {
	return t.AppendEncode(make([]int32, 0, len(text)/3+4), text)
}

// AppendEncode appends the ids of text to dst and returns the extended slice; see Encode.
func (t *Tokenizer) AppendEncode(dst []int32, text string) []int32 {
	piece := func(piece string) { dst = t.model.appendPiece(dst, piece) }
	token := func(id int32) { dst = append(dst, id) }
	ordinary := func(part string) { t.split(part, piece) }
	t.rawAdded.cut(validUTF8(text), func(part string) {
		t.normalizedAdded.cut(t.normalize(part), ordinary, token)
	}, token)
	return dst
}

// Decode returns the text of ids; ids that are no token are skipped, and with skipSpecial so are special tokens.
// Bytes that are not UTF-8 come out as U+FFFD, one for each maximal invalid sequence.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	var text strings.Builder
	first := true
	for _, id := range ids {
		if id < 0 || int(id) >= len(t.tokens) || skipSpecial && t.special[id] {
			continue
		}
		t.decoder.add(&text, t.tokens[id], first)
		first = false
	}
	return validUTF8(text.String())
}

// VocabSize returns the highest id plus one, added tokens included.
func (t *Tokenizer) VocabSize() int { return len(t.tokens) }

// ID returns the id of a token by its content in the vocabulary (byte-level content is written in the byte-level
// alphabet: "Ġthe", not " the").
func (t *Tokenizer) ID(token string) (int32, bool) {
	if id, ok := t.added[token]; ok {
		return id, true
	}
	id, ok := t.ids[token]
	return id, ok
}

// Token returns the content of the token with this id; see ID.
func (t *Tokenizer) Token(id int32) (string, bool) {
	if id < 0 || int(id) >= len(t.tokens) {
		return "", false
	}
	return t.tokens[id], true
}

// IsSpecial reports whether the token is marked special, so that Decode with skipSpecial leaves it out.
func (t *Tokenizer) IsSpecial(id int32) bool { return t.special[id] }

// JSON returns the bytes of a tokenizer.json that loads in transformers with the same ids: those that the tokenizer
// was read from, or those made for it from a GGUF's vocabulary.
func (t *Tokenizer) JSON() ([]byte, error) { return []byte(t.source), nil }
