package reference

// Linear is y = x·wᵀ + b.
func Linear[F Float](y, x, w Matrix[F], b []F) {
	for t := range x.Rows {
		for o := range w.Rows {
			v := dot(x.Row(t), w.Row(o))
			if b != nil {
				v += b[o]
			}
			y.Row(t)[o] = v
		}
	}
}

// LinearBackwardInput is dx = dy·w, or dx += dy·w.
func LinearBackwardInput[F Float](dx, dy, w Matrix[F], accumulate bool) {
	for t := range dy.Rows {
		if !accumulate {
			clear(dx.Row(t))
		}
		for o, d := range dy.Row(t) {
			addScaled(dx.Row(t), d, w.Row(o))
		}
	}
}

// LinearBackwardWeight is dw += dyᵀ·x and db += Σ_t dy[t].
func LinearBackwardWeight[F Float](dw, db, dy, x Matrix[F]) {
	for t := range dy.Rows {
		if !dw.Absent() {
			for o, d := range dy.Row(t) {
				addScaled(dw.Row(o), d, x.Row(t))
			}
		}
		if !db.Absent() {
			addScaled(db.Row(0), 1, dy.Row(t))
		}
	}
}
