package cuda

import (
	"retort/kernels"
	"retort/kernels/cuda/driver"
)

// Kernels of src/decode.cu, besides those of tensorAttention.
var (
	decodeAny     = typed("decode", "decode_any")
	decodeCombine = typed("decode", "decode_combine")
)

// decodeParts is how many blocks share the range of one query, whatever its length.
const decodeParts = 16

// CachedAttention lets query i read cache rows [first[i], first[i]+count[i]).
func (b *Backend) CachedAttention(o, q, kc, vc, first, count kernels.Tensor, h kernels.Heads) {
	const op = "CachedAttention"
	wantHeads(op, h)
	kernels.Want(op, "q", q, b.activation, q.Rows, h.Query*h.Size)
	kernels.Want(op, "o", o, b.activation, q.Rows, q.Cols)
	kernels.Want(op, "kc", kc, b.activation, kc.Rows, h.KV*h.Size)
	kernels.Want(op, "vc", vc, b.activation, kc.Rows, kc.Cols)
	kernels.Want(op, "first", first, kernels.Int32, 1, q.Rows)
	kernels.Want(op, "count", count, kernels.Int32, 1, q.Rows)
	if q.Rows == 0 {
		return
	}
	group := h.Query / h.KV
	partials := b.reserve(int64(q.Rows) * int64(h.Query) * decodeParts * int64(h.Size+2) * 4)
	grid := driver.Geometry{Grid: [3]int{q.Rows, h.KV * ceil(group, 16), decodeParts}, Block: [3]int{attentionThreads, 1, 1}}
	args := b.args.Reset().Ptr(partials).Ptr(b.pointer(q)).Ptr(b.pointer(kc)).Ptr(b.pointer(vc)).
		Ptr(b.pointer(first)).Ptr(b.pointer(count)).Int32(h.Query).Int32(group)
	if t, ok := b.tensorSize(h); ok {
		grid.SharedBytes = 288*h.Size + 2560
		args.Int32(q.Stride).Int32(kc.Stride).Int32(vc.Stride).Float32(h.Scale).Int32(flag(b.chunked(q, kc, vc)))
		b.launch(t.decode, grid, args)
	} else {
		grid.SharedBytes = anyBytes(h.Size, 3, 1)
		args.Int32(h.Size).Int32(q.Stride).Int32(kc.Stride).Int32(vc.Stride).Float32(h.Scale)
		b.launch(decodeAny, grid, args)
	}
	combine := driver.Geometry{Grid: [3]int{q.Rows, h.Query, 1}, Block: [3]int{64, 1, 1}}
	b.launch(decodeCombine, combine, b.args.Reset().Ptr(b.pointer(o)).Ptr(partials).Ptr(b.pointer(count)).Int32(h.Size).Int32(o.Stride))
}
