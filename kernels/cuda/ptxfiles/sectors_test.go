package ptxfiles_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels/cuda/ptx"
)

// Memory bounds these kernels: what counts is that the sectors they touch are full, and
// that nothing is read twice.

func TestMemoryBoundKernelsMoveFullSectorsOnce(t *testing.T) {
	const rows, width = 4, 768
	for _, e := range elements {
		m := newMachine(t)
		full := func(what string, c ptx.Counts, elementsRead, elementsWritten int) {
			t.Helper()
			require.LessOrEqual(t, c.GlobalLoad.Ratio(), 1.05, "%s_%s: sectors per ideal", what, e.suffix)
			require.LessOrEqual(t, c.GlobalStore.Ratio(), 1.05, "%s_%s: sectors per ideal", what, e.suffix)
			require.InEpsilon(t, float64(elementsRead*e.bytes), float64(c.GlobalLoad.Bytes), 0.05, "%s_%s: bytes read", what, e.suffix)
			require.InEpsilon(t, float64(elementsWritten*e.bytes), float64(c.GlobalStore.Bytes), 0.05, "%s_%s: bytes written", what, e.suffix)
		}
		x := m.up(e, random(e, 1, rows*width))
		delta, weight := m.up(e, random(e, 2, rows*width)), m.up(e, random(e, 3, width))
		y, sum, stats := m.alloc(rows*width*e.bytes), m.alloc(rows*width*e.bytes), m.alloc(rows*8)
		full("norm", m.run("norm", "norm_"+e.suffix, [3]int{rows}, [3]int{256}, 4*width, m.args.Reset().Ptr(y).Ptr(stats).Ptr(sum).Ptr(x).Ptr(delta).
			Ptr(weight).Ptr(0).Int32(width).Int32(1).Int32(width).Int32(width).Int32(width).Int32(width).Float32(1e-5).Int32(0)), 3*rows*width, 2*rows*width)
		full("swiglu", m.run("swiglu", "swiglu_"+e.suffix, [3]int{rows / 2}, [3]int{256}, 0,
			m.args.Reset().Ptr(y).Ptr(x).Int32(width).Int32(width).Int32(2*width)), rows*width, rows*width/2)
		full("copy", m.run("copy", "copy_"+e.suffix, [3]int{rows}, [3]int{256}, 0,
			m.args.Reset().Ptr(y).Ptr(x).Int32(width).Int32(width).Int32(width)), rows*width, rows*width)
	}
}
