package faulty

import "retort/kernels/cuda/driver"

// device passes every call on unless it is the one to fail.
type device struct {
	faults *Driver
	inner  driver.Device
}

// Close is driver.Device's Close of the wrapped device, unless it is its turn to fail.
func (d *device) Close() error { return d.faults.release("close", d.inner.Close) }

// MemInfo is driver.Device's MemInfo of the wrapped device, unless it is its turn to fail.
func (d *device) MemInfo() (free, total int64, err error) {
	if err := d.faults.before("memory info"); err != nil {
		return 0, 0, err
	}
	return d.inner.MemInfo()
}

// Alloc is driver.Device's Alloc of the wrapped device, unless it is its turn to fail.
func (d *device) Alloc(n int64) (driver.Ptr, error) {
	if err := d.faults.before("alloc"); err != nil {
		return 0, err
	}
	return d.inner.Alloc(n)
}

// Free is driver.Device's Free of the wrapped device, unless it is its turn to fail.
func (d *device) Free(p driver.Ptr) error {
	return d.faults.release("free", func() error { return d.inner.Free(p) })
}

// AllocHost is driver.Device's AllocHost of the wrapped device, unless it is its turn to fail.
func (d *device) AllocHost(n int64) ([]byte, error) {
	if err := d.faults.before("alloc host"); err != nil {
		return nil, err
	}
	return d.inner.AllocHost(n)
}

// FreeHost is driver.Device's FreeHost of the wrapped device, unless it is its turn to fail.
func (d *device) FreeHost(b []byte) error {
	return d.faults.release("free host", func() error { return d.inner.FreeHost(b) })
}

// CopyIn is driver.Device's CopyIn of the wrapped device, unless it is its turn to fail.
func (d *device) CopyIn(dst driver.Ptr, src []byte, s driver.Stream) error {
	if err := d.faults.before("copy in"); err != nil {
		return err
	}
	return d.inner.CopyIn(dst, src, s)
}

// CopyOut is driver.Device's CopyOut of the wrapped device, unless it is its turn to fail.
func (d *device) CopyOut(dst []byte, src driver.Ptr, s driver.Stream) error {
	if err := d.faults.before("copy out"); err != nil {
		return err
	}
	return d.inner.CopyOut(dst, src, s)
}

// Copy is driver.Device's Copy of the wrapped device, unless it is its turn to fail.
func (d *device) Copy(dst, src driver.Ptr, n int64, s driver.Stream) error {
	if err := d.faults.before("copy"); err != nil {
		return err
	}
	return d.inner.Copy(dst, src, n, s)
}

// Fill is driver.Device's Fill of the wrapped device, unless it is its turn to fail.
func (d *device) Fill(dst driver.Ptr, value byte, n int64, s driver.Stream) error {
	if err := d.faults.before("fill"); err != nil {
		return err
	}
	return d.inner.Fill(dst, value, n, s)
}

// NewStream is driver.Device's NewStream of the wrapped device, unless it is its turn to fail.
func (d *device) NewStream() (driver.Stream, error) {
	if err := d.faults.before("new stream"); err != nil {
		return 0, err
	}
	return d.inner.NewStream()
}

// FreeStream is driver.Device's FreeStream of the wrapped device, unless it is its turn to fail.
func (d *device) FreeStream(s driver.Stream) error {
	return d.faults.release("free stream", func() error { return d.inner.FreeStream(s) })
}

// Sync is driver.Device's Sync of the wrapped device, unless it is its turn to fail.
func (d *device) Sync(s driver.Stream) error {
	if err := d.faults.before("sync"); err != nil {
		return err
	}
	return d.inner.Sync(s)
}

// NewEvent is driver.Device's NewEvent of the wrapped device, unless it is its turn to fail.
func (d *device) NewEvent(timed bool) (driver.Event, error) {
	if err := d.faults.before("new event"); err != nil {
		return 0, err
	}
	return d.inner.NewEvent(timed)
}

// FreeEvent is driver.Device's FreeEvent of the wrapped device, unless it is its turn to fail.
func (d *device) FreeEvent(e driver.Event) error {
	return d.faults.release("free event", func() error { return d.inner.FreeEvent(e) })
}

// Record is driver.Device's Record of the wrapped device, unless it is its turn to fail.
func (d *device) Record(e driver.Event, s driver.Stream) error {
	if err := d.faults.before("record"); err != nil {
		return err
	}
	return d.inner.Record(e, s)
}

// Wait is driver.Device's Wait of the wrapped device, unless it is its turn to fail.
func (d *device) Wait(s driver.Stream, e driver.Event) error {
	if err := d.faults.before("wait"); err != nil {
		return err
	}
	return d.inner.Wait(s, e)
}

// SyncEvent is driver.Device's SyncEvent of the wrapped device, unless it is its turn to fail.
func (d *device) SyncEvent(e driver.Event) error {
	if err := d.faults.before("sync event"); err != nil {
		return err
	}
	return d.inner.SyncEvent(e)
}

// Elapsed is driver.Device's Elapsed of the wrapped device, unless it is its turn to fail.
func (d *device) Elapsed(from, to driver.Event) (float64, error) {
	if err := d.faults.before("elapsed"); err != nil {
		return 0, err
	}
	return d.inner.Elapsed(from, to)
}

// Load is driver.Device's Load of the wrapped device, unless it is its turn to fail.
func (d *device) Load(name, ptx string) (driver.Module, error) {
	if err := d.faults.before("load"); err != nil {
		return 0, err
	}
	return d.inner.Load(name, ptx)
}

// Unload is driver.Device's Unload of the wrapped device, unless it is its turn to fail.
func (d *device) Unload(m driver.Module) error {
	return d.faults.release("unload", func() error { return d.inner.Unload(m) })
}

// Function is driver.Device's Function of the wrapped device, unless it is its turn to fail.
func (d *device) Function(m driver.Module, name string) (driver.Function, error) {
	if err := d.faults.before("function"); err != nil {
		return 0, err
	}
	return d.inner.Function(m, name)
}

// FunctionAttributes is driver.Device's FunctionAttributes of the wrapped device, unless it is its turn to fail.
func (d *device) FunctionAttributes(f driver.Function) (driver.FunctionAttributes, error) {
	if err := d.faults.before("function attributes"); err != nil {
		return driver.FunctionAttributes{}, err
	}
	return d.inner.FunctionAttributes(f)
}

// SetMaxDynamic is driver.Device's SetMaxDynamic of the wrapped device, unless it is its turn to fail.
func (d *device) SetMaxDynamic(f driver.Function, n int) error {
	if err := d.faults.before("set dynamic shared memory"); err != nil {
		return err
	}
	return d.inner.SetMaxDynamic(f, n)
}

// EncodeTensorMap is driver.Device's EncodeTensorMap of the wrapped device, unless it is its turn to fail.
func (d *device) EncodeTensorMap(m driver.TensorMap) ([driver.TensorMapBytes]byte, error) {
	if err := d.faults.before("encode tensor map"); err != nil {
		return [driver.TensorMapBytes]byte{}, err
	}
	return d.inner.EncodeTensorMap(m)
}

// Launch is driver.Device's Launch of the wrapped device, unless it is its turn to fail.
func (d *device) Launch(f driver.Function, g driver.Geometry, args []byte, s driver.Stream) error {
	if err := d.faults.before("launch"); err != nil {
		return err
	}
	return d.inner.Launch(f, g, args, s)
}

// BeginCapture is driver.Device's BeginCapture of the wrapped device, unless it is its turn to fail.
func (d *device) BeginCapture(s driver.Stream) error {
	if err := d.faults.before("begin capture"); err != nil {
		return err
	}
	return d.inner.BeginCapture(s)
}

// EndCapture ends the capture even when it fails, as the real driver's does: a stream
// never stays in capture.
func (d *device) EndCapture(s driver.Stream) (driver.Graph, error) {
	fault := d.faults.before("end capture")
	if d.faults.lost != nil {
		return 0, fault
	}
	g, err := d.inner.EndCapture(s)
	if fault == nil {
		return g, err
	}
	if err == nil {
		err = d.inner.FreeGraph(g)
	}
	return 0, first(fault, err)
}

// LaunchGraph is driver.Device's LaunchGraph of the wrapped device, unless it is its turn to fail.
func (d *device) LaunchGraph(g driver.Graph, s driver.Stream) error {
	if err := d.faults.before("launch graph"); err != nil {
		return err
	}
	return d.inner.LaunchGraph(g, s)
}

// FreeGraph is driver.Device's FreeGraph of the wrapped device, unless it is its turn to fail.
func (d *device) FreeGraph(g driver.Graph) error {
	return d.faults.release("free graph", func() error { return d.inner.FreeGraph(g) })
}
