package ptx

import (
	"bytes"
	"math/bits"
)

// asyncCopies are the cp.async of a warp that have not landed.
type asyncCopies struct {
	flying    []*asyncCopy
	spare     []*asyncCopy
	committed [32]uint32 // groups that each lane has closed
}

// asyncCopy is one cp.async of the lanes of mask. The data is taken at the issue
// and reaches shared memory at the wait, as late as a card may deliver it.
type asyncCopy struct {
	mask   uint32
	size   int          // bytes written in shared memory: 4, 8 or 16
	taken  [32]int32    // bytes of them that come from the source; the rest are zero
	dst    [32]int32    // shared offsets
	group  [32]uint32   // number of the lane's group
	source *allocation  // nil when nothing is taken
	src    [32]int32    // offsets in it
	data   [32][16]byte // as it was at the issue
	line   int          // of the cp.async
}

func (c *asyncCopies) reset() {
	c.spare = append(c.spare, c.flying...)
	c.flying = c.flying[:0]
	c.committed = [32]uint32{}
}

func (c *asyncCopies) add() *asyncCopy {
	var n *asyncCopy
	if k := len(c.spare); k > 0 {
		n, c.spare = c.spare[k-1], c.spare[:k-1]
	} else {
		n = new(asyncCopy)
	}
	c.flying = append(c.flying, n)
	return n
}

// asyncAccess is a decoded cp.async.
type asyncAccess struct {
	dst, src access
	size     int
	srcSize  int // slot of the bytes to take, or -1
	ignore   int // predicate slot: take nothing where it holds; -1: none
	not      bool
}

func (a *asyncAccess) execute(w *warp, m uint32) {
	if !a.dst.addresses(w, m) || !w.aligned(m, a.size) {
		return
	}
	for l := range w.addr { // the generic address of shared memory is as good
		w.addr[l] &= windowSize - 1
	}
	if !w.sharedOffsets(m, a.size) {
		return
	}
	units, ideal := w.bankPasses(m, a.size)
	w.countShared(true, Traffic{1, int64(a.size * bits.OnesCount32(m)), units, ideal})
	dst := w.off
	if !a.markInFlight(w, m) {
		return
	}
	full, none, ok := a.sizes(w, m)
	if !ok || !a.src.addresses(w, m) || !w.aligned(m, a.size) {
		return
	}
	if none != 0 {
		c := w.async.add()
		c.fill(w, none, a.size, &dst)
		c.source, c.data = nil, [32][16]byte{}
	}
	for rest := full; rest != 0; {
		// The whole width must be readable unless the lane takes less.
		al, part := w.global(rest, a.size, false)
		if al == nil {
			return
		}
		c := w.async.add()
		c.fill(w, part, a.size, &dst)
		c.source, c.src = al, w.off
		for l := part; l != 0; l &= l - 1 {
			i := bits.TrailingZeros32(l) & 31
			c.taken[i] = int32(a.size)
			if from := al.data[c.src[i]:]; a.size == 16 {
				c.data[i] = [16]byte(from)
			} else {
				copy(c.data[i][:a.size], from)
			}
		}
		rest &^= part
	}
	for l := m &^ full &^ none; l != 0 && w.fault == nil; l &= l - 1 {
		a.partial(w, bits.TrailingZeros32(l)&31, &dst)
	}
}

// partial issues the copy of a lane that takes some bytes and zero-fills the rest.
func (a *asyncAccess) partial(w *warp, lane int, dst *[32]int32) {
	n := int(w.r32[a.srcSize][lane])
	al := find(w.blk.allocations, w.addr[lane])
	if al == nil || w.addr[lane]+uint64(n) > al.end() {
		w.failAddress(lane, n)
		return
	}
	o := int(w.addr[lane] - al.base)
	for i := 0; i < n; i++ {
		if al.written[o+i] == 0 {
			w.fail(ErrUninitialized, 1<<lane, "byte %d at offset %d of the %s at %#x was never written", i, o, al.what, al.base)
			return
		}
	}
	sectors := int64((w.addr[lane]+uint64(n)-1)>>5 - w.addr[lane]>>5 + 1)
	w.countGlobal(al, false, Traffic{1, int64(n), sectors, int64(n+31) / 32})
	c := w.async.add()
	c.fill(w, 1<<lane, a.size, dst)
	c.source, c.src[lane], c.taken[lane], c.data[lane] = al, int32(o), int32(n), [16]byte{}
	copy(c.data[lane][:n], al.data[o:])
}

// sizes splits the lanes: those that take the whole width, and those that take nothing.
func (a *asyncAccess) sizes(w *warp, m uint32) (full, none uint32, ok bool) {
	full = m
	if a.ignore >= 0 {
		if !w.ready(w.initPred[a.ignore], m) {
			return 0, 0, false
		}
		p := w.pred[a.ignore]
		if a.not {
			p = ^p
		}
		return m &^ p, m & p, true
	}
	if a.srcSize < 0 {
		return full, 0, true
	}
	if !w.ready(w.init32[a.srcSize], m) {
		return 0, 0, false
	}
	for l := m; l != 0; l &= l - 1 {
		i := bits.TrailingZeros32(l) & 31
		switch n := w.r32[a.srcSize][i]; {
		case n == 0:
			none |= 1 << i
			full &^= 1 << i
		case n > uint32(a.size):
			w.fail(ErrBounds, 1<<i, "src-size %d is larger than cp-size %d", n, a.size)
			return 0, 0, false
		case n < uint32(a.size):
			full &^= 1 << i
		}
	}
	return full, none, true
}

// markInFlight notes the targets; nothing may touch them before the wait.
func (a *asyncAccess) markInFlight(w *warp, m uint32) bool {
	for l := m; l != 0; l &= l - 1 {
		lane := bits.TrailingZeros32(l) & 31
		first := w.off[lane] >> 2
		words := w.blk.words[first:][:a.size/4]
		if !w.writeWords(words, lane, first, 15, 0, inFlight) {
			return false
		}
	}
	return true
}

func (c *asyncCopy) fill(w *warp, m uint32, size int, dst *[32]int32) {
	c.mask, c.size, c.dst = m, size, *dst
	c.group = w.async.committed
	c.taken = [32]int32{}
	c.line = w.blk.kernel.code[w.pc].line
}

// commit closes the open group of each lane.
func (w *warp) commit(m uint32) {
	for l := range w.async.committed {
		w.async.committed[l] += m >> l & 1
	}
}

// waitGroups lets land, for the lanes of m, all but their pending latest groups.
func (w *warp) waitGroups(m uint32, pending uint32) {
	w.land(m, pending)
}

// waitAll lets everything land, groups that were never closed included.
func (w *warp) waitAll(m uint32) {
	w.land(m, everything)
}

const everything = ^uint32(0)

func (w *warp) land(m uint32, pending uint32) {
	keep := w.async.flying[:0]
	word := sharedWord{writeClock: w.clock, writer: uint8(w.id), wrote: 15, state: 15} // what the copy leaves
	for _, c := range w.async.flying {
		for l := c.mask & m; l != 0; l &= l - 1 {
			lane := bits.TrailingZeros32(l) & 31
			if pending == everything || c.group[lane]+pending < w.async.committed[lane] {
				c.landLane(w, lane, word)
				c.mask &^= 1 << lane
			}
		}
		if c.mask == 0 {
			w.async.spare = append(w.async.spare, c)
		} else {
			keep = append(keep, c)
		}
	}
	w.async.flying = keep
}

func (c *asyncCopy) landLane(w *warp, lane int, word sharedWord) {
	n, o := int(c.taken[lane]), c.dst[lane]
	data := &c.data[lane]
	if n == 16 && *data == [16]byte(c.source.data[c.src[lane]:]) { // the usual case, quickly
		*(*[16]byte)(w.blk.shared[o:]) = *data
		words := (*[4]sharedWord)(w.blk.words[o>>2:])
		words[0], words[1], words[2], words[3] = word, word, word, word
		return
	}
	if n > 0 && !bytes.Equal(data[:n], c.source.data[c.src[lane]:int(c.src[lane])+n]) {
		w.fail(ErrAsync, 1<<lane, "the source of the cp.async in line %d was overwritten before this wait", c.line)
		return
	}
	copy(w.blk.shared[o:int(o)+c.size], data[:c.size])
	words := w.blk.words[o>>2:][:c.size/4]
	for i := range words {
		words[i] = word
	}
}
