package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// bpe is byte-pair encoding: a piece begins as the ids of its characters, and the pair of neighbours that was learnt
// first is merged until no pair is left (merge.go).
type bpe struct {
	vocab map[string]int32
	pairs pairTable
	cache *pieceCache

	// raw says that pieces arrive as text whose bytes stand for their characters of the byte-level alphabet; bytes
	// then gives the id of each. Otherwise a piece's characters are looked up as they are.
	raw   bool
	bytes [256]int32

	prefix, suffix string      // of every character but the first, of the last
	unknown        int32       // for characters outside the vocabulary; absent: they are left out
	fuseUnknown    bool        // neighbouring unknown characters become one token
	fallback       *[256]int32 // byte_fallback: <0x00> to <0xFF>, for characters outside the vocabulary
	ignoreMerges   bool        // a piece that is a token is that token
}

// absent is no token's id.
const absent int32 = -1

// appendPiece appends the ids of one piece.
func (m *bpe) appendPiece(dst []int32, piece string) []int32 {
	if len(piece) > maxCachedPiece {
		return m.encode(dst, piece)
	}
	if ids, ok := m.cache.get(piece); ok {
		return append(dst, ids...)
	}
	start := len(dst)
	dst = m.encode(dst, piece)
	m.cache.put(piece, dst[start:])
	return dst
}

// encode is appendPiece without the cache.
func (m *bpe) encode(dst []int32, piece string) []int32 {
	if m.ignoreMerges {
		token := piece
		if m.raw {
			token = toAlphabet(piece)
		}
		if id, ok := m.vocab[token]; ok {
			return append(dst, id)
		}
	}
	start := len(dst)
	if m.raw {
		dst = m.appendBytes(dst, piece)
	} else {
		dst = m.appendCharacters(dst, piece)
	}
	return dst[:start+m.merge(dst[start:])]
}

// appendBytes appends the ids of the bytes of piece, the usual case.
func (m *bpe) appendBytes(dst []int32, piece string) []int32 {
	for i := range len(piece) {
		id := m.bytes[piece[i]]
		if id == absent {
			return m.appendCharacters(dst[:len(dst)-i], toAlphabet(piece))
		}
		dst = append(dst, id)
	}
	return dst
}

// appendCharacters appends the ids of the characters of piece, with all that the reference does about characters
// outside the vocabulary: bytes if the vocabulary has them, else the unknown token, else nothing. An unknown token
// is held back until the next known character, also over bytes.
func (m *bpe) appendCharacters(dst []int32, piece string) []int32 {
	held := false
	for i := 0; i < len(piece); {
		_, size := utf8.DecodeRuneInString(piece[i:])
		character := piece[i : i+size]
		if i > 0 && m.prefix != "" {
			character = m.prefix + character
		}
		if i += size; i == len(piece) && m.suffix != "" {
			character += m.suffix
		}
		if id, ok := m.vocab[character]; ok {
			if held {
				dst, held = append(dst, m.unknown), false
			}
			dst = append(dst, id)
			continue
		}
		if m.hasBytes(character) {
			for b := range len(character) {
				dst = append(dst, m.fallback[character[b]])
			}
			continue
		}
		if m.unknown == absent {
			continue
		}
		if held && !m.fuseUnknown {
			dst = append(dst, m.unknown)
		}
		held = true
	}
	if held {
		dst = append(dst, m.unknown)
	}
	return dst
}

// hasBytes reports whether byte_fallback can spell these bytes.
func (m *bpe) hasBytes(character string) bool {
	if m.fallback == nil {
		return false
	}
	for b := range len(character) {
		if m.fallback[character[b]] == absent {
			return false
		}
	}
	return true
}

// newBPE builds the model from its vocabulary and merges, best first. spec gives the options.
func newBPE(spec bpeSpec, vocab map[string]int32, raw bool) (*bpe, error) {
	m := &bpe{vocab: vocab, cache: newPieceCache(), prefix: spec.Prefix, suffix: spec.Suffix,
		unknown: absent, fuseUnknown: spec.FuseUnknown, ignoreMerges: spec.IgnoreMerges}
	if spec.Unknown != nil {
		m.unknown = find(vocab, *spec.Unknown)
	}
	if spec.ByteFallback {
		m.fallback = new([256]int32)
		const digits = "0123456789ABCDEF"
		for b := range 256 {
			m.fallback[b] = find(vocab, "<0x"+string(digits[b>>4])+string(digits[b&15])+">")
		}
	}
	if m.raw = raw && m.prefix == "" && m.suffix == ""; m.raw {
		for b, r := range byteRune {
			m.bytes[b] = find(vocab, string(r))
		}
	}
	var err error
	m.pairs, err = readMerges(spec.Merges, spec.Prefix, vocab)
	return m, err
}

func find(vocab map[string]int32, token string) int32 {
	if id, ok := vocab[token]; ok {
		return id
	}
	return absent
}

// readMerges reads the merges of a BPE: "a b" or ["a","b"], in order of rank. The right part's prefix is dropped in
// the merged token.
func readMerges(raw, prefix string, vocab map[string]int32) (pairTable, error) {
	type merge struct{ left, right, into int32 }
	var merges []merge
	var joined []byte
	list := jsonCursor{text: raw}
	for list.next() {
		left, right, ok := list.pair()
		if !ok {
			return pairTable{}, fault(ErrMerge, `model.merges[%d]: not "a b" or ["a","b"]`, len(merges))
		}
		joined = append(append(joined[:0], left...), strings.TrimPrefix(right, prefix)...)
		into, ok := vocab[string(joined)]
		found := merge{find(vocab, left), find(vocab, right), into}
		unknown := ""
		switch {
		case found.left == absent:
			unknown = left
		case found.right == absent:
			unknown = right
		case !ok:
			unknown = string(joined)
		}
		if unknown != "" || !ok {
			return pairTable{}, fault(ErrMergeToken, "model.merges[%d] %q %q: %q is not in the vocabulary", len(merges), left, right, unknown)
		}
		merges = append(merges, found)
	}
	table := newPairTable(len(merges))
	for rank, m := range merges {
		table.put(m.left, m.right, merged{rank: uint32(rank), id: m.into})
	}
	return table, nil
}
