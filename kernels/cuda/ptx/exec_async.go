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
	apart     bool       // they may differ between lanes
}

// asyncCopy is one cp.async of the lanes of mask, all in the same group. The data
// is in shared memory from the issue on; as every access to a target in flight is
// a fault, nothing can tell that from the latest delivery that a card may choose.
type asyncCopy struct {
	mask   uint32
	size   int         // bytes written in shared memory: 4, 8 or 16
	taken  int         // bytes of them that come from the source; the rest are zero
	group  uint32      // number of the lanes' group
	dst    [32]int32   // shared offsets
	source *allocation // nil when nothing is taken
	src    [32]int32   // offsets in it
	line   int         // of the cp.async
}

func (c *asyncCopies) reset() {
	c.spare = append(c.spare, c.flying...)
	c.flying = c.flying[:0]
	c.committed, c.apart = [32]uint32{}, false
}

// forget drops what the spare copies hold on to.
func (c *asyncCopies) forget() {
	c.reset()
	for _, s := range c.spare {
		s.source = nil
	}
}

// addCopy notes a copy of taken bytes a lane for the lanes of m that are in the first
// one's group, and returns those.
func (w *warp) addCopy(m uint32, size, taken int, dst *[32]int32) (*asyncCopy, uint32) {
	c := &w.async
	var n *asyncCopy
	if k := len(c.spare); k > 0 {
		n, c.spare = c.spare[k-1], c.spare[:k-1]
	} else {
		n = new(asyncCopy)
	}
	c.flying = append(c.flying, n)
	n.group = c.committed[bits.TrailingZeros32(m)&31]
	if c.apart {
		for l, g := range c.committed {
			if g != n.group {
				m &^= 1 << l
			}
		}
	}
	n.mask, n.size, n.taken, n.dst = m, size, taken, *dst
	n.line = w.blk.kernel.code[w.pc].line
	return n, m
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
	if !a.dst.addresses(w, m) {
		return
	}
	for l := range w.addr { // the generic address of shared memory is as good
		w.addr[l] &= windowSize - 1
	}
	if !w.sharedOffsets(m, a.size) {
		return
	}
	w.countShared(m, a.size, true)
	dst := w.off
	if !a.markInFlight(w, m) {
		return
	}
	full, none, ok := a.sizes(w, m)
	if !ok || !a.src.addresses(w, m) || full != m && !w.aligned(m, a.size) {
		return
	}
	for rest := none; rest != 0; {
		_, part := w.addCopy(rest, a.size, 0, &dst)
		for l := part; l != 0; l &= l - 1 {
			clear(w.blk.shared[dst[bits.TrailingZeros32(l)&31]:][:a.size])
		}
		rest &^= part
	}
	for rest := full; rest != 0; {
		// The whole width must be readable unless the lane takes less.
		al, part := w.global(rest, a.size, false)
		if al == nil {
			return
		}
		c, part := w.addCopy(part, a.size, a.size, &dst)
		c.source, c.src = al, w.off
		for l := part; l != 0; l &= l - 1 {
			i := bits.TrailingZeros32(l) & 31
			if from, to := al.data[c.src[i]:], w.blk.shared[dst[i]:]; a.size == 16 {
				*(*[16]byte)(to) = [16]byte(from)
			} else {
				copy(to[:a.size], from)
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
	if i := bytes.IndexByte(al.written[o:o+n], 0); i >= 0 {
		w.fail(ErrUninitialized, 1<<lane, "byte %d at offset %d of the %s at %#x was never written", i, o, al.what, al.base)
		return
	}
	sectors := int64((w.addr[lane]+uint64(n)-1)>>5 - w.addr[lane]>>5 + 1)
	s := w.site()
	s.meet(w.blk, al)
	s.globalLoad.add(Traffic{1, int64(n), sectors, int64(n+31) / 32})
	c, _ := w.addCopy(1<<lane, a.size, n, dst)
	c.source, c.src[lane] = al, int32(o)
	to := w.blk.shared[dst[lane]:][:a.size]
	clear(to)
	copy(to[:n], al.data[o:])
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
	if a.size == 16 {
		return w.writeCells(m, inFlight)
	}
	for l := m; l != 0; l &= l - 1 {
		lane := bits.TrailingZeros32(l) & 31
		if !w.writeWords(w.blk.history(w.off[lane], a.size), lane, 15, 0, inFlight) {
			return false
		}
	}
	return true
}

// commit closes the open group of each lane.
func (w *warp) commit(m uint32) {
	w.async.apart = w.async.apart || m != w.all
	for l := range w.async.committed {
		w.async.committed[l] += m >> l & 1
	}
}

// waitGroups lets land, for the lanes of m, all but their pending latest groups.
func (w *warp) waitGroups(m uint32, pending uint32) { w.land(m, pending) }

// waitAll lets everything land, groups that were never closed included.
func (w *warp) waitAll(m uint32) { w.land(m, everything) }

const everything = ^uint32(0)

func (w *warp) land(m uint32, pending uint32) {
	keep := w.async.flying[:0]
	for _, c := range w.async.flying {
		due := c.mask & m
		if pending != everything {
			for l := due; l != 0; l &= l - 1 {
				if lane := bits.TrailingZeros32(l) & 31; c.group+pending >= w.async.committed[lane] {
					due &^= 1 << lane
				}
			}
		}
		c.land(w, due)
		if c.mask &^= due; c.mask == 0 {
			w.async.spare = append(w.async.spare, c)
		} else {
			keep = append(keep, c)
		}
	}
	w.async.flying = keep
}

// land opens the targets of the lanes of m.
func (c *asyncCopy) land(w *warp, m uint32) {
	landed := sharedWord{writeClock: w.clock, writer: uint8(w.id), wrote: 15, state: 15}
	for ; m != 0; m &= m - 1 {
		lane := bits.TrailingZeros32(m) & 31
		o := c.dst[lane]
		switch at := w.blk.shared[o:]; {
		case c.taken == 16 && *(*[16]byte)(at) == [16]byte(c.source.data[c.src[lane]:]): // the usual case, quickly
		case c.taken > 0 && !bytes.Equal(at[:c.taken], c.source.data[c.src[lane]:][:c.taken]):
			w.fail(ErrAsync, 1<<lane, "the source of the cp.async in line %d was overwritten before this wait", c.line)
			return
		}
		words := w.blk.history(o, c.size)
		for i := range words {
			words[i] = landed
		}
	}
}
