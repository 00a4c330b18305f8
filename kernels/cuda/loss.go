package cuda

import "retort/kernels"

// crossEntropy is the kernel of src/cross_entropy.cu.
var crossEntropy = typed("cross_entropy", "cross_entropy")

// HeadRows is how many rows of logits fill a large card: dx = dlogits·w then has tiles for
// every multiprocessor, with the whole vocabulary as its k.
const HeadRows = 2048

// HeadRows is how many rows of logits HeadCrossEntropy wants room for.
func (b *Backend) HeadRows(int) int { return HeadRows }

// HeadCrossEntropy runs head, loss and their backward a chunk of rows at a time.
func (b *Backend) HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk kernels.Tensor) {
	b.wantHead("HeadCrossEntropy", logprobs, dx, dw, x, w, targets, weights, chunk)
	vocabulary, gradient := w.Rows, flag(!dx.Absent() || !dw.Absent())
	b.throughHead(dx, dw, x, w, chunk, func(logits matrix, lo, hi int) {
		g := rowGrid(hi-lo, min(512, vocabularyThreads(vocabulary)))
		b.launch(crossEntropy, g, b.args.Reset().Ptr(b.pointer(logprobs.ColRange(lo, hi))).
			Ptr(logits.at).Ptr(b.pointer(targets.ColRange(lo, hi))).Ptr(b.pointer(weights.ColRange(lo, hi))).
			Int32(vocabulary).Int32(logits.stride).Int32(gradient))
	})
}

// wantHead checks the arguments that every loss of the head has.
func (b *Backend) wantHead(op string, logprobs, dx, dw, x, w, targets, weights, chunk kernels.Tensor) {
	n, vocabulary := x.Rows, w.Rows
	kernels.Want(op, "x", x, b.activation, n, w.Cols)
	kernels.Want(op, "w", w, b.activation, vocabulary, x.Cols)
	kernels.Want(op, "logprobs", logprobs, kernels.Float32, 1, n)
	kernels.Want(op, "targets", targets, kernels.Int32, 1, n)
	kernels.Want(op, "weights", weights, kernels.Float32, 1, n)
	kernels.Want(op, "chunk", chunk, kernels.Float32, chunk.Rows, vocabulary)
	wantOptional(op, "dx", dx, b.activation, n, x.Cols)
	wantOptional(op, "dw", dw, kernels.Float32, vocabulary, w.Cols)
}

// throughHead takes x through the head w, as many rows at a time as chunk has room for: loss
// turns the logits of rows [lo, hi) into their gradient, in place, which goes on to dx and dw
// where they are given.
func (b *Backend) throughHead(dx, dw, x, w, chunk kernels.Tensor, loss func(logits matrix, lo, hi int)) {
	logits := b.logits(chunk)
	for lo := 0; lo < x.Rows; lo += logits.rows {
		hi := min(x.Rows, lo+logits.rows)
		part := logits
		part.rows = hi - lo
		rows := b.matrix(x.RowRange(lo, hi))
		b.product(rowsByRows, part, rows, b.matrix(w), epilogue{})
		loss(part, lo, hi)
		part.dtype = b.activation // the gradient, in the logits' place
		part.stride *= kernels.Float32.Size() / b.activation.Size()
		if !dx.Absent() {
			b.product(rowsByColumns, b.matrix(dx.RowRange(lo, hi)), part, b.matrix(w), epilogue{})
		}
		if !dw.Absent() {
			b.product(columnsByColumns, b.matrix(dw), part, rows, epilogue{accumulate: true})
		}
	}
}

// logits is memory for as many rows of float32 logits as chunk has room for. Rows begin at
// multiples of 256 bytes, as fast products want, and many rows are whole tiles of theirs.
// Where chunk has gaps or no room for one row, the memory is the workspace, with chunk's
// number of rows.
func (b *Backend) logits(chunk kernels.Tensor) matrix {
	const align, tile = 256, 128
	size := kernels.Float32.Size()
	rowBytes := ceil(chunk.Cols*size, align) * align
	m := matrix{cols: chunk.Cols, stride: rowBytes / size, dtype: kernels.Float32}
	if chunk.Contiguous() {
		start := b.pointer(chunk)
		m.at = (start + align - 1) / align * align
		m.rows = (chunk.Len()*chunk.DType.Size() - int(m.at-start)) / rowBytes
	}
	if m.rows <= 0 {
		m.rows = chunk.Rows
		m.at = b.reserve(int64(m.rows) * int64(rowBytes))
	}
	if m.rows > tile {
		m.rows -= m.rows % tile
	}
	return m
}
