package cuda

import (
	"fmt"

	"retort/kernels"
	"retort/kernels/cuda/driver"
)

// Kernels of src/attention_any.cu, for every head size and element type.
var (
	attentionDelta      = typed("attention_any", "attention_delta")
	attentionAny        = typed("attention_any", "attention_any")
	attentionKeysAny    = typed("attention_any", "attention_keys_any")
	attentionQueriesAny = typed("attention_any", "attention_queries_any")
)

// tensorSize is the tensor cores' kernels for one head size in bf16, of src/attention.cu,
// src/attention_backward.cu and src/decode.cu, and what they are launched with.
type tensorSize struct {
	forward, keys, queries, decode kernel
	queryRows                      int // queries of a block of forward and queries
	movingRows                     int // queries that a block of keys has in shared memory at a time
}

// tensorAttention is the head sizes that the tensor cores' kernels are compiled for.
var tensorAttention = map[int]tensorSize{
	16: tensorKernels(16, 128, 64), 32: tensorKernels(32, 128, 64), 64: tensorKernels(64, 128, 64),
	96: tensorKernels(96, 64, 32), 128: tensorKernels(128, 64, 32),
}

func tensorKernels(size, queryRows, movingRows int) tensorSize {
	named := func(file, prefix string) kernel { return kernel{file: file, name: fmt.Sprint(prefix, size)} }
	return tensorSize{
		forward: named("attention", "attention_"), decode: named("decode", "decode_"),
		keys: named("attention_backward", "attention_keys_"), queries: named("attention_backward", "attention_queries_"),
		queryRows: queryRows, movingRows: movingRows,
	}
}

const (
	attentionThreads = 128
	keyRows          = 64  // keys of a block of the tensor cores' kernels
	anyRows          = 16  // rows of a block of the plain kernels
	mostSize         = 256 // the largest head that these can do
)

// CanAttend says why the kernels cannot do such heads.
func (b *Backend) CanAttend(h kernels.Heads) error {
	if h.Size < 1 || h.Size > mostSize {
		return fmt.Errorf("heads of %d elements: the GPU's attention takes 1 to %d", h.Size, mostSize)
	}
	if !(h.Scale > 0) {
		return fmt.Errorf("scores scaled by %g: the GPU's attention takes a positive factor", h.Scale)
	}
	return nil
}

// Attention is causal softmax attention inside each document.
func (b *Backend) Attention(o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	b.wantAttention("Attention", o, lse, q, k, v, docs, h)
	if b.attentionOnHopper(o, q, k, v, h) {
		b.hopperAttention(o, lse, q, k, v, docs, h)
		return
	}
	group := h.Query / h.KV
	args := b.args.Reset().Ptr(b.pointer(o)).Ptr(b.pointer(lse)).Ptr(b.pointer(q)).Ptr(b.pointer(k)).Ptr(b.pointer(v)).
		Ptr(b.pointer(docs.Device)).Int32(len(docs.Starts) - 1).Int32(group)
	if t, ok := b.tensorSize(h); ok {
		args.Int32(o.Stride).Int32(q.Stride).Int32(k.Stride).Int32(v.Stride).Float32(h.Scale).Int32(flag(b.chunked(o, q, k, v)))
		b.launch(t.forward, tileGrid(docs, t.queryRows, h.Query, 4*keyRows*h.Size*2), args)
		return
	}
	args.Int32(h.Size).Int32(o.Stride).Int32(q.Stride).Int32(k.Stride).Int32(v.Stride).Float32(h.Scale)
	b.launch(attentionAny, tileGrid(docs, anyRows, h.Query, anyBytes(h.Size, 3, 1)), args)
}

// AttentionBackward writes dq, dk and dv.
func (b *Backend) AttentionBackward(dq, dk, dv, delta, do, o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	const op = "AttentionBackward"
	b.wantAttention(op, o, lse, q, k, v, docs, h)
	kernels.Want(op, "dq", dq, b.activation, q.Rows, q.Cols)
	kernels.Want(op, "dk", dk, b.activation, k.Rows, k.Cols)
	kernels.Want(op, "dv", dv, b.activation, v.Rows, v.Cols)
	kernels.Want(op, "do", do, b.activation, o.Rows, o.Cols)
	kernels.Want(op, "delta", delta, kernels.Float32, lse.Rows, lse.Cols)
	group, documents := h.Query/h.KV, len(docs.Starts)-1
	b.launch(attentionDelta, rowGrid(ceil(q.Rows*h.Query, 4), attentionThreads), b.args.Reset().
		Ptr(b.pointer(delta)).Ptr(b.pointer(do)).Ptr(b.pointer(o)).Int32(q.Rows).Int32(h.Query).Int32(h.Size).
		Int32(do.Stride).Int32(o.Stride))

	t, tensor := b.tensorSize(h)
	aligned := flag(b.chunked(dq, dk, dv, do, q, k, v))
	shared := func(args *driver.Args) *driver.Args { // what both kernels read
		args.Ptr(b.pointer(delta)).Ptr(b.pointer(do)).Ptr(b.pointer(lse)).Ptr(b.pointer(q)).Ptr(b.pointer(k)).Ptr(b.pointer(v)).
			Ptr(b.pointer(docs.Device)).Int32(documents).Int32(group)
		if !tensor {
			args.Int32(h.Size)
		}
		return args
	}
	strides := func(args *driver.Args) *driver.Args {
		args.Int32(do.Stride).Int32(q.Stride).Int32(k.Stride).Int32(v.Stride).Float32(h.Scale)
		if tensor {
			args.Int32(aligned)
		}
		return args
	}
	keys, queries := attentionKeysAny, attentionQueriesAny
	keyGrid, queryGrid := tileGrid(docs, anyRows, h.KV, anyBytes(h.Size, 4, 2)), tileGrid(docs, anyRows, h.Query, anyBytes(h.Size, 4, 1))
	if tensor {
		keys, queries = t.keys, t.queries
		keyGrid = tileGrid(docs, keyRows, h.KV, 2*keyRows*h.Size*2+4*t.movingRows*h.Size*2+4*t.movingRows*4)
		queryGrid = tileGrid(docs, t.queryRows, h.Query, 4*keyRows*h.Size*2)
	}
	args := shared(b.args.Reset().Ptr(b.pointer(dk)).Ptr(b.pointer(dv))).Int32(dk.Stride).Int32(dv.Stride)
	b.launch(keys, keyGrid, strides(args))
	args = shared(b.args.Reset().Ptr(b.pointer(dq))).Int32(dq.Stride)
	b.launch(queries, queryGrid, strides(args))
}

// wantAttention checks what forward and backward share.
func (b *Backend) wantAttention(op string, o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	wantHeads(op, h)
	documents := len(docs.Starts)
	tokens := 0
	if documents > 0 {
		tokens = int(docs.Starts[documents-1])
	}
	kernels.Want(op, "q", q, b.activation, tokens, h.Query*h.Size)
	kernels.Want(op, "o", o, b.activation, tokens, h.Query*h.Size)
	kernels.Want(op, "k", k, b.activation, tokens, h.KV*h.Size)
	kernels.Want(op, "v", v, b.activation, tokens, h.KV*h.Size)
	kernels.Want(op, "lse", lse, kernels.Float32, tokens, h.Query)
	kernels.Want(op, "documents", docs.Device, kernels.Int32, 1, documents)
}

// wantHeads panics unless the kernels can do these heads.
func wantHeads(op string, h kernels.Heads) {
	if h.KV <= 0 || h.Query%h.KV != 0 {
		panic(fmt.Sprintf("kernels: %s: %d query heads over %d key and value heads", op, h.Query, h.KV))
	}
	if !(h.Scale > 0) {
		panic(fmt.Sprintf("cuda: %s: scores times %g, the factor must be positive", op, h.Scale))
	}
	if h.Size < 1 || h.Size > mostSize {
		panic(fmt.Sprintf("cuda: %s: heads of %d elements, the kernels take 1 to %d", op, h.Size, mostSize))
	}
}

// tensorSize is how the tensor cores do these heads; false where they cannot.
func (b *Backend) tensorSize(h kernels.Heads) (tensorSize, bool) {
	t, ok := tensorAttention[h.Size]
	return t, ok && b.activation == kernels.BFloat16
}

// chunked tells whether every row of the tensors begins at a multiple of 16 bytes, so that
// kernels may copy 16 bytes at once.
func (b *Backend) chunked(tensors ...kernels.Tensor) bool {
	for _, t := range tensors {
		if b.pointer(t)%16 != 0 || t.Stride*t.DType.Size()%16 != 0 {
			return false
		}
	}
	return true
}

// tileGrid is one block for each tile of the given rows of each document, and each head.
func tileGrid(docs kernels.Documents, rows, heads, sharedBytes int) driver.Geometry {
	tiles := 0
	for i := 1; i < len(docs.Starts); i++ {
		tiles += ceil(int(docs.Starts[i]-docs.Starts[i-1]), rows)
	}
	return driver.Geometry{Grid: [3]int{tiles, heads, 1}, Block: [3]int{attentionThreads, 1, 1}, SharedBytes: sharedBytes}
}

// anyBytes is the shared memory of a plain kernel: tiles of rows of a head, and of weights.
func anyBytes(size, tiles, weights int) int {
	return 4 * anyRows * (tiles*(size+1) + weights*(anyRows+1))
}
