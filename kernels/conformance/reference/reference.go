// Package reference is the mathematics of every operation of kernels.Backend, written
// to be read: plain loops, top to bottom, in the order of the formulas. Each function
// is generic over the float type. At float64 it is what kernels/conformance holds a
// backend's results to; at float32 it is the plain implementation whose own error
// says how much error a backend may have. Nothing here is fast, nothing is shared
// with a backend, and only tests and kernels/conformance call it.
//
// Functions that share a name with a method of kernels.Backend do what that method's
// comment says; shapes are written there.
package reference

import "math"

// Float is the arithmetic a reference runs in.
type Float interface{ float32 | float64 }

// Matrix is a row-major matrix: row i starts at Data[i*Stride]. The zero Matrix is an
// argument that was not given.
type Matrix[F Float] struct {
	Data               []F
	Rows, Cols, Stride int
}

// New is a matrix of zeros.
func New[F Float](rows, cols int) Matrix[F] {
	return Matrix[F]{Data: make([]F, rows*cols), Rows: rows, Cols: cols, Stride: cols}
}

// Of is a matrix over the values of data, which it keeps.
func Of[F Float](rows, cols int, data []F) Matrix[F] {
	return Matrix[F]{Data: data, Rows: rows, Cols: cols, Stride: cols}
}

// Row is row i.
func (m Matrix[F]) Row(i int) []F { return m.Data[i*m.Stride:][:m.Cols] }

// Absent tells whether the argument was not given.
func (m Matrix[F]) Absent() bool { return m.Data == nil }

// Vector is the only row of a (1, n) argument, nil when it was not given.
func (m Matrix[F]) Vector() []F {
	if m.Absent() {
		return nil
	}
	return m.Row(0)
}

// Clone is a copy with memory of its own.
func (m Matrix[F]) Clone() Matrix[F] {
	c := New[F](m.Rows, m.Cols)
	for i := range m.Rows {
		copy(c.Row(i), m.Row(i))
	}
	return c
}

// dot is Σ a·b, added from left to right.
func dot[F Float](a, b []F) F {
	var sum F
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

// dotBackwards is Σ a·b, added from right to left.
func dotBackwards[F Float](a, b []F) F {
	var sum F
	for i := len(a) - 1; i >= 0; i-- {
		sum += a[i] * b[i]
	}
	return sum
}

// addScaled is y += a·x.
func addScaled[F Float](y []F, a F, x []F) {
	for i, v := range x {
		y[i] += a * v
	}
}

func exp[F Float](x F) F  { return F(math.Exp(float64(x))) }
func log[F Float](x F) F  { return F(math.Log(float64(x))) }
func sqrt[F Float](x F) F { return F(math.Sqrt(float64(x))) }
func tanh[F Float](x F) F { return F(math.Tanh(float64(x))) }
func erf[F Float](x F) F  { return F(math.Erf(float64(x))) }

// BF16 is v as bf16 holds it: to the nearest, ties to even.
func BF16(v float32) float32 {
	if v != v {
		return v
	}
	bits := math.Float32bits(v)
	return math.Float32frombits((bits + 0x7fff + bits>>16&1) &^ 0xffff)
}
