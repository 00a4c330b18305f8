package reference

import "retort/kernels"

// Norm normalises each group of len(weight) values of each row; stats keeps the mean
// (0 for RMSNorm) and one over the deviation.
func Norm[F Float](y, stats, x Matrix[F], kind kernels.NormKind, weight, bias []F, eps F) {
	n := len(weight)
	for i := range x.Rows {
		groups := x.Cols / n
		for g := range groups {
			in, out := x.Row(i)[g*n:][:n], y.Row(i)[g*n:][:n]
			var mean, squares F
			if kind == kernels.LayerNorm {
				for _, v := range in {
					mean += v
				}
				mean /= F(n)
			}
			for _, v := range in {
				squares += (v - mean) * (v - mean)
			}
			rstd := 1 / sqrt(squares/F(n)+eps)
			for j, v := range in {
				out[j] = (v - mean) * rstd * weight[j]
				if bias != nil {
					out[j] += bias[j]
				}
			}
			row := stats.Row(i*groups + g)
			row[0], row[1] = mean, rstd
		}
	}
}

// AddNorm is sum = x + delta, y = norm(sum).
func AddNorm[F Float](y, stats, sum, x, delta Matrix[F], kind kernels.NormKind, weight, bias []F, eps F) {
	for i := range x.Rows {
		copy(sum.Row(i), x.Row(i))
		addScaled(sum.Row(i), 1, delta.Row(i))
	}
	Norm(y, stats, sum, kind, weight, bias, eps)
}

// NormBackward differentiates Norm. With x̂ = (x−mean)·rstd and g = dy·w,
//
//	dx = rstd·(g − mean(g) − x̂·mean(g·x̂)), without mean(g) for RMSNorm,
//	dw = Σ dy·x̂, db = Σ dy.
func NormBackward[F Float](dx, dw, db, dy, x, stats Matrix[F], kind kernels.NormKind, weight []F, accumulate bool) {
	n := len(weight)
	for i := range x.Rows {
		groups := x.Cols / n
		for g := range groups {
			in, dout, din := x.Row(i)[g*n:][:n], dy.Row(i)[g*n:][:n], dx.Row(i)[g*n:][:n]
			mean, rstd := stats.Row(i*groups + g)[0], stats.Row(i*groups + g)[1]
			var meanG, meanGX F
			for j, d := range dout {
				hat := (in[j] - mean) * rstd
				meanG += d * weight[j] / F(n)
				meanGX += d * weight[j] * hat / F(n)
				if !dw.Absent() {
					dw.Row(0)[j] += d * hat
				}
				if !db.Absent() {
					db.Row(0)[j] += d
				}
			}
			if kind == kernels.RMSNorm {
				meanG = 0
			}
			for j, d := range dout {
				hat := (in[j] - mean) * rstd
				v := rstd * (d*weight[j] - meanG - hat*meanGX)
				if accumulate {
					v += din[j]
				}
				din[j] = v
			}
		}
	}
}
