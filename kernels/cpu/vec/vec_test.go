package vec

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// lengths cover nothing, less than a register, its multiples, and the
// unrolled loops with every kind of rest.
var lengths = []int{0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 39, 40, 63, 64, 65, 71, 100, 257, 1000}

const guard = float32(777.25)

// each runs the test with every set of functions that this machine has.
func each(t *testing.T, test func(t *testing.T)) {
	before := active
	defer func() { active = before }()
	for name, set := range sets {
		active = set
		t.Run(name, test)
	}
}

// vector returns n random numbers that begin at an odd offset and lie between
// guards, and a function that checks the guards.
func vector(r *rand.Rand, n int, spread float64) (x []float32, check func(t *testing.T)) {
	all := make([]float32, n+12)
	for i := range all {
		all[i] = guard
	}
	offset := 1 + r.IntN(8)
	x = all[offset : offset+n]
	for i := range x {
		x[i] = float32(r.NormFloat64() * spread)
	}
	return x, func(t *testing.T) {
		t.Helper()
		for i, v := range all {
			if (i < offset || i >= offset+n) && v != guard {
				require.Failf(t, "wrote outside the slice", "at %d of %d", i-offset, n)
			}
		}
	}
}

// near fails unless got is within the given number of ulps of want, or of
// the size at which the computation's terms cancelled.
func near(t *testing.T, got float32, want, size, ulps float64, where ...any) {
	t.Helper()
	size = max(math.Abs(want), size, 0x1p-126)
	if !(math.Abs(float64(got)-want) <= ulps*size*0x1p-23) {
		require.Failf(t, "wrong value", "got %v, want %v %v", got, want, where)
	}
}

func TestElementwiseAgreesWithFloat64(t *testing.T) {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	geluSigmoid := func(x float64) float64 { return sigmoid(2 * math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x)) }
	slope := func(x float64) float64 { return 2 * math.Sqrt(2/math.Pi) * (1 + 3*0.044715*x*x) }
	phi := func(x float64) float64 { return math.Exp(-x*x/2) / math.Sqrt(2*math.Pi) }
	cdf := func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
	const s, u = 0.7, -0.3
	// in and out are slices of the call; want gets the inputs' elements and
	// returns for every out its value and the size of the largest term.
	cases := []struct {
		name string
		ins  int
		outs int
		ulps float64
		call func(out, in [][]float32)
		want func(in []float64) (value, size [2]float64)
	}{
		{"Add", 2, 1, 1, func(o, in [][]float32) { Add(o[0], in[0], in[1]) },
			func(in []float64) (v, z [2]float64) { v[0] = in[0] + in[1]; return }},
		{"AddTo", 2, 1, 1, func(o, in [][]float32) { copy(o[0], in[0]); AddTo(o[0], in[1]) },
			func(in []float64) (v, z [2]float64) { v[0] = in[0] + in[1]; return }},
		{"Mul", 2, 1, 1, func(o, in [][]float32) { Mul(o[0], in[0], in[1]) },
			func(in []float64) (v, z [2]float64) { v[0] = in[0] * in[1]; return }},
		{"Scale", 1, 1, 1, func(o, in [][]float32) { copy(o[0], in[0]); Scale(o[0], s) },
			func(in []float64) (v, z [2]float64) { v[0] = in[0] * float64(float32(s)); return }},
		{"Axpy", 2, 1, 2, func(o, in [][]float32) { copy(o[0], in[0]); Axpy(o[0], s, in[1]) },
			func(in []float64) (v, z [2]float64) {
				v[0] = in[0] + float64(float32(s))*in[1]
				z[0] = math.Abs(in[0])
				return
			}},
		{"SiLUMul", 2, 1, 6, func(o, in [][]float32) { SiLUMul(o[0], in[0], in[1]) },
			func(in []float64) (v, z [2]float64) { v[0] = in[0] * sigmoid(in[0]) * in[1]; return }},
		{"SiLUMulBackward", 3, 2, 6, func(o, in [][]float32) { SiLUMulBackward(o[0], o[1], in[0], in[1], in[2]) },
			func(in []float64) (v, z [2]float64) {
				sg := sigmoid(in[1])
				v[0] = in[0] * in[2] * (sg + in[1]*sg*(1-sg))
				z[0] = math.Abs(in[0] * in[2])
				v[1] = in[0] * in[1] * sg
				return
			}},
		{"GELUTanh", 1, 1, 40, func(o, in [][]float32) { GELUTanh(o[0], in[0]) },
			func(in []float64) (v, z [2]float64) { v[0] = in[0] * geluSigmoid(in[0]); return }},
		{"GELUTanhBackward", 2, 1, 8, func(o, in [][]float32) { GELUTanhBackward(o[0], in[0], in[1]) },
			func(in []float64) (v, z [2]float64) {
				sg := geluSigmoid(in[1])
				v[0] = in[0] * (sg + in[1]*sg*(1-sg)*slope(in[1]))
				z[0] = math.Abs(in[0])
				return
			}},
		{"GELUErf", 1, 1, 6, func(o, in [][]float32) { GELUErf(o[0], in[0]) },
			func(in []float64) (v, z [2]float64) { v[0] = in[0] * cdf(in[0]); return }},
		{"GELUErfBackward", 2, 1, 6, func(o, in [][]float32) { GELUErfBackward(o[0], in[0], in[1]) },
			func(in []float64) (v, z [2]float64) {
				v[0] = in[0] * (cdf(in[1]) + in[1]*phi(in[1]))
				z[0] = math.Abs(in[0]) * (cdf(in[1]) + math.Abs(in[1])*phi(in[1]))
				return
			}},
		{"SoftmaxBackward", 2, 1, 4, func(o, in [][]float32) { copy(o[0], in[0]); SoftmaxBackward(o[0], in[1], s, u) },
			func(in []float64) (v, z [2]float64) {
				v[0] = float64(float32(s)) * in[1] * (in[0] - float64(float32(u)))
				return
			}},
		{"NormInput", 3, 1, 4, func(o, in [][]float32) { NormInput(o[0], in[0], in[1], in[2], u, s, 0.2, 0.6, false) },
			normInput(u, s, 0.2, 0.6, false)},
		{"NormInputInPlace", 3, 1, 4, func(o, in [][]float32) {
			copy(o[0], in[0])
			NormInput(o[0], o[0], in[1], in[2], u, s, 0.2, 0.6, false)
		}, normInput(u, s, 0.2, 0.6, false)},
		{"NormInputAdd", 4, 1, 4, func(o, in [][]float32) {
			copy(o[0], in[3])
			NormInput(o[0], in[0], in[1], in[2], u, s, 0.2, 0.6, true)
		}, normInput(u, s, 0.2, 0.6, true)},
		{"NormParameters", 4, 2, 4, func(o, in [][]float32) {
			copy(o[0], in[2])
			copy(o[1], in[3])
			NormParameters(o[0], o[1], in[0], in[1], u, s)
		}, func(in []float64) (v, z [2]float64) {
			v[0], v[1] = in[2]+in[0]*(in[1]-float64(float32(u)))*float64(float32(s)), in[3]+in[0]
			z[0] = math.Abs(in[2])
			return
		}},
		{"Normalize", 2, 1, 4, func(o, in [][]float32) { Normalize(o[0], in[0], in[1], nil, u, s) },
			func(in []float64) (v, z [2]float64) {
				v[0] = (in[0] - float64(float32(u))) * float64(float32(s)) * in[1]
				return
			}},
		{"NormalizeBias", 3, 1, 4, func(o, in [][]float32) { Normalize(o[0], in[0], in[1], in[2], u, s) },
			func(in []float64) (v, z [2]float64) {
				v[0] = (in[0]-float64(float32(u)))*float64(float32(s))*in[1] + in[2]
				z[0] = math.Abs(in[2])
				return
			}},
		{"RotateHalf", 4, 2, 3, func(o, in [][]float32) {
			copy(o[0], in[0])
			copy(o[1], in[1])
			RotateHalf(o[0], o[1], in[2], in[3])
		}, func(in []float64) (v, z [2]float64) {
			v[0], v[1] = in[0]*in[2]-in[1]*in[3], in[1]*in[2]+in[0]*in[3]
			z[0], z[1] = math.Abs(in[0]*in[2]), math.Abs(in[1]*in[2])
			return
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 2))
				for _, n := range lengths {
					var in, out [][]float32
					for range c.ins {
						x, _ := vector(r, n, 2)
						in = append(in, x)
					}
					for range c.outs {
						x, check := vector(r, n, 1)
						out = append(out, x)
						defer check(t)
					}
					c.call(out, in)
					for i := range n {
						var args []float64
						for _, x := range in {
							args = append(args, float64(x[i]))
						}
						value, size := c.want(args)
						for o := range out {
							near(t, out[o][i], value[o], size[o], c.ulps, "n", n, "i", i, "out", o, args)
						}
					}
				}
			})
		})
	}
}

// normInput is NormInput in float64; terms that cancel give the size.
func normInput(mean, rstd, meanG, meanGX float32, add bool) func(in []float64) (v, z [2]float64) {
	return func(in []float64) (v, z [2]float64) {
		r := float64(rstd)
		terms := []float64{in[0] * in[2] * r, -float64(meanG) * r, -(in[1] - float64(mean)) * r * float64(meanGX) * r, 0}
		if add {
			terms[3] = in[3]
		}
		for _, term := range terms {
			v[0] += term
			z[0] += math.Abs(term)
		}
		return
	}
}

func TestReductionsAgreeWithFloat64(t *testing.T) {
	each(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, n := range lengths {
			a, _ := vector(r, n, 1)
			b, _ := vector(r, n, 1)
			w, _ := vector(r, n, 1)
			var dot, dotSize, sum, sumSize, squares, around float64
			var g, gSize, gx, gxSize float64
			highest := math.Inf(-1)
			for i := range n {
				x, y := float64(a[i]), float64(b[i])
				dot, dotSize = dot+x*y, dotSize+math.Abs(x*y)
				sum, sumSize = sum+x, sumSize+math.Abs(x)
				squares += x * x
				around += (x - 0.75) * (x - 0.75)
				g, gSize = g+y*float64(w[i]), gSize+math.Abs(y*float64(w[i]))
				gx, gxSize = gx+y*float64(w[i])*(x-0.75), gxSize+math.Abs(y*float64(w[i])*(x-0.75))
				highest = max(highest, x)
			}
			near(t, Dot(a, b), dot, dotSize, 8, n)
			near(t, Sum(a), sum, sumSize, 8, n)
			require.InDelta(t, squares, SumSquares(a), 1e-12*squares, "n %d", n)
			require.InDelta(t, around, SumSquaresFrom(a, 0.75), 1e-12*around, "n %d", n)
			require.Equal(t, float32(highest), Max(a), "n %d", n)
			gotG, gotGX := NormSums(b, a, w, 0.75)
			near(t, gotG, g, gSize, 8, n)
			near(t, gotGX, gx, gxSize, 8, n)
		}
	})
}

func TestMaxIsNaNWithAnyNaN(t *testing.T) {
	each(t, func(t *testing.T) {
		for _, n := range []int{1, 5, 8, 16, 17, 40} {
			for at := range n {
				x := make([]float32, n)
				x[at] = float32(math.NaN())
				require.True(t, math.IsNaN(float64(Max(x))), "NaN at %d of %d", at, n)
				for i := range x { // all below zero: missing lanes must not win
					x[i] = -5 - float32(i)
				}
				x[at] = -2
				require.Equal(t, float32(-2), Max(x), "at %d of %d", at, n)
			}
		}
	})
}

func TestRowProductsAgreeWithFloat64(t *testing.T) {
	each(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		for _, count := range []int{0, 1, 2, 3, 4, 5, 9, 33} {
			for _, n := range []int{0, 1, 7, 8, 16, 23, 40, 64, 80, 96, 128, 150} {
				stride := n + 3
				rows, _ := vector(r, max(0, (count-1)*stride+n), 1)
				q, _ := vector(r, n, 1)
				p, _ := vector(r, count, 1)
				dots, checkDots := vector(r, count, 1)
				sums, checkSums := vector(r, n, 1)
				DotRows(dots, q, rows, stride)
				WeightedRows(sums, p, rows, stride)
				checkDots(t)
				checkSums(t)
				alone := make([]float32, 1)
				for j := range count {
					want, size := 0.0, 0.0
					for i := range n {
						x := float64(q[i]) * float64(rows[j*stride+i])
						want, size = want+x, size+math.Abs(x)
					}
					near(t, dots[j], want, size, 8, count, n, j)
					DotRows(alone, q, rows[j*stride:], stride)
					require.Equal(t, alone[0], dots[j], "row %d of %d", j, count)
				}
				for i := range n {
					want, size := 0.0, 0.0
					for j := range count {
						x := float64(p[j]) * float64(rows[j*stride+i])
						want, size = want+x, size+math.Abs(x)
					}
					near(t, sums[i], want, size, 16, count, n, i)
				}
			}
		}
	})
}

// Every element must meet the same arithmetic wherever it stands.
func TestResultsDoNotDependOnPosition(t *testing.T) {
	each(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		const n = 100
		x, _ := vector(r, n, 3)
		w, _ := vector(r, n, 3)
		whole := make([]float32, n)
		functions := map[string]func(dst, a, b []float32){
			"ExpShift":         func(dst, a, _ []float32) { ExpShift(dst, a, 1.5, 0.25) },
			"SiLUMul":          SiLUMul,
			"GELUTanh":         func(dst, a, _ []float32) { GELUTanh(dst, a) },
			"GELUTanhBackward": GELUTanhBackward,
			"GELUErf":          func(dst, a, _ []float32) { GELUErf(dst, a) },
			"GELUErfBackward":  GELUErfBackward,
			"NormInput":        func(dst, a, b []float32) { NormInput(dst, a, b, b, 0.1, 1.7, 0.2, 0.3, false) },
			"Normalize":        func(dst, a, b []float32) { Normalize(dst, a, b, b, 0.1, 1.7) },
		}
		for name, f := range functions {
			f(whole, x, w)
			for first := range n {
				for _, length := range []int{1, 5, 8, 11} {
					end := min(first+length, n)
					part := make([]float32, end-first)
					f(part, x[first:end], w[first:end])
					require.Equal(t, whole[first:end], part, "%s [%d:%d]", name, first, end)
				}
			}
		}
		for shift := range 8 { // sums: the same numbers at another alignment
			moved := append(make([]float32, shift, shift+n), x...)[shift:]
			require.Equal(t, Dot(x, x), Dot(moved, moved))
			require.Equal(t, Sum(x), Sum(moved))
			require.Equal(t, SumSquares(x), SumSquares(moved))
			require.Equal(t, ExpShift(whole, x, 1, 0), ExpShift(whole, moved, 1, 0))
		}
	})
}

func TestAdamWFollowsPyTorch(t *testing.T) {
	s := AdamWStep{Scale: 0.5, LearningRate: 1e-2, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Decay: 0.1}
	each(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, n := range lengths {
			p, check := vector(r, n, 1)
			g, _ := vector(r, n, 1)
			m, v := make([]float32, n), make([]float32, n)
			p64, m64, v64 := make([]float64, n), make([]float64, n), make([]float64, n)
			for i := range p {
				p64[i] = float64(p[i])
			}
			kept := slices.Clone(g)
			for step := 1; step <= 5; step++ {
				s.Correction1, s.Correction2 = 1-math.Pow(s.Beta1, float64(step)), 1-math.Pow(s.Beta2, float64(step))
				AdamW(p, g, m, v, &s)
				for i := range p {
					gi := float64(g[i]) * float64(s.Scale)
					p64[i] *= 1 - s.LearningRate*s.Decay
					m64[i] = s.Beta1*m64[i] + (1-s.Beta1)*gi
					v64[i] = s.Beta2*v64[i] + (1-s.Beta2)*gi*gi
					p64[i] -= s.LearningRate / s.Correction1 * m64[i] / (math.Sqrt(v64[i])/math.Sqrt(s.Correction2) + s.Epsilon)
					near(t, p[i], p64[i], 0.1, 8, "p", n, i, step)
					near(t, m[i], m64[i], 0.1, 8, "m", n, i, step)
					near(t, v[i], v64[i], 0, 8, "v", n, i, step) // fails when 1 - Beta2 comes from a float32
				}
			}
			require.Equal(t, kept, g, "gradients are only read")
			check(t)
		}
	})
}

func TestUnequalLengthsPanic(t *testing.T) {
	x, y := make([]float32, 3), make([]float32, 4)
	require.PanicsWithValue(t, "vec: Dot of slices with 3 and 4 elements", func() { Dot(x, y) })
	require.PanicsWithValue(t, "vec: Normalize of slices with 3 and 4 elements", func() { Normalize(x, x, x, y, 0, 1) })
	require.PanicsWithValue(t, "vec: DotRows of 2 rows of 3 elements, 3 apart, in 4 elements", func() { DotRows(y[:2], x, y, 3) })
	require.PanicsWithValue(t, "vec: AdamW of slices with 3 and 4 elements", func() { AdamW(x, x, x, y, &AdamWStep{}) })
}

func TestNothingIsAllocated(t *testing.T) {
	each(t, func(t *testing.T) {
		x, y, z, w := make([]float32, 50), make([]float32, 50), make([]float32, 50), make([]float32, 50)
		require.Zero(t, testing.AllocsPerRun(20, func() {
			Dot(x, y)
			ExpShift(x, y, 1, 0)
			SiLUMul(x, y, z)
			AdamW(x, y, z, w, &AdamWStep{})
		}))
	})
}
