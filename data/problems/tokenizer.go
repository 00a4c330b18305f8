package problems

import _ "embed"

//go:generate go run ./vocab -out tokenizer.json

//go:embed tokenizer.json
var tokenizerJSON []byte

// EndOfText is the end-of-sequence token of the generator's tokenizer; chat
// templates may use TurnStart and TurnEnd. They have the ids 0, 1 and 2.
const (
	EndOfText = "<|endoftext|>"
	TurnStart = "<|im_start|>"
	TurnEnd   = "<|im_end|>"
)

// Tokenizer is the generator's own tokenizer.json: a byte-level BPE of 1024
// tokens in which every digit is a token and so is every word of the demo. It
// encodes any text. The bytes are the caller's to keep.
func Tokenizer() []byte { return append([]byte(nil), tokenizerJSON...) }

// TokenizerConfig is the tokenizer_config.json that belongs to Tokenizer. It has
// no chat template: rows are encoded as text, which is shortest.
func TokenizerConfig() []byte {
	return []byte(`{
  "tokenizer_class": "PreTrainedTokenizerFast",
  "bos_token": null,
  "eos_token": "` + EndOfText + `",
  "pad_token": "` + EndOfText + `",
  "unk_token": null,
  "add_bos_token": false,
  "clean_up_tokenization_spaces": false,
  "model_max_length": 1024
}
`)
}
