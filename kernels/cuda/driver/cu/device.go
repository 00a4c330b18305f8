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

func (d *device) Close() error {
	err := failure("close", d.device.ReleasePrimaryCtx())
	runtime.UnlockOSThread()
	return err
}

func (d *device) MemInfo() (free, total int64, err error) {
	free, total, err = cu.MemInfo()
	return free, total, failure("memory info", err)
}

func (d *device) Alloc(n int64) (driver.Ptr, error) {
	p, err := cu.MemAlloc(n)
	return driver.Ptr(p), failure("alloc", err)
}

func (d *device) Free(p driver.Ptr) error { return failure("free", cu.MemFree(cu.DevicePtr(p))) }

func (d *device) AllocHost(n int64) ([]byte, error) {
	var p unsafe.Pointer
	if err := result("alloc host", C.retort_host_alloc(&p, C.size_t(n))); err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), n), nil
}

func (d *device) FreeHost(b []byte) error {
	return failure("free host", cu.MemFreeHost(unsafe.Pointer(&b[0])))
}

func (d *device) CopyIn(dst driver.Ptr, src []byte, s driver.Stream) error {
	return failure("copy in", cu.MemcpyHtoDAsync(cu.DevicePtr(dst), unsafe.Pointer(&src[0]), int64(len(src)), stream(s)))
}

func (d *device) CopyOut(dst []byte, src driver.Ptr, s driver.Stream) error {
	return failure("copy out", cu.MemcpyDtoHAsync(unsafe.Pointer(&dst[0]), cu.DevicePtr(src), int64(len(dst)), stream(s)))
}

func (d *device) Copy(dst, src driver.Ptr, n int64, s driver.Stream) error {
	return failure("copy", cu.MemcpyDtoDAsync(cu.DevicePtr(dst), cu.DevicePtr(src), n, stream(s)))
}

func (d *device) Fill(dst driver.Ptr, value byte, n int64, s driver.Stream) error {
	return failure("fill", cu.MemsetD8Async(cu.DevicePtr(dst), value, n, stream(s)))
}

func (d *device) NewStream() (driver.Stream, error) {
	s, err := cu.MakeStream(cu.NonBlocking)
	return *(*driver.Stream)(unsafe.Pointer(&s)), failure("new stream", err)
}

func (d *device) FreeStream(h driver.Stream) error {
	s := stream(h)
	return failure("free stream", s.Destroy())
}

func (d *device) Sync(s driver.Stream) error { return failure("sync", stream(s).Synchronize()) }

func (d *device) NewEvent(timed bool) (driver.Event, error) {
	flags := cu.DisableTiming
	if timed {
		flags = cu.DefaultEvent
	}
	e, err := cu.MakeEvent(flags)
	return *(*driver.Event)(unsafe.Pointer(&e)), failure("new event", err)
}

func (d *device) FreeEvent(h driver.Event) error {
	e := event(h)
	return failure("free event", cu.DestroyEvent(&e))
}

func (d *device) Record(e driver.Event, s driver.Stream) error {
	return failure("record", event(e).Record(stream(s)))
}

func (d *device) Wait(s driver.Stream, e driver.Event) error {
	return failure("wait", stream(s).Wait(event(e), 0))
}

func (d *device) SyncEvent(e driver.Event) error {
	return failure("sync event", event(e).Synchronize())
}

func (d *device) Elapsed(from, to driver.Event) (float64, error) {
	millis, err := event(from).Elapsed(event(to))
	return millis, failure("elapsed", err)
}

// logBytes is room for the JIT compiler's log.
const logBytes = 16 << 10

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
			if e.Code == 222 {
				e.Detail += fmt.Sprintf(" (the driver knows CUDA %d.%d; update it)", cu.Version()/1000, cu.Version()%1000/10)
			}
		}
		return 0, err
	}
	return *(*driver.Module)(unsafe.Pointer(&m)), nil
}

func (d *device) Unload(m driver.Module) error { return failure("unload", module(m).Unload()) }

func (d *device) Function(m driver.Module, name string) (driver.Function, error) {
	f, err := module(m).Function(name)
	err = failure("function", err)
	var e *driver.Error
	if errors.As(err, &e) {
		e.Detail = name
	}
	return *(*driver.Function)(unsafe.Pointer(&f)), err
}

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

func (d *device) SetMaxDynamic(f driver.Function, n int) error {
	return result("set dynamic shared memory", C.retort_set_max_dynamic(C.uint64_t(f), C.int(n)))
}

func (d *device) Launch(f driver.Function, g driver.Geometry, args []byte, s driver.Stream) error {
	for i := range 3 {
		d.shape[i] = C.uint(max(1, g.Grid[i]))
		d.shape[3+i] = C.uint(max(1, g.Block[i]))
	}
	d.shape[6] = C.uint(g.SharedBytes)
	block := unsafe.Pointer(unsafe.SliceData(args))
	return result("launch", C.retort_launch(C.uint64_t(f), &d.shape[0], block, C.size_t(len(args)), C.uint64_t(s)))
}

func (d *device) BeginCapture(s driver.Stream) error {
	return result("begin capture", C.retort_begin_capture(C.uint64_t(s)))
}

func (d *device) EndCapture(s driver.Stream) (driver.Graph, error) {
	var g C.uint64_t
	err := result("end capture", C.retort_end_capture(C.uint64_t(s), &g))
	return driver.Graph(g), err
}

func (d *device) LaunchGraph(g driver.Graph, s driver.Stream) error {
	return result("launch graph", C.retort_launch_graph(C.uint64_t(g), C.uint64_t(s)))
}

func (d *device) FreeGraph(g driver.Graph) error {
	return result("free graph", C.retort_free_graph(C.uint64_t(g)))
}
