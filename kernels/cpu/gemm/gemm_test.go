package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels/cpu/parallel"
)

const poison = float32(-12345.5)

// product is one random multiplication with room around every matrix.
type product struct {
	m, n, k    int
	a, b       Matrix
	c          []float32 // what C holds before
	ldc        int
	accumulate bool
}

// matrix returns a random (rows, cols) view with gaps of poison between its
// stored rows, whose data ends with its last element.
func matrix(r *rand.Rand, rows, cols int, trans bool, gap int) Matrix {
	if trans {
		rows, cols = cols, rows
	}
	stride := cols + gap
	size := 0
	if rows > 0 {
		size = (rows-1)*stride + cols
	}
	x := Matrix{Data: make([]float32, size), Stride: stride, Trans: trans}
	for i := range x.Data {
		if x.Data[i] = poison; i%stride < cols {
			x.Data[i] = float32(r.NormFloat64())
		}
	}
	return x
}

func (x Matrix) at(i, j int) float32 {
	if x.Trans {
		i, j = j, i
	}
	return x.Data[i*x.Stride+j]
}

func newProduct(seed uint64, m, n, k int, transA, transB, accumulate bool, gap int) *product {
	r := rand.New(rand.NewPCG(seed, 7))
	p := &product{m: m, n: n, k: k, accumulate: accumulate, ldc: n + gap}
	p.a, p.b = matrix(r, m, k, transA, gap), matrix(r, k, n, transB, gap)
	p.c = make([]float32, m*p.ldc+gap)
	for i := range p.c {
		p.c[i] = float32(r.NormFloat64())
	}
	return p
}

// run multiplies with the given function and checks the frame around C.
func (p *product) run(t *testing.T, multiply func(c []float32)) []float32 {
	t.Helper()
	c := append([]float32(nil), p.c...)
	multiply(c)
	for i := range c {
		if p.ldc > 0 && i%p.ldc < p.n && i/p.ldc < p.m {
			continue
		}
		if c[i] != p.c[i] {
			require.Failf(t, "wrote outside C", "element %d of (%d, %d, %d)", i, p.m, p.n, p.k)
		}
	}
	return c
}

// check compares c with float64 sums. The bound is that of k roundings.
func (p *product) check(t *testing.T, c []float32) {
	t.Helper()
	for i := range p.m {
		for j := range p.n {
			want, size := 0.0, 0.0
			if p.accumulate {
				want = float64(p.c[i*p.ldc+j])
				size = math.Abs(want)
			}
			for q := range p.k {
				x := float64(p.a.at(i, q)) * float64(p.b.at(q, j))
				want, size = want+x, size+math.Abs(x)
			}
			got := float64(c[i*p.ldc+j])
			if !(math.Abs(got-want) <= size*float64(p.k+2)*0x1p-25) {
				require.Failf(t, "wrong product", "(%d, %d, %d) element (%d, %d): got %v, want %v", p.m, p.n, p.k, i, j, got, want)
			}
		}
	}
}

// each runs the test with every kernel set that this machine has.
func each(t *testing.T, test func(t *testing.T, k *kernel)) {
	for name, k := range kernels {
		t.Run(name, func(t *testing.T) { test(t, k) })
	}
}

func bits(x []float32) []uint32 {
	out := make([]uint32, len(x))
	for i := range x {
		out[i] = math.Float32bits(x[i])
	}
	return out
}

var sizes = []struct{ m, n, k int }{
	{0, 5, 5}, {5, 0, 5}, {5, 5, 0}, {1, 1, 1}, {1, 1, 0}, {1, 16, 8}, {1, 64, 40}, {1, 100, 33},
	{2, 33, 7}, {3, 47, 9}, {4, 15, 17}, {5, 17, 31}, {6, 16, 64}, {7, 31, 63}, {13, 65, 24},
	{16, 128, 64}, {49, 16, 16}, {50, 33, 385}, {61, 130, 400}, {97, 75, 10}, {130, 40, 777}, {125, 260, 16},
}

func TestProductAgreesWithFloat64(t *testing.T) {
	each(t, func(t *testing.T, k *kernel) {
		pool := parallel.New(2)
		defer pool.Close()
		g := newGEMM(pool, k)
		for at, s := range sizes {
			for flags := range 8 {
				p := newProduct(uint64(at), s.m, s.n, s.k, flags&1 != 0, flags&2 != 0, flags&4 != 0, at%4)
				mul := p.run(t, func(c []float32) { g.Mul(c, p.ldc, p.m, p.n, p.k, p.a, p.b, p.accumulate) })
				p.check(t, mul)
				serial := p.run(t, func(c []float32) { g.Serial(1, c, p.ldc, p.m, p.n, p.k, p.a, p.b, p.accumulate) })
				require.Equal(t, bits(mul), bits(serial), "Serial %v", s)
				packed := g.Pack(p.b, p.k, p.n)
				fromPacked := p.run(t, func(c []float32) { g.MulPacked(c, p.ldc, p.m, p.a, packed, p.accumulate) })
				require.Equal(t, bits(mul), bits(fromPacked), "MulPacked %v", s)
			}
		}
	})
}

// The block loops: more rows and columns than a block, several steps of k.
func TestProductLargerThanBlocks(t *testing.T) {
	each(t, func(t *testing.T, k *kernel) {
		pool := parallel.New(2)
		defer pool.Close()
		g := newGEMM(pool, k)
		for at, s := range []struct{ m, n, k int }{{131, keptCols + 77, 401}, {blockRows + 7, 19, 9}, {53, blockCols + 21, 13}, {55, 70, 2*maxStep + 5}} {
			p := newProduct(uint64(at), s.m, s.n, s.k, at&1 == 0, at&1 != 0, at != 2, 3)
			mul := p.run(t, func(c []float32) { g.Mul(c, p.ldc, p.m, p.n, p.k, p.a, p.b, p.accumulate) })
			p.check(t, mul)
			serial := p.run(t, func(c []float32) { g.Serial(0, c, p.ldc, p.m, p.n, p.k, p.a, p.b, p.accumulate) })
			require.Equal(t, bits(mul), bits(serial), "Serial %v", s)
		}
	})
}

func TestBitsDoNotDependOnThreads(t *testing.T) {
	each(t, func(t *testing.T, k *kernel) {
		for _, s := range []struct{ m, n, k int }{{1, 200, 500}, {33, 200, 500}, {200, 190, 800}, {60, keptCols, 400}} {
			p := newProduct(3, s.m, s.n, s.k, false, true, true, 1)
			var want []float32
			for _, threads := range []int{1, 2, 3, 5} {
				pool := parallel.New(threads)
				g := newGEMM(pool, k)
				got := p.run(t, func(c []float32) { g.Mul(c, p.ldc, p.m, p.n, p.k, p.a, p.b, p.accumulate) })
				pool.Close()
				if want == nil {
					want = got
				}
				require.Equal(t, bits(want), bits(got), "%v on %d threads", s, threads)
			}
		}
	})
}

func TestRowDependsNeitherOnOtherRowsNorOnTheirNumber(t *testing.T) {
	each(t, func(t *testing.T, k *kernel) {
		pool := parallel.New(2)
		defer pool.Close()
		g := newGEMM(pool, k)
		const m, n, depth = 70, 150, 900
		p := newProduct(5, m, n, depth, false, true, false, 0)
		all := p.run(t, func(c []float32) { g.Mul(c, p.ldc, m, n, depth, p.a, p.b, false) })
		packed := g.Pack(p.b, depth, n)
		for rows := 1; rows <= m; rows++ { // the last rows of A, so that each row takes every place in a tile
			first := m - rows
			a := Matrix{Data: p.a.Data[first*p.a.Stride:], Stride: p.a.Stride}
			want := bits(all[first*n:])
			c := make([]float32, rows*n)
			g.Mul(c, n, rows, n, depth, a, p.b, false)
			require.Equal(t, want, bits(c), "Mul of %d rows", rows)
			clear(c)
			g.MulPacked(c, n, rows, a, packed, false)
			require.Equal(t, want, bits(c), "MulPacked of %d rows", rows)
		}
	})
}

func TestNaNAndInfPropagateAndStayInTheirRow(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	each(t, func(t *testing.T, k *kernel) {
		pool := parallel.New(2)
		defer pool.Close()
		g := newGEMM(pool, k)
		for _, m := range []int{1, 4, 9, 60} {
			for _, bad := range []float32{nan, inf, -inf} {
				p := newProduct(9, m, 37, 50, false, false, false, 0)
				row := m / 2
				for i := range p.b.Data {
					p.b.Data[i] = 1
				}
				p.a.Data[row*50+17] = bad
				c := p.run(t, func(c []float32) { g.Mul(c, p.ldc, m, 37, 50, p.a, p.b, false) })
				for i, v := range c {
					if i/37 == row {
						require.True(t, v == bad || bad != bad && v != v, "m %d: got %v for %v", m, v, bad)
						continue
					}
					require.False(t, math.IsNaN(float64(v)) || math.IsInf(float64(v), 0), "m %d: %v leaked to row %d", m, bad, i/37)
				}
				p.b.Data[17*37+3] = 0 // Inf times zero
				c = p.run(t, func(c []float32) { g.Mul(c, p.ldc, m, 37, 50, p.a, p.b, false) })
				require.True(t, math.IsNaN(float64(c[row*37+3])))
			}
		}
	})
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	each(t, func(t *testing.T, k *kernel) {
		pool := parallel.New(2)
		defer pool.Close()
		g := newGEMM(pool, k)
		for _, m := range []int{1, 20, 90} {
			p := newProduct(1, m, 100, 60, false, true, true, 0)
			packed := g.Pack(p.b, 60, 100)
			require.Zero(t, testing.AllocsPerRun(10, func() {
				g.Mul(p.c, p.ldc, m, 100, 60, p.a, p.b, true)
				g.MulPacked(p.c, p.ldc, m, p.a, packed, true)
				for worker := range 2 {
					g.Serial(worker, p.c, p.ldc, m, 100, 60, p.a, p.b, true)
				}
			}), "m = %d", m)
		}
	})
}

func TestWrongSizesPanicWithTheShapes(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	g := New(pool)
	data := make([]float32, 20)
	ok := Matrix{Data: data, Stride: 5}
	cases := map[string]func(){
		"gemm: A stored as (5, 5) with row stride 5 does not fit in 20 elements": func() { g.Mul(make([]float32, 25), 5, 5, 5, 5, ok, ok, false) },
		"gemm: B stored as (4, 6) with row stride 5 does not fit in 20 elements": func() { g.Mul(make([]float32, 25), 6, 4, 6, 4, ok, ok, false) },
		"gemm: C (4, 5) with row stride 4 does not fit in 20 elements":           func() { g.Mul(data, 4, 4, 5, 4, ok, ok, false) },
		"gemm: negative size: m=4 n=-1 k=4":                                      func() { g.Mul(data, 4, 4, -1, 4, ok, ok, false) },
	}
	for want, call := range cases {
		require.PanicsWithValue(t, want, call)
	}
}

func ExampleGEMM_Mul() {
	pool := parallel.New(0)
	defer pool.Close()
	x := Matrix{Data: []float32{1, 2, 3}, Stride: 3}                       // (1, 3)
	w := Matrix{Data: []float32{1, 0, 0, 0, 1, 1}, Stride: 3, Trans: true} // (2, 3), used transposed
	y := make([]float32, 2)
	New(pool).Mul(y, 2, 1, 2, 3, x, w, false)
	fmt.Println(y)
	// Output: [1 5]
}

type serialTask struct {
	g *GEMM
	p *product
	c [][]float32
}

func (s *serialTask) Run(item, worker int) {
	s.g.Serial(worker, s.c[item], s.p.ldc, s.p.m, s.p.n, s.p.k, s.p.a, s.p.b, false)
}

func TestSerialRunsInsideATask(t *testing.T) {
	each(t, func(t *testing.T, k *kernel) {
		pool := parallel.New(3)
		defer pool.Close()
		p := newProduct(2, 40, 50, 64, false, true, false, 0)
		task := &serialTask{g: newGEMM(pool, k), p: p, c: make([][]float32, 20)}
		for i := range task.c {
			task.c[i] = make([]float32, len(p.c))
		}
		pool.Do(task, len(task.c))
		p.check(t, task.c[0])
		for i := range task.c {
			require.Equal(t, bits(task.c[0]), bits(task.c[i]))
		}
	})
}
