package cuda

import "retort/kernels"

// distill is the kernel of src/distill.cu.
var distill = typed("distill", "distill")

// HeadDistill is HeadCrossEntropy with a teacher beside the targets.
func (b *Backend) HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights kernels.Tensor, teacher kernels.Teacher, chunk kernels.Tensor) {
	const op = "HeadDistill"
	n, vocabulary := x.Rows, w.Rows
	b.wantHead(op, logprobs, dx, dw, x, w, targets, weights, chunk)
	kernels.Want(op, "kl", kl, kernels.Float32, 1, n)
	teacher.Want(op, n, vocabulary)
	gradient := flag(!dx.Absent() || !dw.Absent())
	b.throughHead(dx, dw, x, w, chunk, func(logits matrix, lo, hi int) {
		said := teacher.RowRange(lo, hi)
		g := rowGrid(hi-lo, min(512, vocabularyThreads(vocabulary)))
		if !said.IDs.Absent() {
			g.SharedBytes = said.IDs.Cols * kernels.Float32.Size()
		}
		b.launch(distill, g, b.args.Reset().Ptr(b.pointer(logprobs.ColRange(lo, hi))).
			Ptr(b.pointer(kl.ColRange(lo, hi))).Ptr(logits.at).Ptr(b.pointer(targets.ColRange(lo, hi))).
			Ptr(b.pointer(weights.ColRange(lo, hi))).Ptr(b.pointer(said.Logits)).Ptr(b.pointer(said.IDs)).
			Int32(said.Logits.Cols).Int32(said.Logits.Stride).Int32(said.IDs.Stride).
			Float32(said.Weight).Float32(said.Temperature).Float32(1/said.Temperature).
			Int32(vocabulary).Int32(logits.stride).Int32(gradient))
	})
}
