//go:build cuda && linux && (amd64 || arm64)

package cu

// #cgo LDFLAGS: -L${SRCDIR}/lib -ldl
// #include "trampoline.h"
import "C"

import (
	"fmt"
	"reflect"
	"runtime"

	"gorgonia.org/cu"

	"retort/kernels/cuda/driver"
)

// Driver is the machine's CUDA driver.
type Driver struct{}

var _ driver.Driver = Driver{}

// New returns the machine's driver, or an ErrNoDriver that says why there is none.
func New() (Driver, error) {
	switch state := int(C.retort_driver_state()); state {
	case 0:
		return Driver{}, nil
	case C.retort_no_library:
		return Driver{}, fmt.Errorf("%w: libcuda.so.1 is not on this machine", driver.ErrNoDriver)
	default:
		return Driver{}, fmt.Errorf("%w: libcuda.so.1 is here but does not start: %w", driver.ErrNoDriver, driver.NewError("init", state, ""))
	}
}

// Version is the newest CUDA version that the driver knows.
func (Driver) Version() int { return max(0, cu.Version()) }

// Devices describes the machine's devices.
func (Driver) Devices() ([]driver.Attributes, error) {
	n, err := cu.NumDevices()
	if err != nil {
		return nil, failure("count devices", err)
	}
	all := make([]driver.Attributes, n)
	for i := range all {
		if all[i], err = attributes(i); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func attributes(index int) (a driver.Attributes, err error) {
	const op = "device attributes"
	d, err := cu.GetDevice(index)
	if err != nil {
		return a, failure(op, err)
	}
	if a.Name, err = d.Name(); err != nil {
		return a, failure(op, err)
	}
	if a.MemoryBytes, err = d.TotalMem(); err != nil {
		return a, failure(op, err)
	}
	for _, want := range []struct {
		to   *int
		what cu.DeviceAttribute
	}{
		{&a.Major, cu.ComputeCapabilityMajor},
		{&a.Minor, cu.ComputeCapabilityMinor},
		{&a.Multiprocessors, cu.MultiprocessorCount},
		{&a.L2Bytes, cu.L2CacheSize},
		{&a.ClockKHz, cu.ClockRate},
		{&a.MemoryClockKHz, cu.MemoryClockRate},
		{&a.MemoryBusBits, cu.GlobalMemoryBusWidth},
		{&a.SharedBytesPerBlock, maxSharedPerBlockOptIn},
		{&a.RegistersPerSM, cu.MaxRegistersPerMultiprocessor},
		{&a.ThreadsPerSM, cu.MaxThreadsPerMultiprocessor},
	} {
		if *want.to, err = d.Attribute(want.what); err != nil {
			return a, failure(op, err)
		}
	}
	return a, nil
}

// maxSharedPerBlockOptIn is CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, which
// gorgonia.org/cu does not name.
const maxSharedPerBlockOptIn cu.DeviceAttribute = 97

// Open makes the device's primary context current on this thread and locks the goroutine to it.
func (Driver) Open(index int) (driver.Device, error) {
	d, err := cu.GetDevice(index)
	if err != nil {
		return nil, failure("open", err)
	}
	runtime.LockOSThread()
	ctx, err := d.RetainPrimaryCtx()
	if err != nil {
		runtime.UnlockOSThread()
		return nil, failure("open", err)
	}
	if err := cu.SetCurrentContext(ctx); err != nil {
		_ = d.ReleasePrimaryCtx()
		runtime.UnlockOSThread()
		return nil, failure("open", err)
	}
	return &device{device: d}, nil
}

// failure turns an error of gorgonia.org/cu, an unexported integer type, into ours.
func failure(op string, err error) error {
	if err == nil {
		return nil
	}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Int {
		return driver.NewError(op, int(v.Int()), "")
	}
	return fmt.Errorf("cuda: %s: %w: %w", op, driver.ErrOther, err)
}

// result turns a CUresult into an error.
func result(op string, code C.int) error {
	if code == 0 {
		return nil
	}
	return driver.NewError(op, int(code), "")
}
