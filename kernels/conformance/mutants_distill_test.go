package conformance

import (
	"math"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// Broken losses with a teacher.

// during calls run with other values in the tensor, which change makes of the old ones in place.
func during(t kernels.Tensor, change func(row int, values []float32), run func()) {
	before := mat(t).Clone()
	for i := range t.Rows {
		change(i, mat(t).Row(i))
	}
	run()
	for i := range t.Rows {
		copy(mat(t).Row(i), before.Row(i))
	}
}

type distillForgetsSquare struct{ *plain } // λ·KL instead of λ·T²·KL

func (m distillForgetsSquare) HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights kernels.Tensor, teacher kernels.Teacher, chunk kernels.Tensor) {
	soft := teacher.Weight / (teacher.Temperature * teacher.Temperature)
	whole := 1 - teacher.Weight + soft
	teacher.Weight = soft / whole
	during(weights, func(_ int, values []float32) {
		for i := range values {
			values[i] *= whole
		}
	}, func() { m.plain.HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights, teacher, chunk) })
}

type distillWarmTeacher struct{ *plain } // the teacher's logits are not divided

func (m distillWarmTeacher) HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights kernels.Tensor, teacher kernels.Teacher, chunk kernels.Tensor) {
	during(teacher.Logits, func(_ int, values []float32) {
		for i := range values {
			values[i] *= teacher.Temperature
		}
	}, func() { m.plain.HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights, teacher, chunk) })
}

type distillReportsTheLoss struct{ *plain } // T²·KL instead of KL

func (m distillReportsTheLoss) HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights kernels.Tensor, teacher kernels.Teacher, chunk kernels.Tensor) {
	m.plain.HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights, teacher, chunk)
	for i := range vec(kl) {
		vec(kl)[i] *= teacher.Temperature * teacher.Temperature
	}
}

type distillMaskedIsEven struct{ *plain } // no teacher is taken for one that knows nothing

func (m distillMaskedIsEven) HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights kernels.Tensor, teacher kernels.Teacher, chunk kernels.Tensor) {
	during(teacher.Logits, func(_ int, values []float32) {
		largest := math.Inf(-1)
		for _, v := range values {
			largest = max(largest, float64(v))
		}
		if math.IsInf(largest, -1) {
			clear(values)
		}
	}, func() { m.plain.HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights, teacher, chunk) })
}

type distillTakesFirstIDs struct{ *plain } // the first row's tokens for all

func (m distillTakesFirstIDs) HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights kernels.Tensor, teacher kernels.Teacher, chunk kernels.Tensor) {
	teacher.IDs.Stride = 0
	m.plain.HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights, teacher, chunk)
}

type distillStudentAmongIDs struct{ *plain } // the student's softmax over the teacher's tokens

func (m distillStudentAmongIDs) HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights kernels.Tensor, teacher kernels.Teacher, chunk kernels.Tensor) {
	m.plain.HeadDistill(logprobs, kl, dx, dw, x, w, targets, weights, teacher, chunk)
	logits := reference.New[float32](x.Rows, w.Rows)
	reference.Linear(logits, mat(x), mat(w), nil)
	for i := range x.Rows {
		for v := range logits.Row(i) {
			logits.Row(i)[v] /= teacher.Temperature
		}
		sum := 0.0
		for _, id := range ints(teacher.IDs.RowRange(i, i+1)) {
			sum += math.Exp(float64(reference.LogSoftmax(logits.Row(i))[id]))
		}
		vec(kl)[i] += float32(math.Log(sum))
	}
}
