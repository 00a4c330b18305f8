package tokenizer

import "strings"

// decoder is how the tokens of a sequence become text.
type decoder int

const (
	spaced    decoder = iota // joined with a space: a tokenizer without a decoder
	joined                   // joined as they are
	byteLevel                // joined as the bytes that their byte-level characters stand for
)

// add appends the text of one token; first says that it is the sequence's first.
func (d decoder) add(text *strings.Builder, token string, first bool) {
	switch d {
	case spaced:
		if !first {
			text.WriteByte(' ')
		}
		text.WriteString(token)
	case joined:
		text.WriteString(token)
	case byteLevel:
		var room [64]byte
		text.Write(fromAlphabet(room[:0], token))
	}
}
