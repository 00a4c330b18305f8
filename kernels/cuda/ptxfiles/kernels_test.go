package ptxfiles_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/conformance/reference"
	"retort/kernels/cuda/driver"
)

// These tests run the embedded PTX on the PTX machine, with the geometry that each
// source states, against package reference.

// normThreads is the block of the norm kernels for groups of n.
func normThreads(n int) int {
	threads := 32
	for threads < 256 && 2*threads <= n {
		threads *= 2
	}
	return threads
}

func TestNormMatchesReference(t *testing.T) {
	for _, e := range elements {
		for _, s := range []struct {
			rows, n, groups int
			kind            kernels.NormKind
			residual        bool
		}{
			{1, 1, 1, kernels.RMSNorm, false},
			{7, 576, 1, kernels.RMSNorm, true},
			{5, 64, 3, kernels.RMSNorm, false},
			{3, 100, 1, kernels.LayerNorm, true},
			{4, 384, 1, kernels.LayerNorm, false},
		} {
			t.Run(fmt.Sprintf("%s/%d×%d×%d", e.suffix, s.rows, s.groups, s.n), func(t *testing.T) {
				m, width := newMachine(t), s.groups*s.n
				x, weight := random(e, 1, s.rows*width), random(e, 2, s.n)
				var delta, bias, sum []float32
				added := x
				if s.residual {
					delta = random(e, 3, len(x))
					added = make([]float32, len(x))
					for i := range x {
						added[i] = e.round(x[i] + delta[i])
					}
				}
				if s.kind == kernels.LayerNorm {
					bias = random(e, 4, s.n)
				}
				y, stats := m.alloc(len(x)*e.bytes), m.alloc(s.rows*s.groups*8)
				var sumAt, deltaAt, biasAt driver.Ptr
				if s.residual {
					sumAt, deltaAt = m.alloc(len(x)*e.bytes), m.up(e, delta)
				}
				if bias != nil {
					biasAt = m.up(e, bias)
				}
				xAt, weightAt := m.up(e, x), m.up(e, weight)
				layerNorm := 0
				if s.kind == kernels.LayerNorm {
					layerNorm = 1
				}
				grid, block := [3]int{s.rows * s.groups}, [3]int{normThreads(s.n)}
				m.run("norm", "norm_"+e.suffix, grid, block, 4*s.n, m.args.Reset().Ptr(y).Ptr(stats).Ptr(sumAt).Ptr(xAt).Ptr(deltaAt).
					Ptr(weightAt).Ptr(biasAt).Int32(s.n).Int32(s.groups).Int32(width).Int32(width).Int32(width).Int32(width).Float32(1e-5).Int32(layerNorm))
				want, wantStats := reference.New[float64](s.rows, width), reference.New[float64](s.rows*s.groups, 2)
				plain, plainStats := reference.New[float32](s.rows, width), reference.New[float32](s.rows*s.groups, 2)
				reference.Norm(want, wantStats, matrix[float64](s.rows, width, added), s.kind, vector[float64](weight), vector[float64](bias), 1e-5)
				reference.Norm(plain, plainStats, matrix[float32](s.rows, width, added), s.kind, weight, bias, 1e-5)
				near(t, "norm", e, m.down(e, y, len(x)), want.Data, plain.Data)
				gotStats := m.down(elements[0], stats, s.rows*s.groups*2)
				near(t, "stats", elements[0], gotStats, wantStats.Data, plainStats.Data)
				if s.residual {
					sum = m.down(e, sumAt, len(x))
					require.Equal(t, added, sum)
				}

				dy, dx := random(e, 5, len(x)), random(e, 6, len(x))
				dw, db := random(e, 7, s.n), random(e, 8, s.n)
				dyAt, dxAt, dwAt, dbAt, addedAt := m.up(e, dy), m.up(e, dx), m.up(e, dw), m.up(e, db), m.up(e, added)
				const parts = 2
				count := s.rows * s.groups
				partials := m.alloc(parts * 2 * s.n * 4)
				m.run("norm", "norm_parameters_"+e.suffix, [3]int{(s.n + 31) / 32, parts}, [3]int{32, 8}, 0,
					m.args.Reset().Ptr(partials).Ptr(dyAt).Ptr(addedAt).Ptr(stats).Int32(s.n).Int32(s.groups).Int32(count).Int32(width).Int32(width))
				m.run("norm", "norm_parameters_total_"+e.suffix, [3]int{(s.n + 255) / 256}, [3]int{256}, 0,
					m.args.Reset().Ptr(dwAt).Ptr(dbAt).Ptr(partials).Int32(s.n).Int32(parts))
				m.run("norm", "norm_input_"+e.suffix, grid, block, 8*s.n, m.args.Reset().Ptr(dxAt).Ptr(dyAt).Ptr(addedAt).Ptr(stats).
					Ptr(weightAt).Int32(s.n).Int32(s.groups).Int32(width).Int32(width).Int32(width).Int32(layerNorm).Int32(1))
				wantDX, wantDW, wantDB := matrix[float64](s.rows, width, dx), matrix[float64](1, s.n, dw), matrix[float64](1, s.n, db)
				plainDX, plainDW, plainDB := matrix[float32](s.rows, width, dx), matrix[float32](1, s.n, dw), matrix[float32](1, s.n, db)
				reference.NormBackward(wantDX, wantDW, wantDB, matrix[float64](s.rows, width, dy), matrix[float64](s.rows, width, added), wantStats, s.kind, vector[float64](weight), true)
				reference.NormBackward(plainDX, plainDW, plainDB, matrix[float32](s.rows, width, dy), matrix[float32](s.rows, width, added), plainStats, s.kind, weight, true)
				near(t, "dx", e, m.down(e, dxAt, len(x)), wantDX.Data, plainDX.Data)
				near(t, "dw", e, m.down(e, dwAt, s.n), wantDW.Data, plainDW.Data)
				near(t, "db", e, m.down(e, dbAt, s.n), wantDB.Data, plainDB.Data)
			})
		}
	}
}

func TestRoPEMatchesReferenceAndTurnsBack(t *testing.T) {
	const rows, heads, size, places = 5, 3, 16, 9
	positions := []int32{0, 3, 8, 1, 1}
	table := make([]float32, places*size)
	for i := range table {
		angle := float64(i/size) / float64(1+i%(size/2))
		if i%size < size/2 {
			table[i] = float32(math.Cos(angle))
		} else {
			table[i] = float32(math.Sin(angle))
		}
	}
	for _, e := range elements {
		for inverse := range 2 {
			m := newMachine(t)
			x := random(e, 10, rows*heads*size)
			at := m.up(e, x)
			m.run("rope", "rope_"+e.suffix, [3]int{rows}, [3]int{128}, 0, m.args.Reset().Ptr(at).Ptr(m.up(elements[0], table)).
				Ptr(m.ints(positions)).Int32(heads*size).Int32(size).Int32(heads*size).Int32(inverse))
			want, plain := matrix[float64](rows, heads*size, x), matrix[float32](rows, heads*size, x)
			reference.RoPE(want, matrix[float64](places, size, table), positions, inverse == 1)
			reference.RoPE(plain, matrix[float32](places, size, table), positions, inverse == 1)
			near(t, "rope", e, m.down(e, at, len(x)), want.Data, plain.Data)
		}
	}
}

func TestSwiGLUMatchesReference(t *testing.T) {
	const rows, width = 3, 301
	for _, e := range elements {
		m := newMachine(t)
		gateUp, dh := random(e, 11, rows*2*width), random(e, 12, rows*width)
		gateUp[0], gateUp[1] = e.round(-200), e.round(200)
		h, d, gateUpAt := m.alloc(rows*width*e.bytes), m.alloc(rows*2*width*e.bytes), m.up(e, gateUp)
		m.run("swiglu", "swiglu_"+e.suffix, [3]int{rows}, [3]int{256}, 0, m.args.Reset().Ptr(h).Ptr(gateUpAt).Int32(width).Int32(width).Int32(2*width))
		m.run("swiglu", "swiglu_backward_"+e.suffix, [3]int{rows}, [3]int{256}, 0,
			m.args.Reset().Ptr(d).Ptr(m.up(e, dh)).Ptr(gateUpAt).Int32(width).Int32(2*width).Int32(width).Int32(2*width))
		want, plain := reference.New[float64](rows, width), reference.New[float32](rows, width)
		reference.SwiGLU(want, matrix[float64](rows, 2*width, gateUp))
		reference.SwiGLU(plain, matrix[float32](rows, 2*width, gateUp))
		near(t, "swiglu", e, m.down(e, h, rows*width), want.Data, plain.Data)
		wantD, plainD := reference.New[float64](rows, 2*width), reference.New[float32](rows, 2*width)
		reference.SwiGLUBackward(wantD, matrix[float64](rows, width, dh), matrix[float64](rows, 2*width, gateUp))
		reference.SwiGLUBackward(plainD, matrix[float32](rows, width, dh), matrix[float32](rows, 2*width, gateUp))
		near(t, "swiglu_backward", e, m.down(e, d, rows*2*width), wantD.Data, plainD.Data)
	}
}

func TestGELUMatchesReference(t *testing.T) {
	const rows, width = 2, 300
	for _, e := range elements {
		for _, kind := range []kernels.GELUKind{kernels.GELUTanh, kernels.GELUErf} {
			m := newMachine(t)
			pre, bias, dh := random(e, 13, rows*width), random(e, 14, width), random(e, 15, rows*width)
			for i := range pre {
				pre[i] = e.round(3 * pre[i])
			}
			pre[0], pre[1], bias[0], bias[1] = e.round(-30), e.round(30), 0, 0
			h, preAt, dAt := m.alloc(rows*width*e.bytes), m.up(e, pre), m.up(e, dh)
			m.run("gelu", "bias_gelu_"+e.suffix, [3]int{rows}, [3]int{256}, 0,
				m.args.Reset().Ptr(h).Ptr(preAt).Ptr(m.up(e, bias)).Int32(width).Int32(width).Int32(width).Int32(int(kind)))
			biased := m.down(e, preAt, rows*width)
			for i := range biased {
				require.Equal(t, e.round(pre[i]+bias[i%width]), biased[i])
			}
			m.run("gelu", "gelu_backward_"+e.suffix, [3]int{rows}, [3]int{256}, 0,
				m.args.Reset().Ptr(dAt).Ptr(dAt).Ptr(preAt).Int32(width).Int32(width).Int32(width).Int32(width).Int32(int(kind)))
			want, plain := reference.New[float64](rows, width), reference.New[float32](rows, width)
			reference.BiasGELU(want, matrix[float64](rows, width, biased), nil, kind)
			reference.BiasGELU(plain, matrix[float32](rows, width, biased), nil, kind)
			near(t, "bias_gelu", e, m.down(e, h, rows*width), want.Data, plain.Data)
			reference.GELUBackward(want, matrix[float64](rows, width, dh), matrix[float64](rows, width, biased), kind)
			reference.GELUBackward(plain, matrix[float32](rows, width, dh), matrix[float32](rows, width, biased), kind)
			near(t, "gelu_backward", e, m.down(e, dAt, rows*width), want.Data, plain.Data)
		}
	}
}
