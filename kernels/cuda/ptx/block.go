package ptx

import (
	"fmt"
	"math/bits"
	"strings"
)

// block is one thread block at work. A worker uses it again for block after block.
type block struct {
	kernel      *Kernel
	memory      *Memory
	allocations []*allocation // when the kernel was launched
	sites       []site        // one for each memory instruction
	args        []byte
	grid, dim   [3]int
	index       [3]int // ctaid
	shared      []byte
	cells       []sharedWord // of each 16 bytes of shared
	words       []sharedWord // of each 4 bytes, where a cell is split
	warps       []*warp
	barriers    [16]barrier
	mbarriers   map[int32]*mbarrier // by shared offset
	events      int64               // phases of barriers that ended
	clock       uint32              // the latest that any warp has; see sharedWord
	tallies     []tally
	moved       map[*allocation]*moved // what sites have moved; see footprint
	matrices    matrices
	tiles       wgmmaTiles
}

// barrier is one of the sixteen named barriers of a block.
type barrier struct {
	expected int // threads; 0: nobody has arrived
	arrived  int
	waiting  []*warp
	told     [32]uint32 // what the arrived warps know of each other's clocks
	count    int        // bar.red: lanes whose predicate holds
	all      bool
}

// barrierOp is a decoded bar.sync, bar.arrive or bar.red.
type barrierOp struct {
	id, threads int // slots; threads -1: the whole block
	arrive      bool
	reduce      string // popc, and, or; empty: none
	p           int    // predicate slot of bar.red
	not         bool
	d           int // result: slot of a register, or of a predicate
}

// block returns a block for the launch: one that ran before, if its size fits.
func (k *Kernel) block(mem *Memory, l *Launch, symbols map[string]uint64) *block {
	b, _ := k.idle.Get().(*block)
	if b == nil || b.dim != l.Block || len(b.shared) != k.SharedBytes+l.SharedBytes {
		b = newBlock(k, l)
	}
	fresh := b.grid != l.Grid
	b.memory, b.allocations, b.args, b.grid = mem, *mem.live.Load(), l.Args, l.Grid
	for _, w := range b.warps {
		if fresh {
			k.fillSpecials(w, l)
		}
		k.fillSymbols(w, symbols)
	}
	return b
}

// giveBack keeps the block for the next launch; what this one counted is lost.
func (k *Kernel) giveBack(b *block) {
	b.memory, b.allocations, b.args = nil, nil, nil
	clear(b.tallies)
	for i := range b.sites {
		s := &b.sites[i]
		s.seen, s.traffic, s.settled = nil, traffic{}, moved{}
	}
	clear(b.moved)
	for _, w := range b.warps {
		w.async.forget()
	}
	k.idle.Put(b)
}

func newBlock(k *Kernel, l *Launch) *block {
	threads := l.Block[0] * l.Block[1] * l.Block[2]
	size := k.SharedBytes + l.SharedBytes
	b := &block{kernel: k, sites: make([]site, k.sites), dim: l.Block, shared: make([]byte, size),
		cells: make([]sharedWord, (size+15)/16), words: make([]sharedWord, (size+15)/16*4), tallies: make([]tally, len(k.code)),
		moved: map[*allocation]*moved{}}
	for id := 0; id < (threads+31)/32; id++ {
		w := &warp{blk: b, id: id, r32: make([]v32, len(k.init32)), init32: make([]uint32, len(k.init32)),
			r64: make([]v64, len(k.init64)), init64: make([]uint32, len(k.init64)),
			pred: make([]uint32, k.predicates), initPred: make([]uint32, k.predicates),
			local: newLocalMemory(k.LocalBytes)}
		k.fillConstants(w)
		b.warps = append(b.warps, w)
	}
	return b
}

// run executes the block with the given index to its end, or to its first fault.
func (b *block) run(index [3]int, budget int64) *Fault {
	b.index = index
	clear(b.cells)
	b.clock = 1
	clear(b.mbarriers)
	for i := range b.barriers {
		b.barriers[i] = barrier{waiting: b.barriers[i].waiting[:0]}
	}
	threads := b.dim[0] * b.dim[1] * b.dim[2]
	for _, w := range b.warps {
		all := fullMask
		if n := threads - 32*w.id; n < 32 {
			all = 1<<n - 1
		}
		w.reset(all)
		b.kernel.blockSpecials(w)
	}
	for idle := 0; ; idle++ {
		ran, events := false, b.events
		for _, w := range b.warps {
			if w.waiting != nil || len(w.stack) == 0 {
				continue
			}
			ran = true
			if w.run(budget) == statusFault {
				return w.fault
			}
			if !w.polled {
				idle = 0
			}
		}
		if !ran {
			return b.deadlock()
		}
		if b.events != events {
			idle = 0
		}
		if idle == patience {
			return b.starved()
		}
	}
}

// patience is how many rounds of vain waits on mbarriers a block may take.
const patience = 100

// starved returns the fault of a block whose warps all wait for mbarriers in vain.
func (b *block) starved() *Fault {
	for _, w := range b.warps {
		if w.polled && len(w.stack) > 0 {
			w.fail(ErrBarrier, w.live, "the phase does not end: %s", b.outstanding())
			return w.fault
		}
	}
	return nil
}

// deadlock returns nil when all warps have ended, else a fault that tells who waits.
func (b *block) deadlock() *Fault {
	var first *warp
	var ended, waits []string
	for _, w := range b.warps {
		if w.waiting == nil {
			ended = append(ended, fmt.Sprint(w.id))
			continue
		}
		if first == nil {
			first = w
		}
		waits = append(waits, fmt.Sprintf("%d in line %d", w.id, b.kernel.code[w.pc].line))
	}
	if first == nil {
		return nil
	}
	bar := first.waiting
	first.fail(ErrBarrier, first.live, "%d of %d threads arrived and nobody is left to arrive; waiting warps: %s; ended warps: %s",
		bar.arrived, bar.expected, strings.Join(waits, ", "), strings.Join(ended, ", "))
	return first.fault
}

// execute lets the warp arrive, and wait unless it is the last one.
func (o *barrierOp) execute(w *warp, m uint32) {
	if m != w.all {
		if m == w.live {
			w.fail(ErrBarrier, w.all&^m, "lanes %#08x have exited before the barrier", w.all&^m)
		} else {
			w.fail(ErrBarrier, w.live&^m, "lanes %#08x are elsewhere: the barrier stands in diverged code", w.live&^m)
		}
		return
	}
	id, ok := w.uniform(o.id, m)
	if !ok {
		return
	}
	if id >= 16 {
		w.fail(ErrBarrier, m, "barrier %d of 16", id)
		return
	}
	expected := 32 * len(w.blk.warps)
	if o.threads >= 0 {
		n, ok := w.uniform(o.threads, m)
		if !ok {
			return
		}
		if expected = int(n); n == 0 || n%32 != 0 || expected > 32*len(w.blk.warps) {
			w.fail(ErrBarrier, m, "barrier for %d threads in a block of %d warps", n, len(w.blk.warps))
			return
		}
	}
	bar := &w.blk.barriers[id]
	if bar.arrived == 0 {
		bar.expected, bar.all = expected, true
	} else if bar.expected != expected {
		w.fail(ErrBarrier, m, "barrier %d is for %d threads here, for %d where others wait", id, expected, bar.expected)
		return
	}
	if o.reduce != "" && !o.contribute(w, bar, m) {
		return
	}
	bar.arrived += 32
	if w.tell(&bar.told); !o.arrive {
		w.waiting = bar
		bar.waiting = append(bar.waiting, w)
	}
	if bar.arrived >= bar.expected {
		w.blk.release(bar)
	}
}

// release lets the waiting warps go on; each now knows what all had known.
func (b *block) release(bar *barrier) {
	b.clock++
	b.events++
	for _, w := range bar.waiting {
		w.learn(&bar.told)
		w.clock = b.clock
		w.waiting = nil
		if o := b.kernel.code[w.pc].barrier; o.reduce != "" {
			o.deliver(w, bar)
		}
	}
	*bar = barrier{waiting: bar.waiting[:0]}
}

func (o *barrierOp) contribute(w *warp, bar *barrier, m uint32) bool {
	if !w.ready(w.initPred[o.p], m) {
		return false
	}
	p := w.pred[o.p]
	if o.not {
		p = ^p
	}
	bar.count += bits.OnesCount32(p & m)
	bar.all = bar.all && p&m == m
	return true
}

func (o *barrierOp) deliver(w *warp, bar *barrier) {
	switch o.reduce {
	case "popc":
		t := w.target32(o.d, w.all)
		for l := range t {
			t[l] = uint32(bar.count)
		}
		w.finish32(o.d, w.all)
	case "and":
		w.setPredicate(o.d, -bit(bar.all), w.all)
	case "or":
		w.setPredicate(o.d, -bit(bar.count > 0), w.all)
	}
}

// uniform returns the value of a register that must be equal in all active lanes.
func (w *warp) uniform(slot int, m uint32) (uint32, bool) {
	if !w.ready(w.init32[slot], m) {
		return 0, false
	}
	v := w.r32[slot][bits.TrailingZeros32(m)&31]
	for l := m; l != 0; l &= l - 1 {
		if i := bits.TrailingZeros32(l) & 31; w.r32[slot][i] != v {
			w.fail(ErrBarrier, 1<<i, "the barrier's operand differs between lanes: %d and %d", v, w.r32[slot][i])
			return 0, false
		}
	}
	return v, true
}
