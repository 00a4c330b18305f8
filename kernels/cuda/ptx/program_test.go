package ptx

import (
	"encoding/binary"
	"math"
	"math/bits"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// loadFile loads testdata/name.ptx.
func loadFile(t testing.TB, name string) *Module {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".ptx"))
	require.NoError(t, err)
	m, err := Load(name+".ptx", string(text))
	require.NoError(t, err)
	return m
}

func kernelOf(t testing.TB, m *Module, name string) *Kernel {
	t.Helper()
	k, err := m.Kernel(name)
	require.NoError(t, err)
	return k
}

// arguments lays out values by the kernel's parameters.
func arguments(t testing.TB, k *Kernel, values ...any) []byte {
	t.Helper()
	require.Len(t, values, len(k.Params))
	b := make([]byte, k.ParamBytes)
	for i, v := range values {
		_, err := binary.Encode(b[k.Params[i].Offset:], binary.LittleEndian, v)
		require.NoError(t, err)
	}
	return b
}

// upload allocates memory and writes values, a slice of numbers.
func upload(t testing.TB, mem *Memory, values any) uint64 {
	t.Helper()
	b, err := binary.Append(nil, binary.LittleEndian, values)
	require.NoError(t, err)
	addr, err := mem.Alloc(len(b))
	require.NoError(t, err)
	require.NoError(t, mem.Write(addr, b))
	return addr
}

func reserve(t testing.TB, mem *Memory, bytes int) uint64 {
	t.Helper()
	addr, err := mem.Alloc(bytes)
	require.NoError(t, err)
	return addr
}

// download reads n values.
func download[T any](t testing.TB, mem *Memory, addr uint64, n int) []T {
	t.Helper()
	out := make([]T, n)
	b := make([]byte, binary.Size(out))
	require.NoError(t, mem.Read(addr, b))
	_, err := binary.Decode(b, binary.LittleEndian, out)
	require.NoError(t, err)
	return out
}

// ramp returns n floats without a pattern, in (-1, 1).
func ramp(n int) []float32 {
	out := make([]float32, n)
	s := uint32(12345)
	for i := range out {
		s = s*1664525 + 1013904223
		out[i] = float32(int32(s)) / (1 << 31)
	}
	return out
}

func toBrain(x []float32) []uint16 {
	out := make([]uint16, len(x))
	for i, v := range x {
		out[i] = uint16(floatToBrain(v))
	}
	return out
}

func brain(b uint16) float64 { return float64(f32(uint32(b) << 16)) }

func TestVectorAddAddsEveryElement(t *testing.T) {
	k := kernelOf(t, loadFile(t, "vector_add"), "vector_add")
	mem, n := NewMemory(), 1000
	a, b := ramp(n), ramp(2 * n)[n:]
	out := reserve(t, mem, 4*n)
	c, err := Run(mem, Launch{Kernel: k, Grid: [3]int{8}, Block: [3]int{128},
		Args: arguments(t, k, out, upload(t, mem, a), upload(t, mem, b), int32(n))})
	require.NoError(t, err)
	for i, v := range download[float32](t, mem, out, n) {
		require.Equal(t, a[i]+b[i], v)
	}
	require.Equal(t, int64(8*n), c.GlobalLoad.Bytes)
	require.Equal(t, int64(4*n), c.GlobalStore.Bytes)
	require.Equal(t, 1.0, c.GlobalLoad.Ratio(), "consecutive floats fill their sectors")
	require.Equal(t, int64(125), c.GlobalStore.Units)
}

func TestStructParametersAreReadByField(t *testing.T) {
	k := kernelOf(t, loadFile(t, "vector_add"), "affine")
	mem, n := NewMemory(), 333
	in := ramp(n)
	out := reserve(t, mem, 4*n)
	_, err := Run(mem, Launch{Kernel: k, Grid: [3]int{2}, Block: [3]int{64}, Args: arguments(t, k, out, upload(t, mem, in),
		struct {
			Scale, Shift float32
			N            int32
		}{2.5, -1, int32(n)})})
	require.NoError(t, err)
	for i, v := range download[float32](t, mem, out, n) {
		require.Equal(t, float32(float64(in[i])*2.5-1), v)
	}
}

func runRMSNorm(t testing.TB, rows, d int) (c Counts, x, weight, out []uint16) {
	k := kernelOf(t, loadFile(t, "rms_norm"), "rms_norm")
	mem := NewMemory()
	x, weight = toBrain(ramp(rows*d)), toBrain(ramp(d))
	at := reserve(t, mem, 2*rows*d)
	c, err := Run(mem, Launch{Kernel: k, Grid: [3]int{rows}, Block: [3]int{256},
		Args: arguments(t, k, at, upload(t, mem, x), upload(t, mem, weight), int32(d), float32(1e-5))})
	require.NoError(t, err)
	return c, x, weight, download[uint16](t, mem, at, rows*d)
}

func TestRMSNormMatchesFloat64(t *testing.T) {
	for _, d := range []int{8, 576, 2048, 4104} {
		rows := 3
		c, x, weight, out := runRMSNorm(t, rows, d)
		for r := range rows {
			var sum float64
			for i := range d {
				sum += brain(x[r*d+i]) * brain(x[r*d+i])
			}
			scale := 1 / math.Sqrt(sum/float64(d)+1e-5)
			for i := range d {
				want := brain(x[r*d+i]) * scale * brain(weight[i])
				require.InDelta(t, want, brain(out[r*d+i]), math.Abs(want)/200+1e-6)
			}
		}
		if d%16 == 0 { // rows of whole sectors
			require.Equal(t, 1.0, c.GlobalLoad.Ratio())
		}
		require.Zero(t, c.SharedLoad.Conflicts())
	}
}

// runGEMM runs one of the kernels of gemm.cu and returns its error as well.
func runGEMM(t testing.TB, kernel string, m, n, k, workers int) (c Counts, a, b []uint16, out []float32, err error) {
	kern := kernelOf(t, loadFile(t, "gemm"), kernel)
	mem := NewMemory()
	a, b = toBrain(ramp(m*k)), toBrain(ramp(n*k + 7)[7:])
	at := reserve(t, mem, 4*m*n)
	c, err = Run(mem, Launch{Kernel: kern, Grid: [3]int{n / 64, m / 64}, Block: [3]int{128}, Workers: workers,
		Args: arguments(t, kern, at, upload(t, mem, a), upload(t, mem, b), int32(n), int32(k))})
	if err == nil {
		out = download[float32](t, mem, at, m*n)
	}
	return c, a, b, out, err
}

func TestGEMMMatchesFloat64(t *testing.T) {
	m, n, k := 128, 64, 160
	c, a, b, out, err := runGEMM(t, "gemm", m, n, k, 2)
	require.NoError(t, err)
	for i := range m {
		for j := range n {
			var sum float64
			for l := range k {
				sum += brain(a[i*k+l]) * brain(b[j*k+l])
			}
			require.InDelta(t, sum, float64(out[i*n+j]), 1e-4, "row %d, column %d", i, j)
		}
	}
	require.Equal(t, int64(2*m*n*k), c.MatrixFLOPs)
	require.Equal(t, int64(m/16*n/8*k/16), c.MMA)
	require.Zero(t, c.SharedLoad.Conflicts())
	require.Equal(t, 1.0, c.GlobalLoad.Ratio())
}

func TestLostPaddingShowsAsBankConflicts(t *testing.T) {
	c, _, _, _, err := runGEMM(t, "gemm_unpadded", 64, 64, 64, 1)
	require.NoError(t, err)
	require.Equal(t, 4.0, c.SharedLoad.Ratio(), "rows of 64 bytes: eight rows meet in two groups of banks")
}

func TestSoftmaxMatchesFloat64(t *testing.T) {
	k := kernelOf(t, loadFile(t, "softmax"), "softmax")
	for _, d := range []int{1, 31, 100, 515} {
		rows := 6
		mem := NewMemory()
		x := ramp(rows * d)
		out := reserve(t, mem, 4*rows*d)
		_, err := Run(mem, Launch{Kernel: k, Grid: [3]int{2}, Block: [3]int{128}, Args: arguments(t, k, out, upload(t, mem, x), int32(rows), int32(d))})
		require.NoError(t, err)
		got := download[float32](t, mem, out, rows*d)
		for r := range rows {
			var sum float64
			for i := range d {
				sum += math.Exp(float64(x[r*d+i]))
			}
			for i := range d {
				want := math.Exp(float64(x[r*d+i])) / sum
				require.InDelta(t, want, float64(got[r*d+i]), want*1e-6)
			}
		}
	}
}

// TestLibraryFunctionsMatchFloat64 runs CUDA's own float32 library: its
// polynomials, table look-ups and slow paths are a test of many instructions.
func TestLibraryFunctionsMatchFloat64(t *testing.T) {
	k := kernelOf(t, loadFile(t, "softmax"), "library")
	mem, n := NewMemory(), 200
	x := ramp(n)
	for i := range x {
		x[i] *= 8
	}
	out := reserve(t, mem, 8*4*n)
	_, err := Run(mem, Launch{Kernel: k, Grid: [3]int{4}, Block: [3]int{64}, Args: arguments(t, k, out, upload(t, mem, x), int32(n))})
	require.NoError(t, err)
	got := download[float32](t, mem, out, 8*n)
	for i, f32 := range x {
		v := float64(f32)
		for j, want := range []float64{
			0.5 * v * (1 + math.Tanh(0.7978845608*(v+0.044715*v*v*v))), math.Log(v*v + 1), v / (1 + math.Exp(-v)),
			math.Sqrt(v*v + 2), math.Pow(math.Abs(v)+0.5, 1.5), math.Erf(v), math.Sin(v), math.Cos(float64(f32 * 100000)),
		} {
			require.InDelta(t, want, float64(got[j*n+i]), math.Abs(want)*2e-6+3e-7, "function %d of %v", j, v)
		}
	}
}

func TestBlockSumIsExact(t *testing.T) {
	k := kernelOf(t, loadFile(t, "reduce"), "block_sum")
	mem, n := NewMemory(), 1000
	in := make([]int32, n)
	want := make([]int32, 4)
	for i := range in {
		in[i] = int32(i*i) - 1000
		want[i/256] += in[i]
	}
	out := reserve(t, mem, 16)
	c, err := Run(mem, Launch{Kernel: k, Grid: [3]int{4}, Block: [3]int{256}, SharedBytes: 1024,
		Args: arguments(t, k, out, upload(t, mem, in), int32(n))})
	require.NoError(t, err)
	require.Equal(t, want, download[int32](t, mem, out, 4))
	require.Equal(t, int64(4*8*9), c.Barriers, "nine barriers of eight warps in each block")
	require.Positive(t, c.Diverged)
}

func TestHistogramByAtomicsIsExact(t *testing.T) {
	k := kernelOf(t, loadFile(t, "reduce"), "histogram")
	mem, n := NewMemory(), 5000
	in := make([]uint8, n)
	want := make([]uint32, 256)
	for i := range in {
		in[i] = uint8(i * i / 7)
		want[in[i]]++
	}
	bins := upload(t, mem, make([]uint32, 256))
	_, err := Run(mem, Launch{Kernel: k, Grid: [3]int{6}, Block: [3]int{96}, Workers: 3, Args: arguments(t, k, bins, upload(t, mem, in), int32(n))})
	require.NoError(t, err)
	require.Equal(t, want, download[uint32](t, mem, bins, 256))
}

func TestDivergentLoopGivesEachLaneItsOwnCount(t *testing.T) {
	k := kernelOf(t, loadFile(t, "collatz"), "collatz")
	mem, n := NewMemory(), 300
	out := reserve(t, mem, 4*n)
	c, err := Run(mem, Launch{Kernel: k, Grid: [3]int{3}, Block: [3]int{128}, Args: arguments(t, k, out, int32(n))})
	require.NoError(t, err)
	for i, got := range download[int32](t, mem, out, n) {
		steps := int32(0)
		for v := i + 1; v != 1; steps++ {
			if v%2 == 1 {
				v = 3*v + 1
			} else {
				v /= 2
			}
		}
		require.Equal(t, steps, got)
	}
	require.Greater(t, c.Diverged, int64(50))
	require.Less(t, c.Executed.Lane, 32*c.Executed.Warp)
}

// TestSwitchAndCallTakeTheRightCase runs a tree of divergent branches and a device
// function, called from two places by different lanes of a warp.
func TestSwitchAndCallTakeTheRightCase(t *testing.T) {
	k := kernelOf(t, loadFile(t, "collatz"), "pick")
	mem, n := NewMemory(), 200
	out := reserve(t, mem, 4*n)
	_, err := Run(mem, Launch{Kernel: k, Grid: [3]int{2}, Block: [3]int{128}, Args: arguments(t, k, out, int32(n))})
	require.NoError(t, err)
	twist := func(v int32, by int) int32 {
		for range by {
			v = v*1664525 + 1013904223
		}
		return v
	}
	for i, got := range download[int32](t, mem, out, n) {
		v := int32(i)
		want := []int32{twist(v, 1), v / 3, v*v - 5, twist(v, i%5), int32(bits.OnesCount32(uint32(v)) + bits.LeadingZeros32(uint32(v))),
			int32(bits.Reverse32(uint32(v))), -v}[i%7]
		require.Equal(t, want, got, "lane %d", i)
	}
}

// TestWorkersDoNotChangeResultsOrCounts compares one worker with four.
func TestWorkersDoNotChangeResultsOrCounts(t *testing.T) {
	one, _, _, a, err := runGEMM(t, "gemm", 128, 128, 64, 1)
	require.NoError(t, err)
	four, _, _, b, err := runGEMM(t, "gemm", 128, 128, 64, 4)
	require.NoError(t, err)
	require.Equal(t, a, b)
	require.Equal(t, one, four)
}

// TestKeptBlocksRememberNothing launches one kernel again and again: with another
// grid, with other memory, and after a launch that left shared memory written.
func TestKeptBlocksRememberNothing(t *testing.T) {
	text := kernelText(`
	.shared .align 16 .b8 s[512]; .reg .pred %first; .reg .b32 %flag;
	ld.global.u32 %flag, [%address]; setp.eq.u32 %first, %flag, 0;
	mov.u32 %r1, s; mad.lo.u32 %r1, %lane, 16, %r1;
	@%first st.shared.u32 [%r1], 1;
	ld.shared.u32 %r2, [%r1];
	mov.u32 %r3, %nctaid.x; mov.u32 %r4, %ctaid.x;
	mul.wide.u32 %d1, %r4, 4; add.s64 %address, %address, %d1; st.global.u32 [%address+4], %r3;`)
	m, err := Load("kept", text)
	require.NoError(t, err)
	k := kernelOf(t, m, "k")
	var first Counts
	for i, grid := range []int{1, 1, 3, 2, 1} {
		mem := NewMemory()
		out := reserve(t, mem, 64)
		require.NoError(t, mem.Fill(out, 64, 0))
		c, err := Run(mem, Launch{Kernel: k, Grid: [3]int{grid}, Block: [3]int{32}, Workers: 1, Args: arguments(t, k, out)})
		require.NoError(t, err)
		for b, v := range download[uint32](t, mem, out+4, grid) {
			require.Equal(t, uint32(grid), v, "block %d of launch %d", b, i)
		}
		if i == 0 {
			first = c
		} else if grid == 1 {
			require.Equal(t, first, c, "launch %d", i)
		}
	}
	mem := NewMemory()
	out := reserve(t, mem, 64)
	require.NoError(t, mem.Fill(out, 64, 1)) // nobody writes shared memory
	_, err = Run(mem, Launch{Kernel: k, Block: [3]int{32}, Args: arguments(t, k, out)})
	require.ErrorIs(t, err, ErrUninitialized)
}
