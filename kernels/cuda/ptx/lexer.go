package ptx

import (
	"fmt"
	"strings"
)

// tokenKind says what a token is; punctuation is its own character in text.
type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokWord
	tokNumber
	tokString
	tokPunct
)

type token struct {
	kind tokenKind
	text string
	line int
}

// String shows the token in messages.
func (t token) String() string {
	if t.kind == tokEnd {
		return "end of text"
	}
	return fmt.Sprintf("%q", t.text)
}

// lex cuts PTX into tokens. A word keeps its dots and its "::", so that an opcode
// with its modifiers, a directive or a special register is one token.
func lex(name, text string) ([]token, error) {
	out := make([]token, 0, len(text)/4) // compilers write fewer
	line, i := 1, 0
	for i < len(text) {
		c := text[i]
		switch {
		case c == '\n':
			line++
			i++
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case strings.HasPrefix(text[i:], "//"):
			n := strings.IndexByte(text[i:], '\n')
			if n < 0 {
				n = len(text) - i
			}
			i += n
		case strings.HasPrefix(text[i:], "/*"):
			n := strings.Index(text[i:], "*/")
			if n < 0 {
				return nil, &ParseError{Module: name, Line: line, Detail: "comment without an end"}
			}
			line += strings.Count(text[i:i+n], "\n")
			i += n + 2
		case c == '"':
			n := strings.IndexAny(text[i+1:], "\"\n")
			if n < 0 || text[i+1+n] == '\n' {
				return nil, &ParseError{Module: name, Line: line, Detail: "string without an end"}
			}
			out = append(out, token{tokString, text[i+1 : i+1+n], line})
			i += n + 2
		case isDigit(c):
			n := numberLength(text[i:])
			out = append(out, token{tokNumber, text[i : i+n], line})
			i += n
		case isWordStart(c):
			n := wordLength(text[i:])
			out = append(out, token{tokWord, text[i : i+n], line})
			i += n
		case strings.IndexByte("{}[](),;<>=:@!|+-", c) >= 0:
			out = append(out, token{tokPunct, text[i : i+1], line})
			i++
		default:
			return nil, &ParseError{Module: name, Line: line, Detail: fmt.Sprintf("character %q does not belong to PTX", c)}
		}
	}
	return append(out, token{tokEnd, "", line}), nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isWordStart(c byte) bool {
	return isLetter(c) || c == '_' || c == '$' || c == '%' || c == '.'
}

// numberLength returns how many bytes the number at the start of s takes: decimal,
// 0x, 0b, octal, 0f and 0d bit patterns, and decimal fractions with exponents.
func numberLength(s string) int {
	n := 0
	for n < len(s) && (isDigit(s[n]) || isLetter(s[n]) || s[n] == '.') {
		n++
	}
	decimal := n > 0 && (s[n-1] == 'e' || s[n-1] == 'E') && strings.Contains(s[:n], ".")
	if decimal && n+1 < len(s) && (s[n] == '-' || s[n] == '+') && isDigit(s[n+1]) {
		n++
		for n < len(s) && isDigit(s[n]) {
			n++
		}
	}
	return n
}

func wordLength(s string) int {
	n := 1
	for n < len(s) {
		switch {
		case isWordStart(s[n]) || isDigit(s[n]):
			n++
		case strings.HasPrefix(s[n:], "::"):
			n += 2
		default:
			return n
		}
	}
	return n
}
