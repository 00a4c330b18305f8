package driver

// Driver is a way to reach devices.
type Driver interface {
	// Version is the newest CUDA version that the driver knows, 12040 for 12.4; 0
	// without a driver.
	Version() int
	// Devices describes the devices in the driver's order; none is not an error.
	Devices() ([]Attributes, error)
	// Open makes the device's context current on the calling thread, to which the
	// goroutine stays locked until Close.
	Open(index int) (Device, error)
}

// Handles of a device. Zero is the default stream, and otherwise no handle.
type (
	// Ptr is an address in device memory; arithmetic on it is in bytes.
	Ptr uint64
	// Stream is a queue whose work runs in order.
	Stream uint64
	// Event is a mark in a stream.
	Event uint64
	// Module is loaded PTX.
	Module uint64
	// Function is a kernel of a module and lives as long as it.
	Function uint64
	// Graph is a captured sequence of work, ready to be launched.
	Graph uint64
)

// Attributes describe a device.
type Attributes struct {
	Name                string
	Major, Minor        int // compute capability
	Multiprocessors     int
	MemoryBytes         int64
	L2Bytes             int
	ClockKHz            int
	MemoryClockKHz      int
	MemoryBusBits       int
	SharedBytesPerBlock int // the most a kernel may opt in to
	RegistersPerSM      int
	ThreadsPerSM        int
}

// FunctionAttributes is what the driver made of a kernel.
type FunctionAttributes struct {
	Registers       int // per thread
	SharedBytes     int // static, per block
	LocalBytes      int // per thread: spills and arrays
	MaxThreads      int // per block
	MaxDynamicBytes int // dynamic shared memory that a launch may ask for
}

// Geometry is the shape of a launch; an axis of 0 counts as 1.
type Geometry struct {
	Grid        [3]int // blocks
	Block       [3]int // threads of a block
	SharedBytes int    // dynamic shared memory of a block
}

// TensorMap describes a row-major matrix of bf16 to the tile copies of sm_90. Address and
// stride are multiples of 16 bytes.
type TensorMap struct {
	Address          Ptr // of the first element
	Rows, Cols       int
	StrideBytes      int // from one row to the next
	BoxRows, BoxCols int // the tile that one copy takes; at most 256 rows, SwizzleBytes of columns
	SwizzleBytes     int // 32, 64 or 128: rows of shared memory whose 16-byte pieces change places; 0: none
}

// TensorMapBytes is the size of an encoded TensorMap, which kernels take as a parameter
// aligned to 64 bytes.
const TensorMapBytes = 128

// Device is an open device. Copies, fills, launches and records are queued on a stream
// and may still run when the call returns; an error of theirs may come out of any later
// call. Errors are *Error. Implementations need not check what Context checks.
type Device interface {
	Memory
	Streams
	Code
	Graphs
	// Close releases the context and the thread.
	Close() error
}

// Memory allocates and moves bytes.
type Memory interface {
	// MemInfo returns the bytes of device memory free now and in all.
	MemInfo() (free, total int64, err error)
	// Alloc returns n > 0 bytes of device memory with unknown content.
	Alloc(n int64) (Ptr, error)
	// Free gives device memory back once queued work that may use it is done.
	Free(p Ptr) error
	// AllocHost returns n > 0 bytes of page-locked host memory outside the Go heap.
	AllocHost(n int64) ([]byte, error)
	// FreeHost gives page-locked memory back; b is as AllocHost returned it.
	FreeHost(b []byte) error
	// CopyIn copies src to dst. From memory of AllocHost it is asynchronous, and src
	// must not change before the stream is past it; other memory is read at once.
	CopyIn(dst Ptr, src []byte, s Stream) error
	// CopyOut copies src to dst: asynchronous into memory of AllocHost, else it waits.
	CopyOut(dst []byte, src Ptr, s Stream) error
	// Copy copies n bytes within device memory.
	Copy(dst, src Ptr, n int64, s Stream) error
	// Fill sets n bytes to value.
	Fill(dst Ptr, value byte, n int64, s Stream) error
}

// Streams order work and measure it.
type Streams interface {
	// NewStream returns a stream that does not wait for the default stream.
	NewStream() (Stream, error)
	FreeStream(s Stream) error
	// Sync waits for all work of the stream.
	Sync(s Stream) error
	// NewEvent returns an event; only a timed one may be measured by Elapsed.
	NewEvent(timed bool) (Event, error)
	FreeEvent(e Event) error
	// Record marks the stream's present end.
	Record(e Event, s Stream) error
	// Wait makes later work of s wait for the event.
	Wait(s Stream, e Event) error
	// SyncEvent makes the host wait for the event.
	SyncEvent(e Event) error
	// Elapsed is the milliseconds between two timed events that have passed.
	Elapsed(from, to Event) (float64, error)
}

// Code loads kernels and runs them.
type Code interface {
	// Load compiles PTX for the device; a failure carries the compiler's log. name
	// stands in messages.
	Load(name, ptx string) (Module, error)
	Unload(m Module) error
	// Function finds a kernel of the module by name.
	Function(m Module, name string) (Function, error)
	FunctionAttributes(f Function) (FunctionAttributes, error)
	// SetMaxDynamic lets f use n bytes of dynamic shared memory; needed beyond 48 KiB.
	SetMaxDynamic(f Function, n int) error
	// EncodeTensorMap returns m as the device's kernels read it; it needs compute
	// capability 9.0.
	EncodeTensorMap(m TensorMap) ([TensorMapBytes]byte, error)
	// Launch queues the kernel. args is laid out as the kernel's parameters are (see
	// Args) and may be reused at once.
	Launch(f Function, g Geometry, args []byte, s Stream) error
}

// Graphs record work once and launch it again at the cost of one call.
type Graphs interface {
	// BeginCapture makes s record what is queued on it instead of running it.
	BeginCapture(s Stream) error
	// EndCapture ends the recording and returns it, instantiated.
	EndCapture(s Stream) (Graph, error)
	LaunchGraph(g Graph, s Stream) error
	FreeGraph(g Graph) error
}
