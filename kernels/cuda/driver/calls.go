package driver

// The calls of a Context that only pass on: each is the Device's method of the same
// name, not called after a sticky error, and checked under the tag cudadebug.

// CopyIn copies src to dst; see Memory.
func (c *Context) CopyIn(dst Ptr, src []byte, s Stream) error {
	if c.failed != nil || len(src) == 0 {
		return c.failed
	}
	c.tracker.bytes("copy in", dst, int64(len(src)))
	c.tracker.use("copy in", kindStream, uint64(s))
	return c.note(c.device.CopyIn(dst, src, s))
}

// CopyOut copies src to dst; see Memory.
func (c *Context) CopyOut(dst []byte, src Ptr, s Stream) error {
	if c.failed != nil || len(dst) == 0 {
		return c.failed
	}
	c.tracker.bytes("copy out", src, int64(len(dst)))
	c.tracker.use("copy out", kindStream, uint64(s))
	return c.note(c.device.CopyOut(dst, src, s))
}

// Copy copies n bytes within device memory.
func (c *Context) Copy(dst, src Ptr, n int64, s Stream) error {
	if c.failed != nil || n == 0 {
		return c.failed
	}
	c.tracker.bytes("copy", dst, n)
	c.tracker.bytes("copy", src, n)
	c.tracker.use("copy", kindStream, uint64(s))
	return c.note(c.device.Copy(dst, src, n, s))
}

// Fill sets n bytes to value.
func (c *Context) Fill(dst Ptr, value byte, n int64, s Stream) error {
	if c.failed != nil || n == 0 {
		return c.failed
	}
	c.tracker.bytes("fill", dst, n)
	c.tracker.use("fill", kindStream, uint64(s))
	return c.note(c.device.Fill(dst, value, n, s))
}

// NewStream returns a stream that does not wait for the default stream.
func (c *Context) NewStream() (Stream, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	s, err := c.device.NewStream()
	if err == nil {
		c.tracker.add(kindStream, uint64(s), 0)
	}
	return s, c.note(err)
}

// FreeStream gives a stream back; work queued on it still finishes.
func (c *Context) FreeStream(s Stream) error {
	c.tracker.remove("free stream", kindStream, uint64(s))
	if c.failed != nil {
		return c.failed
	}
	return c.note(c.device.FreeStream(s))
}

// Sync waits for all work of the stream.
func (c *Context) Sync(s Stream) error {
	if c.failed != nil {
		return c.failed
	}
	c.tracker.use("sync", kindStream, uint64(s))
	return c.note(c.device.Sync(s))
}

// NewEvent returns an event; only a timed one may be measured by Elapsed.
func (c *Context) NewEvent(timed bool) (Event, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	e, err := c.device.NewEvent(timed)
	if err == nil {
		c.tracker.add(kindEvent, uint64(e), 0)
	}
	return e, c.note(err)
}

// FreeEvent gives an event back.
func (c *Context) FreeEvent(e Event) error {
	c.tracker.remove("free event", kindEvent, uint64(e))
	if c.failed != nil {
		return c.failed
	}
	return c.note(c.device.FreeEvent(e))
}

// Record marks the stream's present end.
func (c *Context) Record(e Event, s Stream) error {
	if c.failed != nil {
		return c.failed
	}
	c.tracker.use("record", kindEvent, uint64(e))
	c.tracker.use("record", kindStream, uint64(s))
	return c.note(c.device.Record(e, s))
}

// Wait makes later work of s wait for the event.
func (c *Context) Wait(s Stream, e Event) error {
	if c.failed != nil {
		return c.failed
	}
	c.tracker.use("wait", kindEvent, uint64(e))
	c.tracker.use("wait", kindStream, uint64(s))
	return c.note(c.device.Wait(s, e))
}

// SyncEvent makes the host wait for the event.
func (c *Context) SyncEvent(e Event) error {
	if c.failed != nil {
		return c.failed
	}
	c.tracker.use("sync event", kindEvent, uint64(e))
	return c.note(c.device.SyncEvent(e))
}

// Elapsed is the milliseconds between two timed events that have passed.
func (c *Context) Elapsed(from, to Event) (float64, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	c.tracker.use("elapsed", kindEvent, uint64(from))
	c.tracker.use("elapsed", kindEvent, uint64(to))
	millis, err := c.device.Elapsed(from, to)
	return millis, c.note(err)
}

// Load compiles PTX for the device; a failure carries the compiler's log.
func (c *Context) Load(name, ptx string) (Module, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	m, err := c.device.Load(name, ptx)
	if err == nil {
		c.tracker.add(kindModule, uint64(m), 0)
	}
	return m, c.note(err)
}

// Unload gives a module back; its functions are dead afterwards.
func (c *Context) Unload(m Module) error {
	c.tracker.remove("unload", kindModule, uint64(m))
	if c.failed != nil {
		return c.failed
	}
	return c.note(c.device.Unload(m))
}

// Function finds a kernel of the module by name.
func (c *Context) Function(m Module, name string) (Function, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	c.tracker.use("function", kindModule, uint64(m))
	f, err := c.device.Function(m, name)
	return f, c.note(err)
}

// FunctionAttributes is what the driver made of a kernel.
func (c *Context) FunctionAttributes(f Function) (FunctionAttributes, error) {
	if c.failed != nil {
		return FunctionAttributes{}, c.failed
	}
	a, err := c.device.FunctionAttributes(f)
	return a, c.note(err)
}

// SetMaxDynamic lets f use n bytes of dynamic shared memory; needed beyond 48 KiB.
func (c *Context) SetMaxDynamic(f Function, n int) error {
	if c.failed != nil {
		return c.failed
	}
	return c.note(c.device.SetMaxDynamic(f, n))
}

// EncodeTensorMap returns m as the device's kernels read it.
func (c *Context) EncodeTensorMap(m TensorMap) ([TensorMapBytes]byte, error) {
	if c.failed != nil {
		return [TensorMapBytes]byte{}, c.failed
	}
	const elementBytes = 2
	c.tracker.bytes("tensor map", m.Address, int64(m.Rows-1)*int64(m.StrideBytes)+int64(m.Cols)*elementBytes)
	encoded, err := c.device.EncodeTensorMap(m)
	return encoded, c.note(err)
}

// Launch queues the kernel. args may be reused at once.
func (c *Context) Launch(f Function, g Geometry, args *Args, s Stream) error {
	if c.failed != nil {
		return c.failed
	}
	c.tracker.arguments(args)
	c.tracker.use("launch", kindStream, uint64(s))
	return c.note(c.device.Launch(f, g, args.Bytes(), s))
}

// BeginCapture makes s record what is queued on it instead of running it.
func (c *Context) BeginCapture(s Stream) error {
	if c.failed != nil {
		return c.failed
	}
	c.tracker.use("begin capture", kindStream, uint64(s))
	return c.note(c.device.BeginCapture(s))
}

// EndCapture ends the recording and returns it, ready to be launched.
func (c *Context) EndCapture(s Stream) (Graph, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	c.tracker.use("end capture", kindStream, uint64(s))
	g, err := c.device.EndCapture(s)
	if err == nil {
		c.tracker.add(kindGraph, uint64(g), 0)
	}
	return g, c.note(err)
}

// LaunchGraph queues the recorded work.
func (c *Context) LaunchGraph(g Graph, s Stream) error {
	if c.failed != nil {
		return c.failed
	}
	c.tracker.use("launch graph", kindGraph, uint64(g))
	c.tracker.use("launch graph", kindStream, uint64(s))
	return c.note(c.device.LaunchGraph(g, s))
}

// FreeGraph gives a graph back.
func (c *Context) FreeGraph(g Graph) error {
	c.tracker.remove("free graph", kindGraph, uint64(g))
	if c.failed != nil {
		return c.failed
	}
	return c.note(c.device.FreeGraph(g))
}
