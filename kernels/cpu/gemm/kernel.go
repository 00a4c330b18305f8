package gemm

import "retort/kernels/cpu/features"

// kernel is one set of inner loops with the layout that they want.
type kernel struct {
	name   string
	mr, nr int // rows of a full tile, columns of a panel

	// wide[r] is the number of panels that tile takes at once for r rows.
	wide []int

	// tile computes C (rows, panels*nr) = (or += when add) A (rows, steps)
	// times packed B (steps, panels*nr). Strides are in elements: element
	// (i, p) of A is i*aRow + p*aStep after a, (p, j) of panel q of B is
	// q*bPanel + p*nr + j after b. rows is 1 to mr, panels 1 or wide[rows].
	tile func(rows, panels, steps int, a *float32, aRow, aStep int, b *float32, bPanel int, c *float32, ldc int, add bool)

	// copySteps writes dst[q*panel+p*width+i] = src[p*stride+q*width+i] for
	// i < width and the given numbers of panels q and steps p, at least 1.
	copySteps func(dst, src []float32, stride, width, panel, panels, steps int)

	// interleave, when not nil, writes dst[p*width+i] = src[i*stride+p] for the
	// first few rows i and steps p of those given, and returns how many of each.
	// It may write up to panelPad elements after the last step, within dst.
	interleave func(dst, src []float32, stride, width, rows, steps int) (fast, done int)
}

// kernels are the sets this binary has, by the names of package features.
var kernels = map[string]*kernel{features.Generic: &generic}

// selected is the set that New and Pack use.
var selected = choose()

func choose() *kernel {
	addAssembly()
	name, _ := features.Selected() // the error is for those who print
	return kernels[name]
}

// generic works everywhere. Its tiles are rows of 8 sums that a compiler can
// hold in registers.
var generic = kernel{
	name: features.Generic,
	mr:   4, nr: 8,
	wide: []int{0, 1, 1, 1, 1},
	tile: tileGeneric, copySteps: copyStepsGeneric,
}
