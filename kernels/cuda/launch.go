package cuda

import (
	"fmt"

	"retort/kernels"
	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/ptxfiles"
)

// kernel names an entry point of the embedded PTX: the file in src, and the name. A typed
// kernel exists once for each activation type and is named without the type's suffix.
type kernel struct {
	file, name string
	typed      bool
}

// typed names a kernel that exists for each activation type.
func typed(file, name string) kernel { return kernel{file, name, true} }

// function is a loaded kernel.
type function struct {
	handle  driver.Function
	dynamic int // bytes of dynamic shared memory that it may use
}

// freeDynamic is the dynamic shared memory that a kernel may use without asking.
const freeDynamic = 48 << 10

// suffix ends the name of a kernel for elements of the type.
func suffix(t kernels.DType) string {
	if t == kernels.BFloat16 {
		return "_bf16"
	}
	return "_f32"
}

// function loads a kernel at its first use.
func (b *Backend) function(k kernel) (*function, error) {
	if f := b.functions[k]; f != nil {
		return f, nil
	}
	module, ok := b.modules[k.file]
	if !ok {
		text, file, err := ptxfiles.For(k.file, b.device.Major, b.device.Minor)
		if err != nil {
			return nil, err
		}
		if module, err = b.context.Load(file, text); err != nil {
			return nil, err
		}
		b.modules[k.file] = module
	}
	name := k.name
	if k.typed {
		name += suffix(b.activation)
	}
	handle, err := b.context.Function(module, name)
	if err != nil {
		return nil, err
	}
	f := &function{handle: handle, dynamic: freeDynamic}
	b.functions[k] = f
	return f, nil
}

// launch queues a kernel with the arguments in b.args; a grid without blocks is nothing
// to do. After a failure it does nothing.
func (b *Backend) launch(k kernel, g driver.Geometry, args *driver.Args) {
	if b.err != nil || g.Grid[0] == 0 {
		return
	}
	f, err := b.function(k)
	if err == nil && g.SharedBytes > f.dynamic {
		if err = b.context.SetMaxDynamic(f.handle, g.SharedBytes); err == nil {
			f.dynamic = g.SharedBytes
		}
	}
	if err == nil {
		err = b.context.Launch(f.handle, g, args, b.stream)
	}
	if err != nil {
		b.note(fmt.Errorf("launch of %s: %w", k.name, err))
	}
}

// rowGrid is one block for each of n rows.
func rowGrid(n, threads int) driver.Geometry {
	return driver.Geometry{Grid: [3]int{n, 1, 1}, Block: [3]int{threads, 1, 1}}
}

// byRows is blocks of 256 threads for rows of the given width: a row gets the fewest
// threads, 32 to 256, whose shares are at most the given number of elements, and a block as
// many rows as it has threads for.
func byRows(rows, width, share int) driver.Geometry {
	const most = 256
	threads := 32
	for threads < most && threads*share < width {
		threads *= 2
	}
	return driver.Geometry{Grid: [3]int{ceil(rows, most/threads), 1, 1}, Block: [3]int{threads, most / threads, 1}}
}

// perPack is how many elements of the type 16 bytes hold, what a thread reads at once.
func perPack(t kernels.DType) int { return 16 / t.Size() }

// ceil is ⌈n/d⌉.
func ceil(n, d int) int { return (n + d - 1) / d }

// workspace is device memory that an operation uses between its own kernels. Operations
// share it: they run one after the other on one stream.
type workspace struct {
	address driver.Ptr
	bytes   int64
}

// reserve returns the operations' workspace, grown to at least n bytes; what it held is
// lost. It is 256-byte aligned. After a failure it returns 0, and launches do nothing.
func (b *Backend) reserve(n int64) driver.Ptr { return b.workspace.reserve(b, n) }

func (w *workspace) reserve(b *Backend, n int64) driver.Ptr {
	if n <= w.bytes || b.err != nil {
		return w.address
	}
	w.free(b)
	address, err := b.context.Alloc(kernels.Workspace, n)
	if err != nil {
		b.note(err)
		return 0
	}
	w.address, w.bytes = address, n
	return address
}

// free gives the memory back.
func (w *workspace) free(b *Backend) {
	b.note(b.context.Free(w.address))
	*w = workspace{}
	b.moved++
}
