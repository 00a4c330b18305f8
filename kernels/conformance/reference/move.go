package reference

// Embed is x[t] = table[ids[t]] + pos[positions[t]].
func Embed[F Float](x, table Matrix[F], ids []int32, pos Matrix[F], positions []int32) {
	for t, id := range ids {
		copy(x.Row(t), table.Row(int(id)))
		if !pos.Absent() {
			addScaled(x.Row(t), 1, pos.Row(int(positions[t])))
		}
	}
}

// EmbedBackward is dtable[ids[t]] += dx[t]. It takes the ids themselves, in the order
// of the tokens, so that a mistake in the groups cannot hide.
func EmbedBackward[F Float](dtable, dx Matrix[F], ids []int32) {
	for t, id := range ids {
		addScaled(dtable.Row(int(id)), 1, dx.Row(t))
	}
}

// GatherRows is dst[i] = src[rows[i]].
func GatherRows[F Float](dst, src Matrix[F], rows []int32) {
	for i, row := range rows {
		copy(dst.Row(i), src.Row(int(row)))
	}
}

// ScatterRows is dst[rows[i]] = src[i].
func ScatterRows[F Float](dst, src Matrix[F], rows []int32) {
	for i, row := range rows {
		copy(dst.Row(int(row)), src.Row(i))
	}
}
