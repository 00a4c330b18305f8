package emu

import (
	"bytes"
	"fmt"
	"slices"
	"unsafe"

	"retort/kernels/cuda/driver"
)

// MemInfo returns what is left of the capacity.
func (d *device) MemInfo() (free, total int64, err error) {
	total = d.driver.options.MemoryBytes
	return total - d.used, total, d.ready()
}

// Alloc takes from the capacity.
func (d *device) Alloc(n int64) (driver.Ptr, error) {
	const op = "alloc"
	if err := d.outsideCapture(op); err != nil {
		return 0, err
	}
	if n <= 0 {
		return 0, driver.NewError(op, driver.CodeInvalidValue, fmt.Sprintf("%d bytes", n))
	}
	if n > d.driver.options.MemoryBytes-d.used {
		return 0, driver.NewError(op, driver.CodeOutOfMemory, "")
	}
	p, err := d.memory.Alloc(int(n))
	if err != nil {
		return 0, failure(op, err)
	}
	if d.driver.options.Sample > 0 {
		if err := d.memory.Fill(p, int(n), 0); err != nil {
			return 0, failure(op, err)
		}
	}
	d.used += n
	d.sizes[driver.Ptr(p)] = n
	return driver.Ptr(p), nil
}

// Free finishes all queued work first, as cuMemFree does.
func (d *device) Free(p driver.Ptr) error {
	const op = "free"
	if err := d.outsideCapture(op); err != nil {
		return err
	}
	n, ok := d.sizes[p]
	if !ok {
		return driver.NewError(op, driver.CodeInvalidValue, fmt.Sprintf("%#x is not the start of an allocation", uint64(p)))
	}
	if err := d.finish(); err != nil {
		return err
	}
	if err := d.memory.Free(uint64(p)); err != nil {
		return failure(op, err)
	}
	d.used -= n
	delete(d.sizes, p)
	return nil
}

// AllocHost returns memory of the Go heap that counts as page-locked. Its bytes are 0xff,
// not numbers as floats, so that what nobody writes is seen.
func (d *device) AllocHost(n int64) ([]byte, error) {
	const op = "alloc host"
	if err := d.outsideCapture(op); err != nil {
		return nil, err
	}
	if n <= 0 {
		return nil, driver.NewError(op, driver.CodeInvalidValue, fmt.Sprintf("%d bytes", n))
	}
	b := bytes.Repeat([]byte{0xff}, int(n))
	d.pinned = append(d.pinned, b)
	return b, nil
}

// FreeHost finishes all queued work first.
func (d *device) FreeHost(b []byte) error {
	const op = "free host"
	if err := d.outsideCapture(op); err != nil {
		return err
	}
	i := slices.IndexFunc(d.pinned, func(p []byte) bool { return len(b) > 0 && &p[0] == &b[0] })
	if i < 0 {
		return driver.NewError(op, driver.CodeInvalidValue, "not the start of a page-locked allocation")
	}
	if err := d.finish(); err != nil {
		return err
	}
	d.pinned = slices.Delete(d.pinned, i, i+1)
	return nil
}

// isPinned says whether b lies in page-locked memory.
func (d *device) isPinned(b []byte) bool {
	at := uintptr(unsafe.Pointer(&b[0]))
	for _, p := range d.pinned {
		if start := uintptr(unsafe.Pointer(&p[0])); at >= start && at-start < uintptr(len(p)) {
			return true
		}
	}
	return false
}

// within refuses, as a card does at once, addresses that lie in no allocation.
func (d *device) within(op string, p driver.Ptr, n int64) error {
	if d.lost != nil {
		return d.lost
	}
	if err := d.memory.Check(uint64(p), int(n)); err != nil {
		return caused(op, driver.CodeInvalidValue, err)
	}
	return nil
}

// CopyIn queues the copy. Page-locked memory is read when the stream gets there, other
// memory now.
func (d *device) CopyIn(dst driver.Ptr, src []byte, h driver.Stream) error {
	const op = "copy in"
	if len(src) == 0 {
		return d.ready()
	}
	if err := d.within(op, dst, int64(len(src))); err != nil {
		return err
	}
	held := 0
	if !d.isPinned(src) {
		if err := d.pageable(op, h); err != nil {
			return err
		}
		src, held = slices.Clone(src), len(src)
	}
	return d.enqueue(op, h, held, func() error { return d.memory.Write(uint64(dst), src) })
}

// CopyOut queues the copy into page-locked memory; into other memory it waits.
func (d *device) CopyOut(dst []byte, src driver.Ptr, h driver.Stream) error {
	const op = "copy out"
	if len(dst) == 0 {
		return d.ready()
	}
	if err := d.within(op, src, int64(len(dst))); err != nil {
		return err
	}
	read := func() error { return d.memory.Read(uint64(src), dst) }
	if d.isPinned(dst) {
		return d.enqueue(op, h, 0, read)
	}
	if err := d.pageable(op, h); err != nil {
		return err
	}
	if err := d.enqueue(op, h, 0, read); err != nil {
		return err
	}
	return d.Sync(h)
}

// Copy queues a copy within device memory.
func (d *device) Copy(dst, src driver.Ptr, n int64, h driver.Stream) error {
	const op = "copy"
	if n == 0 {
		return d.ready()
	}
	if err := d.within(op, dst, n); err != nil {
		return err
	}
	if err := d.within(op, src, n); err != nil {
		return err
	}
	return d.enqueue(op, h, 0, func() error { return d.memory.Copy(uint64(dst), uint64(src), int(n)) })
}

// Fill queues a fill.
func (d *device) Fill(dst driver.Ptr, value byte, n int64, h driver.Stream) error {
	const op = "fill"
	if n == 0 {
		return d.ready()
	}
	if err := d.within(op, dst, n); err != nil {
		return err
	}
	return d.enqueue(op, h, 0, func() error { return d.memory.Fill(uint64(dst), int(n), value) })
}
