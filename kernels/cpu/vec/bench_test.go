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
		{"AdamW", 28, func() { AdamW(s[0], s[1], s[3], s[4], 1, 1e-9, 0.9, 0.99, 1, 0, 1, 1) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(c.bytes * n)
			for b.Loop() {
				c.run()
			}
		})
	}
}
