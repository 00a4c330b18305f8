package cpu

import (
	"fmt"

	"retort/kernels"
	"retort/kernels/cpu/vec"
)

// cacheStoreTask writes new keys and values into the cache.
type cacheStoreTask struct {
	kc, vc, k, v mat
	rows         []int32
	chunk        int
}

// CacheStore writes k[t] and v[t] to cache row rows[t].
func (b *Backend) CacheStore(kc, vc, k, v, rows kernels.Tensor) {
	want("CacheStore", "k", k, rows.Cols, kc.Cols)
	want("CacheStore", "v", v, rows.Cols, vc.Cols)
	want("CacheStore", "vc", vc, kc.Rows, kc.Cols)
	t := &b.tasks.cacheStore
	*t = cacheStoreTask{kc: view(kc), vc: view(vc), k: view(k), v: view(v), rows: ints(rows), chunk: rowsPerItem(k.Cols)}
	b.pool.Do(t, items(rows.Cols, t.chunk))
}

// Run stores the item's tokens.
func (t *cacheStoreTask) Run(item, _ int) {
	lo, hi := span(item, t.chunk, len(t.rows))
	for i := lo; i < hi; i++ {
		copy(t.kc.row(int(t.rows[i])), t.k.row(i))
		copy(t.vc.row(int(t.rows[i])), t.v.row(i))
	}
}

// cachedAttentionTask is attention of single queries over the cache; an item is one
// query and one key and value head.
type cachedAttentionTask struct {
	b            *Backend
	o, q, kc, vc mat
	first, count []int32
	h            kernels.Heads
}

// CachedAttention lets query i read cache rows [first[i], first[i]+count[i]).
func (b *Backend) CachedAttention(o, q, kc, vc, first, count kernels.Tensor, h kernels.Heads) {
	const op = "CachedAttention"
	if h.KV <= 0 || h.Query%h.KV != 0 {
		panic(fmt.Sprintf("kernels: %s: %d query heads over %d key and value heads", op, h.Query, h.KV))
	}
	want(op, "q", q, q.Rows, h.Query*h.Size)
	want(op, "o", o, q.Rows, q.Cols)
	want(op, "kc", kc, kc.Rows, h.KV*h.Size)
	want(op, "vc", vc, kc.Rows, kc.Cols)
	wantInts(op, "first", first, q.Rows)
	wantInts(op, "count", count, q.Rows)
	t := &b.tasks.cached
	*t = cachedAttentionTask{
		b: b, o: view(o), q: view(q), kc: view(kc), vc: view(vc), first: ints(first), count: ints(count), h: h,
	}
	b.pool.Do(t, q.Rows*h.KV)
}

// Run computes the query heads that share one key and value head.
func (t *cachedAttentionTask) Run(item, worker int) {
	i, kv := item/t.h.KV, item%t.h.KV
	d, group := t.h.Size, t.h.Query/t.h.KV
	first, count := int(t.first[i]), int(t.count[i])
	ws := &t.b.scratch.workers[worker]
	ws.row = grow(ws.row, max(count, cap(ws.row)))
	scores := ws.row[:count]
	keys, values := block(&t.kc, first, kv, d), block(&t.vc, first, kv, d)
	for head := kv * group; head < (kv+1)*group; head++ {
		q, o := t.q.row(i)[head*d:(head+1)*d], t.o.row(i)[head*d:(head+1)*d]
		vec.DotRows(scores, q, keys, t.kc.stride)
		shift := t.h.Scale * vec.Max(scores)
		sum := vec.ExpShift(scores, scores, t.h.Scale, shift)
		vec.WeightedRows(o, scores, values, t.vc.stride)
		vec.Scale(o, 1/sum)
	}
}
