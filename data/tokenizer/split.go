package tokenizer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// splitter hands out the pieces of a text, from left to right. No piece is empty.
type splitter func(text string, emit func(piece string))

// whole leaves the text as it is.
func whole(text string, emit func(piece string)) {
	if text != "" {
		emit(text)
	}
}

// both splits by first, and each of its pieces by second.
func both(first, second splitter) splitter {
	return func(text string, emit func(piece string)) {
		first(text, func(piece string) { second(piece, emit) })
	}
}

// splitScan splits by a pattern that matches everywhere.
func splitScan(scan scanner) splitter {
	return func(text string, emit func(piece string)) {
		for len(text) > 0 {
			n := scan(text)
			emit(text[:n])
			text = text[n:]
		}
	}
}

// splitByteLevel is the ByteLevel pre-tokenizer: a space in front if asked, GPT-2's pattern, and with spell the
// pieces written in the byte-level alphabet.
func splitByteLevel(prefixSpace, useRegex, spell bool) splitter {
	split := whole
	if useRegex {
		split = splitScan(scanGPT2)
	}
	return func(text string, emit func(piece string)) {
		if prefixSpace && text != "" && text[0] != ' ' {
			text = " " + text
		}
		if !spell {
			split(text, emit)
			return
		}
		split(text, func(piece string) { emit(toAlphabet(piece)) })
	}
}

// splitDigits cuts digits from the rest: each one, or runs of them.
func splitDigits(individual bool) splitter {
	return func(text string, emit func(piece string)) {
		start, digits := 0, false // of the piece that grows
		for i := 0; i < len(text); {
			d, size := digitAt(text, i)
			if i > start && (d != digits || d && individual) {
				emit(text[start:i])
				start, digits = i, d
			} else {
				digits = d
			}
			i += size
		}
		whole(text[start:], emit)
	}
}

// splitWhitespace keeps what stands between white space.
func splitWhitespace(text string, emit func(piece string)) {
	for word := range strings.FieldsFuncSeq(text, unicode.IsSpace) {
		emit(word)
	}
}

// splitWords keeps the matches of `\w+|[^\w\s]+`.
func splitWords(text string, emit func(piece string)) {
	const blank, word, symbol = 0, 1, 2
	kind := func(r rune) int {
		switch {
		case isWord(r):
			return word
		case unicode.IsSpace(r):
			return blank
		}
		return symbol
	}
	start, current := 0, blank
	for i, r := range text {
		if k := kind(r); k != current {
			if current != blank {
				emit(text[start:i])
			}
			start, current = i, k
		}
	}
	if current != blank {
		emit(text[start:])
	}
}

// matcher hands out the matches of a pattern in a text, from left to right and apart.
type matcher func(text string, match func(start, end int))

func (scan scanner) matches(text string, match func(start, end int)) {
	for at := 0; at < len(text); {
		n := scan(text[at:])
		match(at, at+n)
		at += n
	}
}

// literal matches the string itself; the empty string matches before every character and at the end.
func literal(pattern string) matcher {
	return func(text string, match func(start, end int)) {
		for at := 0; at <= len(text); {
			found := strings.Index(text[at:], pattern)
			if found < 0 {
				return
			}
			at += found
			match(at, at+len(pattern))
			if pattern == "" {
				_, size := utf8.DecodeRuneInString(text[at:])
				at += max(size, 1)
			}
			at += len(pattern)
		}
	}
}

// behaviour is what becomes of the matches of a Split.
type behaviour int

const (
	isolated           behaviour = iota // a piece each
	removed                             // dropped
	mergedWithPrevious                  // the end of the piece before
	mergedWithNext                      // the beginning of the piece after
	contiguous                          // neighbouring matches are one piece
)

var behaviours = map[string]behaviour{"Isolated": isolated, "Removed": removed, "Contiguous": contiguous,
	"MergedWithPrevious": mergedWithPrevious, "MergedWithNext": mergedWithNext}

// span is a part of a text that the pattern matches, or one between matches.
type span struct {
	start, end int
	match      bool
}

// splitPattern is the Split pre-tokenizer; with invert, what lies between matches counts as the matches.
func splitPattern(pattern matcher, how behaviour, invert bool) splitter {
	return func(text string, emit func(piece string)) {
		for _, s := range arrange(spans(text, pattern, invert), how) {
			if s.start < s.end {
				emit(text[s.start:s.end])
			}
		}
	}
}

// spans covers text with matches and what lies between.
func spans(text string, pattern matcher, invert bool) []span {
	var all []span
	done := 0
	pattern(text, func(start, end int) {
		if done < start {
			all = append(all, span{done, start, invert})
		}
		all = append(all, span{start, end, !invert})
		done = end
	})
	if done < len(text) {
		all = append(all, span{done, len(text), invert})
	}
	return all
}

// arrange joins or drops spans as the behaviour says.
func arrange(all []span, how behaviour) []span {
	switch how {
	case removed:
		return slices.DeleteFunc(all, func(s span) bool { return s.match })
	case mergedWithPrevious:
		return join(all, func(before, s span) bool { return s.match && !before.match })
	case mergedWithNext:
		slices.Reverse(all)
		all = join(all, func(before, s span) bool { return s.match && !before.match })
		slices.Reverse(all)
		return all
	case contiguous:
		return join(all, func(before, s span) bool { return s.match == before.match })
	}
	return all
}

// join unites each span with its neighbour before it where merge says so. Both are as the pattern gave them: of
// three matches in a row behind a word, only the first joins the word.
func join(all []span, merge func(before, s span) bool) []span {
	var out []span
	for i, s := range all {
		if i > 0 && merge(all[i-1], s) {
			last := &out[len(out)-1]
			last.start, last.end = min(last.start, s.start), max(last.end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out
}
