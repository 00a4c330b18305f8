package emu

import (
	"fmt"
	"maps"
	"sync"

	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/ptx"
)

// cudaVersion is the CUDA version that the driver claims: the one that compiles our PTX.
const cudaVersion = 12040

// defaultMemoryBytes is a capacity that a test machine can fill.
const defaultMemoryBytes = 8 << 30

// Options describe the device.
type Options struct {
	Attributes  driver.Attributes // what it imitates; no multiprocessors: A100
	MemoryBytes int64             // capacity, of which each byte used takes two here; 0: 8 GiB, or Attributes' if less
	Workers     int               // goroutines that run blocks; 0: one a core
	Budget      int64             // instructions a warp may execute; 0: ptx.DefaultBudget
	// Sample runs about this many blocks of a launch and scales its counts to all of them,
	// for counts of shapes too large to run; 0 runs all. Results are then wrong, so memory
	// counts as written when it is allocated.
	Sample int
}

// Driver has one device; every Open gives it fresh memory. Its counts may be read from any
// goroutine, a device is used from one at a time.
type Driver struct {
	options Options
	mu      sync.Mutex
	counts  map[string]KernelCounts
}

var _ driver.Driver = (*Driver)(nil)

// KernelCounts is what all launches of a kernel did.
type KernelCounts struct {
	Launches int64
	ptx.Counts
}

// New returns a driver of the device that o describes.
func New(o Options) *Driver {
	if o.Attributes.Multiprocessors == 0 {
		o.Attributes = A100
	}
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = min(o.Attributes.MemoryBytes, defaultMemoryBytes)
	}
	o.Attributes.MemoryBytes = o.MemoryBytes
	return &Driver{options: o, counts: map[string]KernelCounts{}}
}

// Version is CUDA 12.4.
func (d *Driver) Version() int { return cudaVersion }

// Devices describes the one device; its memory is the capacity of Options.
func (d *Driver) Devices() ([]driver.Attributes, error) {
	return []driver.Attributes{d.options.Attributes}, nil
}

// Open opens device 0. The goroutine is not locked to its thread: there is no context to keep.
func (d *Driver) Open(index int) (driver.Device, error) {
	if index != 0 {
		return nil, driver.NewError("open", driver.CodeInvalidDevice, fmt.Sprintf("device %d of 1", index))
	}
	return newDevice(d), nil
}

// Counts is what the launches that have run since New or ResetCounts did, by kernel, on all
// devices opened; what is still queued is not in it, so Sync first.
func (d *Driver) Counts() map[string]KernelCounts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.counts)
}

// ResetCounts starts anew.
func (d *Driver) ResetCounts() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.counts)
}

// count adds one launch.
func (d *Driver) count(kernel string, c ptx.Counts) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.counts[kernel]
	k.Launches++
	k.Add(c)
	d.counts[kernel] = k
}
