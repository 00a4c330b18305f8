package vec

import "testing"

func BenchmarkVec(b *testing.B) {
	const n = 4096
	s := make([][]float32, 5)
	for i := range s {
		s[i] = make([]float32, n)
		for j := range s[i] {
			s[i][j] = float32(j%29)/7 - 2
		}
	}
	step := AdamWStep{Scale: 1, LearningRate: 1e-9, Beta1: 0.9, Beta2: 0.99, Epsilon: 1, Correction1: 1, Correction2: 1}
	for _, c := range []struct {
		name  string
		bytes int64 // read and written for an element
		run   func()
	}{
		{"Dot", 8, func() { Dot(s[0], s[1]) }},
		{"Axpy", 12, func() { Axpy(s[0], 1e-9, s[1]) }},
		{"ExpShift", 8, func() { ExpShift(s[0], s[1], 1, 0) }},
		{"SiLUMul", 12, func() { SiLUMul(s[0], s[1], s[2]) }},
		{"SiLUMulBackward", 20, func() { SiLUMulBackward(s[0], s[3], s[4], s[1], s[2]) }},
		{"GELUTanh", 8, func() { GELUTanh(s[0], s[1]) }},
		{"GELUErf", 8, func() { GELUErf(s[0], s[1]) }},
		{"GELUErfBackward", 12, func() { GELUErfBackward(s[0], s[1], s[2]) }},
		{"SoftmaxBackward", 12, func() { SoftmaxBackward(s[0], s[1], 1e-3, 1) }},
		{"NormSums", 12, func() { NormSums(s[0], s[1], s[2], 1) }},
		{"NormInput", 16, func() { NormInput(s[0], s[1], s[2], s[3], 1, 1, 1, 1, false) }},
		{"NormParameters", 24, func() { NormParameters(s[0], s[1], s[2], s[3], 1, 1e-9) }},
		{"SumSquares", 4, func() { SumSquares(s[0]) }},
		{"Max", 4, func() { Max(s[0]) }},
		{"DotRows64", 4, func() { DotRows(s[1][:n/64], s[0][:64], s[2], 64) }},
		{"WeightedRows64", 4, func() { WeightedRows(s[0][:64], s[1][:n/64], s[2], 64) }},
		{"AdamW", 28, func() { AdamW(s[0], s[1], s[3], s[4], &step) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(c.bytes * n)
			for b.Loop() {
				c.run()
			}
		})
	}
}
