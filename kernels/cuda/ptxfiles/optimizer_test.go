package ptxfiles_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/conformance/reference"
	"retort/kernels/cuda/driver"
)

func TestEmbedMatchesReference(t *testing.T) {
	const vocabulary, width, places = 11, 130, 6
	ids, positions := []int32{3, 7, 3, 0, 10, 3}, []int32{0, 1, 2, 0, 1, 5}
	groups := struct{ ids, starts, order []int32 }{[]int32{0, 3, 7, 10}, []int32{0, 1, 4, 5, 6}, []int32{3, 0, 2, 5, 1, 4}}
	for _, e := range elements {
		for _, withPositions := range []bool{true, false} {
			m := newMachine(t)
			table, pos := random(e, 16, vocabulary*width), random(e, 17, places*width)
			x := m.alloc(len(ids) * width * e.bytes)
			var posAt, positionsAt driver.Ptr
			posMatrix, posMatrix32 := reference.Matrix[float64]{}, reference.Matrix[float32]{}
			if withPositions {
				posAt, positionsAt = m.up(e, pos), m.ints(positions)
				posMatrix, posMatrix32 = matrix[float64](places, width, pos), matrix[float32](places, width, pos)
			}
			m.run("embed", "embed_"+e.suffix, [3]int{len(ids)}, [3]int{128}, 0, m.args.Reset().Ptr(x).Ptr(m.up(e, table)).Ptr(m.ints(ids)).
				Ptr(posAt).Ptr(positionsAt).Int32(width).Int32(width).Int32(width).Int32(width))
			want, plain := reference.New[float64](len(ids), width), reference.New[float32](len(ids), width)
			reference.Embed(want, matrix[float64](vocabulary, width, table), ids, posMatrix, positions)
			reference.Embed(plain, matrix[float32](vocabulary, width, table), ids, posMatrix32, positions)
			near(t, "embed", e, m.down(e, x, len(ids)*width), want.Data, plain.Data)

			dx, dtable := random(e, 18, len(ids)*width), random(e, 19, vocabulary*width)
			at := m.up(e, dtable)
			m.run("embed", "embed_backward_"+e.suffix, [3]int{len(groups.ids), (width + 127) / 128}, [3]int{128}, 0,
				m.args.Reset().Ptr(at).Ptr(m.up(e, dx)).Ptr(m.ints(groups.ids)).Ptr(m.ints(groups.starts)).Ptr(m.ints(groups.order)).
					Int32(width).Int32(width).Int32(width))
			wantD, plainD := matrix[float64](vocabulary, width, dtable), matrix[float32](vocabulary, width, dtable)
			reference.EmbedBackward(wantD, matrix[float64](len(ids), width, dx), ids)
			reference.EmbedBackward(plainD, matrix[float32](len(ids), width, dx), ids)
			near(t, "embed_backward", e, m.down(e, at, vocabulary*width), wantD.Data, plainD.Data)
		}
	}
}

func TestCopiesFillsAndCastsKeepWhatLiesBetweenRows(t *testing.T) {
	const rows, width, stride = 3, 5, 8
	for _, from := range elements {
		for _, to := range elements {
			m := newMachine(t)
			src, dst := random(from, 20, rows*width), random(to, 21, rows*stride)
			at := m.up(to, dst)
			name := "copy_" + to.suffix
			if from != to {
				name = "cast_" + from.suffix + "_" + to.suffix
			}
			m.run("copy", name, [3]int{rows}, [3]int{256}, 0, m.args.Reset().Ptr(at).Ptr(m.up(from, src)).Int32(width).Int32(stride).Int32(width))
			want := append([]float32(nil), dst...)
			for i := range src {
				want[i/width*stride+i%width] = to.round(src[i])
			}
			require.Equal(t, want, m.down(to, at, rows*stride), name)
			m.run("copy", "fill_"+to.suffix, [3]int{rows}, [3]int{256}, 0, m.args.Reset().Ptr(at).Float32(-2.5).Int32(width).Int32(stride))
			for i := range src {
				want[i/width*stride+i%width] = -2.5
			}
			require.Equal(t, want, m.down(to, at, rows*stride), "fill")
		}
	}
}

// parameters is what TestAdamW and TestGlobalNorm work on: three tensors, the second
// longer than one block's run.
type parameters struct {
	values                   [][4][]float32 // value, grad, moment1, moment2
	at                       [][4]driver.Ptr
	table, control, partials driver.Ptr
	blocks                   int
	decay                    []bool
}

// perBlock is parameters_per_block of parameters.cuh.
const perBlock = 16384

func upload(m *machine, counts []int, decay []bool, hp kernels.AdamW) *parameters {
	p := &parameters{decay: decay}
	f32 := elements[0]
	var table []byte
	for i, n := range counts {
		var v [4][]float32
		var at [4]driver.Ptr
		for k := range v {
			v[k] = random(f32, uint64(30+4*i+k), n)
			if k == 3 {
				for j := range v[k] {
					v[k][j] *= v[k][j]
				}
			}
			at[k] = m.up(f32, v[k])
			table = binary.LittleEndian.AppendUint64(table, uint64(at[k]))
		}
		factor := float32(1)
		if decay[i] {
			factor = float32(1 - hp.LearningRate*hp.WeightDecay)
		}
		table = binary.LittleEndian.AppendUint64(table, uint64(n))
		table = binary.LittleEndian.AppendUint32(table, uint32(p.blocks))
		table = binary.LittleEndian.AppendUint32(table, math.Float32bits(factor))
		p.values, p.at = append(p.values, v), append(p.at, at)
		p.blocks += (n + perBlock - 1) / perBlock
	}
	p.table = m.alloc(len(table))
	require.NoError(m.t, m.mem.Write(uint64(p.table), table))
	p.control = m.up(f32, []float32{0, 0, 0, 6})
	p.partials = m.alloc(8 * p.blocks)
	return p
}

func ofReference[F reference.Float](p *parameters) []reference.Parameter[F] {
	var out []reference.Parameter[F]
	for i, v := range p.values {
		n := len(v[0])
		out = append(out, reference.Parameter[F]{
			Value: matrix[F](1, n, v[0]), Grad: matrix[F](1, n, v[1]), Moment1: matrix[F](1, n, v[2]), Moment2: matrix[F](1, n, v[3]), Decay: p.decay[i],
		})
	}
	return out
}

func globalNorm(m *machine, p *parameters, maxNorm float32) []float32 {
	m.run("global_norm", "squares_f32", [3]int{p.blocks}, [3]int{256}, 0, m.args.Reset().Ptr(p.partials).Ptr(p.table).Int32(len(p.at)))
	m.run("global_norm", "global_norm", [3]int{1}, [3]int{256}, 0, m.args.Reset().Ptr(p.control).Ptr(p.partials).Int32(p.blocks).Float32(maxNorm))
	return m.down(elements[0], p.control, 4)
}

func adamW(m *machine, p *parameters, hp kernels.AdamW) {
	corrections := m.alloc(8)
	m.put(elements[0], corrections, []float32{0, 0})
	m.run("adamw", "adamw_begin", [3]int{1}, [3]int{1}, 0, m.args.Reset().Ptr(p.control).Ptr(corrections).Float64(hp.LearningRate).Float64(hp.Beta1).Float64(hp.Beta2))
	m.run("adamw", "adamw_f32", [3]int{p.blocks}, [3]int{256}, 0, m.args.Reset().Ptr(p.table).Int32(len(p.at)).Ptr(p.control).Ptr(corrections).
		Float32(float32(hp.Beta1)).Float32(float32(1-hp.Beta1)).Float32(float32(hp.Beta2)).Float32(float32(1-hp.Beta2)).Float32(float32(hp.Epsilon)))
}

var hyperparameters = kernels.AdamW{LearningRate: 1e-2, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: 0.1}

func TestGlobalNormAndAdamWMatchReference(t *testing.T) {
	m := newMachine(t)
	p := upload(m, []int{1, perBlock + 77, 300}, []bool{false, true, true}, hyperparameters)
	control := globalNorm(m, p, 0.5)
	want, plain := []float64{0, 0, 0, 6}, []float32{0, 0, 0, 6}
	params, params32 := ofReference[float64](p), ofReference[float32](p)
	reference.GlobalNorm(want, params, 0.5)
	reference.GlobalNorm(plain, params32, 0.5)
	near(t, "global_norm", elements[0], control, want, plain)

	adamW(m, p, hyperparameters)
	reference.AdamW(want, params, hyperparameters)
	reference.AdamW(plain, params32, hyperparameters)
	require.Equal(t, float32(7), m.down(elements[0], p.control, 4)[kernels.ControlStep])
	for i := range params {
		n := len(p.values[i][0])
		near(t, "value", elements[0], m.down(elements[0], p.at[i][0], n), params[i].Value.Data, params32[i].Value.Data)
		near(t, "moment1", elements[0], m.down(elements[0], p.at[i][2], n), params[i].Moment1.Data, params32[i].Moment1.Data)
		near(t, "moment2", elements[0], m.down(elements[0], p.at[i][3], n), params[i].Moment2.Data, params32[i].Moment2.Data)
	}
}

func TestAStepWithNonFiniteGradientsChangesNothing(t *testing.T) {
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), 1e38} {
		m := newMachine(t)
		p := upload(m, []int{40, 33}, []bool{true, false}, hyperparameters)
		p.values[1][1][7] = bad
		m.put(elements[0], p.at[1][1], p.values[1][1])
		control := globalNorm(m, p, 1)
		require.Zero(t, control[kernels.ControlFinite])
		adamW(m, p, hyperparameters)
		require.Equal(t, float32(6), m.down(elements[0], p.control, 4)[kernels.ControlStep])
		for i := range p.at {
			for k := range 4 {
				if k != 1 {
					require.Equal(t, p.values[i][k], m.down(elements[0], p.at[i][k], len(p.values[i][k])))
				}
			}
		}
	}
}
