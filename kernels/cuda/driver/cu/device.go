//go:build cuda && linux && (amd64 || arm64)

package cu

// #include "extra.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"gorgonia.org/cu"

	"retort/kernels/cuda/driver"
)

// device is an open device; its context is current on the thread that opened it.
type device struct {
	device cu.Device
	shape  [7]C.uint // of the launch at hand: here, so that a launch allocates nothing
}

// The driver's handles are pointers; ours are the same bits as integers.
func stream(s driver.Stream) cu.Stream { return *(*cu.Stream)(unsafe.Pointer(&s)) }
func event(e driver.Event) cu.Event    { return *(*cu.Event)(unsafe.Pointer(&e)) }
func module(m driver.Module) cu.Module { return *(*cu.Module)(unsafe.Pointer(&m)) }
func function(f driver.Function) cu.Function {
	return *(*cu.Function)(unsafe.Pointer(&f))
}

// Close is driver.Device's Close on the card.
func (d *device) Close() error {
	err := failure("close", d.device.ReleasePrimaryCtx())
	runtime.UnlockOSThread()
	return err
}

// MemInfo is driver.Device's MemInfo on the card.
func (d *device) MemInfo() (free, total int64, err error) {
	free, total, err = cu.MemInfo()
	return free, total, failure("memory info", err)
}

// Alloc is driver.Device's Alloc on the card.
func (d *device) Alloc(n int64) (driver.Ptr, error) {
	p, err := cu.MemAlloc(n)
	return driver.Ptr(p), failure("alloc", err)
}

// Free is driver.Device's Free on the card.
func (d *device) Free(p driver.Ptr) error { return failure("free", cu.MemFree(cu.DevicePtr(p))) }

// AllocHost is driver.Device's AllocHost on the card.
func (d *device) AllocHost(n int64) ([]byte, error) {
	var p unsafe.Pointer
	if err := result("alloc host", C.retort_host_alloc(&p, C.size_t(n))); err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), n), nil
}

// FreeHost is driver.Device's FreeHost on the card.
func (d *device) FreeHost(b []byte) error {
	return failure("free host", cu.MemFreeHost(unsafe.Pointer(&b[0])))
}

// CopyIn is driver.Device's CopyIn on the card.
func (d *device) CopyIn(dst driver.Ptr, src []byte, s driver.Stream) error {
	return failure("copy in", cu.MemcpyHtoDAsync(cu.DevicePtr(dst), unsafe.Pointer(&src[0]), int64(len(src)), stream(s)))
}

// CopyOut is driver.Device's CopyOut on the card.
func (d *device) CopyOut(dst []byte, src driver.Ptr, s driver.Stream) error {
	return failure("copy out", cu.MemcpyDtoHAsync(unsafe.Pointer(&dst[0]), cu.DevicePtr(src), int64(len(dst)), stream(s)))
}

// Copy is driver.Device's Copy on the card.
func (d *device) Copy(dst, src driver.Ptr, n int64, s driver.Stream) error {
	return failure("copy", cu.MemcpyDtoDAsync(cu.DevicePtr(dst), cu.DevicePtr(src), n, stream(s)))
}

// Fill is driver.Device's Fill on the card.
func (d *device) Fill(dst driver.Ptr, value byte, n int64, s driver.Stream) error {
	return failure("fill", cu.MemsetD8Async(cu.DevicePtr(dst), value, n, stream(s)))
}

// NewStream is driver.Device's NewStream on the card.
func (d *device) NewStream() (driver.Stream, error) {
	s, err := cu.MakeStream(cu.NonBlocking)
	return *(*driver.Stream)(unsafe.Pointer(&s)), failure("new stream", err)
}

// FreeStream is driver.Device's FreeStream on the card.
func (d *device) FreeStream(h driver.Stream) error {
	s := stream(h)
	return failure("free stream", s.Destroy())
}

// Sync is driver.Device's Sync on the card.
func (d *device) Sync(s driver.Stream) error { return failure("sync", stream(s).Synchronize()) }

// NewEvent is driver.Device's NewEvent on the card.
func (d *device) NewEvent(timed bool) (driver.Event, error) {
	flags := cu.DisableTiming
	if timed {
		flags = cu.DefaultEvent
	}
	e, err := cu.MakeEvent(flags)
	return *(*driver.Event)(unsafe.Pointer(&e)), failure("new event", err)
}

// FreeEvent is driver.Device's FreeEvent on the card.
func (d *device) FreeEvent(h driver.Event) error {
	e := event(h)
	return failure("free event", cu.DestroyEvent(&e))
}

// Record is driver.Device's Record on the card.
func (d *device) Record(e driver.Event, s driver.Stream) error {
	return failure("record", event(e).Record(stream(s)))
}

// Wait is driver.Device's Wait on the card.
func (d *device) Wait(s driver.Stream, e driver.Event) error {
	return failure("wait", stream(s).Wait(event(e), 0))
}

// SyncEvent is driver.Device's SyncEvent on the card.
func (d *device) SyncEvent(e driver.Event) error {
	return failure("sync event", event(e).Synchronize())
}

// Elapsed is driver.Device's Elapsed on the card.
func (d *device) Elapsed(from, to driver.Event) (float64, error) {
	millis, err := event(from).Elapsed(event(to))
	return millis, failure("elapsed", err)
}

// logBytes is room for the JIT compiler's log.
const logBytes = 16 << 10

// Load is driver.Device's Load on the card.
func (d *device) Load(name, ptx string) (driver.Module, error) {
	log := make([]byte, logBytes)
	m, err := cu.LoadDataEx(ptx, &cu.JITErrorLogBuffer{Buffer: log})
	runtime.KeepAlive(log) // the driver knows its address as an integer only
	if err != nil {
		err = failure("load", err)
		var e *driver.Error
		if errors.As(err, &e) {
			text, _, _ := strings.Cut(string(log), "\x00")
			e.Detail = fmt.Sprintf("%s: %s", name, strings.TrimSpace(text))
			if e.Code == driver.CodePTXVersion {
				e.Detail += fmt.Sprintf(" (the driver knows CUDA %d.%d; update it)", cu.Version()/1000, cu.Version()%1000/10)
			}
		}
		return 0, err
	}
	return *(*driver.Module)(unsafe.Pointer(&m)), nil
}

// Unload is driver.Device's Unload on the card.
func (d *device) Unload(m driver.Module) error { return failure("unload", module(m).Unload()) }

// Function is driver.Device's Function on the card.
func (d *device) Function(m driver.Module, name string) (driver.Function, error) {
	f, err := module(m).Function(name)
	err = failure("function", err)
	var e *driver.Error
	if errors.As(err, &e) {
		e.Detail = name
	}
	return *(*driver.Function)(unsafe.Pointer(&f)), err
}

// FunctionAttributes is driver.Device's FunctionAttributes on the card.
func (d *device) FunctionAttributes(f driver.Function) (a driver.FunctionAttributes, err error) {
	for _, want := range []struct {
		to   *int
		what cu.FunctionAttribute
	}{
		{&a.Registers, cu.NumRegs},
		{&a.SharedBytes, cu.SharedSizeBytes},
		{&a.LocalBytes, cu.LocalSizeBytes},
		{&a.MaxThreads, cu.FnMaxThreadsPerBlock},
		{&a.MaxDynamicBytes, maxDynamicShared},
	} {
		if *want.to, err = function(f).Attribute(want.what); err != nil {
			return a, failure("function attributes", err)
		}
	}
	return a, nil
}

// maxDynamicShared is CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, which
// gorgonia.org/cu does not name.
const maxDynamicShared cu.FunctionAttribute = 8

// SetMaxDynamic is driver.Device's SetMaxDynamic on the card.
func (d *device) SetMaxDynamic(f driver.Function, n int) error {
	return result("set dynamic shared memory", C.retort_set_max_dynamic(C.uint64_t(f), C.int(n)))
}

// EncodeTensorMap is driver.Device's EncodeTensorMap on the card.
func (d *device) EncodeTensorMap(m driver.TensorMap) (encoded [driver.TensorMapBytes]byte, err error) {
	err = result("encode tensor map", C.retort_encode_tensor_map(unsafe.Pointer(&encoded), C.uint64_t(m.Address),
		C.uint64_t(m.Rows), C.uint64_t(m.Cols), C.uint64_t(m.StrideBytes),
		C.uint(m.BoxRows), C.uint(m.BoxCols), C.int(m.SwizzleBytes)))
	return encoded, err
}

// Launch is driver.Device's Launch on the card.
func (d *device) Launch(f driver.Function, g driver.Geometry, args []byte, s driver.Stream) error {
	for i := range 3 {
		d.shape[i] = C.uint(max(1, g.Grid[i]))
		d.shape[3+i] = C.uint(max(1, g.Block[i]))
	}
	d.shape[6] = C.uint(g.SharedBytes)
	block := unsafe.Pointer(unsafe.SliceData(args))
	return result("launch", C.retort_launch(C.uint64_t(f), &d.shape[0], block, C.size_t(len(args)), C.uint64_t(s)))
}

// BeginCapture is driver.Device's BeginCapture on the card.
func (d *device) BeginCapture(s driver.Stream) error {
	return result("begin capture", C.retort_begin_capture(C.uint64_t(s)))
}

// EndCapture is driver.Device's EndCapture on the card.
func (d *device) EndCapture(s driver.Stream) (driver.Graph, error) {
	var g C.uint64_t
	err := result("end capture", C.retort_end_capture(C.uint64_t(s), &g))
	return driver.Graph(g), err
}

// LaunchGraph is driver.Device's LaunchGraph on the card.
func (d *device) LaunchGraph(g driver.Graph, s driver.Stream) error {
	return result("launch graph", C.retort_launch_graph(C.uint64_t(g), C.uint64_t(s)))
}

// FreeGraph is driver.Device's FreeGraph on the card.
func (d *device) FreeGraph(g driver.Graph) error {
	return result("free graph", C.retort_free_graph(C.uint64_t(g)))
}
