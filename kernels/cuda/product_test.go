package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda/driver/emu"
)

// The conformance table meets the tile that its small shapes get; these tests force each
// tile, since a wrong one shows in large shapes only.

// openMachine is a backend on the PTX machine and the machine's counts.
func openMachine(t testing.TB, activation kernels.DType) (*Backend, *emu.Driver) {
	t.Helper()
	machine := emu.New(emu.Options{})
	b, err := New(machine, 0, Options{Activation: activation})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b, machine
}

// operand is a random matrix on the device, a view with margins of NaN, and its values.
type operand struct {
	whole, view kernels.Tensor
	values      []float64
}

// newOperand fills a (rows, cols) view whose rows are `stride` apart; NaN stands around it,
// and in it when it is only written.
func newOperand(t testing.TB, b *Backend, r *rand.Rand, dtype kernels.DType, rows, cols, stride int, written bool) operand {
	t.Helper()
	const above, left = 1, 8
	whole, err := b.Alloc(dtype, kernels.Activations, rows+2, stride+left)
	require.NoError(t, err)
	t.Cleanup(func() { b.Free(whole) })
	o := operand{whole: whole, view: whole.RowRange(above, above+rows).ColRange(left, left+cols)}
	raw := make([]float32, whole.Len())
	for i := range raw {
		raw[i] = float32(math.NaN())
	}
	for i := range rows * cols {
		v := float32(r.NormFloat64())
		if dtype == kernels.BFloat16 || b.activation == kernels.BFloat16 {
			v = fromBF16(toBF16(v))
		}
		o.values = append(o.values, float64(v))
		if !written {
			raw[(above+i/cols)*whole.Cols+left+i%cols] = v
		}
	}
	b.Upload(whole, raw)
	return o
}

// result returns the view's values, and fails when the margins have changed.
func (o operand) result(t testing.TB, b *Backend) []float32 {
	t.Helper()
	raw := make([]float32, o.whole.Len())
	require.NoError(t, b.Download(raw, o.whole))
	var out []float32
	for i, v := range raw {
		row, col := i/o.whole.Cols-1, i%o.whole.Cols-8
		if row >= 0 && row < o.view.Rows && col >= 0 && col < o.view.Cols {
			out = append(out, v)
		} else {
			require.True(t, v != v, "row %d, column %d beside the result was written", row, col)
		}
	}
	return out
}

// productCase is one forced launch.
type productCase struct {
	layout     layout
	tile       tile
	parts      int
	m, n, k    int
	unaligned  bool // odd strides
	outType    kernels.DType
	bias       bool
	accumulate bool
	gelu       bool
}

func (c productCase) String() string {
	return fmt.Sprintf("%s_%s parts=%d m=%d n=%d k=%d unaligned=%v %v bias=%v accumulate=%v", layoutNames[c.layout], c.tile.name,
		c.parts, c.m, c.n, c.k, c.unaligned, c.outType, c.bias, c.accumulate)
}

// stride is the distance of rows of n elements: whole 16 bytes, or odd.
func (c productCase) stride(n int) int {
	if c.unaligned {
		return n | 1
	}
	return (n + 7) / 8 * 8
}

// run makes the product and compares it with float64's; it returns the result.
func (c productCase) run(t testing.TB, b *Backend) []float32 {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(c.k), uint64(c.n))) // rows do not depend on m
	right := newOperand(t, b, r, b.activation, c.k, c.n, c.stride(c.n), false)
	at := func(l, j int) float64 { return right.values[l*c.n+j] }
	if c.layout == rowsByRows {
		right = newOperand(t, b, r, b.activation, c.n, c.k, c.stride(c.k), false)
		at = func(l, j int) float64 { return right.values[j*c.k+l] }
	}
	bias := newOperand(t, b, r, b.activation, 1, c.n, c.stride(c.n), false)
	left := newOperand(t, b, r, b.activation, c.m, c.k, c.stride(c.k), false)
	from := func(i, l int) float64 { return left.values[i*c.k+l] }
	if c.layout == columnsByColumns {
		left = newOperand(t, b, r, b.activation, c.k, c.m, c.stride(c.m), false)
		from = func(i, l int) float64 { return left.values[l*c.m+i] }
	}
	h := newOperand(t, b, r, b.activation, c.m, c.n, c.stride(c.n), true)
	out := newOperand(t, b, r, c.outType, c.m, c.n, c.stride(c.n), !c.accumulate)
	e := epilogue{accumulate: c.accumulate}
	if c.bias {
		e.bias = b.pointer(bias.view)
	}
	if c.gelu {
		e.activation, e.gelu = b.matrix(h.view), kernels.GELUErf
	}
	b.productBy(c.tile, c.parts, c.layout, b.matrix(out.view), b.matrix(left.view), b.matrix(right.view), e)
	got := out.result(t, b)
	if c.gelu {
		for i, v := range h.result(t, b) {
			x := float64(got[i])
			require.InDelta(t, x*math.Erfc(-x/math.Sqrt2)/2, float64(v), math.Abs(x)*0x1p-8+1e-6, "%v: activation %d", c, i)
		}
	}
	for i := range c.m {
		for j := range c.n {
			var sum, size float64
			for l := range c.k {
				sum += from(i, l) * at(l, j)
				size += math.Abs(from(i, l) * at(l, j))
			}
			if c.bias {
				sum += bias.values[j]
			}
			if c.accumulate {
				sum += out.values[i*c.n+j]
			}
			allowed := (size+math.Abs(sum))*float64(c.k+4)*0x1p-24 + 1e-30
			if c.outType == kernels.BFloat16 {
				allowed += math.Abs(sum) * 0x1p-8
			}
			require.InDelta(t, sum, float64(got[i*c.n+j]), allowed, "%v: row %d, column %d", c, i, j)
		}
	}
	return got
}

// tilesOf lists every tile that exists for a type and layout; unaligned is read by element.
func tilesOf(activation kernels.DType, l layout) (all []tile) {
	all = []tile{floatSmall, floatLarge, floatFew}
	if activation == kernels.BFloat16 {
		all = []tile{brainUnaligned, brainSmall, brainLarge, brainFew}
	}
	if l == columnsByColumns {
		all = all[:len(all)-1]
	}
	return all
}

func TestEveryTileMatchesFloat64AndAllGiveARowTheSameBits(t *testing.T) {
	for _, activation := range []kernels.DType{kernels.Float32, kernels.BFloat16} {
		for l := rowsByRows; l <= columnsByColumns; l++ {
			t.Run(fmt.Sprint(activation, " ", layoutNames[l]), func(t *testing.T) {
				b, _ := openMachine(t, activation)
				// Odd sizes, with edges in every direction and a k that needs all stages; then
				// whole tiles; then next to nothing.
				for _, s := range [][3]int{{133, 139, 75}, {16, 64, 224}, {1, 1, 1}, {5, 7, 0}} {
					var first []float32
					for i, tile := range tilesOf(activation, l) {
						c := productCase{layout: l, tile: tile, parts: 1, m: s[0], n: s[1], k: s[2], outType: activation, bias: true, gelu: l == rowsByRows && s[0] != 16,
							unaligned: tile == brainUnaligned || activation == kernels.Float32}
						got := c.run(t, b)
						if i == 0 {
							first = got
						}
						require.Equal(t, first, got, "%v has other bits than %s", c, tilesOf(activation, l)[0].name)
					}
				}
			})
		}
	}
}

func TestProductsAccumulateInPartsAndInFloat(t *testing.T) {
	for _, activation := range []kernels.DType{kernels.Float32, kernels.BFloat16} {
		b, _ := openMachine(t, activation)
		large, small := floatLarge, floatSmall
		if activation == kernels.BFloat16 {
			large, small = brainLarge, brainSmall
		}
		for _, c := range []productCase{
			{layout: columnsByColumns, tile: large, parts: 3, m: 67, n: 130, k: 203, accumulate: true},
			{layout: columnsByColumns, tile: small, parts: 7, m: 67, n: 30, k: 65, accumulate: true}, // parts of 32: three are left
			{layout: columnsByColumns, tile: small, parts: 1, m: 67, n: 30, k: 65, accumulate: true},
			{layout: rowsByColumns, tile: small, parts: 1, m: 67, n: 30, k: 65, accumulate: true, bias: true},
			{layout: rowsByRows, tile: small, parts: 1, m: 33, n: 401, k: 16},
		} {
			c.outType = kernels.Float32
			got := c.run(t, b)
			require.Equal(t, got, c.run(t, b), "%v: two runs differ", c)
			if c.parts == 1 {
				c.outType = activation
				c.run(t, b)
			}
		}
	}
}

// TestTileAndPartsFollowTheShape states the choices for a device of 132 multiprocessors.
func TestTileAndPartsFollowTheShape(t *testing.T) {
	for _, c := range []struct {
		layout  layout
		m, n, k int
		aligned bool
		tile    tile
		parts   int
	}{
		{rowsByRows, 8192, 768, 3072, true, brainLarge, 1},
		{rowsByRows, 8192, 768, 3072, false, brainUnaligned, 1},
		{rowsByRows, 1, 50257, 768, true, brainFew, 1},
		{rowsByRows, 16, 768, 768, true, brainFew, 1},
		{rowsByRows, 64, 768, 768, true, brainFew, 1},
		{rowsByRows, 64, 2304, 768, true, brainFew, 1},
		{rowsByRows, 64, 3072, 768, true, brainSmall, 1},
		{rowsByColumns, 256, 768, 768, true, brainSmall, 1},
		{columnsByColumns, 768, 768, 65536, true, brainLarge, 7},
		{columnsByColumns, 3072, 768, 8192, true, brainLarge, 3},
		{columnsByColumns, 3072, 768, 1024, true, brainLarge, 1},
		{columnsByColumns, 50257, 768, 8192, true, brainLarge, 1},
		{columnsByColumns, 8, 8, 100, true, brainSmall, 1},
	} {
		parts := 1
		if c.layout == columnsByColumns {
			parts = partsOf(c.m, c.n, c.k)
		}
		require.Equal(t, c.parts, parts, "%s (%d, %d), k = %d", layoutNames[c.layout], c.m, c.n, c.k)
		require.Equal(t, c.tile, tileOf(c.layout, kernels.BFloat16, c.aligned, c.m, c.n, parts, 132))
	}
}
