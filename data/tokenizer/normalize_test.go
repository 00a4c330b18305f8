package tokenizer

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

var forms = map[string]norm.Form{"NFC": norm.NFC, "NFD": norm.NFD, "NFKC": norm.NFKC, "NFKD": norm.NFKD}

func TestSlowNormalFormEqualsNorm(t *testing.T) {
	parts := []string{"a", "e", "\u0301", "\u0323", "\u0308", "\u0344", "é", "ﬁ", "Å", "\u212b", "\u1100", "\u1161", "\u11a8", "한", "\u0958", "\u0f71\u0f72", "½", "s\u0307\u0323", " "}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				text := strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(parts), rapid.StringN(1, 1, 4)), 0, 12).Draw(t, "text"), "")
				for _, r := range text {
					if unicode.Is(afterUnicode9, r) || r == divesAkuru {
						t.Skip("younger than the reference")
					}
				}
				require.Equal(t, form.String(text), slowNormalForm(form, text), "%q", text)
			})
		})
	}
}

// TestManyMarksAreNotBroken: package norm alone would insert U+034F into a run of more than 30 marks.
func TestManyMarksAreNotBroken(t *testing.T) {
	text := "a" + strings.Repeat("\u0301\u0323", 40) + "b"
	require.Contains(t, norm.NFC.String(text), "\u034f")
	require.Equal(t, "\u1ea1"+strings.Repeat("\u0323", 39)+strings.Repeat("\u0301", 40)+"b", normalizers["NFC"](text))
	require.Equal(t, "a"+strings.Repeat("\u0323", 40)+strings.Repeat("\u0301", 40)+"b", normalizers["NFKD"](text))
}

// TestYoungCharactersAreLeftAlone holds what the reference makes of characters that its tables lack.
func TestYoungCharactersAreLeftAlone(t *testing.T) {
	for _, c := range []struct{ form, text, want string }{
		{"NFC", "\u0ca3\u0cfb\u0ec8\u1ac1\u0301", "\u0ca3\u0cfb\u0ec8\u1ac1\u0301"},
		{"NFD", "a\u0898\u0334", "a\u0898\u0334"},
		{"NFC", "\U00011935\U00011930", "\U00011935\U00011930"},
		{"NFKC", "\u32ff", "\u32ff"},
	} {
		require.Equal(t, c.want, normalizers[c.form](c.text), "%s %q", c.form, c.text)
	}
}
