package driver

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"retort/kernels"
)

// Context is an open device as a backend holds it: a Device whose memory is counted by
// purpose and that lets nothing through after a sticky error. It is driven from the one
// goroutine that opened it.
type Context struct {
	device  Device
	failed  error // the first sticky error
	sizes   map[Ptr]allocation
	hosts   map[*byte]allocation
	inUse   map[kernels.Purpose]int64 // device memory
	total   int64                     // of it, now
	peak    int64                     // the most that total has been
	pinned  map[kernels.Purpose]int64 // page-locked host memory
	tracker *tracker                  // nil unless built with cudadebug
}

// allocation is a live piece of memory.
type allocation struct {
	bytes   int64
	purpose kernels.Purpose
}

// Open opens a device of d.
func Open(d Driver, index int) (*Context, error) {
	device, err := d.Open(index)
	if err != nil {
		return nil, err
	}
	c := &Context{
		device: device,
		sizes:  map[Ptr]allocation{}, hosts: map[*byte]allocation{},
		inUse: map[kernels.Purpose]int64{}, pinned: map[kernels.Purpose]int64{},
	}
	if debug {
		c.tracker = newTracker()
	}
	return c, nil
}

// Failed returns the sticky error after which the device is no longer called, or nil.
func (c *Context) Failed() error { return c.failed }

// note remembers a sticky error.
func (c *Context) note(err error) error {
	var e *Error
	if c.failed == nil && errors.As(err, &e) && e.Sticky {
		c.failed = err
	}
	return err
}

// Close closes the device. Memory and handles that are still held are a leak: with the
// tag cudadebug it panics and says where they come from. After a sticky error it returns
// that error and leaves the device alone; the end of the process frees it.
func (c *Context) Close() error {
	c.tracker.closed()
	if c.failed != nil {
		return c.failed
	}
	return c.note(c.device.Close())
}

// MemInfo returns the bytes of device memory free now and in all.
func (c *Context) MemInfo() (free, total int64, err error) {
	if c.failed != nil {
		return 0, 0, c.failed
	}
	free, total, err = c.device.MemInfo()
	return free, total, c.note(err)
}

// InUse is the device memory allocated now, in bytes by purpose.
func (c *Context) InUse() map[kernels.Purpose]int64 { return present(c.inUse) }

// Peak is the most device memory that was allocated at once, in bytes.
func (c *Context) Peak() int64 { return c.peak }

// Pinned is the page-locked host memory allocated now, in bytes by purpose.
func (c *Context) Pinned() map[kernels.Purpose]int64 { return present(c.pinned) }

func present(m map[kernels.Purpose]int64) map[kernels.Purpose]int64 {
	out := make(map[kernels.Purpose]int64, len(m))
	for p, n := range m {
		if n != 0 {
			out[p] = n
		}
	}
	return out
}

// Alloc returns n bytes of device memory with unknown content; 0 bytes are the null
// pointer, which Free takes back.
func (c *Context) Alloc(purpose kernels.Purpose, n int64) (Ptr, error) {
	if n == 0 {
		return 0, nil
	}
	if n < 0 {
		return 0, NewError("alloc", CodeInvalidValue, fmt.Sprintf("%d bytes for %s", n, purpose))
	}
	if c.failed != nil {
		return 0, c.failed
	}
	p, err := c.device.Alloc(n)
	if err != nil {
		return 0, c.explain(err, n, string(purpose))
	}
	c.sizes[p] = allocation{n, purpose}
	c.inUse[purpose] += n
	c.total += n
	c.peak = max(c.peak, c.total)
	c.tracker.add(kindMemory, uint64(p), n)
	return p, nil
}

// Free gives memory of Alloc back.
func (c *Context) Free(p Ptr) error {
	if p == 0 {
		return nil
	}
	c.tracker.remove("free", kindMemory, uint64(p))
	a, ok := c.sizes[p]
	if !ok {
		return NewError("free", CodeInvalidValue, fmt.Sprintf("%#x is not the start of an allocation", uint64(p)))
	}
	delete(c.sizes, p)
	c.inUse[a.purpose] -= a.bytes
	c.total -= a.bytes
	if c.failed != nil {
		return c.failed
	}
	return c.note(c.device.Free(p))
}

// AllocHost returns n bytes of page-locked host memory, outside the Go heap.
func (c *Context) AllocHost(purpose kernels.Purpose, n int64) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if n < 0 {
		return nil, NewError("alloc host", CodeInvalidValue, fmt.Sprintf("%d bytes for %s", n, purpose))
	}
	if c.failed != nil {
		return nil, c.failed
	}
	b, err := c.device.AllocHost(n)
	if err != nil {
		return nil, c.explain(err, n, "page-locked "+string(purpose))
	}
	c.hosts[&b[0]] = allocation{n, purpose}
	c.pinned[purpose] += n
	c.tracker.add(kindHost, address(b), n)
	return b, nil
}

// FreeHost gives memory of AllocHost back.
func (c *Context) FreeHost(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.tracker.remove("free host", kindHost, address(b))
	a, ok := c.hosts[&b[0]]
	if !ok {
		return NewError("free host", CodeInvalidValue, "not the start of a page-locked allocation")
	}
	delete(c.hosts, &b[0])
	c.pinned[a.purpose] -= a.bytes
	if c.failed != nil {
		return c.failed
	}
	return c.note(c.device.FreeHost(b))
}

// explain adds the sizes to an out-of-memory error: what was asked, what is free, and
// who has the rest.
func (c *Context) explain(err error, n int64, what string) error {
	c.note(err)
	var e *Error
	if !errors.As(err, &e) || e.Kind != ErrOutOfMemory {
		return err
	}
	full := *e
	full.Detail = fmt.Sprintf("asked for %s for %s", size(n), what)
	if free, total, err := c.MemInfo(); err == nil {
		full.Detail += fmt.Sprintf(", %s of %s are free", size(free), size(total))
	}
	full.Detail += "; in use: " + usage(c.inUse)
	return &full
}

// usage lists bytes by purpose, the largest first.
func usage(inUse map[kernels.Purpose]int64) string {
	var purposes []kernels.Purpose
	for p, n := range inUse {
		if n > 0 {
			purposes = append(purposes, p)
		}
	}
	if len(purposes) == 0 {
		return "nothing"
	}
	slices.SortFunc(purposes, func(a, b kernels.Purpose) int {
		if inUse[a] != inUse[b] {
			return int(max(-1, min(1, inUse[b]-inUse[a])))
		}
		return strings.Compare(string(a), string(b))
	})
	parts := make([]string, len(purposes))
	for i, p := range purposes {
		parts[i] = fmt.Sprintf("%s %s", p, size(inUse[p]))
	}
	return strings.Join(parts, ", ")
}

// size writes bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
