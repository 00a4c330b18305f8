package dedup

import (
	"unicode"
	"unicode/utf8"
)

// word is the hash of one word in lower case.
type word uint64

// Constants of FNV-1a, which is what a word's hash is.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// words appends the words of a text to into: its runs of letters and digits in lower case.
// With signs, the signs of arithmetic are words too, a hyphen only in front of a digit.
// numbers, when not nil, gets a hash of all words that begin with a digit, in order.
func words(into []word, text string, signs bool, numbers *uint64) []word {
	hash, length, digit := uint64(fnvOffset), 0, false
	end := func() {
		if length > 0 {
			into = append(into, word(hash))
			if digit && numbers != nil {
				*numbers = mix(*numbers ^ hash)
			}
		}
		hash, length = fnvOffset, 0
	}
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		at := i
		i += size
		switch {
		case r >= 'A' && r <= 'Z':
			r += 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		case r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsNumber(r)):
			r = unicode.ToLower(r)
		default:
			end()
			if signs && isSign(text, at, r) {
				into = append(into, word(mix(uint64(r))))
			}
			continue
		}
		if length == 0 {
			digit = r >= '0' && r <= '9'
		}
		for ; r >= 0x80; r >>= 7 {
			hash = (hash ^ uint64(r&0x7f|0x80)) * fnvPrime
		}
		hash = (hash ^ uint64(r)) * fnvPrime
		length++
	}
	end()
	return into
}

// isSign says whether r, at byte i, is a sign of arithmetic.
func isSign(text string, i int, r rune) bool {
	switch r {
	case '+', '*', '/', '=', '×', '÷', '%':
		return true
	case '-', '−':
		rest := text[i+utf8.RuneLen(r):]
		return len(rest) > 0 && (rest[0] >= '0' && rest[0] <= '9' || rest[0] == ' ' && len(rest) > 1 && rest[1] >= '0' && rest[1] <= '9')
	}
	return false
}

// grams calls visit with the hash of every run of n words; of fewer words, with that of all
// of them when short says so.
func grams(w []word, n int, short bool, visit func(uint64)) {
	if len(w) < n {
		if short && len(w) > 0 {
			visit(hashWords(w))
		}
		return
	}
	for i := 0; i+n <= len(w); i++ {
		visit(hashWords(w[i : i+n]))
	}
}

func hashWords(w []word) uint64 {
	h := uint64(len(w))
	for _, x := range w {
		h = mix(h ^ uint64(x))
	}
	return h
}

// QuestionHash identifies a question by its words, whatever its spaces, case and
// punctuation.
func QuestionHash(question string) uint64 { return hashWords(words(nil, question, false, nil)) }

// mix spreads the bits of x (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
