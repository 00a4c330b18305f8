package cuda

import (
	"retort/kernels"
	"retort/kernels/cuda/driver"
)

// Kernels of src/copy.cu, src/rows.cu and src/embed.cu. Copies of int32 are those of
// float32: bits are moved as they are.
var (
	fillF32       = kernel{file: "copy", name: "fill_f32"}
	fillBF16      = kernel{file: "copy", name: "fill_bf16"}
	copyF32       = kernel{file: "copy", name: "copy_f32"}
	copyBF16      = kernel{file: "copy", name: "copy_bf16"}
	castToBF16    = kernel{file: "copy", name: "cast_f32_bf16"}
	castToF32     = kernel{file: "copy", name: "cast_bf16_f32"}
	gatherRows    = typed("rows", "gather_rows")
	scatterRows   = typed("rows", "scatter_rows")
	embed         = typed("embed", "embed")
	embedBackward = typed("embed", "embed_backward")
)

// Zero sets t to zero.
func (b *Backend) Zero(t kernels.Tensor) {
	at := b.pointer(t)
	switch {
	case b.err != nil || t.Len() == 0:
	case t.Contiguous():
		b.note(b.context.Fill(at, 0, int64(t.Len()*t.DType.Size()), b.stream))
	default:
		k := fillF32
		if t.DType == kernels.BFloat16 {
			k = fillBF16
		}
		b.launch(k, byRows(t.Rows, t.Cols, perPack(t.DType)), b.args.Reset().Ptr(at).Float32(0).Int32(t.Rows).Int32(t.Cols).Int32(t.Stride))
	}
}

// Copy copies src to dst; between float types it rounds.
func (b *Backend) Copy(dst, src kernels.Tensor) {
	if (dst.DType == kernels.Int32) != (src.DType == kernels.Int32) {
		kernels.Want("Copy", "dst", dst, src.DType, src.Rows, src.Cols)
	}
	kernels.Want("Copy", "dst", dst, dst.DType, src.Rows, src.Cols)
	to, from := b.pointer(dst), b.pointer(src)
	switch {
	case dst.DType == src.DType:
		b.copyRows(to, from, dst.DType, dst.Rows, dst.Cols, dst.Stride, src.Stride)
	case dst.DType == kernels.BFloat16:
		b.copyBy(castToBF16, strided{to, dst.Stride, 2}, strided{from, src.Stride, 4}, dst.Rows, dst.Cols)
	default:
		b.copyBy(castToF32, strided{to, dst.Stride, 4}, strided{from, src.Stride, 2}, dst.Rows, dst.Cols)
	}
}

// copyRows copies a (rows, cols) matrix between two strides, in elements.
func (b *Backend) copyRows(dst, src driver.Ptr, dtype kernels.DType, rows, cols, dstStride, srcStride int) {
	if rows <= 1 || (dstStride == cols && srcStride == cols) {
		if b.err == nil {
			b.note(b.context.Copy(dst, src, int64(rows*cols*dtype.Size()), b.stream))
		}
		return
	}
	k := copyF32
	if dtype == kernels.BFloat16 {
		k = copyBF16
	}
	b.copyBy(k, strided{dst, dstStride, dtype.Size()}, strided{src, srcStride, dtype.Size()}, rows, cols)
}

// strided is a matrix for the copying kernels.
type strided struct {
	at     driver.Ptr
	stride int // elements
	size   int // bytes of an element
}

// copyBy launches one of the copying kernels. A block copies a few rows, so a matrix without
// gaps is cut anew: a row may be as long as all of a student's parameters.
func (b *Backend) copyBy(k kernel, dst, src strided, rows, cols int) {
	const row = 4096
	if rows > 1 && (dst.stride != cols || src.stride != cols) {
		b.copyRowsBy(k, dst, src, rows, cols)
		return
	}
	n := rows * cols
	whole := n / row
	dst.stride, src.stride = row, row
	b.copyRowsBy(k, dst, src, whole, row)
	dst.at += driver.Ptr(whole * row * dst.size)
	src.at += driver.Ptr(whole * row * src.size)
	b.copyRowsBy(k, dst, src, 1, n%row)
}

func (b *Backend) copyRowsBy(k kernel, dst, src strided, rows, cols int) {
	if cols == 0 {
		return
	}
	b.launch(k, byRows(rows, cols, perPack(kernels.Float32)), b.args.Reset().Ptr(dst.at).Ptr(src.at).
		Int32(rows).Int32(cols).Int32(dst.stride).Int32(src.stride))
}

// GatherRows is dst[i] = src[rows[i]].
func (b *Backend) GatherRows(dst, src, rows kernels.Tensor) {
	b.byIndex("GatherRows", gatherRows, dst, src, rows, dst.Rows, src.Cols, dst.Rows, src.Rows)
}

// ScatterRows is dst[rows[i]] = src[i].
func (b *Backend) ScatterRows(dst, src, rows kernels.Tensor) {
	b.byIndex("ScatterRows", scatterRows, dst, src, rows, src.Rows, src.Cols, dst.Rows, src.Rows)
}

// CacheStore writes keys and values of tokens to rows of the cache.
func (b *Backend) CacheStore(kc, vc, k, v, rows kernels.Tensor) {
	kernels.Want("CacheStore", "vc", vc, b.activation, kc.Rows, kc.Cols)
	kernels.Want("CacheStore", "v", v, b.activation, k.Rows, k.Cols)
	b.byIndex("CacheStore", scatterRows, kc, k, rows, k.Rows, k.Cols, kc.Rows, k.Rows)
	b.byIndex("CacheStore", scatterRows, vc, v, rows, v.Rows, v.Cols, vc.Rows, v.Rows)
}

// byIndex moves n rows of the given width between matrices of dstRows and srcRows rows.
func (b *Backend) byIndex(op string, k kernel, dst, src, rows kernels.Tensor, n, width, dstRows, srcRows int) {
	kernels.Want(op, "dst", dst, b.activation, dstRows, width)
	kernels.Want(op, "src", src, b.activation, srcRows, width)
	kernels.Want(op, "rows", rows, kernels.Int32, 1, n)
	b.launch(k, byRows(n, width, perPack(b.activation)), b.args.Reset().Ptr(b.pointer(dst)).Ptr(b.pointer(src)).Ptr(b.pointer(rows)).
		Int32(n).Int32(width).Int32(dst.Stride).Int32(src.Stride))
}

// Embed looks tokens up: x[t] = table[ids[t]] + pos[positions[t]].
func (b *Backend) Embed(x, table, ids, pos, positions kernels.Tensor) {
	kernels.Want("Embed", "x", x, b.activation, x.Rows, table.Cols)
	kernels.Want("Embed", "table", table, b.activation, table.Rows, x.Cols)
	kernels.Want("Embed", "ids", ids, kernels.Int32, 1, x.Rows)
	if !pos.Absent() {
		kernels.Want("Embed", "pos", pos, b.activation, pos.Rows, x.Cols)
		kernels.Want("Embed", "positions", positions, kernels.Int32, 1, x.Rows)
	}
	b.launch(embed, byRows(x.Rows, x.Cols, perPack(b.activation)), b.args.Reset().Ptr(b.pointer(x)).Ptr(b.pointer(table)).Ptr(b.pointer(ids)).
		Ptr(b.pointer(pos)).Ptr(b.pointer(positions)).Int32(x.Rows).Int32(x.Cols).Int32(x.Stride).Int32(table.Stride).Int32(pos.Stride))
}

// EmbedBackward sums gradients per id: dtable[g.IDs[u]] += Σ dx[t], t in group u.
func (b *Backend) EmbedBackward(dtable, dx kernels.Tensor, g kernels.Groups) {
	kernels.Want("EmbedBackward", "dtable", dtable, kernels.Float32, dtable.Rows, dx.Cols)
	kernels.Want("EmbedBackward", "dx", dx, b.activation, g.Order.Cols, dtable.Cols)
	kernels.Want("EmbedBackward", "ids", g.IDs, kernels.Int32, 1, g.Count)
	kernels.Want("EmbedBackward", "starts", g.Starts, kernels.Int32, 1, g.Count+1)
	b.launch(embedBackward, byRows(g.Count, dx.Cols, perPack(kernels.Float32)), b.args.Reset().Ptr(b.pointer(dtable)).Ptr(b.pointer(dx)).Ptr(b.pointer(g.IDs)).
		Ptr(b.pointer(g.Starts)).Ptr(b.pointer(g.Order)).Int32(g.Count).Int32(dx.Cols).Int32(dtable.Stride).Int32(dx.Stride))
}
