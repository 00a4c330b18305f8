package tokenizer

// wordLevel looks each piece up as a whole.
type wordLevel struct {
	vocab   map[string]int32
	unknown int32 // absent: words outside the vocabulary are left out
}

// appendPiece appends the id of one word.
func (m *wordLevel) appendPiece(dst []int32, piece string) []int32 {
	if id, ok := m.vocab[piece]; ok {
		return append(dst, id)
	}
	if m.unknown != absent {
		dst = append(dst, m.unknown)
	}
	return dst
}
