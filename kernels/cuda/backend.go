package cuda

import (
	"fmt"
	"math"

	"retort/kernels"
	"retort/kernels/cuda/driver"
)

// Backend is a kernels.Backend on one CUDA device: buffers in its memory, one stream, and
// a launcher for every operation (one file a family). It knows the device only through
// driver.Context, so the same code drives a card and the PTX machine.
type Backend struct {
	context    *driver.Context
	device     driver.Attributes
	activation kernels.DType
	stream     driver.Stream
	modules    map[string]driver.Module
	functions  map[kernel]*function
	args       driver.Args
	staging    [2]staging
	turn       int // the staging buffer that the next upload takes
	workspace  workspace
	// productWorkspace holds the partial results of products, which are parts of other operations.
	productWorkspace workspace
	parameters       parameterTable
	maps             tensorMaps
	moved            int   // how often memory of the backend's own has got another address
	err              error // the first failure since the last Sync
}

var _ kernels.Backend = (*Backend)(nil)

// Options choose how a Backend computes.
type Options struct {
	Activation kernels.DType // Float32 or BFloat16
}

// New opens device index of d and locks the calling goroutine to its thread until Close.
// The device must be Ampere (sm_80) or newer.
func New(d driver.Driver, index int, o Options) (*Backend, error) {
	devices, err := d.Devices()
	if err != nil {
		return nil, err
	}
	if index < 0 || index >= len(devices) {
		return nil, driver.NewError("open", driver.CodeInvalidDevice, fmt.Sprintf("device %d of %d", index, len(devices)))
	}
	context, err := driver.Open(d, index)
	if err != nil {
		return nil, err
	}
	b := &Backend{
		context: context, device: devices[index], activation: o.Activation,
		modules: map[string]driver.Module{}, functions: map[kernel]*function{},
	}
	if b.stream, err = context.NewStream(); err == nil {
		err = b.openStaging()
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Name is the device and the activation type.
func (b *Backend) Name() string {
	return fmt.Sprintf("cuda (%s, %s)", b.device.Name, b.activation)
}

// ActivationType is the type of activations and parameters.
func (b *Backend) ActivationType() kernels.DType { return b.activation }

// InUse is the device memory allocated now, in bytes by purpose.
func (b *Backend) InUse() map[kernels.Purpose]int64 { return b.context.InUse() }

// Peak is the most device memory that was in use at once.
func (b *Backend) Peak() int64 { return b.context.Peak() }

// Available is the device memory that is free.
func (b *Backend) Available() (bytes int64, known bool) {
	free, _, err := b.context.MemInfo()
	return free, err == nil
}

// Sync waits for the device and returns the first failure since the last Sync.
func (b *Backend) Sync() error {
	b.note(b.context.Sync(b.stream))
	err := b.err
	b.err = b.context.Failed() // a lost context stays lost
	return err
}

// note keeps the first failure; operations do nothing until Sync has told of it.
func (b *Backend) note(err error) {
	if b.err == nil {
		b.err = err
	}
}

// Freeze does nothing: weights are read as they lie.
func (b *Backend) Freeze(w kernels.Tensor) { b.pointer(w) }

// Thaw does nothing.
func (b *Backend) Thaw() {}

// Close frees what the backend itself holds and closes the device. Tensors must have
// been freed before.
func (b *Backend) Close() error {
	b.note(b.context.Sync(b.stream))
	b.closeStaging()
	b.workspace.free(b)
	b.productWorkspace.free(b)
	b.parameters.free(b)
	for _, m := range b.modules {
		b.note(b.context.Unload(m))
	}
	if b.stream != 0 {
		b.note(b.context.FreeStream(b.stream))
	}
	b.note(b.context.Close())
	return b.err
}

// buffer is one allocation in device memory.
type buffer struct {
	owner   *Backend
	address driver.Ptr // 0 once freed
	bytes   int64
}

// Bytes is the size of the allocation.
func (m *buffer) Bytes() int64 { return m.bytes }

// Alloc returns a zeroed tensor.
func (b *Backend) Alloc(dtype kernels.DType, purpose kernels.Purpose, rows, cols int) (kernels.Tensor, error) {
	t := kernels.Tensor{Rows: rows, Cols: cols, Stride: cols, DType: dtype}
	if rows < 0 || cols < 0 || (cols > 0 && rows > math.MaxInt64/8/cols) {
		return kernels.Tensor{}, fmt.Errorf("cuda: %v for %s is more than any memory holds", t, purpose)
	}
	bytes := max(int64(rows)*int64(cols)*int64(dtype.Size()), 1)
	address, err := b.context.Alloc(purpose, bytes)
	if err != nil {
		return kernels.Tensor{}, err
	}
	if err := b.context.Fill(address, 0, bytes, b.stream); err != nil {
		b.note(b.context.Free(address))
		return kernels.Tensor{}, err
	}
	t.Buf = &buffer{owner: b, address: address, bytes: bytes}
	return t, nil
}

// Free gives a tensor's buffer back.
func (b *Backend) Free(t kernels.Tensor) {
	m := b.buffer(t)
	b.note(b.context.Free(m.address))
	m.address = 0
}

// buffer is the tensor's memory; a foreign or freed tensor is a broken invariant.
func (b *Backend) buffer(t kernels.Tensor) *buffer {
	m, ok := t.Buf.(*buffer)
	if !ok || m.owner != b {
		panic(fmt.Sprintf("cuda: tensor %v belongs to another backend", t))
	}
	if m.address == 0 {
		panic(fmt.Sprintf("cuda: tensor %v was freed", t))
	}
	return m
}

// pointer is the address of the tensor's first element, 0 when it is absent.
func (b *Backend) pointer(t kernels.Tensor) driver.Ptr {
	if t.Absent() {
		return 0
	}
	return b.buffer(t).address + driver.Ptr(t.Off*t.DType.Size())
}
