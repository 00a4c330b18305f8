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
	var (
		next   atomic.Int64
		stop   atomic.Bool
		wg     sync.WaitGroup
		done   = make([]*block, workers)
		faults = make([]*Fault, workers)
		where  = make([]int64, workers)
	)
	for i := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			b := newBlock(k, mem, l, symbols)
			done[i] = b
			for !stop.Load() {
				n := next.Add(1) - 1
				if n >= chosen {
					return
				}
				n = (2*n + 1) * blocks / (2 * chosen) // the middle of its share of the grid
				x, y := int64(l.Grid[0]), int64(l.Grid[1])
				index := [3]int{int(n % x), int(n / x % y), int(n / x / y)}
				if faults[i] = b.run(index, l.Budget); faults[i] != nil {
					where[i] = n
					stop.Store(true)
					return
				}
			}
		}()
	}
	wg.Wait()
	var first *Fault
	at := blocks
	for i, f := range faults {
		if f != nil && where[i] < at {
			first, at = f, where[i]
		}
	}
	if first != nil {
		return Counts{}, first
	}
	tallies := make([][]tally, workers)
	for i, b := range done {
		tallies[i] = b.tallies
	}
	c := k.sum(tallies, l.Lines)
	if chosen < blocks {
		c.scale(float64(blocks) / float64(chosen))
	}
	c.Footprint = footprint(done, float64(blocks)/float64(chosen))
	c.Blocks = blocks
	c.Warps = blocks * int64(len(done[0].warps))
	return c, nil
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
