package tokenizer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// GGUFVocab is what a GGUF file says of its tokenizer, the values of its keys tokenizer.ggml.*.
type GGUFVocab struct {
	Model, Pre         string   // tokenizer.ggml.model, .pre
	Tokens, Merges     []string // by id; "a b", the best first
	Types              []int32  // by id: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
	BOS, EOS, PAD, UNK int32    // ids, -1 where absent
}

const ( // tokenizer.ggml.token_type
	ggufControl     = 3
	ggufUserDefined = 4
)

// ggufFamily is what a GGUF does not say but its pre-tokenizer's name implies, as JSON of tokenizer.json.
type ggufFamily struct {
	normalizer, preTokenizer string
	ignoreMerges             bool
}

const byteLevelJSON = `{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":%t}`

func splitJSON(pattern string) string {
	return `{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":` + string(appendJSON(nil, pattern)) +
		`},"behavior":"Isolated","invert":false},` + fmt.Sprintf(byteLevelJSON, false) + `]}`
}

var (
	ggufGPT2   = ggufFamily{"null", fmt.Sprintf(byteLevelJSON, true), false}
	ggufLlama3 = ggufFamily{"null", splitJSON(patternLlama3), true}
	ggufQwen2  = ggufFamily{`{"type":"NFC"}`, splitJSON(patternQwen2), false}
	ggufDigits = ggufFamily{"null", `{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},` +
		fmt.Sprintf(byteLevelJSON, true) + `]}`, false}

	// ggufFamilies is by tokenizer.ggml.pre; files from before that key have none, or "default", and are GPT-2's.
	ggufFamilies = map[string]ggufFamily{
		"": ggufGPT2, "default": ggufGPT2, "gpt-2": ggufGPT2,
		"llama-bpe": ggufLlama3, "llama3": ggufLlama3, "llama-v3": ggufLlama3,
		"qwen2": ggufQwen2, "deepseek-r1-qwen": ggufQwen2,
		"smollm": ggufDigits, "starcoder": ggufDigits, "refact": ggufDigits,
	}
)

// FromGGUF makes a tokenizer of a GGUF's vocabulary by way of a tokenizer.json, which its method JSON returns.
func FromGGUF(v GGUFVocab) (*Tokenizer, error) {
	data, err := v.json()
	if err != nil {
		return nil, fmt.Errorf("tokenizer of the GGUF: %w", err)
	}
	return FromJSON("of the GGUF", data)
}

// check refuses what contradicts itself.
func (v GGUFVocab) check() error {
	if v.Model != "gpt2" {
		return fault(ErrGGUF, `tokenizer.ggml.model is %q, only "gpt2" (byte-level BPE) is supported`, v.Model)
	}
	if _, ok := ggufFamilies[v.Pre]; !ok {
		return fault(ErrGGUF, "tokenizer.ggml.pre is %q, which is none of the known pre-tokenizers (default, gpt-2, llama-bpe, qwen2, smollm, starcoder, refact, deepseek-r1-qwen)", v.Pre)
	}
	if len(v.Types) != 0 && len(v.Types) != len(v.Tokens) {
		return fault(ErrGGUF, "%d tokens, but %d token types", len(v.Tokens), len(v.Types))
	}
	for i, token := range v.Tokens {
		if !utf8.ValidString(token) {
			return fault(ErrGGUF, "token %d is not UTF-8", i)
		}
	}
	for i, merge := range v.Merges {
		if !utf8.ValidString(merge) {
			return fault(ErrGGUF, "merge %d is not UTF-8", i)
		}
	}
	for _, s := range v.named() {
		if s.id < absent || int(s.id) >= len(v.Tokens) {
			return fault(ErrGGUF, "%s has id %d, but there are %d tokens", s.name, s.id, len(v.Tokens))
		}
	}
	return nil
}

// namedID is a special token under its name in tokenizer_config.json.
type namedID struct {
	name string
	id   int32
}

func (v GGUFVocab) named() []namedID {
	return []namedID{{"bos_token", v.BOS}, {"eos_token", v.EOS}, {"pad_token", v.PAD}, {"unk_token", v.UNK}}
}

// json writes the tokenizer.json. Control tokens are special added tokens, user-defined ones added tokens.
func (v GGUFVocab) json() ([]byte, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	family := ggufFamilies[v.Pre]
	out := make([]byte, 0, 32*len(v.Tokens)+24*len(v.Merges))
	out = append(out, `{"version":"1.0","truncation":null,"padding":null,"added_tokens":[`...)
	comma := ""
	for id, kind := range v.Types {
		if kind == ggufControl || kind == ggufUserDefined {
			out = append(out, comma+"\n"+`{"id":`...)
			out = append(strconv.AppendInt(out, int64(id), 10), `,"content":`...)
			out = appendJSON(out, v.Tokens[id])
			out = fmt.Appendf(out, `,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":%t}`, kind == ggufControl)
			comma = ","
		}
	}
	out = fmt.Appendf(out, "],\n"+`"normalizer":%s,"pre_tokenizer":%s,"post_processor":null,"decoder":`+byteLevelJSON+",\n",
		family.normalizer, family.preTokenizer, true)
	out = fmt.Appendf(out, `"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,`+
		`"fuse_unk":false,"byte_fallback":false,"ignore_merges":%t,"vocab":{`, family.ignoreMerges)
	comma = "\n"
	for id, token := range v.Tokens {
		out = append(appendJSON(append(out, comma...), token), ':')
		out = strconv.AppendInt(out, int64(id), 10)
		comma = ",\n"
	}
	out = append(out, `},"merges":[`...)
	comma = "\n"
	for i, merge := range v.Merges {
		left, right, ok := strings.Cut(merge, " ")
		if !ok {
			return nil, fault(ErrMerge, "tokenizer.ggml.merges[%d] %q: not two tokens", i, merge)
		}
		out = append(appendJSON(append(out, comma+"["...), left), ',')
		out = append(appendJSON(out, right), ']')
		comma = ",\n"
	}
	return append(out, "]}}\n"...), nil
}

// appendJSON appends text, which is UTF-8, as a JSON string.
func appendJSON(dst []byte, text string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(text) {
		switch b := text[i]; {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[b>>4], digits[b&15])
		default:
			dst = append(dst, b)
		}
	}
	return append(dst, '"')
}
