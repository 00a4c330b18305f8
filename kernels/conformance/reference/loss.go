package reference

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
