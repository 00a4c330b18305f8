package tokenizer

import (
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// ladder is a byte-level BPE over a and b with merges that compete: longer and longer runs, and mixed pairs.
func ladder(t testing.TB) *Tokenizer {
	vocab := []string{"a", "b", "<e>"}
	var merges []string
	for _, m := range []string{"a a", "b a", "aa b", "aa aa", "ba ba", "a b", "aaaa aa", "aab a", "aaaa aaaa", "ab b"} {
		merges = append(merges, m)
		vocab = append(vocab, strings.ReplaceAll(m, " ", ""))
	}
	types := make([]int32, len(vocab))
	types[2] = ggufControl
	tok, err := FromGGUF(GGUFVocab{Model: "gpt2", Pre: "gpt-2", Tokens: vocab, Types: types, Merges: merges, BOS: -1, EOS: 2, PAD: -1, UNK: -1})
	require.NoError(t, err)
	return tok
}

func TestHeapMergesAsSearchDoes(t *testing.T) {
	model := ladder(t).model.(*bpe)
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.Int32Range(0, 1), 2, maxShort).Draw(t, "ids")
		short, long := append([]int32(nil), ids...), append([]int32(nil), ids...)
		short, long = short[:model.mergeShort(short)], long[:model.mergeLong(long)]
		require.Equal(t, short, long)
	})
}

// naiveMerge is the definition, quadratic and obvious.
func naiveMerge(m *bpe, ids []int32) []int32 {
	for {
		best, at := noMerge, -1
		for i := 0; i+1 < len(ids); i++ {
			if found := m.pairs.get(ids[i], ids[i+1]); found.rank < best.rank {
				best, at = found, i
			}
		}
		if at < 0 {
			return ids
		}
		ids = append(append(ids[:at:at], best.id), ids[at+2:]...)
	}
}

func TestLongPiecesMergeByDefinition(t *testing.T) {
	model := ladder(t).model.(*bpe)
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "aa", "aaab", "abab"}), 30, 200).Draw(t, "text"), "")
		require.Equal(t, naiveMerge(model, model.appendBytes(nil, text)), model.encode(nil, text))
	})
}

func TestOneMebibyteOfOneLetterIsQuick(t *testing.T) {
	tok := ladder(t)
	for _, text := range []string{strings.Repeat("a", 1<<20), strings.Repeat("b", 1<<20), strings.Repeat("ab", 1<<19), strings.Repeat(" ", 1<<20), strings.Repeat("\n ", 1<<19)} {
		ids := encodeInASecond(t, tok, text)
		if text[0] > ' ' {
			require.Equal(t, text, tok.Decode(ids, false))
		}
	}
}

// encodeInASecond encodes a text of 1 MiB, which takes about 0.2 s alone; it has three tries on a busy machine, and
// longer under the race detector.
func encodeInASecond(t *testing.T, tok *Tokenizer, text string) (ids []int32) {
	limit := time.Second
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		limit = 20 * time.Second
	}
	for try := 1; ; try++ {
		start := time.Now()
		ids = tok.Encode(text)
		took := time.Since(start)
		if took < limit {
			return ids
		}
		require.Less(t, try, 3, "%.8q… took %v", text, took)
	}
}

func TestCacheNeverChangesResults(t *testing.T) {
	tok := ladder(t)
	model := tok.model.(*bpe)
	rapid.Check(t, func(t *rapid.T) {
		piece := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b"}), 1, 12).Draw(t, "piece"), "")
		require.Equal(t, model.encode(nil, piece), model.appendPiece(nil, piece))
	})
}

func TestConcurrentEncodeEqualsAlone(t *testing.T) {
	tok := ladder(t)
	texts := make([]string, 200)
	want := make([][]int32, len(texts))
	for i := range texts {
		texts[i] = strings.Repeat("aab ", i%7) + strings.Repeat("ba", i) + "<e>" + strings.Repeat("a", i)
		want[i] = ladderOnce(t, texts[i])
	}
	var group sync.WaitGroup
	got := make([][][]int32, 4)
	for w := range got {
		got[w] = make([][]int32, len(texts))
		group.Go(func() {
			for i, text := range texts {
				got[w][i] = tok.Encode(text)
			}
		})
	}
	group.Wait()
	for w := range got {
		require.Equal(t, want, got[w])
	}
}

func ladderOnce(t testing.TB, text string) []int32 { return ladder(t).Encode(text) }

func TestInvalidUTF8ReadsAsReplacementCharacters(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"a\xffb", "a\ufffdb"}, {"\xf0\x9f\x98A", "\ufffdA"}, {"\xe2\x82", "\ufffd"}, {"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},
		{"\xc0\xaf", "\ufffd\ufffd"}, {"\xf0\x9f\x98\x80", "😀"}, {"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"}, {"\x80\x80", "\ufffd\ufffd"}, {"\ufffd", "\ufffd"},
	} {
		require.Equal(t, c.out, validUTF8(c.in), "%q", c.in)
	}
}
