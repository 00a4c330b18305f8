package vec

import "retort/kernels/cpu/features"

// functions is one set of the functions that exist more than once. Lengths
// have been checked.
type functions struct {
	dot              func(a, b []float32) float32
	sum              func(x []float32) float32
	sumSquares       func(x []float32, from float32) float64
	max              func(x []float32) float32
	axpy             func(y []float32, alpha float32, x []float32)
	add, mul         func(dst, a, b []float32)
	scale            func(x []float32, s float32)
	expShift         func(dst, x []float32, scale, shift float32) float32
	softmaxBackward  func(dp, p []float32, scale, delta float32)
	siluMul          func(h, gate, up []float32)
	siluMulBackward  func(dgate, dup, dh, gate, up []float32)
	geluTanh         func(h, x []float32)
	geluTanhBackward func(dx, dh, x []float32)
	geluErf          func(h, x []float32)
	geluErfBackward  func(dx, dh, x []float32)
	normalize        func(y, x, w []float32, mean, rstd float32)
	normalizeBias    func(y, x, w, b []float32, mean, rstd float32)
	normSums         func(dy, x, w []float32, mean float32) (g, gx float32)
	normInput        func(dx, dy, x, w []float32, mean, rstd, meanG, meanGX float32)
	normInputAdd     func(dx, dy, x, w []float32, mean, rstd, meanG, meanGX float32)
	normParameters   func(dw, db, dy, x []float32, mean, rstd float32)
	rotateHalf       func(x1, x2, cos, sin []float32)
	// rows: strides of the rows are in bytes
	dotRows      func(out, q, rows []float32, stride int)
	weightedRows func(out, p, rows []float32, stride int)
	// c: scale, 1 - lr decay, beta1, 1 - beta1, beta2, 1 - beta2,
	// lr/correction1, √correction2, eps
	adamW func(p, g, m, v []float32, c [9]float32)
	// dropout: lengths are multiples of 64; c: factor's bits, all ones to add up, row, stream
	// (2), key (2), threshold twice
	dropout func(y, x []float32, c [8]uint32)
}

// sets are those this processor runs, by the names of package features.
var sets = map[string]*functions{features.Generic: &generic}

// active is the set in use.
var active = choose()

func choose() *functions {
	addAssembly()
	name, _ := features.Selected() // the error is for those who print
	return sets[name]
}
