package ptx

import (
	"encoding/binary"
	"math"
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
