package ptx

import (
	"errors"
	"fmt"
	"strings"
)

// What a Fault can be; compare with errors.Is.
var (
	// ErrUninitialized: memory or a register was read that nothing had written.
	ErrUninitialized = errors.New("uninitialised read")
	// ErrBounds: an access lay outside every allocation, or of the shared, local or parameter window.
	ErrBounds = errors.New("out of bounds")
	// ErrAlignment: an address was no multiple of the size of the access.
	ErrAlignment = errors.New("misaligned")
	// ErrUseAfterFree: an access lay in an allocation that was freed.
	ErrUseAfterFree = errors.New("use after free")
	// ErrReadOnly: a store went to constant memory or to a kernel's parameters.
	ErrReadOnly = errors.New("store to read-only memory")
	// ErrBarrier: a barrier was not reached by all warps, or only by some lanes of a warp.
	ErrBarrier = errors.New("barrier not reached by all")
	// ErrAsync: memory of a cp.async was touched between its issue and its wait.
	ErrAsync = errors.New("cp.async not waited for")
	// ErrRace: two warps touched the same shared memory with no barrier between, one of them writing.
	ErrRace = errors.New("shared memory race")
	// ErrAbsentLanes: a shuffle, vote, mma or the like lacked lanes that it needs.
	ErrAbsentLanes = errors.New("absent lanes")
	// ErrBudget: a warp executed more instructions than the launch allows.
	ErrBudget = errors.New("instruction budget spent")
	// ErrTrap: the kernel executed trap.
	ErrTrap = errors.New("trap")
	// ErrLaunch: the launch itself does not fit the kernel.
	ErrLaunch = errors.New("bad launch")
)

// Fault is what went wrong in a running kernel, and where.
type Fault struct {
	Kind   error  // one of the sentinels above
	Kernel string // name of the kernel
	Line   int    // line of the PTX text
	Source string // "file:line" of the CUDA source where .loc tells it, else empty
	Block  [3]int // ctaid
	Warp   int    // within the block
	Lane   int    // first lane concerned
	Detail string
}

// Error says it in one line.
func (f *Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "ptx: %s: kernel %s, line %d", f.Kind, f.Kernel, f.Line)
	if f.Source != "" {
		fmt.Fprintf(&b, " (%s)", f.Source)
	}
	fmt.Fprintf(&b, ", block (%d,%d,%d), warp %d, lane %d: %s",
		f.Block[0], f.Block[1], f.Block[2], f.Warp, f.Lane, f.Detail)
	return b.String()
}

// Unwrap returns the kind, for errors.Is.
func (f *Fault) Unwrap() error { return f.Kind }
