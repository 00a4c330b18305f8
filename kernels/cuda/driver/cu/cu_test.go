//go:build cuda && linux && (amd64 || arm64)

package cu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda/driver"
)

func TestWithoutADriverThereIsOneClearErrorAndNoDevice(t *testing.T) {
	d, err := New()
	if err == nil {
		t.Skip("this machine has a CUDA driver")
	}
	require.ErrorIs(t, err, driver.ErrNoDriver)
	require.Contains(t, err.Error(), "libcuda.so.1")
	require.Zero(t, d.Version())
	devices, err := d.Devices()
	require.NoError(t, err)
	require.Empty(t, devices)
	_, err = driver.Open(d, 0)
	require.ErrorIs(t, err, driver.ErrNoDevice)
}

// double doubles n bytes; one block, one thread a byte.
const double = `.version 7.0
.target sm_52
.address_size 64
.visible .entry double(.param .u64 out, .param .u64 in, .param .u32 n) {
	.reg .pred %p<2>;
	.reg .b32 %r<5>;
	.reg .b64 %d<8>;
	ld.param.u64 %d1, [out];
	ld.param.u64 %d2, [in];
	ld.param.u32 %r1, [n];
	mov.u32 %r2, %tid.x;
	setp.ge.u32 %p1, %r2, %r1;
	@%p1 bra done;
	cvta.to.global.u64 %d3, %d1;
	cvta.to.global.u64 %d4, %d2;
	cvt.u64.u32 %d5, %r2;
	add.s64 %d6, %d4, %d5;
	ld.global.u8 %r3, [%d6];
	shl.b32 %r4, %r3, 1;
	add.s64 %d7, %d3, %d5;
	st.global.u8 [%d7], %r4;
done:
	ret;
}
`

func openDevice(t *testing.T) *driver.Context {
	t.Helper()
	d, err := New()
	if err != nil {
		t.Skip(err)
	}
	c, err := driver.Open(d, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestKernelRunsByLaunchAndByGraph(t *testing.T) {
	c := openDevice(t)
	m, err := c.Load("double", double)
	require.NoError(t, err)
	f, err := c.Function(m, "double")
	require.NoError(t, err)
	attributes, err := c.FunctionAttributes(f)
	require.NoError(t, err)
	require.Positive(t, attributes.Registers)
	require.NoError(t, c.SetMaxDynamic(f, 64<<10))
	s, err := c.NewStream()
	require.NoError(t, err)
	begin, err := c.NewEvent(true)
	require.NoError(t, err)
	end, err := c.NewEvent(true)
	require.NoError(t, err)
	host, err := c.AllocHost(kernels.Input, 4)
	require.NoError(t, err)
	a, err := c.Alloc(kernels.Scratch, 4)
	require.NoError(t, err)
	b, err := c.Alloc(kernels.Scratch, 4)
	require.NoError(t, err)

	copy(host, []byte{1, 2, 3, 4})
	var args driver.Args
	launch := func(out, in driver.Ptr) {
		require.NoError(t, c.Launch(f, driver.Geometry{Block: [3]int{32}, SharedBytes: 60 << 10}, args.Reset().Ptr(out).Ptr(in).Int32(4), s))
	}
	require.NoError(t, c.Record(begin, s))
	require.NoError(t, c.CopyIn(a, host, s))
	launch(b, a)
	require.NoError(t, c.Copy(a, b, 4, s))
	require.NoError(t, c.BeginCapture(s))
	launch(b, a)
	launch(a, b)
	g, err := c.EndCapture(s)
	require.NoError(t, err)
	require.NoError(t, c.LaunchGraph(g, s))
	require.NoError(t, c.CopyOut(host, a, s))
	require.NoError(t, c.Record(end, s))
	require.NoError(t, c.Sync(s))
	require.Equal(t, []byte{8, 16, 24, 32}, host)
	millis, err := c.Elapsed(begin, end)
	require.NoError(t, err)
	require.Positive(t, millis)

	require.NoError(t, c.FreeGraph(g))
	require.NoError(t, c.FreeHost(host))
	require.NoError(t, c.Free(a))
	require.NoError(t, c.Free(b))
	require.NoError(t, c.FreeEvent(begin))
	require.NoError(t, c.FreeEvent(end))
	require.NoError(t, c.FreeStream(s))
	require.NoError(t, c.Unload(m))
}

func TestPTXThatDoesNotLoadShowsTheCompilersLog(t *testing.T) {
	c := openDevice(t)
	_, err := c.Load("broken", ".version 7.0\n.target sm_52\n.address_size 64\n.visible .entry f() { nonsense; }\n")
	require.ErrorIs(t, err, driver.ErrPTX)
	require.Contains(t, err.Error(), "broken: ")
	require.Contains(t, err.Error(), "nonsense")
}
