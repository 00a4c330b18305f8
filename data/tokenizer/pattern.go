package tokenizer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dlclark/regexp2"
)

// wordClass is \w inside a character class as the reference's regular expressions see it. Outside of one they count
// six signs of Latin-1 in, an oddity of theirs.
const (
	wordClass = `\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\p{Other_Alphabetic}`
	wordSigns = `²³¹¼½¾`
)

// compile makes a matcher of a regular expression in the reference's syntax, Oniguruma's for Ruby. What means
// something else in regexp2's is translated, or refused. \p{L}, \p{N} and the like are those of this Go's Unicode,
// and a pattern that backtracks exponentially does so here too.
func compile(pattern string) (matcher, error) {
	translated, err := translate(pattern)
	if err != nil {
		return nil, err
	}
	expression, err := regexp2.Compile(translated, regexp2.Multiline) // Ruby's ^ and $ are those of lines
	if err != nil {
		return nil, err
	}
	return func(text string, match func(start, end int)) {
		runes := make([]rune, 0, len(text))
		offsets := make([]int, 0, len(text)+1) // of each rune in text
		for i, r := range text {
			runes, offsets = append(runes, r), append(offsets, i)
		}
		offsets = append(offsets, len(text))
		last := -1 // where the match before ended
		m, err := expression.FindRunesMatch(runes)
		for ; m != nil && err == nil; m, err = expression.FindNextMatch(m) {
			if m.Length == 0 && m.Index == last {
				continue // the reference finds no empty match right behind another
			}
			last = m.Index + m.Length
			match(offsets[m.Index], offsets[last])
		}
		if err != nil { // only a timeout, and none is set
			panic(fmt.Sprintf("tokenizer: pattern %q: %v", pattern, err))
		}
	}, nil
}

// translate rewrites a pattern from Oniguruma's syntax to regexp2's.
func translate(pattern string) (string, error) {
	var out strings.Builder
	inClass := false
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		following := byte(0)
		if i+1 < len(pattern) {
			following = pattern[i+1]
		}
		switch {
		case c == '\\' && following == 'w' && inClass:
			out.WriteString(wordClass)
			i++
		case c == '\\' && following == 'w':
			out.WriteString("[" + wordClass + wordSigns + "]")
			i++
		case c == '\\' && following == 'W' && !inClass:
			out.WriteString("[^" + wordClass + wordSigns + "]")
			i++
		case c == '\\' && strings.IndexByte("WbBhHRXKGyYgk<>", following) >= 0:
			return "", fmt.Errorf(`\%c is not supported here`, following)
		case c == '\\' && following != 0:
			out.WriteString(pattern[i : i+2])
			i++
		case inClass && (c == '[' || c == '&' && following == '&'):
			return "", errors.New("character classes within classes are not supported")
		case c == '(' && following == '?' && inlineFlags(pattern[i+2:]):
			return "", errors.New("inline flags other than i are not supported")
		default:
			if c == '[' {
				inClass = true
				if strings.HasPrefix(pattern[i:], "[]") || strings.HasPrefix(pattern[i:], "[^]") {
					return "", errors.New("a class that begins with ] is not supported")
				}
			} else if c == ']' {
				inClass = false
			}
			out.WriteByte(c)
		}
	}
	return out.String(), nil
}

// inlineFlags reports whether the group behind "(?" sets a flag other than i: the two syntaxes read them differently.
func inlineFlags(group string) bool {
	flags := group[:max(0, strings.IndexAny(group, ":)"))]
	for _, f := range flags {
		if f != '-' && (f < 'a' || f > 'z') {
			return false // look-around, atomic, named
		}
	}
	return strings.Trim(flags, "i-") != ""
}
