package ptx

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// Launch says what to run and how.
type Launch struct {
	Kernel      *Kernel
	Grid        [3]int // blocks; 0 counts as 1
	Block       [3]int // threads of a block; 0 counts as 1
	SharedBytes int    // dynamic shared memory of a block
	Args        []byte // laid out as Kernel.Params says
	Workers     int    // goroutines; 0: one a core
	Budget      int64  // instructions a warp may execute; 0: DefaultBudget
	Lines       bool   // fill Counts.Lines
	// Sample runs only about this many blocks, spread evenly over the grid, and scales the
	// counts to all of them; 0 runs all. Results are then incomplete.
	Sample int
}

// DefaultBudget is the number of instructions after which a warp counts as runaway.
const DefaultBudget = 1 << 26

// Limits of a launch, those of sm_80 and above.
const (
	maxThreads = 1024
	maxShared  = 227 << 10
)

// Run executes the launch to its end and returns what it counted. A *Fault says
// what went wrong in the kernel; of several the one in the lowest block is
// returned, whatever the number of workers.
func Run(mem *Memory, l Launch) (Counts, error) {
	if err := l.check(); err != nil {
		return Counts{}, err
	}
	k := l.Kernel
	symbols := mem.load(k.module)
	blocks := int64(l.Grid[0]) * int64(l.Grid[1]) * int64(l.Grid[2])
	workers := l.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	chosen := blocks
	if l.Sample > 0 {
		chosen = min(blocks, int64(l.Sample))
	}
	workers = int(min(int64(workers), chosen))
	r := run{blocks: blocks, chosen: chosen, workers: make([]worker, workers)}
	var wg sync.WaitGroup
	for i := range r.workers[1:] {
		wg.Go(func() { r.work(&r.workers[i+1], mem, &l, symbols) })
	}
	r.work(&r.workers[0], mem, &l, symbols)
	wg.Wait()
	if f := r.first(); f != nil {
		return Counts{}, f
	}
	c := k.sum(r.workers, l.Lines)
	each := float64(blocks) / float64(chosen)
	if chosen < blocks {
		c.scale(each)
	}
	c.Footprint = footprint(r.workers, each)
	c.Blocks = blocks
	c.Warps = blocks * int64(len(r.workers[0].block.warps))
	for i := range r.workers {
		k.giveBack(r.workers[i].block)
	}
	return c, nil
}

// run is one launch at work: its workers take the blocks in order.
type run struct {
	blocks  int64
	chosen  int64 // how many of them run
	next    atomic.Int64
	stop    atomic.Bool
	workers []worker
}

// worker is one goroutine of a launch.
type worker struct {
	block *block
	fault *Fault
	at    int64 // number of the block that faulted
}

func (r *run) work(w *worker, mem *Memory, l *Launch, symbols map[string]uint64) {
	w.block = l.Kernel.block(mem, l, symbols)
	for !r.stop.Load() {
		n := r.next.Add(1) - 1
		if n >= r.chosen {
			return
		}
		if r.chosen < r.blocks {
			n = sampled(n, r.chosen, r.blocks)
		}
		x, y := int64(l.Grid[0]), int64(l.Grid[1])
		index := [3]int{int(n % x), int(n / x % y), int(n / x / y)}
		if w.fault = w.block.run(index, l.Budget); w.fault != nil {
			w.at = n
			r.stop.Store(true)
		}
	}
}

// first returns the fault in the lowest block.
func (r *run) first() (first *Fault) {
	at := r.blocks
	for _, w := range r.workers {
		if w.fault != nil && w.at < at {
			first, at = w.fault, w.at
		}
	}
	return first
}

// Check says, as ErrLaunch, what a card would refuse about the launch before it runs.
func (l Launch) Check() error { return l.check() }

// check completes the launch's defaults and refuses what a card would refuse.
func (l *Launch) check() error {
	if l.Kernel == nil {
		return fmt.Errorf("ptx: %w: no kernel", ErrLaunch)
	}
	k := l.Kernel
	fail := func(format string, args ...any) error {
		return fmt.Errorf("ptx: %w: kernel %s: %s", ErrLaunch, k.Name, fmt.Sprintf(format, args...))
	}
	for i := range 3 {
		if l.Grid[i] == 0 {
			l.Grid[i] = 1
		}
		if l.Block[i] == 0 {
			l.Block[i] = 1
		}
		if l.Grid[i] < 0 || l.Block[i] < 0 || l.Block[i] > maxThreads || l.Grid[i] > 1<<31-1 || i > 0 && l.Grid[i] > 1<<16-1 {
			return fail("grid %v, block %v", l.Grid, l.Block)
		}
	}
	threads := l.Block[0] * l.Block[1] * l.Block[2]
	if threads > maxThreads || l.Block[2] > 64 {
		return fail("block %v has %d threads, at most %d (64 in z) fit", l.Block, threads, maxThreads)
	}
	if r := k.RequiredThreads; r != [3]int{} && r != l.Block {
		return fail("block %v, .reqntid says %v", l.Block, r)
	}
	if m := k.MaxThreads; m != [3]int{} && threads > m[0]*m[1]*m[2] {
		return fail("block of %d threads, .maxntid says %v", threads, m)
	}
	if l.SharedBytes < 0 || k.SharedBytes+l.SharedBytes > maxShared {
		return fail("%d bytes of static and %d of dynamic shared memory, at most %d fit", k.SharedBytes, l.SharedBytes, maxShared)
	}
	if len(l.Args) != k.ParamBytes {
		return fail("%d bytes of arguments, the parameters have %d", len(l.Args), k.ParamBytes)
	}
	if l.Budget <= 0 {
		l.Budget = DefaultBudget
	}
	return nil
}
