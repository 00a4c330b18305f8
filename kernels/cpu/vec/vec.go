// Package vec holds the flat loops of a transformer on the CPU: functions over
// float32 slices, in AVX2 assembly where the processor has it and in portable
// Go elsewhere. It owns no memory and starts no threads; the CPU backend calls
// it for the rows that a worker has been given.
//
// Slices may have any length, 0 included; those of one call have equal lengths
// (or the call panics) and do not overlap, unless they are the same slice. An
// element's result depends on its inputs alone, a sum's on its inputs and
// their number: not on alignment or on where in memory they lie. The sets of
// functions differ from each other in the last bits.
package vec

import (
	"fmt"
	"math"
)

// Dot returns the sum of a[i] b[i].
func Dot(a, b []float32) float32 {
	same("Dot", len(a), len(b))
	return active.dot(a, b)
}

// Sum returns the sum of x.
func Sum(x []float32) float32 { return active.sum(x) }

// SumSquares returns the sum of x[i]², formed in float64.
func SumSquares(x []float32) float64 { return active.sumSquares(x, 0) }

// SumSquaresFrom returns the sum of (x[i] - from)², formed in float64.
func SumSquaresFrom(x []float32, from float32) float64 { return active.sumSquares(x, from) }

// Max returns the largest element: NaN if there is a NaN, -Inf if x is empty.
func Max(x []float32) float32 { return active.max(x) }

// Axpy adds alpha x to y.
func Axpy(y []float32, alpha float32, x []float32) {
	same("Axpy", len(y), len(x))
	active.axpy(y, alpha, x)
}

// Add sets dst = a + b.
func Add(dst, a, b []float32) {
	same("Add", len(dst), len(a))
	same("Add", len(dst), len(b))
	active.add(dst, a, b)
}

// AddTo adds x to dst.
func AddTo(dst, x []float32) {
	same("AddTo", len(dst), len(x))
	active.add(dst, dst, x)
}

// Mul sets dst = a b, element by element.
func Mul(dst, a, b []float32) {
	same("Mul", len(dst), len(a))
	same("Mul", len(dst), len(b))
	active.mul(dst, a, b)
}

// Scale multiplies x by s.
func Scale(x []float32, s float32) { active.scale(x, s) }

// ExpShift sets dst = exp(scale x - shift) and returns the sum of dst, formed
// in float64 and rounded once. The exponential is good to 2 ulp of its
// argument's value, underflows gradually to 0, overflows to +Inf, keeps NaN.
func ExpShift(dst, x []float32, scale, shift float32) float32 {
	same("ExpShift", len(dst), len(x))
	return active.expShift(dst, x, scale, shift)
}

// SoftmaxBackward turns the gradient dp of the probabilities p into that of the
// unscaled scores: dp = scale p (dp - delta), where delta is the sum of p dp.
func SoftmaxBackward(dp, p []float32, scale, delta float32) {
	same("SoftmaxBackward", len(dp), len(p))
	active.softmaxBackward(dp, p, scale, delta)
}

// SiLUMul sets h = gate sigmoid(gate) up: SwiGLU's gate.
func SiLUMul(h, gate, up []float32) {
	same("SiLUMul", len(h), len(gate))
	same("SiLUMul", len(h), len(up))
	active.siluMul(h, gate, up)
}

// SiLUMulBackward sets the gradients of SiLUMul's inputs from that of h.
func SiLUMulBackward(dgate, dup, dh, gate, up []float32) {
	same("SiLUMulBackward", len(dgate), len(dup))
	same("SiLUMulBackward", len(dgate), len(dh))
	same("SiLUMulBackward", len(dgate), len(gate))
	same("SiLUMulBackward", len(dgate), len(up))
	active.siluMulBackward(dgate, dup, dh, gate, up)
}

// GELUTanh sets h = x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, computed as
// x sigmoid(2 √(2/π) (x + 0.044715 x³)), which is the same.
func GELUTanh(h, x []float32) {
	same("GELUTanh", len(h), len(x))
	active.geluTanh(h, x)
}

// GELUTanhBackward sets dx = dh times the derivative of GELUTanh at x.
func GELUTanhBackward(dx, dh, x []float32) {
	same("GELUTanhBackward", len(dx), len(dh))
	same("GELUTanhBackward", len(dx), len(x))
	active.geluTanhBackward(dx, dh, x)
}

// GELUErf sets h = x (1 + erf(x/√2)) / 2, good in relative error at negative x too.
func GELUErf(h, x []float32) {
	same("GELUErf", len(h), len(x))
	active.geluErf(h, x)
}

// GELUErfBackward sets dx = dh times the derivative of GELUErf at x.
func GELUErfBackward(dx, dh, x []float32) {
	same("GELUErfBackward", len(dx), len(dh))
	same("GELUErfBackward", len(dx), len(x))
	active.geluErfBackward(dx, dh, x)
}

// Normalize sets y = (x - mean) rstd w + b; b may be nil.
func Normalize(y, x, w, b []float32, mean, rstd float32) {
	same("Normalize", len(y), len(x))
	same("Normalize", len(y), len(w))
	if b == nil {
		active.normalize(y, x, w, mean, rstd)
		return
	}
	same("Normalize", len(y), len(b))
	active.normalizeBias(y, x, w, b, mean, rstd)
}

// NormSums returns the two sums over a row that the backward of a norm needs:
// of dy w and of dy w (x - mean).
func NormSums(dy, x, w []float32, mean float32) (g, gx float32) {
	same("NormSums", len(dy), len(x))
	same("NormSums", len(dy), len(w))
	return active.normSums(dy, x, w, mean)
}

// NormInput sets dx = rstd (dy w - meanG - (x - mean) rstd meanGX), or adds that
// to dx: the gradient of a norm's input. dx may be dy.
func NormInput(dx, dy, x, w []float32, mean, rstd, meanG, meanGX float32, accumulate bool) {
	same("NormInput", len(dx), len(dy))
	same("NormInput", len(dx), len(x))
	same("NormInput", len(dx), len(w))
	if accumulate {
		active.normInputAdd(dx, dy, x, w, mean, rstd, meanG, meanGX)
		return
	}
	active.normInput(dx, dy, x, w, mean, rstd, meanG, meanGX)
}

// NormParameters adds one row's part to the gradients of a norm's weight and
// bias: dw += dy (x - mean) rstd, db += dy.
func NormParameters(dw, db, dy, x []float32, mean, rstd float32) {
	same("NormParameters", len(dw), len(db))
	same("NormParameters", len(dw), len(dy))
	same("NormParameters", len(dw), len(x))
	active.normParameters(dw, db, dy, x, mean, rstd)
}

// DotRows sets out[j] = the product of q and row j, for len(out) rows of len(q)
// elements that begin stride elements apart. A row's product does not depend on
// the other rows.
func DotRows(out, q, rows []float32, stride int) {
	matrix("DotRows", len(out), len(q), rows, stride)
	active.dotRows(out, q, rows, 4*stride)
}

// WeightedRows sets out = the sum over j of p[j] times row j, for len(p) rows of
// len(out) elements that begin stride elements apart.
func WeightedRows(out, p, rows []float32, stride int) {
	matrix("WeightedRows", len(p), len(out), rows, stride)
	active.weightedRows(out, p, rows, 4*stride)
}

// RotateHalf turns the pairs (x1[i], x2[i]) in place by the angle whose cosine
// and sine are cos[i] and sin[i]: x1 cos - x2 sin and x2 cos + x1 sin (RoPE).
func RotateHalf(x1, x2, cos, sin []float32) {
	same("RotateHalf", len(x1), len(x2))
	same("RotateHalf", len(x1), len(cos))
	same("RotateHalf", len(x1), len(sin))
	active.rotateHalf(x1, x2, cos, sin)
}

// AdamWStep is one step's hyperparameters. They are float64 so that 1 - Beta2,
// where few digits of Beta2 are left, is rounded once, to float32, at the end.
type AdamWStep struct {
	LearningRate, Beta1, Beta2, Epsilon, Decay float64
	Scale                                      float32 // factor on the gradients, which clips them
	Correction1, Correction2                   float64 // 1 - Beta1^t, 1 - Beta2^t
}

// AdamW does one step on the parameters p with gradients g times scale (which
// g itself does not keep) and moments m and v, in PyTorch's order:
//
//	g *= scale
//	p *= 1 - lr decay
//	m = beta1 m + (1 - beta1) g
//	v = beta2 v + (1 - beta2) g g
//	p -= lr/correction1 m / (√v/√correction2 + eps)
func AdamW(p, g, m, v []float32, s *AdamWStep) {
	same("AdamW", len(p), len(g))
	same("AdamW", len(p), len(m))
	same("AdamW", len(p), len(v))
	active.adamW(p, g, m, v, [9]float32{
		s.Scale,
		float32(1 - s.LearningRate*s.Decay),
		float32(s.Beta1), float32(1 - s.Beta1),
		float32(s.Beta2), float32(1 - s.Beta2),
		float32(s.LearningRate / s.Correction1),
		float32(math.Sqrt(s.Correction2)),
		float32(s.Epsilon),
	})
}

// same panics unless two slices of a call have equal lengths.
func same(name string, n, other int) {
	if n != other {
		mismatch(name, n, other)
	}
}

func mismatch(name string, n, other int) {
	panic(fmt.Sprintf("vec: %s of slices with %d and %d elements", name, n, other))
}

// matrix panics unless rows of the given length fit.
func matrix(name string, count, length int, rows []float32, stride int) {
	if stride < 0 || count > 0 && len(rows) < (count-1)*stride+length {
		panic(fmt.Sprintf("vec: %s of %d rows of %d elements, %d apart, in %d elements", name, count, length, stride, len(rows)))
	}
}
