package gemm

import (
	"fmt"
	"math"
	"testing"
	"time"

	"retort/kernels/cpu/parallel"
)

// shapes are the multiplications of a training step: forward, input gradient,
// weight gradient, attention, head.
var shapes = []struct {
	name           string
	m, n, k        int
	transA, transB bool
}{
	{"forward", 1024, 768, 768, false, true},
	{"forward", 2048, 576, 576, false, true},
	{"forward", 1024, 3072, 768, false, true},
	{"forward", 1024, 768, 3072, false, true},
	{"inputGrad", 1024, 768, 3072, false, false},
	{"weightGrad", 768, 3072, 1024, true, false},
	{"weightGrad", 576, 1536, 4096, true, false},
	{"head", 256, 49152, 768, false, true},
	{"square", 2048, 2048, 2048, false, false},
}

// measure times the multiplication and reports its rate, on average and at
// best, which is what remains on a machine that others use too.
func measure(b *testing.B, m, n, k int, multiply func()) {
	flops, best := 2*float64(m)*float64(n)*float64(k), time.Duration(math.MaxInt64)
	for b.Loop() {
		start := time.Now()
		multiply()
		best = min(best, time.Since(start))
	}
	b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	b.ReportMetric(flops/best.Seconds()/1e9, "best-GFLOP/s")
}

func BenchmarkMul(b *testing.B) {
	for _, s := range shapes {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/%dx%dx%d/threads=%d", s.name, s.m, s.n, s.k, threads), func(b *testing.B) {
				pool := parallel.New(threads)
				defer pool.Close()
				g := New(pool)
				p := newProduct(1, s.m, s.n, s.k, s.transA, s.transB, false, 0)
				measure(b, s.m, s.n, s.k, func() { g.Mul(p.c, p.ldc, p.m, p.n, p.k, p.a, p.b, false) })
			})
		}
	}
}

// BenchmarkDecode reads weights larger than the caches: its figure is the
// bandwidth of memory.
func BenchmarkDecode(b *testing.B) {
	const n, k = 49152, 768
	p := newProduct(1, 32, n, k, false, true, false, 0)
	for _, m := range []int{1, 2, 4, 8, 32} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("m=%d/threads=%d", m, threads), func(b *testing.B) {
				pool := parallel.New(threads)
				defer pool.Close()
				g := New(pool)
				packed := g.Pack(p.b, k, n)
				b.SetBytes(int64(packed.Bytes()))
				measure(b, m, n, k, func() { g.MulPacked(p.c, p.ldc, m, p.a, packed, false) })
			})
		}
	}
}

// BenchmarkSerial multiplies tiles of attention: scores (B transposed) and
// values, in rows of 576 elements.
func BenchmarkSerial(b *testing.B) {
	for _, size := range []int{16, 64, 128} {
		for _, trans := range []bool{true, false} {
			b.Run(fmt.Sprintf("%dx%dx64/trans=%v", size, size, trans), func(b *testing.B) {
				pool := parallel.New(1)
				defer pool.Close()
				g := New(pool)
				p := newProduct(1, size, size, 64, false, trans, false, 512)
				measure(b, size, size, 64, func() { g.Serial(0, p.c, p.ldc, p.m, p.n, p.k, p.a, p.b, false) })
			})
		}
	}
}
