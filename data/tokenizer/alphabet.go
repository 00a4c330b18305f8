package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// byteRune is the byte-level alphabet: a printable character for each of the 256 bytes. Printable Latin-1 stands
// for itself, the other 68 bytes are U+0100 and up, in order. runeByte is its inverse, -1 where there is none.
var byteRune, runeByte = byteAlphabet()

const alphabetEnd = 0x100 + 68 // one past the highest character of the alphabet

func byteAlphabet() (forward [256]rune, backward [alphabetEnd]int16) {
	for i := range backward {
		backward[i] = -1
	}
	next := rune(0x100)
	for b := range 256 {
		r := rune(b)
		if printable := b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE; !printable {
			r, next = next, next+1
		}
		forward[b], backward[r] = r, int16(b)
	}
	return forward, backward
}

// toAlphabet writes each byte of text as its character of the byte-level alphabet.
func toAlphabet(text string) string {
	var out strings.Builder
	out.Grow(len(text) + len(text)/2)
	for i := range len(text) {
		out.WriteRune(byteRune[text[i]])
	}
	return out.String()
}

// fromAlphabet appends the bytes that token stands for; a token with any character outside the byte-level alphabet
// stands for itself.
func fromAlphabet(dst []byte, token string) []byte {
	start := len(dst)
	for _, r := range token {
		if r >= alphabetEnd || runeByte[r] < 0 {
			return append(dst[:start], token...)
		}
		dst = append(dst, byte(runeByte[r]))
	}
	return dst
}

// validUTF8 replaces each maximal invalid sequence of bytes by one U+FFFD, the Unicode standard's practice. A
// sequence is maximal when it is the longest prefix of some character's encoding, or else one byte.
func validUTF8(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	var out strings.Builder
	out.Grow(len(text) + 8)
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		if r == utf8.RuneError && size == 1 {
			for at+size < len(text) && !utf8.FullRuneInString(text[at:at+size+1]) {
				size++
			}
		}
		out.WriteRune(r)
		at += size
	}
	return out.String()
}
