package vec

import (
	"slices"

	"retort/kernels/cpu/features"
)

//go:generate go run ../asm/vec -isa avx2 -out avx2_amd64.s -stubs avx2_amd64.go -pkg vec
//go:generate go run ../asm/vec -isa avx512 -out avx512_amd64.s -stubs avx512_amd64.go -pkg vec

var avx2 = functions{
	dot:              avx2Dot,
	sum:              avx2Sum,
	sumSquares:       avx2SumSquares,
	max:              avx2Max,
	axpy:             avx2Axpy,
	add:              avx2Add,
	mul:              avx2Mul,
	scale:            avx2Scale,
	expShift:         avx2ExpShift,
	softmaxBackward:  avx2SoftmaxBackward,
	siluMul:          avx2SiLUMul,
	siluMulBackward:  avx2SiLUMulBackward,
	geluTanh:         avx2GELUTanh,
	geluTanhBackward: avx2GELUTanhBackward,
	geluErf:          avx2GELUErf,
	geluErfBackward:  avx2GELUErfBackward,
	normalize:        avx2Normalize,
	normalizeBias:    avx2NormalizeBias,
	normSums:         avx2NormSums,
	normInput:        avx2NormInput,
	normInputAdd:     avx2NormInputAdd,
	normParameters:   avx2NormParameters,
	rotateHalf:       avx2RotateHalf,
	dotRows:          avx2DotRows,
	weightedRows:     avx2WeightedRows,
	adamW:            avx2AdamW,
	dropout:          avx2Dropout,
}

var avx512 = functions{
	dot:              avx512Dot,
	sum:              avx512Sum,
	sumSquares:       avx512SumSquares,
	max:              avx512Max,
	axpy:             avx512Axpy,
	add:              avx512Add,
	mul:              avx512Mul,
	scale:            avx512Scale,
	expShift:         avx512ExpShift,
	softmaxBackward:  avx512SoftmaxBackward,
	siluMul:          avx512SiLUMul,
	siluMulBackward:  avx512SiLUMulBackward,
	geluTanh:         avx512GELUTanh,
	geluTanhBackward: avx512GELUTanhBackward,
	geluErf:          avx512GELUErf,
	geluErfBackward:  avx512GELUErfBackward,
	normalize:        avx512Normalize,
	normalizeBias:    avx512NormalizeBias,
	normSums:         avx512NormSums,
	normInput:        avx512NormInput,
	normInputAdd:     avx512NormInputAdd,
	normParameters:   avx512NormParameters,
	rotateHalf:       avx512RotateHalf,
	dotRows:          avx512DotRows,
	weightedRows:     avx512WeightedRows,
	adamW:            avx512AdamW,
	dropout:          avx512Dropout,
}

// addAssembly enters the assembly that this processor can run.
func addAssembly() {
	for name, set := range map[string]*functions{features.AVX2: &avx2, features.AVX512: &avx512} {
		if slices.Contains(features.Available(), name) {
			sets[name] = set
		}
	}
}
