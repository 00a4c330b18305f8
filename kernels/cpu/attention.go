package cpu

import (
	"fmt"
	"math"

	"retort/kernels"
	"retort/kernels/cpu/gemm"
	"retort/kernels/cpu/vec"
)

// CanAttend is nil: any heads will do.
func (b *Backend) CanAttend(kernels.Heads) error { return nil }

// Attention is computed tile by tile: queryTile queries of one head against the keys
// before them. The scores of a tile are a small matrix product into the worker's
// scratch, so that a document of L tokens never needs its (L, L) matrix at once.
const queryTile = 64

// tile is one block of queries of a document: tokens [lo, hi) of the document that
// starts at token start.
type tile struct{ start, lo, hi int32 }

// attentionTask is the forward pass; an item is one tile of one head.
type attentionTask struct {
	b               *Backend
	o, lse, q, k, v mat
	h               kernels.Heads
	tiles           []tile
	longest         int
}

// Attention is causal softmax attention inside each document.
func (b *Backend) Attention(o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	const op = "Attention"
	wantHeads(op, o, lse, q, k, v, docs, h)
	b.scratch.tiles = b.scratch.tiles[:0]
	for i := 1; i < len(docs.Starts); i++ {
		start, end := docs.Starts[i-1], docs.Starts[i]
		for lo := int32(0); lo < end-start; lo += queryTile {
			b.scratch.tiles = append(b.scratch.tiles, tile{start, lo, min(end-start, lo+queryTile)})
		}
	}
	t := &b.tasks.attention
	*t = attentionTask{
		b: b, o: view(o), lse: view(lse), q: view(q), k: view(k), v: view(v),
		h: h, tiles: b.scratch.tiles, longest: docs.Longest,
	}
	b.pool.Do(t, len(t.tiles)*h.Query)
}

// wantHeads checks the arguments that forward and backward share.
func wantHeads(op string, o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	if h.KV <= 0 || h.Query%h.KV != 0 {
		panic(fmt.Sprintf("kernels: %s: %d query heads over %d key and value heads", op, h.Query, h.KV))
	}
	tokens := 0
	if n := len(docs.Starts); n > 0 {
		tokens = int(docs.Starts[n-1])
	}
	want(op, "q", q, tokens, h.Query*h.Size)
	want(op, "o", o, tokens, h.Query*h.Size)
	want(op, "k", k, tokens, h.KV*h.Size)
	want(op, "v", v, tokens, h.KV*h.Size)
	want(op, "lse", lse, tokens, h.Query)
}

// block is the (hi−lo, D) part of m that tokens [lo, hi) and head hold.
func block(m *mat, lo, head, size int) []float32 { return m.data[lo*m.stride+head*size:] }

// Run computes the outputs of one tile of one head.
func (t *attentionTask) Run(item, worker int) {
	tl, head := t.tiles[item/t.h.Query], item%t.h.Query
	kv, d := head/(t.h.Query/t.h.KV), t.h.Size
	first := int(tl.start + tl.lo)
	rows, keys := int(tl.hi-tl.lo), int(tl.hi)
	ws := &t.b.scratch.workers[worker]
	ws.scores = grow(ws.scores, queryTile*t.longest)
	s := ws.scores[:rows*keys]

	q := gemm.Matrix{Data: block(&t.q, first, head, d), Stride: t.q.stride}
	k := gemm.Matrix{Data: block(&t.k, int(tl.start), kv, d), Stride: t.k.stride, Trans: true}
	v := gemm.Matrix{Data: block(&t.v, int(tl.start), kv, d), Stride: t.v.stride}
	t.b.gemm.Serial(worker, s, keys, rows, keys, d, q, k, false) // scores = q·kᵀ
	var inverse [queryTile]float32
	for r := range rows {
		row := s[r*keys : (r+1)*keys]
		seen := int(tl.lo) + r + 1 // causal: the token itself and those before it
		shift := t.h.Scale * vec.Max(row[:seen])
		sum := vec.ExpShift(row[:seen], row[:seen], t.h.Scale, shift)
		clear(row[seen:])
		inverse[r] = 1 / sum
		t.lse.row(first + r)[head] = shift + float32(math.Log(float64(sum)))
	}
	o := block(&t.o, first, head, d)
	t.b.gemm.Serial(worker, o, t.o.stride, rows, d, keys, gemm.Matrix{Data: s, Stride: keys}, v, false)
	for r := range rows {
		vec.Scale(o[r*t.o.stride:r*t.o.stride+d], inverse[r])
	}
}

// attentionBackwardTask is the backward pass; an item is one key and value head of one
// document, so that dk and dv are summed by one worker in one order.
type attentionBackwardTask struct {
	b                   *Backend
	dq, dk, dv, delta   mat
	do, o, lse, q, k, v mat
	h                   kernels.Heads
	starts              []int32
	longest             int
}

// AttentionBackward writes dq, dk and dv.
func (b *Backend) AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	const op = "AttentionBackward"
	wantHeads(op, o, lse, q, k, v, docs, h)
	want(op, "dq", dq, q.Rows, q.Cols)
	want(op, "dk", dk, k.Rows, k.Cols)
	want(op, "dv", dv, v.Rows, v.Cols)
	want(op, "do", do, o.Rows, o.Cols)
	want(op, "delta", delta, lse.Rows, lse.Cols)
	t := &b.tasks.attentionBack
	*t = attentionBackwardTask{
		b: b, dq: view(dq), dk: view(dk), dv: view(dv), delta: view(delta),
		do: view(do), o: view(o), lse: view(lse), q: view(q), k: view(k), v: view(v),
		h: h, starts: docs.Starts, longest: docs.Longest,
	}
	b.pool.Do(t, (len(docs.Starts)-1)*h.KV)
}

// Run handles one key and value head of one document: every query head that reads it,
// tile by tile.
func (t *attentionBackwardTask) Run(item, worker int) {
	doc, kv := item/t.h.KV, item%t.h.KV
	start, end := int(t.starts[doc]), int(t.starts[doc+1])
	d, group := t.h.Size, t.h.Query/t.h.KV
	for i := start; i < end; i++ {
		clear(t.dk.row(i)[kv*d : (kv+1)*d])
		clear(t.dv.row(i)[kv*d : (kv+1)*d])
	}
	ws := &t.b.scratch.workers[worker]
	ws.scores = grow(ws.scores, queryTile*t.longest)
	ws.dscores = grow(ws.dscores, queryTile*t.longest)
	for head := kv * group; head < (kv+1)*group; head++ {
		for lo := 0; lo < end-start; lo += queryTile {
			t.tile(worker, start, lo, min(end-start, lo+queryTile), head, kv)
		}
	}
}

// tile recomputes the probabilities p of queries [lo, hi) from their log-sum-exp, then
// with dp = do·vᵀ and ds = scale·p·(dp − Σ do·o): dq = ds·k, dk += dsᵀ·q, dv += pᵀ·do
// (FlashAttention-2's backward, arXiv 2307.08691, algorithm 2).
func (t *attentionBackwardTask) tile(worker, start, lo, hi, head, kv int) {
	d, rows, keys, first := t.h.Size, hi-lo, hi, start+lo
	ws := &t.b.scratch.workers[worker]
	p, ds := ws.scores[:rows*keys], ws.dscores[:rows*keys]
	g := t.b.gemm

	do, q := block(&t.do, first, head, d), block(&t.q, first, head, d)
	k, v := block(&t.k, start, kv, d), block(&t.v, start, kv, d)
	dk, dv := block(&t.dk, start, kv, d), block(&t.dv, start, kv, d)
	doM, qM := gemm.Matrix{Data: do, Stride: t.do.stride}, gemm.Matrix{Data: q, Stride: t.q.stride}

	g.Serial(worker, p, keys, rows, keys, d, qM, gemm.Matrix{Data: k, Stride: t.k.stride, Trans: true}, false)
	g.Serial(worker, ds, keys, rows, keys, d, doM, gemm.Matrix{Data: v, Stride: t.v.stride, Trans: true}, false)
	for r := range rows {
		seen := lo + r + 1
		pRow, dsRow := p[r*keys:(r+1)*keys], ds[r*keys:(r+1)*keys]
		vec.ExpShift(pRow[:seen], pRow[:seen], t.h.Scale, t.lse.row(first + r)[head])
		clear(pRow[seen:])
		clear(dsRow[seen:])
		delta := vec.Dot(t.do.row(first + r)[head*d:(head+1)*d], t.o.row(first + r)[head*d:(head+1)*d])
		t.delta.row(first + r)[head] = delta
		vec.SoftmaxBackward(dsRow[:seen], pRow[:seen], t.h.Scale, delta)
	}
	dsM := gemm.Matrix{Data: ds, Stride: keys}
	g.Serial(worker, block(&t.dq, first, head, d), t.dq.stride, rows, d, keys, dsM, gemm.Matrix{Data: k, Stride: t.k.stride}, false)
	dsM.Trans = true
	g.Serial(worker, dk, t.dk.stride, keys, d, rows, dsM, qM, true)
	g.Serial(worker, dv, t.dv.stride, keys, d, rows, gemm.Matrix{Data: p, Stride: keys, Trans: true}, doM, true)
}
