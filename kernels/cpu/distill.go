package cpu

import (
	"math"

	"retort/kernels"
	"retort/kernels/cpu/vec"
)

// distillTask turns a chunk of logits into log-probabilities, divergences from the teacher and,
// in place, the gradient of the logits; an item is one row.
type distillTask struct {
	b                   *Backend
	logits, teacher     mat
	ids                 kernels.Tensor // absent where the teacher names every token
	logprobs, kl        []float32
	targets             []int32
	weights             []float32
	lambda, temperature float32
	gradient            bool
}

// HeadDistill is HeadCrossEntropy with a teacher beside the targets.
func (b *Backend) HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights kernels.Tensor, teacher kernels.Teacher, chunk kernels.Tensor) {
	const op = "HeadDistill"
	wantHead(op, logprobs, dx, dw, x, w, targets, weights, chunk)
	want(op, "kl", kl, 1, x.Rows)
	teacher.Want(op, x.Rows, w.Rows)
	lp, divergences, ws, tg := view(logprobs), view(kl), view(weights), ints(targets)
	b.throughHead(dx, dw, x, w, chunk, func(logits kernels.Tensor, lo, hi int) {
		said := teacher.RowRange(lo, hi)
		t := &b.tasks.distill
		*t = distillTask{
			b: b, logits: view(logits), teacher: view(said.Logits), ids: said.IDs,
			logprobs: lp.data[lo:hi], kl: divergences.data[lo:hi], targets: tg[lo:hi], weights: ws.data[lo:hi],
			lambda: said.Weight, temperature: said.Temperature, gradient: !dx.Absent() || !dw.Absent(),
		}
		b.pool.Do(t, hi-lo)
	})
}

// Run handles one row: its log-probability, its divergence, and
// dlogits = weight·((1−λ)·(softmax − onehot) + λ·T·(student − teacher)).
func (t *distillTask) Run(item, worker int) {
	row, said, target := t.logits.row(item), t.teacher.row(item), t.targets[item]
	ws := &t.b.scratch.workers[worker]
	need := len(row) + len(said)
	ws.row = grow(ws.row, max(need, cap(ws.row)))
	student, teacher := ws.row[:len(row)], ws.row[len(row):need]
	var ids []int32
	if !t.ids.Absent() {
		ids = intRow(t.ids, item)
	}

	shift, logit, inverse := vec.Max(row), row[target], 1/t.temperature
	var lambda, studentSum, teacherSum float32
	t.kl[item] = 0
	if largest := vec.Max(said); !math.IsInf(float64(largest), -1) {
		lambda = t.lambda
		studentShift, teacherShift := shift*inverse, largest*inverse
		studentSum = vec.ExpShift(student, row, inverse, studentShift)
		teacherSum = vec.ExpShift(teacher, said, inverse, teacherShift)
		gap := float64(inverse) * meanGap(teacher, said, row, ids) / float64(teacherSum)
		t.kl[item] = float32(gap + float64(studentShift) + math.Log(float64(studentSum)) -
			float64(teacherShift) - math.Log(float64(teacherSum)))
	}
	sum := vec.ExpShift(row, row, 1, shift)
	t.logprobs[item] = float32(float64(logit-shift) - math.Log(float64(sum)))
	if !t.gradient {
		return
	}

	weight := t.weights[item]
	hard, soft := weight*(1-lambda), weight*lambda*t.temperature
	vec.Scale(row, hard/sum)
	row[target] -= hard
	if lambda == 0 {
		return
	}
	vec.Axpy(row, soft/studentSum, student)
	if ids == nil {
		vec.Axpy(row, -soft/teacherSum, teacher)
		return
	}
	for j, p := range teacher {
		row[ids[j]] -= soft / teacherSum * p
	}
}

// meanGap is Σ p·(said − logit) over the tokens that the teacher names, ids or all. A token
// without probability adds nothing, though its logit be −Inf.
func meanGap(p, said, logits []float32, ids []int32) (sum float64) {
	for j, v := range p {
		if v == 0 {
			continue
		}
		at := j
		if ids != nil {
			at = int(ids[j])
		}
		sum += float64(v) * (float64(said[j]) - float64(logits[at]))
	}
	return sum
}
