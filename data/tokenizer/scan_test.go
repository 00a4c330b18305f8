package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// awkward draws text that is rich in what the patterns distinguish.
func awkward() *rapid.Generator[string] {
	parts := []string{" ", "  ", "\n", "\r", "\r\n", "\t", "\u00a0", "\u2003", "\u0085", "'", "'s", "'LL", "'re", "'V", "'Ve", "'d",
		"a", "word", "é", "ß", "日本", "ǅ", "ʰ", "0", "42", "½", "Ⅷ", "٣", ".", "!?", "-", "_", "🙂", "\u0301", "\u200d", "\x00", "\ufffd", "#### "}
	return rapid.Custom(func(t *rapid.T) string {
		chosen := rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(parts), rapid.StringN(1, 3, 12)), 0, 30).Draw(t, "parts")
		return strings.ReplaceAll(strings.Join(chosen, ""), "ſ", "s") // regexp2 does not fold it: see TestLongS
	})
}

func TestScannersEqualRegularExpressions(t *testing.T) {
	for pattern, scan := range scanners {
		t.Run(pattern, func(t *testing.T) {
			expression, err := compile(pattern)
			require.NoError(t, err)
			rapid.Check(t, func(t *rapid.T) {
				text := validUTF8(awkward().Draw(t, "text"))
				require.Equal(t, spans(text, expression, false), spans(text, scan.matches, false), "%q", text)
			})
		})
	}
}

func TestLongSFoldsIntoContraction(t *testing.T) {
	require.Equal(t, []string{"a", "'ſ", "b"}, pieces(splitScan(scanners[patternQwen2]), "a'ſb"))
	require.Equal(t, []string{"a", "'", "ſb"}, pieces(splitScan(scanners[patternGPT2]), "a'ſb"))
}

func pieces(split splitter, text string) (all []string) {
	split(text, func(piece string) { all = append(all, piece) })
	return all
}

// TestClassesEqualReference compares every code point's class with the reference's \p{L}, \p{N} and \s by a digest.
func TestClassesEqualReference(t *testing.T) {
	classes := make([]byte, 0, 0x110000)
	for r := rune(0); r < 0x110000; r++ {
		switch c := runeClass(r); {
		case r >= 0xD800 && r < 0xE000:
			classes = append(classes, '-')
		case c.white():
			classes = append(classes, 's')
		default:
			classes = append(classes, ".LN"[c])
		}
	}
	digest := sha256.Sum256(classes)
	require.Equal(t, "24a6e8c32a22b739212435ecb4a455b8583eaf859f7041beb2fa80cb6bee2df7", hex.EncodeToString(digest[:]))
}

// TestPatternMatchesEqualReference holds regexp2, as we drive it, against the reference on empty matches and words.
func TestPatternMatchesEqualReference(t *testing.T) {
	for _, c := range []struct {
		pattern string
		how     behaviour
		pieces  []string
	}{
		{`a*`, isolated, []string{"x", "aa", "b", "é", "a", "b", "y"}},
		{`a*`, mergedWithNext, []string{"x", "aab", "é", "ab", "y"}},
		{`a*`, mergedWithPrevious, []string{"xaa", "b", "éa", "b", "y"}},
		{`a*`, contiguous, []string{"x", "aa", "b", "é", "a", "b", "y"}},
		{`a*`, removed, []string{"x", "b", "é", "b", "y"}},
		{`(?=b)`, isolated, []string{"xaa", "béa", "by"}},
		{`x|`, isolated, []string{"x", "a", "a", "b", "é", "a", "b", "y"}},
		{`(?i:A)`, removed, []string{"x", "bé", "by"}},
	} {
		pattern, err := compile(c.pattern)
		require.NoError(t, err)
		require.Equal(t, c.pieces, pieces(splitPattern(pattern, c.how, false), "xaabéaby"), "%s %d", c.pattern, c.how)
	}
}

func TestPatternsThatMeanSomethingElseAreRefused(t *testing.T) {
	for _, pattern := range []string{`(`, `a++`, `[a[b]]`, `[[:alpha:]]`, `[a&&b]`, `[\W]`, `\bx`, `\h`, `(?m)x`, `(?x: a)`, `[]a]`, `\R`, `*`} {
		_, err := compile(pattern)
		require.Error(t, err, pattern)
	}
}
