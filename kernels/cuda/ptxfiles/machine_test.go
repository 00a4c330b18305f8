package ptxfiles_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels/conformance/reference"
	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/ptx"
	"retort/kernels/cuda/ptxfiles"
)

// element is a type that the kernels are compiled for.
type element struct {
	suffix string
	bytes  int
	ulp    float64 // relative distance of neighbouring values
}

var elements = []element{{"f32", 4, 0x1p-23}, {"bf16", 2, 0x1p-7}}

// round is v as the element type holds it, to the nearest even.
func (e element) round(v float32) float32 {
	if e.bytes == 4 {
		return v
	}
	b := math.Float32bits(v)
	return math.Float32frombits((b + 0x7fff + b>>16&1) &^ 0xffff)
}

// machine is the PTX machine with memory for one test.
type machine struct {
	t    *testing.T
	mem  *ptx.Memory
	args driver.Args
}

func newMachine(t *testing.T) *machine { return &machine{t: t, mem: ptx.NewMemory()} }

// alloc returns n bytes that nothing has written: reading them is a fault.
func (m *machine) alloc(n int) driver.Ptr {
	p, err := m.mem.Alloc(n)
	require.NoError(m.t, err)
	return driver.Ptr(p)
}

// up uploads values as elements.
func (m *machine) up(e element, values []float32) driver.Ptr {
	p := m.alloc(len(values) * e.bytes)
	m.put(e, p, values)
	return p
}

func (m *machine) put(e element, p driver.Ptr, values []float32) {
	var b []byte
	for _, v := range values {
		if e.bytes == 4 {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		} else {
			b = binary.LittleEndian.AppendUint16(b, uint16(math.Float32bits(v)>>16))
		}
	}
	require.NoError(m.t, m.mem.Write(uint64(p), b))
}

// ints uploads int32 values.
func (m *machine) ints(values []int32) driver.Ptr {
	b, err := binary.Append(nil, binary.LittleEndian, values)
	require.NoError(m.t, err)
	p := m.alloc(len(b))
	require.NoError(m.t, m.mem.Write(uint64(p), b))
	return p
}

// down reads n elements.
func (m *machine) down(e element, p driver.Ptr, n int) []float32 {
	b := make([]byte, n*e.bytes)
	require.NoError(m.t, m.mem.Read(uint64(p), b))
	out := make([]float32, n)
	for i := range out {
		if e.bytes == 4 {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		} else {
			out[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(b[2*i:])) << 16)
		}
	}
	return out
}

// run launches a kernel of the sm_80 text of a file.
func (m *machine) run(file, kernel string, grid [3]int, block [3]int, sharedBytes int, args *driver.Args) ptx.Counts {
	m.t.Helper()
	text, name, err := ptxfiles.For(file, 8, 0)
	require.NoError(m.t, err)
	module, err := ptx.Load(name, text)
	require.NoError(m.t, err)
	k, err := module.Kernel(kernel)
	require.NoError(m.t, err)
	counts, err := ptx.Run(m.mem, ptx.Launch{Kernel: k, Grid: grid, Block: block, SharedBytes: sharedBytes, Args: args.Bytes()})
	require.NoError(m.t, err)
	return counts
}

// random returns n values that the element type holds, the same for the same seed.
func random(e element, seed uint64, n int) []float32 {
	source := rand.New(rand.NewPCG(seed, 1))
	out := make([]float32, n)
	for i := range out {
		out[i] = e.round(float32(source.NormFloat64()))
	}
	return out
}

// matrix is values as a reference matrix.
func matrix[F reference.Float](rows, cols int, values []float32) reference.Matrix[F] {
	return reference.Of(rows, cols, vector[F](values))
}

func vector[F reference.Float](values []float32) []F {
	if values == nil {
		return nil
	}
	out := make([]F, len(values))
	for i, v := range values {
		out[i] = F(v)
	}
	return out
}

// near holds got to the float64 result: within twice the error of the plain float32
// implementation, and a few roundings to the element type.
func near(t *testing.T, what string, e element, got []float32, want []float64, plain []float32) {
	t.Helper()
	require.Len(t, got, len(want))
	worst, largest := 0.0, 0.0
	for i := range want {
		worst = max(worst, math.Abs(float64(plain[i])-want[i]))
		largest = max(largest, math.Abs(want[i]))
	}
	for i := range want {
		bound := 2*worst + 4*e.ulp*math.Abs(want[i]) + 4*0x1p-23*largest
		if difference := math.Abs(float64(got[i]) - want[i]); !(difference <= bound) {
			require.Failf(t, "wrong result", "%s_%s: element %d is %v, want %v; the bound is %.2g", what, e.suffix, i, got[i], want[i], bound)
		}
	}
}
