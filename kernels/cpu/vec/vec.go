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
func SumSquares(x []float32) float64 { return active.sumSquares(x) }

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

// GELUErf sets h = x (1 + erf(x/√2)) / 2.
func GELUErf(h, x []float32) {
	same("GELUErf", len(h), len(x))
	for i, v := range x {
		h[i] = float32(float64(v) * normalCDF(float64(v)))
	}
}

// GELUErfBackward sets dx = dh times the derivative of GELUErf at x.
func GELUErfBackward(dx, dh, x []float32) {
	same("GELUErfBackward", len(dx), len(dh))
	same("GELUErfBackward", len(dx), len(x))
	for i, v := range x {
		u := float64(v)
		density := math.Exp(-u*u/2) / math.Sqrt(2*math.Pi)
		dx[i] = float32(float64(dh[i]) * (normalCDF(u) + u*density))
	}
}

// normalCDF is (1 + erf(x/√2)) / 2 without the cancellation at negative x.
func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

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

// RotateHalf turns the pairs (x1[i], x2[i]) in place by the angle whose cosine
// and sine are cos[i] and sin[i]: x1 cos - x2 sin and x2 cos + x1 sin (RoPE).
func RotateHalf(x1, x2, cos, sin []float32) {
	same("RotateHalf", len(x1), len(x2))
	same("RotateHalf", len(x1), len(cos))
	same("RotateHalf", len(x1), len(sin))
	active.rotateHalf(x1, x2, cos, sin)
}

// AdamW does one step on the parameters p with gradients g times scale (which
// g itself does not keep) and moments m and v, in PyTorch's order:
//
//	g *= scale
//	p *= 1 - lr decay
//	m = beta1 m + (1 - beta1) g
//	v = beta2 v + (1 - beta2) g g
//	p -= lr/correction1 m / (√v/√correction2 + eps)
//
// correction1 = 1 - beta1^t and correction2 = 1 - beta2^t come from the caller.
func AdamW(p, g, m, v []float32, scale, lr, beta1, beta2, eps, decay, correction1, correction2 float32) {
	same("AdamW", len(p), len(g))
	same("AdamW", len(p), len(m))
	same("AdamW", len(p), len(v))
	active.adamW(p, g, m, v, [9]float32{
		scale,
		float32(1 - float64(lr)*float64(decay)),
		beta1, float32(1 - float64(beta1)),
		beta2, float32(1 - float64(beta2)),
		float32(float64(lr) / float64(correction1)),
		float32(math.Sqrt(float64(correction2))),
		eps,
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
