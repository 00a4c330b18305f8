package emu

import (
	"time"

	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/ptx"
)

// device is the open device.
type device struct {
	driver  *Driver
	memory  *ptx.Memory
	used    int64 // bytes of device memory
	sizes   map[driver.Ptr]int64
	pinned  [][]byte // live page-locked memory
	handles map[uint64]any
	next    uint64 // the last handle given
	streams []*stream
	issued  int64         // how many entries were queued on any stream
	clock   time.Duration // time that queued work has run
	loaded  map[*ptx.Module]bool
	lost    *driver.Error // sticky: what every call comes to
}

func newDevice(d *Driver) *device {
	return &device{
		driver: d, memory: ptx.NewMemory(), sizes: map[driver.Ptr]int64{}, handles: map[uint64]any{},
		streams: []*stream{{}}, loaded: map[*ptx.Module]bool{},
	}
}

// ready is the sticky error, if any, as an error.
func (d *device) ready() error {
	if d.lost != nil {
		return d.lost
	}
	return nil
}

// add gives a thing its handle.
func (d *device) add(thing any) uint64 {
	d.next++
	d.handles[d.next] = thing
	return d.next
}

// handle is the thing of type T behind a handle.
func handle[T any](d *device, op string, h uint64) (T, error) {
	thing, ok := d.handles[h].(T)
	if d.lost != nil {
		return thing, d.lost
	}
	if !ok {
		return thing, driver.NewError(op, driver.CodeInvalidHandle, "")
	}
	return thing, nil
}

// lose ends the device with err: what is queued never runs.
func (d *device) lose(err *driver.Error) error {
	d.lost = err
	for _, s := range d.streams {
		s.pending, s.bytes, s.capture = nil, 0, nil
	}
	return err
}

// Close finishes what is queued; every later call fails.
func (d *device) Close() error {
	if d.lost != nil {
		return d.lost
	}
	if err := d.finish(); err != nil {
		return err
	}
	_ = d.lose(driver.NewError("close", driver.CodeContextDestroyed, "the device was closed"))
	d.memory = nil
	return nil
}
