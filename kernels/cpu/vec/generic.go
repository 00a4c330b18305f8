package vec

import "math"

// generic is the portable set. Elements go through float64 where the function
// is a transcendental one; sums run in four lanes.
var generic = functions{
	dot:              dotGeneric,
	sum:              sumGeneric,
	sumSquares:       sumSquaresGeneric,
	max:              maxGeneric,
	axpy:             axpyGeneric,
	add:              addGeneric,
	mul:              mulGeneric,
	scale:            scaleGeneric,
	expShift:         expShiftGeneric,
	softmaxBackward:  softmaxBackwardGeneric,
	siluMul:          siluMulGeneric,
	siluMulBackward:  siluMulBackwardGeneric,
	geluTanh:         geluTanhGeneric,
	geluTanhBackward: geluTanhBackwardGeneric,
	geluErf:          geluErfGeneric,
	geluErfBackward:  geluErfBackwardGeneric,
	normalize:        normalizeGeneric,
	normalizeBias:    normalizeBiasGeneric,
	normSums:         normSumsGeneric,
	normInput:        normInputGeneric,
	normInputAdd:     normInputAddGeneric,
	normParameters:   normParametersGeneric,
	rotateHalf:       rotateHalfGeneric,
	dotRows:          dotRowsGeneric,
	weightedRows:     weightedRowsGeneric,
	adamW:            adamWGeneric,
}

func dotGeneric(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	for ; len(a) >= 4 && len(b) >= 4; a, b = a[4:], b[4:] {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
	}
	for i := range a {
		s0 += a[i] * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}

func sumGeneric(x []float32) float32 {
	var s0, s1, s2, s3 float32
	for ; len(x) >= 4; x = x[4:] {
		s0, s1, s2, s3 = s0+x[0], s1+x[1], s2+x[2], s3+x[3]
	}
	for _, v := range x {
		s0 += v
	}
	return (s0 + s1) + (s2 + s3)
}

func sumSquaresGeneric(x []float32, from float32) float64 {
	f := float64(from)
	var s0, s1 float64
	for ; len(x) >= 2; x = x[2:] {
		d0, d1 := float64(x[0])-f, float64(x[1])-f
		s0, s1 = s0+d0*d0, s1+d1*d1
	}
	for _, v := range x {
		d := float64(v) - f
		s0 += d * d
	}
	return s0 + s1
}

func maxGeneric(x []float32) float32 {
	highest := float32(math.Inf(-1))
	for _, v := range x {
		highest = max(highest, v) // NaN if either is
	}
	return highest
}

func axpyGeneric(y []float32, alpha float32, x []float32) {
	for i, v := range x {
		y[i] += alpha * v
	}
}

func addGeneric(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func mulGeneric(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

func scaleGeneric(x []float32, s float32) {
	for i := range x {
		x[i] *= s
	}
}

func expShiftGeneric(dst, x []float32, scale, shift float32) float32 {
	sum := 0.0
	for i, v := range x {
		// The product is exact in float64, so that this rounds like an FMA.
		t := float32(float64(scale)*float64(v) - float64(shift))
		dst[i] = float32(math.Exp(float64(t)))
		sum += float64(dst[i])
	}
	return float32(sum)
}

func softmaxBackwardGeneric(dp, p []float32, scale, delta float32) {
	for i, v := range p {
		dp[i] = scale * v * (dp[i] - delta)
	}
}

func sigmoid64(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func siluMulGeneric(h, gate, up []float32) {
	for i, g := range gate {
		h[i] = float32(float64(g)*sigmoid64(float64(g))) * up[i]
	}
}

func siluMulBackwardGeneric(dgate, dup, dh, gate, up []float32) {
	for i := range dh {
		d, g := float64(dh[i]), float64(gate[i])
		s := sigmoid64(g)
		slope := d * float64(up[i]) * (s + g*s*(1-s))
		dup[i] = float32(d * g * s)
		dgate[i] = float32(slope)
	}
}

// Twice the argument of GELU's tanh is x (geluA + geluB x²).
const (
	geluA = 2 * 0.7978845608028654
	geluB = geluA * 0.044715
)

func geluTanhGeneric(h, x []float32) {
	for i, v := range x {
		u := float64(v)
		h[i] = float32(u * sigmoid64(u*(geluA+geluB*u*u)))
	}
}

func geluTanhBackwardGeneric(dx, dh, x []float32) {
	for i, v := range x {
		u := float64(v)
		s := sigmoid64(u * (geluA + geluB*u*u))
		dx[i] = float32(float64(dh[i]) * (s + u*s*(1-s)*(geluA+3*geluB*u*u)))
	}
}

// normalCDF is (1 + erf(x/√2)) / 2 without the cancellation at negative x.
func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

func geluErfGeneric(h, x []float32) {
	for i, v := range x {
		h[i] = float32(float64(v) * normalCDF(float64(v)))
	}
}

func geluErfBackwardGeneric(dx, dh, x []float32) {
	for i, v := range x {
		u := float64(v)
		density := math.Exp(-u*u/2) / math.Sqrt(2*math.Pi)
		dx[i] = float32(float64(dh[i]) * (normalCDF(u) + u*density))
	}
}

func normalizeGeneric(y, x, w []float32, mean, rstd float32) {
	for i, v := range x {
		y[i] = (v - mean) * rstd * w[i]
	}
}

func normalizeBiasGeneric(y, x, w, b []float32, mean, rstd float32) {
	for i, v := range x {
		y[i] = (v-mean)*rstd*w[i] + b[i]
	}
}

func normSumsGeneric(dy, x, w []float32, mean float32) (g, gx float32) {
	var gs, gxs [4]float32
	for i, d := range dy {
		v := d * w[i]
		gs[i&3] += v
		gxs[i&3] += v * (x[i] - mean)
	}
	return (gs[0] + gs[1]) + (gs[2] + gs[3]), (gxs[0] + gxs[1]) + (gxs[2] + gxs[3])
}

func normInputGeneric(dx, dy, x, w []float32, mean, rstd, meanG, meanGX float32) {
	for i, d := range dy {
		dx[i] = rstd * (d*w[i] - meanG - (x[i]-mean)*rstd*meanGX)
	}
}

func normInputAddGeneric(dx, dy, x, w []float32, mean, rstd, meanG, meanGX float32) {
	for i, d := range dy {
		dx[i] += rstd * (d*w[i] - meanG - (x[i]-mean)*rstd*meanGX)
	}
}

func normParametersGeneric(dw, db, dy, x []float32, mean, rstd float32) {
	for i, d := range dy {
		db[i] += d
		dw[i] += d * ((x[i] - mean) * rstd)
	}
}

func rotateHalfGeneric(x1, x2, cos, sin []float32) {
	for i, a := range x1 {
		b := x2[i]
		x1[i] = a*cos[i] - b*sin[i]
		x2[i] = b*cos[i] + a*sin[i]
	}
}

func dotRowsGeneric(out, q, rows []float32, stride int) {
	for j := range out {
		out[j] = dotGeneric(q, rows[j*stride/4:][:len(q)])
	}
}

func weightedRowsGeneric(out, p, rows []float32, stride int) {
	clear(out)
	for j, weight := range p {
		axpyGeneric(out, weight, rows[j*stride/4:][:len(out)])
	}
}

func adamWGeneric(p, g, m, v []float32, c [9]float32) {
	scale, keep, beta1, rest1, beta2, rest2, step, root2, eps := c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8]
	for i := range p {
		gradient := g[i] * scale
		m[i] = beta1*m[i] + rest1*gradient
		v[i] = beta2*v[i] + rest2*(gradient*gradient)
		root := float32(math.Sqrt(float64(v[i])))
		p[i] = p[i]*keep - step*m[i]/(root/root2+eps)
	}
}
