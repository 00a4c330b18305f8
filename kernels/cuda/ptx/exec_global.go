package ptx

import (
	"encoding/binary"
	"math/bits"
)

// ones marks bytes as written; no access of a warp is longer.
var ones = func() (p [512]byte) {
	setBytes(p[:], 1)
	return p
}()

// allWritten reports whether every byte of p is 1; p has 1, 2, 4, 8 or a multiple of 8 bytes.
func allWritten(p []byte) bool {
	const eight = 0x0101010101010101
	switch len(p) {
	case 1:
		return p[0] == 1
	case 2:
		return binary.LittleEndian.Uint16(p) == eight&0xffff
	case 4:
		return binary.LittleEndian.Uint32(p) == eight&0xffffffff
	}
	and := uint64(eight)
	for ; len(p) >= 8; p = p[8:] {
		and &= binary.LittleEndian.Uint64(p)
	}
	return and == eight
}

// global checks the access of size bytes a lane at w.addr against device memory
// and fills w.off. It serves the lanes that share the first lane's allocation and
// returns both, or nil after a fault.
func (w *warp) global(m uint32, size int, write bool) (*allocation, uint32) {
	first := bits.TrailingZeros32(m) & 31
	lead := w.addr[first]
	al := w.blk.seen[w.pc]
	if al == nil || lead-al.base >= uint64(len(al.data)) {
		if al = find(w.blk.allocations, lead); al == nil {
			w.failAddress(first, size)
			return nil, 0
		}
		w.blk.seen[w.pc] = al
	}
	part := m
	room, base := int64(len(al.data)-size), al.base
	dense := m == fullMask
	for l, a := range &w.addr {
		o := int64(a - base)
		if uint64(o) > uint64(room) && m>>l&1 == 1 || room < 0 {
			if find(w.blk.allocations, a) == al || room < 0 {
				w.failAddress(l, size)
				return nil, 0
			}
			part &^= 1 << l
		}
		dense = dense && a == lead+uint64(l*size)
		w.off[l] = int32(o)
	}
	if write && al.readOnly {
		w.fail(ErrReadOnly, part, "store to %s", al.what)
		return nil, 0
	}
	if dense && part == fullMask {
		o := int(w.off[0])
		if written := al.written[o : o+32*size]; write {
			copy(written, ones[:])
		} else if !allWritten(written) {
			w.failUnwritten(al, part, size)
			return nil, 0
		}
		sectors := int64((lead+uint64(32*size)-1)>>5 - lead>>5 + 1)
		w.countGlobal(al, write, Traffic{1, int64(32 * size), sectors, int64(size)})
		return al, part
	}
	if write {
		for l := part; l != 0; l &= l - 1 {
			o := w.off[bits.TrailingZeros32(l)&31]
			copy(al.written[o:int(o)+size], ones[:])
		}
	} else if !w.lanesWritten(al, part, size) {
		w.failUnwritten(al, part, size)
		return nil, 0
	}
	sectors, ideal := w.sectors(part, size)
	w.countGlobal(al, write, Traffic{1, int64(size * bits.OnesCount32(part)), sectors, ideal})
	return al, part
}

// lanesWritten reports whether something wrote every byte that the lanes read.
func (w *warp) lanesWritten(al *allocation, m uint32, size int) bool {
	if size == 16 {
		and := ^uint64(0)
		for l := m; l != 0; l &= l - 1 {
			p := (*[16]byte)(al.written[w.off[bits.TrailingZeros32(l)&31]:])
			and &= binary.LittleEndian.Uint64(p[:8]) & binary.LittleEndian.Uint64(p[8:])
		}
		return and == 0x0101010101010101
	}
	for l := m; l != 0; l &= l - 1 {
		o := w.off[bits.TrailingZeros32(l)&31]
		if !allWritten(al.written[o : int(o)+size]) {
			return false
		}
	}
	return true
}

func (w *warp) countGlobal(al *allocation, write bool, t Traffic) {
	w.blk.touched[w.pc].count(w.blk, al, write, t.Units)
	c := &w.blk.tallies[w.pc]
	if write {
		c.globalStore.add(t)
	} else {
		c.globalLoad.add(t)
	}
}

// sectors counts the sectors of 32 bytes that the lanes touch, and how few the
// same distinct bytes could fill.
func (w *warp) sectors(m uint32, size int) (touched, ideal int64) {
	var id [32]uint64
	var used [32]uint32
	n := 0
	lane := uint32(1)<<size - 1
	for l := m; l != 0; l &= l - 1 {
		a := w.addr[bits.TrailingZeros32(l)&31]
		s, k := a>>5, n-1
		for k >= 0 && id[k&31] != s {
			k--
		}
		if k < 0 {
			k = n
			id[k&31] = s
			n++
		}
		used[k&31] |= lane << (a & 31)
	}
	total := 0
	for _, u := range used[:n] {
		total += bits.OnesCount32(u)
	}
	return int64(n), int64(total+31) / 32
}

func (w *warp) failAddress(lane, size int) {
	detail, kind := w.blk.memory.explain(w.addr[lane], size)
	w.fail(kind, 1<<lane, "%s", detail)
}

func (w *warp) failUnwritten(al *allocation, m uint32, size int) {
	for l := m; l != 0; l &= l - 1 {
		lane := bits.TrailingZeros32(l)
		o := int(w.off[lane])
		if !allWritten(al.written[o : o+size]) {
			w.fail(ErrUninitialized, 1<<lane, "%d bytes at offset %d of the %s of %d bytes at %#x were never written",
				size, o, al.what, len(al.data), al.base)
			return
		}
	}
}
