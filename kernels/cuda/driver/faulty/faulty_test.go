package faulty_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/driver/faulty"
	"retort/kernels/cuda/driver/internal/fake"
)

// double is out[i] = 2·in[i] over n bytes.
func double(m *fake.Device, _ driver.Geometry, args []byte) error {
	n := int64(binary.LittleEndian.Uint32(args[16:]))
	out, err := m.At(driver.Ptr(binary.LittleEndian.Uint64(args)), n)
	if err != nil {
		return err
	}
	in, err := m.At(driver.Ptr(binary.LittleEndian.Uint64(args[8:])), n)
	for i := range in {
		out[i] = 2 * in[i]
	}
	return err
}

func newFake() *fake.Driver {
	return &fake.Driver{Capacity: 1 << 20, Kernels: map[string]fake.Kernel{"double": double}}
}

// program uses every call of a Context once: it doubles four bytes by a launch and
// doubles them again by a graph. Whatever fails, it gives back what it took.
func program(c *driver.Context) (out []byte, err error) {
	try := func(e error) bool {
		err = errors.Join(err, e)
		return e == nil
	}
	host, e := c.AllocHost(kernels.Input, 4)
	if !try(e) {
		return nil, err
	}
	defer func() { try(c.FreeHost(host)) }()
	copy(host, []byte{1, 2, 3, 4})
	a, e := c.Alloc(kernels.Activations, 4)
	if !try(e) {
		return nil, err
	}
	defer func() { try(c.Free(a)) }()
	b, e := c.Alloc(kernels.Scratch, 4)
	if !try(e) {
		return nil, err
	}
	defer func() { try(c.Free(b)) }()
	s, e := c.NewStream()
	if !try(e) {
		return nil, err
	}
	defer func() { try(c.FreeStream(s)) }()
	begin, e := c.NewEvent(true)
	if !try(e) {
		return nil, err
	}
	defer func() { try(c.FreeEvent(begin)) }()
	m, e := c.Load("test", "double")
	if !try(e) {
		return nil, err
	}
	defer func() { try(c.Unload(m)) }()
	f, e := c.Function(m, "double")
	if !try(e) {
		return nil, err
	}
	_, e = c.FunctionAttributes(f)
	if !try(e) || !try(c.SetMaxDynamic(f, 64<<10)) || !try(c.Record(begin, s)) || !try(c.Wait(s, begin)) ||
		!try(c.Fill(b, 7, 4, s)) || !try(c.CopyIn(a, host, s)) {
		return nil, err
	}
	if _, e = c.EncodeTensorMap(driver.TensorMap{Address: a, Rows: 1, Cols: 2}); !try(e) {
		return nil, err
	}
	var args driver.Args
	launch := func() error {
		return c.Launch(f, driver.Geometry{Grid: [3]int{1}, Block: [3]int{4}}, args.Reset().Ptr(b).Ptr(a).Int32(4), s)
	}
	if !try(launch()) || !try(c.Copy(a, b, 4, s)) || !try(c.BeginCapture(s)) {
		return nil, err
	}
	captured := try(launch())
	g, e := c.EndCapture(s) // also when the capture failed, or the stream stays in it
	if e == nil {
		defer func() { try(c.FreeGraph(g)) }()
	}
	if !try(e) || !captured || !try(c.LaunchGraph(g, s)) || !try(c.CopyOut(host, b, s)) || !try(c.Sync(s)) || !try(c.SyncEvent(begin)) {
		return nil, err
	}
	if _, e = c.Elapsed(begin, begin); !try(e) {
		return nil, err
	}
	return append(out, host...), err
}

func TestEveryFailingCallLeavesNoLeakAndNoWrongResult(t *testing.T) {
	straight := faulty.New(newFake(), 0, faulty.OutOfMemory)
	c, err := driver.Open(straight, 0)
	require.NoError(t, err)
	out, err := program(c)
	require.NoError(t, err)
	require.Equal(t, []byte{4, 8, 12, 16}, out)
	require.NoError(t, c.Close())
	require.Greater(t, straight.Calls(), 25)

	for _, fault := range faulty.Faults {
		for k := 1; k <= straight.Calls(); k++ {
			t.Run(fmt.Sprintf("%v at call %d", fault, k), func(t *testing.T) {
				below := newFake()
				d := faulty.New(below, k, fault)
				want := driver.NewError("", int(fault), "")
				c, err := driver.Open(d, 0)
				if k == 1 {
					require.ErrorIs(t, err, want.Kind)
					return
				}
				require.NoError(t, err)
				out, err := program(c)
				err = errors.Join(err, c.Close())
				var e *driver.Error
				require.ErrorAs(t, err, &e)
				require.ErrorIs(t, err, want.Kind)
				require.Equal(t, want.Code, e.Code)
				if out != nil {
					require.Equal(t, []byte{4, 8, 12, 16}, out)
				}
				require.Empty(t, c.InUse())
				require.Empty(t, c.Pinned())
				require.Zero(t, d.Late(), "calls after the device was lost")
				if want.Sticky {
					require.ErrorIs(t, c.Failed(), want.Kind)
				} else {
					require.NoError(t, c.Failed())
					require.Zero(t, below.Last.Live(), "allocations and handles left on the device")
				}
			})
		}
	}
}

func TestFaultyItselfSaysWhenItIsCalledAfterAStickyFault(t *testing.T) {
	d := faulty.New(newFake(), 2, faulty.ECC)
	device, err := d.Open(0)
	require.NoError(t, err)
	_, err = device.Alloc(1)
	require.ErrorIs(t, err, driver.ErrECC)
	require.ErrorIs(t, device.Sync(0), driver.ErrECC)
	require.Equal(t, 1, d.Late())
}

func TestNothingReachesADeviceThatIsLost(t *testing.T) {
	d := faulty.New(newFake(), 10, faulty.IllegalAddress)
	c, err := driver.Open(d, 0)
	require.NoError(t, err)
	p, err := c.Alloc(kernels.Scratch, 8)
	require.NoError(t, err)
	host, err := c.AllocHost(kernels.Input, 8)
	require.NoError(t, err)
	s, err := c.NewStream()
	require.NoError(t, err)
	e, err := c.NewEvent(true)
	require.NoError(t, err)
	m, err := c.Load("test", "double")
	require.NoError(t, err)
	f, err := c.Function(m, "double")
	require.NoError(t, err)
	require.NoError(t, c.BeginCapture(s))
	g, err := c.EndCapture(s)
	require.NoError(t, err)
	require.ErrorIs(t, c.Sync(s), driver.ErrIllegalAddress)
	require.Equal(t, 10, d.Calls())

	only := func(_ any, err error) error { return err }
	for name, call := range map[string]func() error{
		"memory info":         func() error { _, _, err := c.MemInfo(); return err },
		"alloc":               func() error { return only(c.Alloc(kernels.Scratch, 8)) },
		"alloc host":          func() error { return only(c.AllocHost(kernels.Input, 8)) },
		"copy in":             func() error { return c.CopyIn(p, host, s) },
		"copy out":            func() error { return c.CopyOut(host, p, s) },
		"copy":                func() error { return c.Copy(p, p, 8, s) },
		"fill":                func() error { return c.Fill(p, 1, 8, s) },
		"new stream":          func() error { return only(c.NewStream()) },
		"sync":                func() error { return c.Sync(s) },
		"new event":           func() error { return only(c.NewEvent(true)) },
		"record":              func() error { return c.Record(e, s) },
		"wait":                func() error { return c.Wait(s, e) },
		"sync event":          func() error { return c.SyncEvent(e) },
		"elapsed":             func() error { return only(c.Elapsed(e, e)) },
		"load":                func() error { return only(c.Load("test", "double")) },
		"function":            func() error { return only(c.Function(m, "double")) },
		"function attributes": func() error { return only(c.FunctionAttributes(f)) },
		"encode tensor map":   func() error { return only(c.EncodeTensorMap(driver.TensorMap{Address: p, Rows: 1, Cols: 1})) },
		"set max dynamic":     func() error { return c.SetMaxDynamic(f, 1) },
		"launch":              func() error { return c.Launch(f, driver.Geometry{}, new(driver.Args), s) },
		"begin capture":       func() error { return c.BeginCapture(s) },
		"end capture":         func() error { return only(c.EndCapture(s)) },
		"launch graph":        func() error { return c.LaunchGraph(g, s) },
	} {
		require.ErrorIs(t, call(), driver.ErrIllegalAddress, name)
		require.Equal(t, 10, d.Calls(), name)
	}
	for name, release := range map[string]func() error{
		"graph":  func() error { return c.FreeGraph(g) },
		"module": func() error { return c.Unload(m) },
		"event":  func() error { return c.FreeEvent(e) },
		"stream": func() error { return c.FreeStream(s) },
		"host":   func() error { return c.FreeHost(host) },
		"memory": func() error { return c.Free(p) },
	} {
		require.ErrorIs(t, release(), driver.ErrIllegalAddress, name)
	}
	require.ErrorIs(t, c.Close(), driver.ErrIllegalAddress)
	require.Equal(t, 10, d.Calls())
}
