package vec

import (
	"slices"

	"retort/kernels/cpu/features"
)

var avx2 = functions{
	dot:              dotAVX2,
	sum:              sumAVX2,
	sumSquares:       sumSquaresAVX2,
	max:              maxAVX2,
	axpy:             axpyAVX2,
	add:              addAVX2,
	mul:              mulAVX2,
	scale:            scaleAVX2,
	expShift:         expShiftAVX2,
	siluMul:          siluMulAVX2,
	siluMulBackward:  siluMulBackwardAVX2,
	geluTanh:         geluTanhAVX2,
	geluTanhBackward: geluTanhBackwardAVX2,
	normalize:        normalizeAVX2,
	normalizeBias:    normalizeBiasAVX2,
	rotateHalf:       rotateHalfAVX2,
	adamW:            adamWAVX2,
}

// addAssembly enters the assembly that this processor can run.
func addAssembly() {
	if slices.Contains(features.Available(), features.AVX2) {
		sets[features.AVX2] = &avx2
	}
}
