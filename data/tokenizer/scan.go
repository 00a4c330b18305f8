package tokenizer

import "unicode/utf8"

// The three common patterns of byte-level BPE, as tokenizer.json writes them. Each matches at every position of
// every text, so a scanner that returns the length of the match at the start of the text is all there is to it.
const (
	patternGPT2   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	patternQwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternLlama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// scanner returns the length in bytes, at least one, of the pattern's match at the start of a text that is not empty.
type scanner func(text string) int

// scanners holds what is scanned by hand, in time linear in the text.
var scanners = map[string]scanner{
	patternGPT2:   scanGPT2,
	patternQwen2:  func(text string) int { return scanQwen2(text, 1) },
	patternLlama3: func(text string) int { return scanQwen2(text, 3) },
}

// scanGPT2 scans patternGPT2.
func scanGPT2(text string) int {
	if n := contraction(text, false); n > 0 {
		return n
	}
	start := 0
	if text[0] == ' ' {
		start = 1
	}
	switch kind, size := classAt(text, start); kind {
	case letter, number, other: // ` ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+`
		return run(text, start+size, kind)
	}
	return scanWhite(text, false)
}

// scanQwen2 scans patternQwen2 (maxDigits 1) and patternLlama3 (maxDigits 3).
func scanQwen2(text string, maxDigits int) int {
	if n := contraction(text, true); n > 0 {
		return n
	}
	first, size := classAt(text, 0)
	switch first {
	case letter: // `\p{L}+`
		return run(text, size, letter)
	case number: // `\p{N}{1,maxDigits}`
		length := size
		for range maxDigits - 1 {
			kind, more := classAt(text, length)
			if kind != number {
				break
			}
			length += more
		}
		return length
	case space, other: // `[^\r\n\p{L}\p{N}]\p{L}+`
		if kind, more := classAt(text, size); kind == letter {
			return run(text, size+more, letter)
		}
	}
	punctuation := 0 // ` ?[^\s\p{L}\p{N}]+[\r\n]*`
	if first == other {
		punctuation = size
	} else if text[0] == ' ' {
		if kind, more := classAt(text, 1); kind == other {
			punctuation = 1 + more
		}
	}
	if punctuation > 0 {
		return run(text, run(text, punctuation, other), newline)
	}
	return scanWhite(text, true)
}

// scanWhite scans `\s+(?!\S)|\s+` at white space, with newlines `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last newline
// if there is one, else all white space but the last character before a word.
func scanWhite(text string, newlines bool) int {
	length, last, lastNewline := 0, 0, 0 // last: where the last white character begins
	for {
		kind, size := classAt(text, length)
		if !kind.white() {
			break
		}
		last, length = length, length+size
		if kind == newline {
			lastNewline = length
		}
	}
	switch {
	case newlines && lastNewline > 0:
		return lastNewline
	case length < len(text) && last > 0:
		return last
	}
	return length
}

// run returns where the characters of this class that begin at i end.
func run(text string, i int, of class) int {
	for {
		kind, size := classAt(text, i)
		if kind != of {
			return i
		}
		i += size
	}
}

// contraction returns the length of 's, 't, 're, 've, 'm, 'll or 'd at the start of text, 0 if there is none. With
// fold case does not count, and the long s (U+017F) is an s.
func contraction(text string, fold bool) int {
	if text[0] != '\'' || len(text) < 2 {
		return 0
	}
	first, second := text[1], byte(0)
	if len(text) > 2 {
		second = text[2]
	}
	if fold {
		if r, size := utf8.DecodeRuneInString(text[1:]); r == 'ſ' {
			return 1 + size
		}
		first, second = lowerASCII(first), lowerASCII(second)
	}
	switch {
	case first == 's' || first == 't' || first == 'm' || first == 'd':
		return 2
	case (first == 'r' || first == 'v') && second == 'e' || first == 'l' && second == 'l':
		return 3
	}
	return 0
}

func lowerASCII(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b + ('a' - 'A')
	}
	return b
}
