// Package fake is a device made of plain Go memory, for the tests of the driver layer:
// allocations are slices, kernels are Go functions registered by name, and all work runs
// at once. It counts what is live, so that a test sees a leak below the Context.
package fake

import (
	"encoding/binary"
	"fmt"
	"strings"

	"retort/kernels/cuda/driver"
)

// Kernel is a kernel in Go: it reads its arguments from the block and memory by address.
type Kernel func(m *Device, g driver.Geometry, args []byte) error

// Driver has one device of Capacity bytes.
type Driver struct {
	Capacity int64
	Kernels  map[string]Kernel
	Last     *Device // the device opened last
}

// Device is the open device.
type Device struct {
	driver  *Driver
	memory  map[driver.Ptr][]byte
	used    int64
	next    uint64
	handles map[uint64]any // streams, events, modules, functions and graphs
	hosts   int
	capture *graph
}

type (
	stream   struct{}
	event    struct{}
	module   map[string]bool
	function string
	graph    struct{ work []func() error }
)

// Version is CUDA 12.4.
func (d *Driver) Version() int { return 12040 }

// Devices describes the one device.
func (d *Driver) Devices() ([]driver.Attributes, error) {
	return []driver.Attributes{{Name: "fake", Major: 8, MemoryBytes: d.Capacity}}, nil
}

// Open opens device 0.
func (d *Driver) Open(index int) (driver.Device, error) {
	if index != 0 {
		return nil, driver.NewError("open", driver.CodeInvalidDevice, fmt.Sprintf("device %d of 1", index))
	}
	d.Last = &Device{driver: d, memory: map[driver.Ptr][]byte{}, next: 1 << 20, handles: map[uint64]any{}}
	return d.Last, nil
}

// Live is how many allocations and handles have not been given back.
func (m *Device) Live() int {
	n := len(m.memory) + m.hosts
	for _, h := range m.handles {
		if _, ok := h.(function); !ok {
			n++
		}
	}
	return n
}

// At returns n bytes of device memory.
func (m *Device) At(p driver.Ptr, n int64) ([]byte, error) {
	for base, b := range m.memory {
		if p >= base && int64(p-base)+n <= int64(len(b)) {
			return b[p-base:][:n], nil
		}
	}
	return nil, driver.NewError("access", driver.CodeIllegalAddress, fmt.Sprintf("%d bytes at %#x", n, uint64(p)))
}

// do runs work, or records it during a capture.
func (m *Device) do(work func() error) error {
	if m.capture != nil {
		m.capture.work = append(m.capture.work, work)
		return nil
	}
	return work()
}

// add gives a thing its handle.
func (m *Device) add(thing any) uint64 {
	m.next++
	m.handles[m.next] = thing
	return m.next
}

// remove gives a handle back.
func (m *Device) remove(op string, handle uint64) error {
	if _, ok := m.handles[handle]; !ok {
		return driver.NewError(op, driver.CodeInvalidHandle, "")
	}
	delete(m.handles, handle)
	return nil
}

// Close does nothing.
func (m *Device) Close() error { return nil }

// MemInfo returns what is left of the capacity.
func (m *Device) MemInfo() (free, total int64, err error) {
	return m.driver.Capacity - m.used, m.driver.Capacity, nil
}

// Alloc takes from the capacity.
func (m *Device) Alloc(n int64) (driver.Ptr, error) {
	if m.used+n > m.driver.Capacity {
		return 0, driver.NewError("alloc", driver.CodeOutOfMemory, "")
	}
	m.used += n
	p := driver.Ptr(m.next)
	m.next += uint64(n) + 4096
	m.memory[p] = make([]byte, n)
	return p, nil
}

// Free gives back to the capacity.
func (m *Device) Free(p driver.Ptr) error {
	b, ok := m.memory[p]
	if !ok {
		return driver.NewError("free", driver.CodeInvalidValue, "")
	}
	m.used -= int64(len(b))
	delete(m.memory, p)
	return nil
}

// AllocHost counts one more.
func (m *Device) AllocHost(n int64) ([]byte, error) {
	m.hosts++
	return make([]byte, n), nil
}

// FreeHost counts one less.
func (m *Device) FreeHost([]byte) error {
	m.hosts--
	return nil
}

// CopyIn copies at once.
func (m *Device) CopyIn(dst driver.Ptr, src []byte, _ driver.Stream) error {
	return m.do(func() error {
		b, err := m.At(dst, int64(len(src)))
		copy(b, src)
		return err
	})
}

// CopyOut copies at once.
func (m *Device) CopyOut(dst []byte, src driver.Ptr, _ driver.Stream) error {
	return m.do(func() error {
		b, err := m.At(src, int64(len(dst)))
		copy(dst, b)
		return err
	})
}

// Copy copies at once.
func (m *Device) Copy(dst, src driver.Ptr, n int64, _ driver.Stream) error {
	return m.do(func() error {
		from, err := m.At(src, n)
		if err != nil {
			return err
		}
		to, err := m.At(dst, n)
		copy(to, from)
		return err
	})
}

// Fill fills at once.
func (m *Device) Fill(dst driver.Ptr, value byte, n int64, _ driver.Stream) error {
	return m.do(func() error {
		b, err := m.At(dst, n)
		for i := range b {
			b[i] = value
		}
		return err
	})
}

// NewStream returns a handle.
func (m *Device) NewStream() (driver.Stream, error) { return driver.Stream(m.add(stream{})), nil }

// FreeStream takes it back.
func (m *Device) FreeStream(s driver.Stream) error { return m.remove("free stream", uint64(s)) }

// Sync has nothing to wait for.
func (m *Device) Sync(driver.Stream) error { return nil }

// NewEvent returns a handle.
func (m *Device) NewEvent(bool) (driver.Event, error) { return driver.Event(m.add(event{})), nil }

// FreeEvent takes it back.
func (m *Device) FreeEvent(e driver.Event) error { return m.remove("free event", uint64(e)) }

// Record does nothing.
func (m *Device) Record(driver.Event, driver.Stream) error { return nil }

// Wait does nothing.
func (m *Device) Wait(driver.Stream, driver.Event) error { return nil }

// SyncEvent has nothing to wait for.
func (m *Device) SyncEvent(driver.Event) error { return nil }

// Elapsed is no time at all.
func (m *Device) Elapsed(_, _ driver.Event) (float64, error) { return 0, nil }

// Load takes a list of kernel names for PTX.
func (m *Device) Load(name, ptx string) (driver.Module, error) {
	loaded := module{}
	for kernel := range strings.FieldsSeq(ptx) {
		if m.driver.Kernels[kernel] == nil {
			return 0, driver.NewError("load", driver.CodeInvalidPTX, fmt.Sprintf("%s: no kernel %s is registered", name, kernel))
		}
		loaded[kernel] = true
	}
	return driver.Module(m.add(loaded)), nil
}

// Unload takes the module back.
func (m *Device) Unload(h driver.Module) error { return m.remove("unload", uint64(h)) }

// Function finds a kernel of the module.
func (m *Device) Function(h driver.Module, name string) (driver.Function, error) {
	if loaded, ok := m.handles[uint64(h)].(module); !ok || !loaded[name] {
		return 0, driver.NewError("function", driver.CodeNotFound, name)
	}
	return driver.Function(m.add(function(name))), nil
}

// FunctionAttributes are those of no kernel in particular.
func (m *Device) FunctionAttributes(driver.Function) (driver.FunctionAttributes, error) {
	return driver.FunctionAttributes{MaxThreads: 1024}, nil
}

// SetMaxDynamic does nothing.
func (m *Device) SetMaxDynamic(driver.Function, int) error { return nil }

// EncodeTensorMap returns the address alone.
func (m *Device) EncodeTensorMap(t driver.TensorMap) (encoded [driver.TensorMapBytes]byte, err error) {
	binary.LittleEndian.PutUint64(encoded[:], uint64(t.Address))
	return encoded, nil
}

// Launch calls the Go function.
func (m *Device) Launch(f driver.Function, g driver.Geometry, args []byte, _ driver.Stream) error {
	name, ok := m.handles[uint64(f)].(function)
	if !ok {
		return driver.NewError("launch", driver.CodeInvalidHandle, "")
	}
	block := append([]byte(nil), args...) // the caller reuses its own
	return m.do(func() error { return m.driver.Kernels[string(name)](m, g, block) })
}

// BeginCapture records from here on.
func (m *Device) BeginCapture(driver.Stream) error {
	m.capture = &graph{}
	return nil
}

// EndCapture returns the recording.
func (m *Device) EndCapture(driver.Stream) (driver.Graph, error) {
	if m.capture == nil {
		return 0, driver.NewError("end capture", driver.CodeCaptureInvalid, "")
	}
	g := m.capture
	m.capture = nil
	return driver.Graph(m.add(g)), nil
}

// LaunchGraph runs the recording.
func (m *Device) LaunchGraph(h driver.Graph, _ driver.Stream) error {
	g, ok := m.handles[uint64(h)].(*graph)
	if !ok {
		return driver.NewError("launch graph", driver.CodeInvalidHandle, "")
	}
	for _, work := range g.work {
		if err := work(); err != nil {
			return err
		}
	}
	return nil
}

// FreeGraph takes the graph back.
func (m *Device) FreeGraph(g driver.Graph) error { return m.remove("free graph", uint64(g)) }
