package ptx

import (
	"fmt"
	"math/bits"
)

// control says how the warp's loop treats an instruction.
type control uint8

const (
	opPlain   control = iota // run, then the next instruction
	opBranch                 // bra
	opTable                  // brx.idx
	opExit                   // ret, exit
	opTrap                   // trap
	opBarrier                // bar.sync and its kin: run, then wait for the block
	opYield                  // nanosleep: run another warp first
	opPoll                   // a wait on an mbarrier: run, then another warp if it is in vain
)

// instr is a decoded instruction.
type instr struct {
	run       exec
	op        control
	kind      Kind
	guardNot  bool
	uniform   bool // bra.uni: must not diverge
	guard     int  // predicate slot, or -1
	target    int  // of bra; exitTarget when it leads straight to a ret
	targets   []int
	index     int // brx.idx: slot of the index
	site      int // of a memory instruction: index of its site in the block; else -1
	reconverg int // where diverged lanes meet again; noReconvergence: at the end
	flops     int64
	barrier   *barrierOp // of opBarrier
	line      int
	source    string // "file:line" from .loc
	text      string // opcode with modifiers
}

const (
	noReconvergence = -1
	exitTarget      = -2
)

// path is one entry of the divergence stack: lanes that go on at pc until they
// reach rpc, where the entry below takes over.
type path struct {
	pc, rpc int
	mask    uint32
}

// warp is 32 lanes in step. Its buffers are used again for block after block.
type warp struct {
	blk      *block
	id       int
	r32      []v32
	init32   []uint32
	r64      []v64
	init64   []uint32
	pred     []uint32
	initPred []uint32
	carry    carries

	scratch32 v32
	scratch64 v64
	addr      v64       // addresses of the access at hand
	off       [32]int32 // their offsets in the memory that holds them

	stack []path
	all   uint32 // lanes that exist
	live  uint32 // lanes that have not exited
	pc    int
	steps int64
	fault *Fault

	local   localMemory
	async   asyncCopies
	wgmma   wgmmaState
	clock   uint32     // see sharedWord
	known   [32]uint32 // latest clock of each warp that a barrier told this one
	floor   uint32     // the least of known
	waiting *barrier   // nil: runnable
	polled  bool       // its last wait on an mbarrier was in vain
}

// status says why a warp stopped running.
type status uint8

const (
	statusDone status = iota
	statusWaits
	statusYields
	statusFault
)

// reset makes the warp ready for a block: lanes in all start at the first instruction.
func (w *warp) reset(all uint32) {
	k := w.blk.kernel
	copy(w.init32, k.init32)
	copy(w.init64, k.init64)
	for i := range w.initPred {
		w.initPred[i] = 0
	}
	w.stack = append(w.stack[:0], path{0, noReconvergence, all})
	w.all, w.live = all, all
	w.steps, w.fault, w.waiting = 0, nil, nil
	w.carry, w.polled = carries{}, false
	w.clock, w.floor = 1, 0
	w.known = [32]uint32{}
	w.known[w.id] = ^uint32(0)
	w.local.reset()
	w.async.reset()
	w.wgmma.reset()
}

// timeSlice is how many instructions a warp may run before another has its turn,
// so that warps that wait for each other through memory do not hang.
const timeSlice = 1 << 16

// run executes until the warp ends, waits, faults or has used its time slice.
func (w *warp) run(budget int64) status {
	code := w.blk.kernel.code
	counts := w.blk.tallies
	pause := w.steps + timeSlice
	for len(w.stack) > 0 {
		top := &w.stack[len(w.stack)-1]
		pc, rpc, mask := top.pc, top.rpc, top.mask
		if pc == rpc || mask == 0 {
			w.stack = w.stack[:len(w.stack)-1]
			continue
		}
		// The lanes of one path, until control flow changes it.
		for straight := true; straight; {
			if pc == rpc {
				break
			}
			in := &code[pc]
			w.pc = pc
			if w.steps++; w.steps > budget {
				w.fail(ErrBudget, mask, "the warp has executed %d instructions and has not ended: an endless loop, or a launch that needs a larger Budget", budget)
				return statusFault
			}
			m := mask
			if in.guard >= 0 {
				if m = w.guarded(in, mask); w.fault != nil {
					return statusFault
				}
			}
			c := &counts[pc]
			c.warp++
			c.lane += int64(bits.OnesCount32(m))
			switch in.op {
			case opPlain:
				if m != 0 {
					if in.run(w, m); w.fault != nil {
						return statusFault
					}
				}
				pc++
			default:
				w.stack[len(w.stack)-1].pc = pc + 1
				if s, stop := w.control(in, m, mask); stop {
					return s
				}
				straight = false
			}
		}
		if n := len(w.stack); n > 0 && pc == rpc {
			w.stack = w.stack[:n-1]
		}
		if w.steps > pause && len(w.stack) > 0 {
			return statusYields
		}
	}
	return statusDone
}

// guarded returns the lanes of mask whose guard predicate holds.
func (w *warp) guarded(in *instr, mask uint32) uint32 {
	if !w.ready(w.initPred[in.guard], mask) {
		return 0
	}
	p := w.pred[in.guard]
	if in.guardNot {
		p = ^p
	}
	return mask & p
}

// control executes an instruction that changes the path; the top of the stack
// already points behind it. stop reports that the warp must leave run.
func (w *warp) control(in *instr, m, mask uint32) (s status, stop bool) {
	switch in.op {
	case opBranch:
		return statusFault, !w.branch(in, m, mask)
	case opTable:
		return statusFault, !w.branchTable(in, m, mask)
	case opExit:
		w.exit(m)
	case opTrap:
		if m != 0 {
			w.fail(ErrTrap, m, "the kernel executed trap")
			return statusFault, true
		}
	case opBarrier:
		if m == 0 {
			break
		}
		if in.run(w, m); w.fault != nil {
			return statusFault, true
		}
		if w.waiting != nil {
			return statusWaits, true
		}
	case opPoll:
		w.polled = false
		if in.run(w, m); w.fault != nil {
			return statusFault, true
		}
		if w.polled {
			return statusYields, true
		}
	case opYield:
		w.blk.events++
		return statusYields, true
	}
	return statusDone, false
}

func (w *warp) branch(in *instr, taken, mask uint32) bool {
	top := &w.stack[len(w.stack)-1]
	switch {
	case in.target == exitTarget:
		if taken != 0 && taken != mask {
			w.blk.tallies[w.pc].diverged++
		}
		w.exit(taken)
		return true
	case taken == mask:
		top.pc = in.target
		return true
	case taken == 0:
		return true
	case in.uniform:
		w.fail(ErrAbsentLanes, taken, "bra.uni is taken by lanes %#08x of %#08x only", taken, mask)
		return false
	}
	w.blk.tallies[w.pc].diverged++
	w.meet(in.reconverg)
	w.push(w.pc+1, in.reconverg, mask&^taken)
	w.push(in.target, in.reconverg, taken)
	return true
}

func (w *warp) branchTable(in *instr, m, mask uint32) bool {
	if !w.ready(w.init32[in.index], m) {
		return false
	}
	groups := make([]uint32, len(in.targets))
	for l := m; l != 0; l &= l - 1 {
		lane := bits.TrailingZeros32(l)
		i := w.r32[in.index][lane]
		if i >= uint32(len(groups)) {
			w.fail(ErrBounds, 1<<lane, "brx.idx with index %d into %d targets", i, len(groups))
			return false
		}
		groups[i] |= 1 << lane
	}
	if m != mask || groups[w.r32[in.index][bits.TrailingZeros32(m)&31]] != m {
		w.blk.tallies[w.pc].diverged++
	}
	next := w.pc + 1
	w.meet(in.reconverg)
	w.push(next, in.reconverg, mask&^m)
	for i, g := range groups {
		w.push(in.targets[i], in.reconverg, g)
	}
	return true
}

// meet turns the top of the stack into the entry at which diverged lanes meet,
// or drops it when an entry below already is that one.
func (w *warp) meet(rpc int) {
	n := len(w.stack)
	if w.stack[n-1].rpc == rpc {
		w.stack = w.stack[:n-1]
		return
	}
	w.stack[n-1].pc = rpc
}

func (w *warp) push(pc, rpc int, mask uint32) {
	if mask != 0 && pc != rpc {
		w.stack = append(w.stack, path{pc, rpc, mask})
	}
}

// exit ends lanes.
func (w *warp) exit(m uint32) {
	w.live &^= m
	keep := w.stack[:0]
	for _, p := range w.stack {
		if p.mask &^= m; p.mask != 0 {
			keep = append(keep, p)
		}
	}
	w.stack = keep
}

// fail records a fault of the first lane of m, unless there is one already.
func (w *warp) fail(kind error, m uint32, format string, args ...any) {
	if w.fault != nil {
		return
	}
	in := &w.blk.kernel.code[w.pc]
	w.fault = &Fault{Kind: kind, Kernel: w.blk.kernel.Name, Line: in.line, Source: in.source, Block: w.blk.index,
		Warp: w.id, Lane: bits.TrailingZeros32(m) & 31, Detail: in.text + ": " + fmt.Sprintf(format, args...)}
}

func (w *warp) failUninitialized(m uint32) {
	if len(w.wgmma.open)+len(w.wgmma.groups) > 0 {
		w.fail(ErrAsync, m, "an operand register was never written in lanes %#08x, or is the accumulator of a wgmma whose wgmma.wait_group was not executed", m)
		return
	}
	w.fail(ErrUninitialized, m, "an operand register was never written in lanes %#08x", m)
}
