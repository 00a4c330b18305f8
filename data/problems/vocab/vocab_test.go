package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/data/problems"
)

func TestCommittedTokenizerIsCurrent(t *testing.T) {
	v, err := learn()
	require.NoError(t, err)
	require.Equal(t, string(tokenizerJSON(v)), string(problems.Tokenizer()), "the wordings have changed: run go generate in data/problems")
	require.Len(t, v.tokens, vocabSize)

	demo, err := problems.New(problems.Demo())
	require.NoError(t, err)
	broad, err := problems.New(problems.Default())
	require.NoError(t, err)
	words, whole := 0, 0
	for i := range 150 {
		q := demo.Problem(50_000 + i).Question
		for _, piece := range pieces(q) {
			require.Len(t, v.encode(piece), 1, "the demo's word %q is not one token", piece)
		}
		require.LessOrEqual(t, len(v.encode(q)), 60, q)
		if i < 30 {
			for _, piece := range pieces(broad.Problem(50_000 + i).Question) {
				words++
				if len(v.encode(piece)) == 1 {
					whole++
				}
			}
		}
	}
	require.Greater(t, float64(whole)/float64(words), 0.9, "share of all words that are one token")
	for _, digit := range strings.Split("0123456789", "") {
		require.Equal(t, []string{digit}, v.encode(digit))
		require.Equal(t, []string{alphabet[' '], digit}, v.encode(" "+digit))
	}
}

func TestPiecesAreThoseOfDigitsAndByteLevel(t *testing.T) {
	for text, want := range map[string][]string{
		"Tom has 12 apples.":     {"Tom", " has", " ", "1", "2", " apples", "."},
		"Tom's $5,  ok\n\n #7 x": {"Tom", "'s", " $", "5", ",", " ", " ok", "\n\n", " #", "7", " x"},
		"a  ":                    {"a", "  "},
		"é=<<3>>'ll 's":          {"é", "=<<", "3", ">>'", "ll", " '", "s"},
	} {
		require.Equal(t, want, pieces(text), text)
	}
}

func TestEncodingLosesNothing(t *testing.T) {
	v, err := learn()
	require.NoError(t, err)
	back := map[string]byte{}
	for b, s := range alphabet {
		back[s] = byte(b)
	}
	for _, text := range []string{"Tom has 12 apples.\n#### 7", "naïve – 日本 🙂\t\x00", strings.Repeat("9 ", 20)} {
		var b []byte
		for _, token := range v.encode(text) {
			for _, r := range token {
				b = append(b, back[string(r)])
			}
		}
		require.Equal(t, text, string(b))
	}
}
