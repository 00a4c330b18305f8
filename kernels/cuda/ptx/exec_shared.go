package ptx

import "math/bits"

// sharedWord is what is known about 4 bytes of shared memory. Bytes within the
// word are bits 0 to 3 of a nibble. As long as four aligned words are accessed as
// a whole only, as tiles of matrices are, one sharedWord speaks for them, their
// cell; the first smaller access splits it.
//
// Time is counted in clocks: each warp has one, which moves on at every barrier
// that the warp takes part in, and a barrier tells its participants each other's
// clocks (warp.known). An access by warp u at its clock c happened before what
// warp w does now when w.known[u] >= c; else the two are concurrent, and a race
// when one of them writes the same bytes.
type sharedWord struct {
	writeClock uint32 // clock of the last writer
	readClock  uint32 // of the readers (the earliest, where named barriers let them differ)
	readers    uint32 // warps that read since the last write
	writer     uint8  // warp
	wrote      uint8  // bytes of the last write; atomicWrite
	read       uint8  // bytes read since
	state      uint8  // bytes ever written; inFlight; split
}

const (
	atomicWrite = 1 << 4 // in sharedWord.wrote
	inFlight    = 1 << 4 // in sharedWord.state: a cp.async to the word has not landed
	split       = 1 << 5 // in sharedWord.state of a cell: its words speak for themselves
)

// history returns the words, or the cell, that speak for size bytes at offset o.
func (b *block) history(o int32, size int) []sharedWord {
	cell := &b.cells[o>>4]
	if cell.state&split == 0 {
		if size == 16 {
			return b.cells[o>>4:][:1]
		}
		words := (*[4]sharedWord)(b.words[o>>4<<2:])
		*words = [4]sharedWord{*cell, *cell, *cell, *cell}
		cell.state = split
	}
	return b.words[o>>2:][:(size+3)/4]
}

// sharedAccess checks the access of size bytes a lane at w.addr against the
// block's shared memory, and fills w.off.
func (w *warp) sharedAccess(m uint32, size int, write bool) bool {
	if !w.sharedOffsets(m, size) {
		return false
	}
	w.countShared(m, size, write)
	switch {
	case size == 16 && write:
		return w.writeCells(m, 0)
	case size == 16:
		return w.readCells(m)
	}
	need := uint8(15)
	for l := m; l != 0; l &= l - 1 {
		lane := bits.TrailingZeros32(l) & 31
		o := w.off[lane]
		if size < 4 {
			need = uint8(1<<size-1) << (o & 3)
		}
		words := w.blk.history(o, size)
		if write && !w.writeWords(words, lane, need, 0, 0) || !write && !w.readWords(words, lane, need) {
			return false
		}
	}
	return true
}

// readCells checks and notes a read of 16 bytes at w.off by each lane.
func (w *warp) readCells(m uint32) bool {
	me := uint32(1) << (w.id & 31)
	for l := m; l != 0; l &= l - 1 {
		lane := bits.TrailingZeros32(l) & 31
		o := w.off[lane]
		s := &w.blk.cells[o>>4]
		if s.state != 15 || s.writeClock > w.floor || s.readClock != w.clock {
			if !w.readWords(w.blk.history(o, 16), lane, 15) {
				return false
			}
			continue
		}
		s.readers |= me
		s.read = 15
	}
	return true
}

// writeCells checks and notes a write of 16 bytes at w.off by each lane; flight is
// inFlight for the targets of a cp.async, else 0.
func (w *warp) writeCells(m uint32, flight uint8) bool {
	whole := sharedWord{writeClock: w.clock, writer: uint8(w.id), wrote: 15, state: 15 | flight}
	for l := m; l != 0; l &= l - 1 {
		lane := bits.TrailingZeros32(l) & 31
		o := w.off[lane]
		s := &w.blk.cells[o>>4]
		if s.state&(split|inFlight) == 0 && max(s.writeClock, s.readClock) <= w.floor {
			*s = whole
			continue
		}
		words := w.blk.history(o, 16)
		if !w.writeWords(words, lane, 15, 0, flight) {
			return false
		}
		if len(words) == 4 { // all alike again
			*s = words[0]
		}
	}
	return true
}

// sharedOffsets checks bounds and alignment and fills w.off.
func (w *warp) sharedOffsets(m uint32, size int) bool {
	room := uint64(len(w.blk.shared))
	if or, most := vec.offsets(&w.off, &w.addr, 0); m == fullMask && or&uint64(size-1) == 0 && or < 1<<31 && uint64(most)+uint64(size) <= room {
		return true
	}
	if !w.aligned(m, size) {
		return false
	}
	for l, a := range &w.addr {
		if m>>l&1 == 1 && (a >= room || a+uint64(size) > room) {
			w.fail(ErrBounds, 1<<l, "%d bytes at shared offset %d of %d", size, int64(a), room)
			return false
		}
	}
	return true
}

// countShared counts the access at w.off.
func (w *warp) countShared(m uint32, size int, write bool) {
	s := w.site()
	if p := &s.shared; !p.matches(m, &w.off) {
		passes, ideal := w.bankPasses(m, size)
		p.note(m, &w.off, Traffic{1, int64(size * bits.OnesCount32(m)), passes, ideal})
	}
	if write {
		s.sharedStore.add(s.shared.traffic)
	} else {
		s.sharedLoad.add(s.shared.traffic)
	}
}

// wordAt returns the offset of word i of a lane's access.
func (w *warp) wordAt(lane, i int) int { return int(w.off[lane])&^3 + 4*i }

// readWords checks and notes a read of the bytes in need of each word. What lies
// below w.floor is ordered before everything that the warp does now: most accesses
// need no more than that.
func (w *warp) readWords(words []sharedWord, lane int, need uint8) bool {
	me := uint32(1) << (w.id & 31)
	for i := range words {
		s := &words[i]
		if s.state&(need|inFlight) != need || s.writeClock > w.floor || s.readClock > w.floor && s.readClock != w.clock {
			if !w.readWord(s, lane, i, need) {
				return false
			}
			continue
		}
		if s.readClock != w.clock {
			s.readers, s.readClock, s.read = 0, w.clock, 0
		}
		s.readers |= me
		s.read |= need
	}
	return true
}

// writeWords checks and notes a write of the bytes in need of each word. atomic is
// atomicWrite or 0; flight is inFlight for the targets of a cp.async, else 0.
func (w *warp) writeWords(words []sharedWord, lane int, need, atomic, flight uint8) bool {
	whole := sharedWord{writeClock: w.clock, writer: uint8(w.id), wrote: need | atomic, state: need | flight}
	for i := range words {
		s := &words[i]
		if s.state&inFlight != 0 || max(s.writeClock, s.readClock) > w.floor {
			if !w.writeWord(s, lane, i, need, atomic, flight) {
				return false
			}
			continue
		}
		state := s.state
		*s = whole
		s.state |= state
	}
	return true
}

// readWord is readWords of word i of an access that needs a closer look.
func (w *warp) readWord(s *sharedWord, lane, i int, need uint8) bool {
	if s.state&(need|inFlight) != need {
		w.failState(s, lane, i, need)
		return false
	}
	if w.known[s.writer&31] < s.writeClock && s.wrote&need != 0 {
		w.fail(ErrRace, 1<<lane, "reads the word at shared offset %d that warp %d wrote with no barrier between", w.wordAt(lane, i), s.writer)
		return false
	}
	w.noteRead(s, need)
	return true
}

func (w *warp) noteRead(s *sharedWord, need uint8) {
	if s.readClock != w.clock {
		if older := w.unordered(s.readers, s.readClock); older == 0 {
			s.readers, s.readClock, s.read = 0, w.clock, 0
		} else {
			s.readers, s.readClock = older, min(s.readClock, w.clock)
		}
	}
	s.readers |= 1 << w.id
	s.read |= need
}

// writeWord is writeWords of word i of an access that needs a closer look.
func (w *warp) writeWord(s *sharedWord, lane, i int, need, atomic, flight uint8) bool {
	if s.state&inFlight != 0 {
		w.failState(s, lane, i, need)
		return false
	}
	if w.known[s.writer&31] < s.writeClock && s.wrote&need != 0 && s.wrote&atomic == 0 {
		w.fail(ErrRace, 1<<lane, "writes the word at shared offset %d that warp %d wrote with no barrier between", w.wordAt(lane, i), s.writer)
		return false
	}
	if others := s.readers &^ (1 << w.id); others != 0 && s.read&need != 0 {
		if r := w.unordered(others, s.readClock); r != 0 {
			w.fail(ErrRace, 1<<lane, "writes the word at shared offset %d that warp %d read with no barrier between", w.wordAt(lane, i), bits.TrailingZeros32(r))
			return false
		}
	}
	if int(s.writer) != w.id || s.writeClock != w.clock || s.wrote&atomicWrite != atomic {
		s.wrote = atomic
	}
	s.writer, s.writeClock = uint8(w.id), w.clock
	s.wrote |= need
	s.state |= need | flight
	s.readers, s.readClock, s.read = 0, 0, 0
	return true
}

// unordered returns those of the warps whose clock at the time this one does not know of.
func (w *warp) unordered(warps, clock uint32) uint32 {
	var out uint32
	for r := warps; r != 0; r &= r - 1 {
		if u := bits.TrailingZeros32(r); w.known[u&31] < clock {
			out |= 1 << u
		}
	}
	return out
}

func (w *warp) failState(s *sharedWord, lane, i int, need uint8) {
	if s.state&inFlight != 0 {
		w.fail(ErrAsync, 1<<lane, "the word at shared offset %d is the target of a cp.async whose wait was not executed", w.wordAt(lane, i))
		return
	}
	w.fail(ErrUninitialized, 1<<lane, "the word at shared offset %d was never written (bytes %#x of %#x are missing)", w.wordAt(lane, i), need&^s.state, need)
}

// bankPasses returns how many passes over the 32 banks of 4 bytes an access at
// w.off takes, and how many it would take without conflicts. Accesses of 8 bytes
// go in two halves of the warp, those of 16 bytes in four quarters. Offsets are
// aligned, so the banks of a wide access always go together, as one wide bank.
func (w *warp) bankPasses(m uint32, size int) (passes, ideal int64) {
	words := max(size/4, 1)
	lanes := 32 / words
	shift := bits.TrailingZeros(uint(4 * words))
	for first := 0; first < 32; first += lanes {
		phase := m >> first << (32 - lanes) >> (32 - lanes) << first
		if phase == 0 {
			continue
		}
		var seen uint32
		for l := phase; l != 0; l &= l - 1 {
			seen |= 1 << (w.off[bits.TrailingZeros32(l)&31] >> shift & int32(lanes-1) & 31)
		}
		ideal++
		passes++
		if bits.OnesCount32(seen) < bits.OnesCount32(phase) { // two lanes in one bank, perhaps at one address
			passes += w.clashes(phase, shift, int32(lanes-1))
		}
	}
	return passes, ideal
}

// clashes returns the passes beyond the first: the most distinct addresses in one
// bank, less one.
func (w *warp) clashes(phase uint32, shift int, banks int32) int64 {
	var units [32]int32
	var count [32]int64
	n, most := 0, int64(1)
next:
	for l := phase; l != 0; l &= l - 1 {
		unit := w.off[bits.TrailingZeros32(l)&31] >> shift
		for _, u := range units[:n] {
			if u == unit {
				continue next
			}
		}
		units[n] = unit
		n++
		b := unit & banks & 31
		count[b]++
		most = max(most, count[b])
	}
	return most - 1
}
