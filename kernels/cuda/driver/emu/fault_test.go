package emu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/ptx"
)

func TestFaultsAreTheErrorsOfACard(t *testing.T) {
	const shared = ".shared .align 16 .b8 s[256]; mov.u32 %r1, s;\n"
	for _, test := range []struct {
		name string
		body string
		kind error // of the fault
		code int
		want error // of the driver
	}{
		{"bounds", "ld.global.u32 %r0, [%address+64];", ptx.ErrBounds, driver.CodeIllegalAddress, driver.ErrIllegalAddress},
		{"alignment", "ld.global.u32 %r0, [%address+2];", ptx.ErrAlignment, driver.CodeMisaligned, driver.ErrIllegalAddress},
		{"endless loop", "again: bra again;", ptx.ErrBudget, driver.CodeTimeout, driver.ErrTimeout},
		{"trap", "trap;", ptx.ErrTrap, driver.CodeLaunchFailed, driver.ErrKernel},
		{"unwritten memory", "ld.global.u32 %r0, [%address+32];", ptx.ErrUninitialized, driver.CodeLaunchFailed, driver.ErrKernel},
		{"race", shared + "st.shared.u32 [%r1], %lane;", ptx.ErrRace, driver.CodeLaunchFailed, driver.ErrKernel},
		{"barrier", "setp.lt.u32 %p1, %lane, 16; @%p1 ret; bar.sync 0;", ptx.ErrBarrier, driver.CodeLaunchFailed, driver.ErrKernel},
		{"absent lanes", "setp.lt.u32 %p1, %lane, 16; @%p1 ret; shfl.sync.idx.b32 %r0, %lane, 1, 31, -1;", ptx.ErrAbsentLanes, driver.CodeLaunchFailed, driver.ErrKernel},
		{"cp.async", shared + "cp.async.ca.shared.global [%r1], [%address], 4; ld.shared.u32 %r0, [%r1];", ptx.ErrAsync, driver.CodeLaunchFailed, driver.ErrKernel},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := open(t, Options{Budget: 1000})
			p, s := r.alloc(64), r.stream()
			require.NoError(t, r.Fill(p, 0, 32, s))
			require.NoError(t, r.Launch(r.kernel(text(test.body)), driver.Geometry{Block: [3]int{64}}, r.args.Reset().Ptr(p), s))
			err := r.Sync(s)
			e := requireCode(t, test.code, err)
			require.True(t, e.Sticky)
			require.ErrorIs(t, err, test.want)
			require.ErrorIs(t, err, test.kind)
			var fault *ptx.Fault
			require.ErrorAs(t, err, &fault)
			require.Equal(t, "k", fault.Kernel)
			require.Contains(t, err.Error(), fault.Error())
			require.Equal(t, err, r.Failed())
		})
	}
}

func TestReadOnlyAndFreedMemoryAreIllegalAddresses(t *testing.T) {
	r := open(t, Options{})
	source := replace(t, text("mov.u64 %d0, c; cvta.const.u64 %d0, %d0; st.u32 [%d0], 1;"), ".visible", ".const .align 4 .b8 c[4] = {1, 2, 3, 4};\n.visible")
	r.launch(r.kernel(source), r.alloc(4), 0)
	err := r.Sync(0)
	requireCode(t, driver.CodeIllegalAddress, err)
	require.ErrorIs(t, err, ptx.ErrReadOnly)

	d := New(Options{})
	device, err := d.Open(0) // below the Context, which under cudadebug panics first
	require.NoError(t, err)
	p, err := device.Alloc(4)
	require.NoError(t, err)
	m, err := device.Load("test", increment)
	require.NoError(t, err)
	f, err := device.Function(m, "k")
	require.NoError(t, err)
	require.NoError(t, device.Free(p))
	requireCode(t, driver.CodeInvalidValue, device.Fill(p, 1, 4, 0))
	require.NoError(t, device.Launch(f, driver.Geometry{}, new(driver.Args).Ptr(p).Bytes(), 0))
	err = device.Sync(0)
	requireCode(t, driver.CodeIllegalAddress, err)
	require.ErrorIs(t, err, ptx.ErrUseAfterFree)
	require.Contains(t, err.Error(), "freed")
}

func TestReadingBackUnwrittenBytesIsAnError(t *testing.T) {
	r := open(t, Options{})
	p, q := r.alloc(8), r.alloc(8)
	require.NoError(t, r.Fill(p, 1, 4, 0))
	require.NoError(t, r.Copy(q, p, 8, 0))
	require.NoError(t, r.CopyOut(make([]byte, 4), q, 0))
	err := r.CopyOut(make([]byte, 8), q, 0)
	requireCode(t, driver.CodeLaunchFailed, err)
	require.ErrorIs(t, err, ptx.ErrUninitialized)
	require.Contains(t, err.Error(), "cuda: copy out: ")
	require.Contains(t, err.Error(), "byte 4 of 8")
}

func TestALostDeviceFailsEveryCallTheSameWay(t *testing.T) {
	device, err := New(Options{}).Open(0)
	require.NoError(t, err)
	p, err := device.Alloc(4)
	require.NoError(t, err)
	host, err := device.AllocHost(4)
	require.NoError(t, err)
	s, err := device.NewStream()
	require.NoError(t, err)
	e, err := device.NewEvent(true)
	require.NoError(t, err)
	m, err := device.Load("test", text("trap;"))
	require.NoError(t, err)
	f, err := device.Function(m, "k")
	require.NoError(t, err)
	require.NoError(t, device.BeginCapture(s))
	g, err := device.EndCapture(s)
	require.NoError(t, err)
	require.NoError(t, device.Launch(f, driver.Geometry{}, new(driver.Args).Ptr(p).Bytes(), s))
	lost := device.Sync(s)
	requireCode(t, driver.CodeLaunchFailed, lost)

	only := func(_ any, err error) error { return err }
	_, _, info := device.MemInfo()
	for name, err := range map[string]error{
		"memory info":         info,
		"alloc":               only(device.Alloc(4)),
		"free":                device.Free(p),
		"alloc host":          only(device.AllocHost(4)),
		"free host":           device.FreeHost(host),
		"copy in":             device.CopyIn(p, host, s),
		"copy out":            device.CopyOut(host, p, s),
		"copy":                device.Copy(p, p, 4, s),
		"fill":                device.Fill(p, 1, 4, s),
		"new stream":          only(device.NewStream()),
		"free stream":         device.FreeStream(s),
		"sync":                device.Sync(s),
		"sync default":        device.Sync(0),
		"new event":           only(device.NewEvent(true)),
		"free event":          device.FreeEvent(e),
		"record":              device.Record(e, s),
		"wait":                device.Wait(s, e),
		"sync event":          device.SyncEvent(e),
		"elapsed":             only(device.Elapsed(e, e)),
		"load":                only(device.Load("test", increment)),
		"unload":              device.Unload(m),
		"function":            only(device.Function(m, "k")),
		"function attributes": only(device.FunctionAttributes(f)),
		"set max dynamic":     device.SetMaxDynamic(f, 1),
		"launch":              device.Launch(f, driver.Geometry{}, nil, s),
		"begin capture":       device.BeginCapture(s),
		"end capture":         only(device.EndCapture(s)),
		"launch graph":        device.LaunchGraph(g, s),
		"free graph":          device.FreeGraph(g),
		"close":               device.Close(),
	} {
		require.Equal(t, lost, err, name)
	}
}

func TestWrongHandlesAndSizesAreRefused(t *testing.T) {
	device, err := New(Options{}).Open(0)
	require.NoError(t, err)
	p, err := device.Alloc(4)
	require.NoError(t, err)
	s, err := device.NewStream()
	require.NoError(t, err)
	for name, err := range map[string]error{
		"a stream as an event": device.FreeEvent(driver.Event(s)),
		"no stream":            device.Sync(99),
		"no graph":             device.LaunchGraph(99, s),
	} {
		require.ErrorIs(t, err, driver.ErrInvalid, name)
		requireCode(t, driver.CodeInvalidHandle, err)
	}
	for name, err := range map[string]error{
		"copy beyond the end": device.CopyIn(p, make([]byte, 5), 0),
		"read beyond the end": device.CopyOut(make([]byte, 5), p, 0),
		"fill in nothing":     device.Fill(1, 0, 1, 0),
		"copy to nothing":     device.Copy(1, p, 1, 0),
		"copy from nothing":   device.Copy(p, 1, 1, 0),
		"free of the middle":  device.Free(p + 1),
		"free of no host":     device.FreeHost(make([]byte, 1)),
	} {
		require.ErrorIs(t, err, driver.ErrInvalid, name)
		requireCode(t, driver.CodeInvalidValue, err)
	}
	host, err := device.AllocHost(1)
	require.NoError(t, err)
	require.NoError(t, device.FreeHost(host))
	requireCode(t, driver.CodeInvalidValue, device.FreeHost(host))
	require.NoError(t, device.Close())
	_, err = device.Alloc(1)
	requireCode(t, driver.CodeContextDestroyed, err)
}

func TestClosingReportsAFaultThatWasQueued(t *testing.T) {
	r := open(t, Options{})
	m := must[driver.Module](r)(r.Load("test", text("trap;")))
	f := must[driver.Function](r)(r.Function(m, "k"))
	p := must[driver.Ptr](r)(r.Alloc(kernels.Scratch, 4))
	r.launch(f, p, 0)
	requireCode(t, driver.CodeLaunchFailed, r.Free(p))
	require.ErrorIs(t, r.Unload(m), driver.ErrKernel)
	require.ErrorIs(t, r.Close(), driver.ErrKernel)
}
