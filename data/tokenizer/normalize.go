package tokenizer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalizer rewrites text before it is split.
type normalizer func(text string) string

func unchanged(text string) string { return text }

var normalizers = map[string]normalizer{
	"NFC":       func(text string) string { return normalForm(norm.NFC, text) },
	"NFD":       func(text string) string { return normalForm(norm.NFD, text) },
	"NFKC":      func(text string) string { return normalForm(norm.NFKC, text) },
	"NFKD":      func(text string) string { return normalForm(norm.NFKD, text) },
	"Lowercase": lowercase,
}

// lowercase maps character by character, as the reference does: no final sigma. Only the capital I with a dot
// becomes two characters.
func lowercase(text string) string {
	if !strings.Contains(text, "İ") {
		return strings.ToLower(text)
	}
	return strings.ToLower(strings.ReplaceAll(text, "İ", "i\u0307"))
}

// afterUnicode9 holds the characters that package norm decomposes or reorders and the reference does not, for its
// normalization tables are those of Unicode 9.
var afterUnicode9 = &unicode.RangeTable{
	R16: []unicode.Range16{{0x07fd, 0x07fd, 1}, {0x0898, 0x089f, 1}, {0x08ca, 0x08d3, 1}, {0x09fe, 0x09fe, 1}, {0x0c3c, 0x0c3c, 1},
		{0x0d3b, 0x0d3c, 1}, {0x0eba, 0x0eba, 1}, {0x1715, 0x1715, 1}, {0x1abf, 0x1ace, 1}, {0x1df6, 0x1dfa, 1}, {0x32ff, 0x32ff, 1},
		{0xa7f2, 0xa7f4, 1}, {0xa82c, 0xa82c, 1}, {0xab69, 0xab69, 1}},
	R32: []unicode.Range32{{0x10781, 0x10785, 1}, {0x10787, 0x107b0, 1}, {0x107b2, 0x107ba, 1}, {0x10d24, 0x10d27, 1},
		{0x10eab, 0x10eac, 1}, {0x10efd, 0x10eff, 1}, {0x10f46, 0x10f50, 1}, {0x10f82, 0x10f85, 1}, {0x11070, 0x11070, 1},
		{0x1133b, 0x1133b, 1}, {0x1145e, 0x1145e, 1}, {0x11839, 0x1183a, 1}, {0x11938, 0x11938, 1}, {0x1193d, 0x1193e, 1},
		{0x11943, 0x11943, 1}, {0x119e0, 0x119e0, 1}, {0x11a34, 0x11a34, 1}, {0x11a47, 0x11a47, 1}, {0x11a99, 0x11a99, 1},
		{0x11d42, 0x11d42, 1}, {0x11d44, 0x11d45, 1}, {0x11d97, 0x11d97, 1}, {0x11f41, 0x11f42, 1}, {0x16ff0, 0x16ff1, 1},
		{0x1e030, 0x1e06d, 1}, {0x1e08f, 0x1e08f, 1}, {0x1e130, 0x1e136, 1}, {0x1e2ae, 0x1e2ae, 1}, {0x1e2ec, 0x1e2ef, 1},
		{0x1e4ec, 0x1e4ef, 1}, {0x1f16c, 0x1f16c, 1}, {0x1fbf0, 0x1fbf9, 1}},
}

// normalForm brings text into a Unicode normal form. Package norm breaks runs of more than 30 combining marks by
// inserting a joiner ("stream-safe text"), which the reference does not, and it knows younger characters: such text
// goes the slow way.
func normalForm(form norm.Form, text string) string {
	const safeMarks = 10 // a mark becomes at most three
	marks := 0
	for i := 0; i < len(text); {
		if text[i] < 0xCC { // below U+0300 there are no marks
			marks = 0
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if marks++; norm.NFKD.PropertiesString(text[i:]).CCC() == 0 {
			marks = 0
		}
		if marks > safeMarks || unicode.Is(afterUnicode9, r) || r == divesAkuru {
			return slowNormalForm(form, text)
		}
		i += size
	}
	return form.String(text)
}

// divesAkuru begins the one composition that is younger than Unicode 9, of U+11938.
const divesAkuru = 0x11935

// character is one of decomposed text, with its canonical combining class.
type character struct {
	r     rune
	class uint8
}

// slowNormalForm is the definition: decompose, sort marks by class, compose.
func slowNormalForm(form norm.Form, text string) string {
	decomposition := norm.NFD
	if form == norm.NFKC || form == norm.NFKD {
		decomposition = norm.NFKD
	}
	var all []character
	for _, r := range text {
		if unicode.Is(afterUnicode9, r) {
			all = append(all, character{r: r})
			continue
		}
		for _, d := range decomposition.String(string(r)) {
			all = append(all, character{d, norm.NFD.PropertiesString(string(d)).CCC()})
		}
	}
	for i := 0; i < len(all); i++ {
		start := i
		for i < len(all) && all[i].class != 0 {
			i++
		}
		slices.SortStableFunc(all[start:i], func(a, b character) int { return int(a.class) - int(b.class) })
	}
	if form == norm.NFC || form == norm.NFKC {
		all = compose(all)
	}
	var b strings.Builder
	for _, c := range all {
		b.WriteRune(c.r)
	}
	return b.String()
}

// compose joins each character with the last one of class 0 where they have a composite and none between forbids it.
func compose(all []character) []character {
	out, starter := all[:0], -1 // starter: the last of class 0 in out
	for _, c := range all {
		if blocked := starter < 0 || len(out)-1 > starter && out[len(out)-1].class >= c.class; !blocked {
			joined := []rune(norm.NFC.String(string([]rune{out[starter].r, c.r})))
			if len(joined) == 1 && !unicode.Is(afterUnicode9, joined[0]) {
				out[starter].r = joined[0]
				continue
			}
		}
		if c.class == 0 {
			starter = len(out)
		}
		out = append(out, c)
	}
	return out
}
