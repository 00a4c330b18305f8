package cpu

import (
	"retort/kernels"
	"retort/kernels/cpu/vec"
)

// embedTask looks up rows of the token table and, for GPT-2, of the position table.
type embedTask struct {
	x, table, pos  mat
	ids, positions []int32
	chunk          int
}

// Embed is x[t] = table[ids[t]] + pos[positions[t]].
func (b *Backend) Embed(x, table, ids, pos, positions kernels.Tensor) {
	want("Embed", "x", x, ids.Cols, table.Cols)
	wantInts("Embed", "ids", ids, x.Rows)
	t := &b.tasks.embed
	*t = embedTask{x: view(x), table: view(table), ids: ints(ids), chunk: rowsPerItem(x.Cols)}
	if !pos.Absent() {
		want("Embed", "pos", pos, pos.Rows, x.Cols)
		wantInts("Embed", "positions", positions, x.Rows)
		t.pos, t.positions = view(pos), ints(positions)
	}
	b.pool.Do(t, items(x.Rows, t.chunk))
}

// Run looks up the item's tokens.
func (t *embedTask) Run(item, _ int) {
	lo, hi := span(item, t.chunk, t.x.rows)
	for i := lo; i < hi; i++ {
		token := t.table.row(int(t.ids[i]))
		if t.pos.present() {
			vec.Add(t.x.row(i), token, t.pos.row(int(t.positions[i])))
		} else {
			copy(t.x.row(i), token)
		}
	}
}

// embedBackwardTask sums the gradients of the tokens of one id; an item is one id.
type embedBackwardTask struct {
	dtable, dx         mat
	ids, starts, order []int32
}

// EmbedBackward is dtable[g.IDs[u]] += Σ dx[t] over the tokens t of group u.
func (b *Backend) EmbedBackward(dtable, dx kernels.Tensor, g kernels.Groups) {
	want("EmbedBackward", "dx", dx, g.Order.Cols, dtable.Cols)
	wantInts("EmbedBackward", "starts", g.Starts, g.Count+1)
	wantInts("EmbedBackward", "ids", g.IDs, g.Count)
	t := &b.tasks.embedBackward
	*t = embedBackwardTask{
		dtable: view(dtable), dx: view(dx),
		ids: ints(g.IDs), starts: ints(g.Starts), order: ints(g.Order),
	}
	b.pool.Do(t, g.Count)
}

// Run sums one id's gradients in the order of the tokens.
func (t *embedBackwardTask) Run(item, _ int) {
	row := t.dtable.row(int(t.ids[item]))
	for _, token := range t.order[t.starts[item]:t.starts[item+1]] {
		vec.AddTo(row, t.dx.row(int(token)))
	}
}

// gatherTask moves rows between a dense and an indexed matrix.
type gatherTask struct {
	dst, src mat
	index    []int32
	scatter  bool
	chunk    int
}

// GatherRows is dst[i] = src[rows[i]].
func (b *Backend) GatherRows(dst, src, rows kernels.Tensor) {
	want("GatherRows", "dst", dst, rows.Cols, src.Cols)
	b.moveRows(dst, src, rows, false)
}

// ScatterRows is dst[rows[i]] = src[i].
func (b *Backend) ScatterRows(dst, src, rows kernels.Tensor) {
	want("ScatterRows", "src", src, rows.Cols, dst.Cols)
	b.moveRows(dst, src, rows, true)
}

func (b *Backend) moveRows(dst, src, rows kernels.Tensor, scatter bool) {
	t := &b.tasks.gather
	*t = gatherTask{dst: view(dst), src: view(src), index: ints(rows), scatter: scatter, chunk: rowsPerItem(dst.Cols)}
	b.pool.Do(t, items(rows.Cols, t.chunk))
}

// Run copies the item's rows.
func (t *gatherTask) Run(item, _ int) {
	lo, hi := span(item, t.chunk, len(t.index))
	for i := lo; i < hi; i++ {
		if t.scatter {
			copy(t.dst.row(int(t.index[i])), t.src.row(i))
		} else {
			copy(t.dst.row(i), t.src.row(int(t.index[i])))
		}
	}
}

// Zero sets t to zero.
func (b *Backend) Zero(t kernels.Tensor) {
	if t.DType == kernels.Int32 {
		clear(ints(t))
		return
	}
	m := view(t)
	if t.Contiguous() {
		clear(m.data)
		return
	}
	for i := range m.rows {
		clear(m.row(i))
	}
}

// Copy copies src to dst.
func (b *Backend) Copy(dst, src kernels.Tensor) {
	want("Copy", "dst", dst, src.Rows, src.Cols)
	d, s := view(dst), view(src)
	for i := range d.rows {
		copy(d.row(i), s.row(i))
	}
}
