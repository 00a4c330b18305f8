package reference

import "math"

// HeadCrossEntropy computes logits = x·wᵀ, logprobs[i] = log softmax(logits[i])[targets[i]]
// and differentiates −Σ weights[i]·logprobs[i]: with p = softmax(logits[i]),
//
//	dlogits = weights[i]·(p − onehot(targets[i])), dx = dlogits·w, dw += dlogitsᵀ·x.
//
// stored is what becomes of dlogits where they are stored between the softmax and the
// products; nil: they stay what they are.
func HeadCrossEntropy[F Float](logprobs []F, dx, dw, x, w Matrix[F], targets []int32, weights []F, stored func(F) F) {
	logits := make([]F, w.Rows)
	for i := range x.Rows {
		for v := range logits {
			logits[v] = dot(x.Row(i), w.Row(v))
		}
		target := logits[targets[i]]
		logprobs[i] = target - softmax(logits)
		if dx.Absent() {
			continue
		}
		logits[targets[i]]--
		clear(dx.Row(i))
		for v, p := range logits {
			d := weights[i] * p
			if stored != nil {
				d = stored(d)
			}
			addScaled(dx.Row(i), d, w.Row(v))
			if !dw.Absent() {
				addScaled(dw.Row(v), d, x.Row(i))
			}
		}
	}
}

// Teacher is kernels.Teacher; row i of IDs is IDs[i*Logits.Cols:], nil when all are named.
type Teacher[F Float] struct {
	Logits              Matrix[F]
	IDs                 []int32
	Weight, Temperature F
}

// HeadDistill computes logits = x·wᵀ, logprobs as HeadCrossEntropy, kl[i] = Σ p·log(p/q) for
// p = softmax(teacher/T), q = softmax(logits[i]/T), and differentiates
// Σ weights[i]·((1−λ)·−logprobs[i] + λ·T²·kl[i]): with s = softmax(logits[i]),
//
//	dlogits = weights[i]·((1−λ)·(s − onehot(targets[i])) + λ·T·(q − p)).
//
// stored is as in HeadCrossEntropy.
func HeadDistill[F Float](logprobs, kl []F, dx, dw, x, w Matrix[F], targets []int32, weights []F, t Teacher[F], stored func(F) F) {
	for i := range x.Rows {
		s, q := make([]F, w.Rows), make([]F, w.Rows)
		for v := range s {
			s[v] = dot(x.Row(i), w.Row(v))
			q[v] = s[v] / t.Temperature
		}
		target := s[targets[i]]
		logprobs[i] = target - softmax(s)
		logq, p := LogSoftmax(q), make([]F, w.Rows)
		softmax(q)
		lambda := F(0)
		kl[i] = 0
		if ids, said := t.row(i); len(said) > 0 {
			lambda = t.Weight
			for j, logp := range LogSoftmax(said) {
				p[ids[j]] = exp(logp)
				kl[i] += p[ids[j]] * (logp - logq[ids[j]])
			}
		}
		if dx.Absent() {
			continue
		}
		s[targets[i]]--
		clear(dx.Row(i))
		for v := range s {
			d := weights[i] * ((1-lambda)*s[v] + lambda*t.Temperature*(q[v]-p[v]))
			if stored != nil {
				d = stored(d)
			}
			addScaled(dx.Row(i), d, w.Row(v))
			if !dw.Absent() {
				addScaled(dw.Row(v), d, x.Row(i))
			}
		}
	}
}

// row is the tokens to which the teacher gives row i a probability, and their logits at the
// temperature.
func (t Teacher[F]) row(i int) (ids []int32, scaled []F) {
	for j, v := range t.Logits.Row(i) {
		if math.IsInf(float64(v), -1) {
			continue
		}
		id := int32(j)
		if t.IDs != nil {
			id = t.IDs[i*t.Logits.Cols+j]
		}
		ids, scaled = append(ids, id), append(scaled, v/t.Temperature)
	}
	return ids, scaled
}
