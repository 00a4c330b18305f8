package tokenizer

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var bundled = []string{"gpt2", "qwen2_5", "smollm2"}

// english returns the golden texts that are questions and answers, about 40 kB, many times over.
func english(b *testing.B) []string {
	var golden map[string][]struct{ Text string }
	readJSON(b, shared(b, "golden", "tokenizers.json"), &golden)
	var texts []string
	for _, row := range golden["gpt2"][41:] {
		texts = append(texts, row.Text)
	}
	return texts
}

// BenchmarkEncode reports MB/s on one thread; "cold" bypasses the piece cache.
func BenchmarkEncode(b *testing.B) {
	texts := english(b)
	bytes := int64(len(strings.Join(texts, "")))
	for _, name := range bundled {
		tok, err := FromFile(shared(b, "tokenizers", name, "tokenizer.json"))
		require.NoError(b, err)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(bytes)
			var ids []int32
			for b.Loop() {
				for _, text := range texts {
					ids = tok.AppendEncode(ids[:0], text)
				}
			}
		})
		b.Run(name+"/cold", func(b *testing.B) {
			b.SetBytes(bytes)
			var ids []int32
			for b.Loop() {
				for _, text := range texts {
					ids = ids[:0]
					tok.split(text, func(piece string) { ids = tok.model.(*bpe).encode(ids, piece) })
				}
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, name := range bundled {
		data, err := os.ReadFile(shared(b, "tokenizers", name, "tokenizer.json"))
		require.NoError(b, err)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				_, err := FromJSON(name, data)
				require.NoError(b, err)
			}
		})
	}
}

// TestLongPiecesOfPretrainedTokenizersAreQuick: 1 MiB of one letter in under a second, also in real vocabularies.
func TestLongPiecesOfPretrainedTokenizersAreQuick(t *testing.T) {
	for _, name := range bundled {
		tok, err := FromFile(shared(t, "tokenizers", name, "tokenizer.json"))
		require.NoError(t, err)
		for _, unit := range []string{"a", " ", "é"} {
			text := strings.Repeat(unit, 1<<20/len(unit))
			require.Equal(t, text, tok.Decode(encodeInASecond(t, tok, text), false), name)
		}
	}
}

func TestSourceIsKept(t *testing.T) {
	tok, err := FromFile(shared(t, "tokenizers", "smollm2", "tokenizer.json"))
	require.NoError(t, err)
	data, err := tok.JSON()
	require.NoError(t, err)
	require.True(t, json.Valid(data))
	again, err := FromJSON("again", data)
	require.NoError(t, err)
	require.Equal(t, tok.tokens, again.tokens)
}
