package emu

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/ptx"
)

// Shared memory that a kernel has without asking, in bytes a block.
const defaultSharedBytes = 48 << 10

// parsed keeps modules by text, since tests open many devices: a ptx.Module is immutable.
var parsed sync.Map // moduleText to *ptx.Module

type moduleText struct{ name, text string }

// module is a loaded text.
type module struct {
	name      string
	ptx       *ptx.Module
	functions map[string]driver.Function
}

// function is a kernel of a module and what was set for it.
type function struct {
	kernel     *ptx.Kernel
	maxDynamic int // bytes
}

// Load parses the text and refuses one that is not for the device.
func (d *device) Load(name, text string) (driver.Module, error) {
	const op = "load"
	if d.lost != nil {
		return 0, d.lost
	}
	m, err := d.parse(moduleText{name, text})
	if err != nil {
		return 0, caused(op, driver.CodeInvalidPTX, err)
	}
	a := d.driver.options.Attributes
	switch {
	case m.Target == "":
		return 0, driver.NewError(op, driver.CodeInvalidPTX, name+": the text has no .target")
	case newerVersion(m.Version):
		return 0, driver.NewError(op, driver.CodePTXVersion, fmt.Sprintf("%s: PTX %s, but the driver knows CUDA %d.%d", name, m.Version, cudaVersion/1000, cudaVersion%1000/10))
	case !targetRuns(m.Target, a.Major, a.Minor):
		return 0, driver.NewError(op, driver.CodeNoBinary, fmt.Sprintf("%s: .target %s does not run on sm_%d%d", name, m.Target, a.Major, a.Minor))
	}
	for _, kernel := range m.Kernels() {
		if k, _ := m.Kernel(kernel); k.SharedBytes > defaultSharedBytes {
			return 0, driver.NewError(op, driver.CodeInvalidPTX, fmt.Sprintf("%s: kernel %s has %d bytes of static shared memory, at most %d are allowed", name, kernel, k.SharedBytes, defaultSharedBytes))
		}
	}
	d.loaded[m] = true
	return driver.Module(d.add(&module{name, m, map[string]driver.Function{}})), nil
}

// parse returns the module of a text: the kept one, or when this device has that loaded a
// second one, whose variables are its own.
func (d *device) parse(t moduleText) (*ptx.Module, error) {
	if kept, ok := parsed.Load(t); ok && !d.loaded[kept.(*ptx.Module)] {
		return kept.(*ptx.Module), nil
	}
	m, err := ptx.Load(t.name, t.text)
	if err == nil {
		parsed.LoadOrStore(t, m)
	}
	return m, err
}

// newerVersion says whether a .version is beyond the driver's; PTX 8.4 came with CUDA 12.4.
func newerVersion(version string) bool {
	v, err := strconv.ParseFloat(version, 64)
	return err == nil && v > 8.4
}

// targetRuns says whether a .target runs on a compute capability: sm_XY on it and all
// later ones, sm_XYa on that one alone.
func targetRuns(target string, major, minor int) bool {
	digits, only := strings.CutSuffix(strings.TrimPrefix(target, "sm_"), "a")
	n, err := strconv.Atoi(digits)
	has := 10*major + minor
	return err == nil && (n == has || n < has && !only)
}

// Unload finishes all queued work and forgets the module and its functions.
func (d *device) Unload(h driver.Module) error {
	const op = "unload"
	m, err := handle[*module](d, op, uint64(h))
	if err == nil {
		err = d.outsideCapture(op)
	}
	if err == nil {
		err = d.finish()
	}
	if err != nil {
		return err
	}
	for _, f := range m.functions {
		delete(d.handles, uint64(f))
	}
	delete(d.handles, uint64(h))
	delete(d.loaded, m.ptx)
	d.memory.Unload(m.ptx)
	return nil
}

// Function finds a kernel of the module.
func (d *device) Function(h driver.Module, name string) (driver.Function, error) {
	const op = "function"
	m, err := handle[*module](d, op, uint64(h))
	if err != nil {
		return 0, err
	}
	if f, ok := m.functions[name]; ok {
		return f, nil
	}
	k, err := m.ptx.Kernel(name)
	if err != nil {
		return 0, driver.NewError(op, driver.CodeNotFound, err.Error())
	}
	f := driver.Function(d.add(&function{k, defaultSharedBytes - k.SharedBytes}))
	m.functions[name] = f
	return f, nil
}

// FunctionAttributes are what the text says; registers are 0, only ptxas knows them.
func (d *device) FunctionAttributes(h driver.Function) (driver.FunctionAttributes, error) {
	f, err := handle[*function](d, "function attributes", uint64(h))
	if err != nil {
		return driver.FunctionAttributes{}, err
	}
	a := driver.FunctionAttributes{
		SharedBytes: f.kernel.SharedBytes, LocalBytes: f.kernel.LocalBytes,
		MaxThreads: 1024, MaxDynamicBytes: f.maxDynamic,
	}
	for _, limit := range [][3]int{f.kernel.MaxThreads, f.kernel.RequiredThreads} {
		if limit != [3]int{} {
			a.MaxThreads = min(a.MaxThreads, limit[0]*limit[1]*limit[2])
		}
	}
	return a, nil
}

// SetMaxDynamic allows what fits the device.
func (d *device) SetMaxDynamic(h driver.Function, n int) error {
	const op = "set dynamic shared memory"
	f, err := handle[*function](d, op, uint64(h))
	if err != nil {
		return err
	}
	if most := d.driver.options.Attributes.SharedBytesPerBlock - f.kernel.SharedBytes; n < 0 || n > most {
		return driver.NewError(op, driver.CodeInvalidValue, fmt.Sprintf("%d bytes for kernel %s, at most %d fit", n, f.kernel.Name, most))
	}
	f.maxDynamic = n
	return nil
}

// EncodeTensorMap makes a map of the PTX machine's own form.
func (d *device) EncodeTensorMap(m driver.TensorMap) (encoded [driver.TensorMapBytes]byte, err error) {
	const op, elementBytes = "encode tensor map", 2
	if d.lost != nil {
		return encoded, d.lost
	}
	if a := d.driver.options.Attributes; a.Major < 9 {
		return encoded, driver.NewError(op, driver.CodeNotSupported, fmt.Sprintf("sm_%d%d has no tile copies", a.Major, a.Minor))
	}
	encoded, err = ptx.EncodeTensorMap(ptx.TensorMap{
		Address: uint64(m.Address), ElementBytes: elementBytes, Dims: []int{m.Cols, m.Rows}, Strides: []int{m.StrideBytes},
		Box: []int{m.BoxCols, m.BoxRows}, Swizzle: m.SwizzleBytes,
	})
	if err != nil {
		return encoded, driver.NewError(op, driver.CodeInvalidValue, err.Error())
	}
	return encoded, nil
}

// Launch checks the launch now and queues it.
func (d *device) Launch(h driver.Function, g driver.Geometry, args []byte, on driver.Stream) error {
	const op = "launch"
	f, err := handle[*function](d, op, uint64(h))
	if err != nil {
		return err
	}
	k := f.kernel
	l := ptx.Launch{
		Kernel: k, Grid: g.Grid, Block: g.Block, SharedBytes: g.SharedBytes, Args: slices.Clone(args),
		Workers: d.driver.options.Workers, Budget: d.driver.options.Budget, Sample: d.driver.options.Sample,
	}
	if err := l.Check(); err != nil {
		return failure(op, err)
	}
	if g.SharedBytes > f.maxDynamic {
		return driver.NewError(op, driver.CodeInvalidValue, fmt.Sprintf("kernel %s: %d bytes of dynamic shared memory, but %d are allowed; call SetMaxDynamic first", k.Name, g.SharedBytes, f.maxDynamic))
	}
	return d.enqueue(op, on, 0, func() error {
		counts, err := ptx.Run(d.memory, l)
		if err == nil {
			d.driver.count(k.Name, counts)
		}
		return err
	})
}
