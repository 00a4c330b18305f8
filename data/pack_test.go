package data

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPackHoldsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		budget := rapid.IntRange(1, 70).Draw(t, "budget")
		lengths := rapid.SliceOfN(rapid.IntRange(0, budget), 0, 80).Draw(t, "lengths")
		packs := Pack(lengths, budget)

		seen := make([]bool, len(lengths))
		first := -1
		for _, p := range packs {
			tokens := 0
			require.True(t, slices.IsSorted(p), "documents of a pack are in order")
			require.Greater(t, p[0], first, "packs are in the order of their first document")
			first = p[0]
			for _, d := range p {
				require.False(t, seen[d], "document %d twice", d)
				seen[d] = true
				tokens += lengths[d]
			}
			require.LessOrEqual(t, tokens, budget)
		}
		require.NotContains(t, seen, false, "every document once")

		plain, room := 0, -1 // next fit, in the given order
		for _, n := range lengths {
			if n > room {
				plain, room = plain+1, budget
			}
			room -= n
		}
		require.LessOrEqual(t, len(packs), plain)
		require.Equal(t, packs, Pack(lengths, budget), "deterministic")
	})
}

func TestPackTakesTheFullestPackWithRoom(t *testing.T) {
	require.Equal(t, [][]int{{0, 3}, {1, 2}}, Pack([]int{6, 7, 3, 4}, 10))
	require.Equal(t, [][]int{{0, 1, 2}}, Pack([]int{1, 1, 0}, 1<<40), "a huge budget costs nothing")
	require.Empty(t, Pack(nil, 8))
	require.Panics(t, func() { Pack([]int{9}, 8) })
}

func BenchmarkPack(b *testing.B) {
	lengths := make([]int, 100_000)
	for i := range lengths {
		lengths[i] = 40 + i*7919%900
	}
	for b.Loop() {
		Pack(lengths, 1024)
	}
}
