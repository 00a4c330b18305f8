package ptx

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// mbarrier is a barrier object in shared memory (sm_90): a phase ends when all
// expected arrivals have come and all announced bytes have been copied. Like a
// barrier of the block it hands on what the arrived warps know of each other's
// clocks, and that orders their accesses.
type mbarrier struct {
	count   int64 // arrivals of a phase
	pending int64 // of them, still to come
	bytes   int64 // announced and not yet copied
	phase   uint64
	told    [32]uint32 // clocks known to those that arrived
	done    [32]uint32 // as it was when the latest phase ended
	flying  []bulkCopy // whose bytes the current phase counts
	due     []bulkCopy // of ended phases that nobody has waited for
}

// mbarrierUse is what an instruction does with an mbarrier.
type mbarrierUse uint8

const (
	mbarrierInit mbarrierUse = iota
	mbarrierInval
	mbarrierArrive
	mbarrierExpect // announces bytes without an arrival
	mbarrierArriveExpect
	mbarrierWait       // for the phase of a state
	mbarrierWaitParity // for the phase of a parity
)

// mbarrierOp is a decoded mbarrier instruction.
type mbarrierOp struct {
	use  mbarrierUse
	at   access
	d    int // slot of the state, or predicate slot of a wait; -1: not wanted
	n    int // slot of the count, the bytes, the parity or the state; -1: 1
	wide bool
}

func (o *mbarrierOp) execute(w *warp, m uint32) {
	if !o.ready(w, m) || !o.at.addresses(w, m) {
		return
	}
	for l := range w.addr { // the generic address of shared memory is as good
		w.addr[l] &= windowSize - 1
	}
	if !w.sharedOffsets(m, 8) {
		return
	}
	var passed uint32
	for l := m; l != 0 && w.fault == nil; l &= l - 1 {
		lane := bits.TrailingZeros32(l) & 31
		at := w.off[lane]
		words := w.blk.history(at, 8)
		if o.use == mbarrierInit || o.use == mbarrierInval {
			if w.writeWords(words, lane, 15, 0, 0) {
				o.make(w, at, lane)
			}
			continue
		}
		b := w.blk.mbarriers[at]
		if !w.readWords(words, lane, 15) {
			return
		}
		if b == nil {
			w.fail(ErrBarrier, 1<<lane, "no mbarrier was initialised at shared offset %d", at)
			return
		}
		if o.use >= mbarrierWait {
			if b.ended(o.use, o.value(w, lane)) {
				passed |= 1 << lane
				w.learn(&b.done)
				b.land(w.blk)
			} else {
				w.polled = true
			}
			continue
		}
		o.arrive(w, b, lane)
	}
	if o.use >= mbarrierWait && w.fault == nil {
		w.setPredicate(o.d, passed, m)
	}
}

// ready checks the operands other than the address.
func (o *mbarrierOp) ready(w *warp, m uint32) bool {
	switch {
	case o.n < 0:
		return true
	case o.wide:
		return w.ready(w.init64[o.n], m)
	}
	return w.ready(w.init32[o.n], m)
}

func (o *mbarrierOp) value(w *warp, lane int) uint64 {
	switch {
	case o.n < 0:
		return 1
	case o.wide:
		return w.r64[o.n][lane]
	}
	return uint64(w.r32[o.n][lane])
}

// make initialises or invalidates the mbarrier at an offset.
func (o *mbarrierOp) make(w *warp, at int32, lane int) {
	n := int64(o.value(w, lane))
	switch {
	case o.use == mbarrierInval:
		delete(w.blk.mbarriers, at)
		return
	case n < 1 || n > 1<<20-1:
		w.fail(ErrBarrier, 1<<lane, "mbarrier for %d arrivals", n)
		return
	}
	if w.blk.mbarriers == nil {
		w.blk.mbarriers = map[int32]*mbarrier{}
	}
	w.blk.mbarriers[at] = &mbarrier{count: n, pending: n}
}

func (o *mbarrierOp) arrive(w *warp, b *mbarrier, lane int) {
	n := int64(o.value(w, lane))
	if o.d >= 0 {
		w.r64[o.d][lane] = b.phase
		w.init64[o.d] |= 1 << lane
	}
	if o.use != mbarrierArrive {
		b.bytes += n
		n = 1
	}
	if o.use == mbarrierExpect {
		return
	}
	if b.pending -= n; b.pending < 0 {
		w.fail(ErrBarrier, 1<<lane, "%d arrivals more than the mbarrier's %d", -b.pending, b.count)
		return
	}
	w.tell(&b.told)
	b.advance(w.blk)
}

// tell hands on what the warp knows, and begins a new clock for what it does next.
func (w *warp) tell(told *[32]uint32) {
	for u, c := range w.known {
		if u != w.id {
			told[u] = max(told[u], c)
		}
	}
	told[w.id] = w.clock
	w.blk.clock++
	w.clock = w.blk.clock
}

// learn takes up what others have told.
func (w *warp) learn(told *[32]uint32) {
	for u, c := range told {
		w.known[u] = max(w.known[u], c)
	}
	w.floor = slices.Min(w.known[:len(w.blk.warps)])
}

// advance ends the phase if nothing is outstanding.
func (b *mbarrier) advance(blk *block) {
	if b.pending > 0 || b.bytes != 0 {
		return
	}
	b.phase++
	b.pending, b.done = b.count, b.told
	b.due = append(b.due, b.flying...)
	b.flying = b.flying[:0]
	blk.events++
}

// land opens what the copies of ended phases have filled: at a wait, as late as a
// card may do it.
func (b *mbarrier) land(blk *block) {
	for i := range b.due {
		b.due[i].land(blk)
	}
	b.due = b.due[:0]
}

// ended reports whether the phase that a wait names has ended.
func (b *mbarrier) ended(use mbarrierUse, n uint64) bool {
	if use == mbarrierWaitParity {
		return b.phase&1 != n&1
	}
	return b.phase > n
}

// elect is elect.sync: the first lane of the mask is chosen.
func elect(d, p, mask int) exec {
	return func(w *warp, m uint32) {
		if !w.members(mask, m) {
			return
		}
		leader := uint32(bits.TrailingZeros32(m) & 31)
		t := w.target32(d, m)
		for l := range t {
			t[l] = leader
		}
		w.finish32(d, m)
		w.setPredicate(p, 1<<leader, m)
	}
}

// outstanding says what the block's mbarriers wait for.
func (b *block) outstanding() string {
	var list []string
	for at, m := range b.mbarriers {
		if m.pending < m.count || m.bytes != 0 {
			list = append(list, fmt.Sprintf("the mbarrier at shared offset %d lacks %d of %d arrivals and %d bytes", at, m.pending, m.count, m.bytes))
		}
	}
	if len(list) == 0 {
		return "nothing has arrived at any mbarrier"
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}
