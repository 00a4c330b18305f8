package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// class is what the common pre-tokenizer patterns distinguish.
type class uint8

const (
	other   class = iota // [^\s\p{L}\p{N}]
	letter               // \p{L}
	number               // \p{N}
	space                // \s but for newline
	newline              // [\r\n]
	end                  // past the text
)

// white reports whether the class is \s.
func (c class) white() bool { return c == space || c == newline }

// The reference's tables are younger than those of this Go's package unicode (Unicode 15.0): what Unicode 15.1 and
// 16 added to \p{L} and \p{N}, and Unicode 17 to the digits that the Digits pre-tokenizer sees. TestClasses compares
// a digest of every code point's class.
var (
	newLetters = &unicode.RangeTable{
		R16: []unicode.Range16{{0x1c89, 0x1c8a, 1}, {0xa7cb, 0xa7cd, 1}, {0xa7da, 0xa7dc, 1}},
		R32: []unicode.Range32{{0x105c0, 0x105f3, 1}, {0x10d4a, 0x10d65, 1}, {0x10d6f, 0x10d85, 1}, {0x10ec2, 0x10ec4, 1},
			{0x11380, 0x11389, 1}, {0x1138b, 0x1138b, 1}, {0x1138e, 0x1138e, 1}, {0x11390, 0x113b5, 1}, {0x113b7, 0x113b7, 1},
			{0x113d1, 0x113d1, 1}, {0x113d3, 0x113d3, 1}, {0x11bc0, 0x11be0, 1}, {0x13460, 0x143fa, 1}, {0x16100, 0x1611d, 1},
			{0x16d40, 0x16d6c, 1}, {0x18cff, 0x18cff, 1}, {0x1e5d0, 0x1e5ed, 1}, {0x1e5f0, 0x1e5f0, 1}, {0x2ebf0, 0x2ee5d, 1}},
	}
	newNumbers = &unicode.RangeTable{
		R32: []unicode.Range32{{0x10d40, 0x10d49, 1}, {0x116d0, 0x116e3, 1}, {0x11bf0, 0x11bf9, 1}, {0x16130, 0x16139, 1},
			{0x16d70, 0x16d79, 1}, {0x1ccf0, 0x1ccf9, 1}, {0x1e5f1, 0x1e5fa, 1}},
	}
	newDigits = &unicode.RangeTable{
		R32: []unicode.Range32{{0x11de0, 0x11de9, 1}, {0x16ff4, 0x16ff6, 1}},
	}
	newMarks = &unicode.RangeTable{
		R16: []unicode.Range16{{0x0897, 0x0897, 1}},
		R32: []unicode.Range32{{0x10d69, 0x10d6d, 1}, {0x10efc, 0x10efc, 1}, {0x113b8, 0x113c0, 1}, {0x113c2, 0x113c2, 1},
			{0x113c5, 0x113c5, 1}, {0x113c7, 0x113ca, 1}, {0x113cc, 0x113d0, 1}, {0x113d2, 0x113d2, 1}, {0x113e1, 0x113e2, 1},
			{0x11f5a, 0x11f5a, 1}, {0x1611e, 0x1612f, 1}, {0x1e5ee, 0x1e5ef, 1}},
	}
)

// asciiClass is the class of each ASCII character.
var asciiClass = func() (table [utf8.RuneSelf]class) {
	for r := range table {
		table[r] = runeClass(rune(r))
	}
	return table
}()

// runeClass returns the class of a character.
func runeClass(r rune) class {
	switch {
	case r == '\r' || r == '\n':
		return newline
	case unicode.IsSpace(r):
		return space
	case unicode.IsLetter(r) || unicode.Is(newLetters, r):
		return letter
	case unicode.IsNumber(r) || unicode.Is(newNumbers, r):
		return number
	}
	return other
}

// classAt returns the class and the size in bytes of the character of text at i; end and 0 at its end.
func classAt(text string, i int) (class, int) {
	if i >= len(text) {
		return end, 0
	}
	if b := text[i]; b < utf8.RuneSelf {
		return asciiClass[b], 1
	}
	r, size := utf8.DecodeRuneInString(text[i:])
	return runeClass(r), size
}

// digitAt reports whether the Digits pre-tokenizer splits at the character of text at i, and its size in bytes.
func digitAt(text string, i int) (bool, int) {
	if b := text[i]; b < utf8.RuneSelf {
		return asciiClass[b] == number, 1
	}
	r, size := utf8.DecodeRuneInString(text[i:])
	return unicode.IsNumber(r) || unicode.Is(newNumbers, r) || unicode.Is(newDigits, r), size
}

// isWord is \w of the Whitespace pre-tokenizer and of single_word added tokens: Unicode's alphabetic characters,
// marks, decimal digits, connectors and joiners.
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '_' || asciiClass[r] == letter || asciiClass[r] == number
	}
	return r == 0x200C || r == 0x200D ||
		unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic) ||
		unicode.In(r, newLetters, newNumbers, newMarks)
}
