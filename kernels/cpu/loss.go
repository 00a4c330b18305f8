package cpu

import (
	"math"

	"retort/kernels"
	"retort/kernels/cpu/vec"
)

// crossEntropyTask turns a chunk of logits into log-probabilities and, in place, into
// the gradient of the logits; an item is one row.
type crossEntropyTask struct {
	logits   mat
	logprobs []float32
	targets  []int32
	weights  []float32
	gradient bool
}

// headChunkLogits is about how many logits exist at once in the loss: 64 MiB of them.
const headChunkLogits = 16 << 20

// HeadRows is how many rows of logits HeadCrossEntropy wants room for.
func (b *Backend) HeadRows(vocabulary int) int { return max(1, headChunkLogits/vocabulary) }

// HeadCrossEntropy runs head, loss and their backward a chunk of rows at a time.
func (b *Backend) HeadCrossEntropy(logprobs, dx, dw, x, w, targets, weights, chunk kernels.Tensor) {
	wantHead("HeadCrossEntropy", logprobs, dx, dw, x, w, targets, weights, chunk)
	lp, ws, tg := view(logprobs), view(weights), ints(targets)
	b.throughHead(dx, dw, x, w, chunk, func(logits kernels.Tensor, lo, hi int) {
		t := &b.tasks.crossEntropy
		*t = crossEntropyTask{
			logits: view(logits), logprobs: lp.data[lo:hi], targets: tg[lo:hi], weights: ws.data[lo:hi],
			gradient: !dx.Absent() || !dw.Absent(),
		}
		b.pool.Do(t, hi-lo)
	})
}

// wantHead checks the arguments that every loss of the head has.
func wantHead(op string, logprobs, dx, dw, x, w, targets, weights, chunk kernels.Tensor) {
	n := x.Rows
	want(op, "x", x, n, w.Cols)
	want(op, "logprobs", logprobs, 1, n)
	wantInts(op, "targets", targets, n)
	want(op, "weights", weights, 1, n)
	want(op, "chunk", chunk, chunk.Rows, w.Rows)
	wantOptional(op, "dx", dx, n, x.Cols)
	wantOptional(op, "dw", dw, w.Rows, w.Cols)
}

// throughHead takes x through the head w, as many rows at a time as chunk has: loss turns the
// logits of rows [lo, hi) into their gradient, in place, which goes on to dx and dw where they
// are given.
func (b *Backend) throughHead(dx, dw, x, w, chunk kernels.Tensor, loss func(logits kernels.Tensor, lo, hi int)) {
	for lo := 0; lo < x.Rows; lo += chunk.Rows {
		hi := min(x.Rows, lo+chunk.Rows)
		logits, rows := chunk.RowRange(0, hi-lo), x.RowRange(lo, hi)
		b.Linear(logits, rows, w, kernels.Tensor{})
		loss(logits, lo, hi)
		if !dx.Absent() {
			b.LinearBackwardInput(dx.RowRange(lo, hi), logits, w, false)
		}
		b.LinearBackwardWeight(dw, kernels.Tensor{}, logits, rows)
	}
}

// Run handles one row: its log-probability, and dlogits = weight·(softmax − onehot).
func (t *crossEntropyTask) Run(item, _ int) {
	row, target := t.logits.row(item), t.targets[item]
	shift, logit := vec.Max(row), row[target]
	sum := vec.ExpShift(row, row, 1, shift)
	t.logprobs[item] = float32(float64(logit-shift) - math.Log(float64(sum)))
	if t.gradient {
		weight := t.weights[item]
		vec.Scale(row, weight/sum)
		row[target] -= weight
	}
}
