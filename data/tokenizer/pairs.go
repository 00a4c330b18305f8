package tokenizer

import (
	"hash/maphash"
	"math"
	"strings"
	"sync/atomic"
)

// merged is what a pair of neighbours becomes, and how early that was learnt.
type merged struct {
	rank uint32 // the lowest goes first
	id   int32
}

// noMerge is returned for pairs that are no merge; its rank is above all.
var noMerge = merged{rank: math.MaxUint32, id: absent}

// pairTable maps pairs of ids to merges: open addressing at most two thirds full, several times as fast as a map.
type pairTable struct {
	slots []pairSlot // a power of two
	shift uint       // of the hash, to a slot
}

type pairSlot struct {
	pair uint64 // left<<32 | right, or noPair
	merged
}

const noPair = math.MaxUint64 // ids are not negative

// newPairTable returns a table with room for count pairs.
func newPairTable(count int) pairTable {
	bits := uint(1)
	for 1<<bits < count+count/2+1 {
		bits++
	}
	t := pairTable{slots: make([]pairSlot, 1<<bits), shift: 64 - bits}
	for i := range t.slots {
		t.slots[i] = pairSlot{pair: noPair, merged: noMerge}
	}
	return t
}

// slot returns where the pair is, or where it would be.
func (t *pairTable) slot(pair uint64) *pairSlot {
	mask := uint64(len(t.slots) - 1)
	for i := (pair * 0x9E3779B97F4A7C15) >> t.shift; ; i = (i + 1) & mask {
		if s := &t.slots[i]; s.pair == pair || s.pair == noPair {
			return s
		}
	}
}

// get returns the merge of two ids, or noMerge.
func (t *pairTable) get(left, right int32) merged {
	return t.slot(uint64(uint32(left))<<32 | uint64(uint32(right))).merged
}

// put stores a merge; of two for one pair the later stays, as in the reference.
func (t *pairTable) put(left, right int32, into merged) {
	pair := uint64(uint32(left))<<32 | uint64(uint32(right))
	*t.slot(pair) = pairSlot{pair: pair, merged: into}
}

const (
	maxCachedPiece = 64      // bytes
	cacheSlots     = 1 << 15 // entries
)

// pieceCache remembers the ids of short pieces: one per slot, the newest stays. It is bounded and safe for
// concurrent use without locks; what it holds never changes a result.
type pieceCache struct {
	seed  maphash.Seed
	slots [cacheSlots]atomic.Pointer[cachedPiece]
}

type cachedPiece struct {
	piece string
	ids   []int32
}

func newPieceCache() *pieceCache { return &pieceCache{seed: maphash.MakeSeed()} }

func (c *pieceCache) slot(piece string) *atomic.Pointer[cachedPiece] {
	return &c.slots[maphash.String(c.seed, piece)%cacheSlots]
}

func (c *pieceCache) get(piece string) ([]int32, bool) {
	if p := c.slot(piece).Load(); p != nil && p.piece == piece {
		return p.ids, true
	}
	return nil, false
}

// put copies both, so that neither the text nor the caller's slice is kept.
func (c *pieceCache) put(piece string, ids []int32) {
	c.slot(piece).Store(&cachedPiece{piece: strings.Clone(piece), ids: append([]int32(nil), ids...)})
}
