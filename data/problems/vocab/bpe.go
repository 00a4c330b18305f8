package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"retort/data/problems"
)

// specials have the first ids.
var specials = []string{problems.EndOfText, problems.TurnStart, problems.TurnEnd}

// vocabulary is a trained byte-level BPE.
type vocabulary struct {
	tokens []string // by id, in the byte-level alphabet
	merges [][2]string
}

// alphabet maps bytes to the printable characters that stand for them in
// byte-level BPE files: printable Latin-1 stands for itself, the other bytes
// are moved up to U+0100 and beyond, in order.
var alphabet = func() (a [256]string) {
	moved := 0
	for b := range a {
		r := rune(b)
		if !(b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae) {
			r, moved = rune(256+moved), moved+1
		}
		a[b] = string(r)
	}
	return a
}()

// symbols spells text in the byte-level alphabet.
func symbols(text string) []string {
	out := make([]string, len(text))
	for i := range len(text) {
		out[i] = alphabet[text[i]]
	}
	return out
}

// pieces cuts text as the pre-tokenizers Digits and ByteLevel do: every digit by
// itself; between digits words and punctuation with one blank before them, and
// other white space.
func pieces(text string) (out []string) {
	class := func(r rune) int {
		switch {
		case unicode.IsSpace(r):
			return 0
		case unicode.IsLetter(r):
			return 1
		}
		return 2
	}
	for _, part := range splitDigits(text) {
		rs := []rune(part)
		for i := 0; i < len(rs); {
			start := i
			if rs[i] == '\'' {
				if n := contraction(rs[i:]); n > 0 {
					out, i = append(out, string(rs[i:i+n])), i+n
					continue
				}
			}
			if rs[i] == ' ' && i+1 < len(rs) && class(rs[i+1]) != 0 {
				i++
			}
			kind := class(rs[i])
			for i < len(rs) && class(rs[i]) == kind {
				i++
			}
			if kind == 0 && i < len(rs) && i-start > 1 {
				i-- // the last blank belongs to what follows
			}
			out = append(out, string(rs[start:i]))
		}
	}
	return out
}

// splitDigits cuts before and after every digit.
func splitDigits(text string) (out []string) {
	start := 0
	for i, r := range text {
		if unicode.IsDigit(r) {
			if i > start {
				out = append(out, text[start:i])
			}
			start = i + len(string(r))
			out = append(out, text[i:start])
		}
	}
	if start < len(text) {
		out = append(out, text[start:])
	}
	return out
}

// contraction is the length of 's, 't, 're, … at the start of rs, or 0.
func contraction(rs []rune) int {
	for _, c := range []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
		if strings.HasPrefix(string(rs[:min(3, len(rs))]), c) {
			return len(c)
		}
	}
	return 0
}

// train merges the most frequent pair of neighbours (of equally frequent ones
// the first in the alphabet) until the vocabulary has the given size.
func train(counts map[string]int, size int) vocabulary {
	var v vocabulary
	v.tokens = append(v.tokens, specials...)
	letters := alphabet[:]
	v.tokens = append(v.tokens, slices.Sorted(slices.Values(letters))...)
	known := map[string]bool{}
	for _, t := range v.tokens {
		known[t] = true
	}
	type word struct {
		symbols []string
		count   int
	}
	var words []word
	for piece, n := range counts {
		words = append(words, word{symbols(piece), n})
	}
	for len(v.tokens) < size {
		pairs := map[[2]string]int{}
		for _, w := range words {
			for i := range len(w.symbols) - 1 {
				pairs[[2]string{w.symbols[i], w.symbols[i+1]}] += w.count
			}
		}
		var best [2]string
		for p, n := range pairs {
			if m := pairs[best]; n > m || n == m && slices.Compare(p[:], best[:]) < 0 {
				best = p
			}
		}
		if pairs[best] < 2 {
			break
		}
		v.merges = append(v.merges, best)
		if joined := best[0] + best[1]; !known[joined] {
			known[joined] = true
			v.tokens = append(v.tokens, joined)
		}
		for i := range words {
			words[i].symbols = merge(words[i].symbols, best)
		}
	}
	return v
}

// merge joins every occurrence of a pair, from the left.
func merge(symbols []string, pair [2]string) []string {
	out := symbols[:0]
	for i := 0; i < len(symbols); i++ {
		if i+1 < len(symbols) && symbols[i] == pair[0] && symbols[i+1] == pair[1] {
			out = append(out, pair[0]+pair[1])
			i++
		} else {
			out = append(out, symbols[i])
		}
	}
	return out
}

// encode applies the merges to text, in the order in which they were learned.
func (v vocabulary) encode(text string) (tokens []string) {
	for _, p := range pieces(text) {
		s := symbols(p)
		for _, m := range v.merges {
			s = merge(s, m)
		}
		tokens = append(tokens, s...)
	}
	return tokens
}

// tokenizerJSON writes the vocabulary as a Hugging Face tokenizer.json.
func tokenizerJSON(v vocabulary) []byte {
	var b bytes.Buffer
	quote := func(s string) string {
		var q bytes.Buffer
		e := json.NewEncoder(&q)
		e.SetEscapeHTML(false)
		if err := e.Encode(s); err != nil {
			panic(err) // a string can always be written
		}
		return strings.TrimSuffix(q.String(), "\n")
	}
	b.WriteString("{\n \"version\": \"1.0\",\n \"truncation\": null,\n \"padding\": null,\n \"added_tokens\": [\n")
	for id, t := range specials {
		fmt.Fprintf(&b, `  {"id": %d, "content": %s, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}%s`+"\n",
			id, quote(t), comma(id, len(specials)))
	}
	b.WriteString(` ],
 "normalizer": null,
 "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
  {"type": "Digits", "individual_digits": true},
  {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
 ]},
 "post_processor": null,
 "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
 "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
  "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
  "vocab": {
`)
	for id, t := range v.tokens {
		fmt.Fprintf(&b, "   %s: %d%s\n", quote(t), id, comma(id, len(v.tokens)))
	}
	b.WriteString("  },\n  \"merges\": [\n")
	for i, m := range v.merges {
		fmt.Fprintf(&b, "   [%s, %s]%s\n", quote(m[0]), quote(m[1]), comma(i, len(v.merges)))
	}
	b.WriteString("  ]\n }\n}\n")
	return b.Bytes()
}

// comma separates all but the last of n entries.
func comma(i, n int) string {
	if i < n-1 {
		return ","
	}
	return ""
}
