package model

import "retort/kernels"

// Distill is Loss with a teacher: it computes the log-probabilities of the batch's targets and
// the divergences KL(teacher ‖ student) at the teacher's temperature, nothing else.
//
// Row i of the teacher belongs to Batch.Rows[i]. Its tensors are the caller's: of a teacher on
// this device what Logits wrote, of another what was uploaded.
func (p *Pass) Distill(teacher kernels.Teacher) {
	p.head(false, &teacher)
}

// DistillBackward is LossBackward with a teacher: it adds the gradients of
// Σ weight·((1−λ)·−logprob + λ·T²·divergence) to those of the parameters (Hinton et al.,
// arXiv 1503.02531). See Distill.
func (p *Pass) DistillBackward(teacher kernels.Teacher) {
	p.head(true, &teacher)
	p.backwardFromHidden()
}

// Divergences returns the divergence of every row whose log-probability LogProbs returned last,
// in dst's memory when it is large enough; call it before the next batch. It is for passes whose
// batches all had a teacher.
func (p *Pass) Divergences(dst []float32) ([]float32, error) {
	if cap(dst) < p.last {
		dst = make([]float32, p.last)
	}
	dst = dst[:p.last]
	return dst, p.k.Download(dst, p.shared.kl.ColRange(0, p.last))
}
