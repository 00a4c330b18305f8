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
	s := w.site()
	al := s.seen
	if al == nil || lead-al.base >= uint64(len(al.data)) {
		if al = find(w.blk.allocations, lead); al == nil {
			w.failAddress(first, size)
			return nil, 0
		}
		s.meet(w.blk, al)
	}
	part := m
	if or, most := vec.offsets(&w.off, &w.addr, al.base); m != fullMask || or&uint64(size-1) != 0 || or >= 1<<31 || int(most)+size > len(al.data) {
		if part = w.within(al, m, size); part == 0 {
			return nil, 0
		}
	}
	if write && al.readOnly {
		w.fail(ErrReadOnly, part, "store to %s", al.what)
		return nil, 0
	}
	p := &s.global
	if !p.matches(part, &w.off) {
		sectors, ideal := w.sectors(part, size)
		p.note(part, &w.off, Traffic{1, int64(size * bits.OnesCount32(part)), sectors, ideal})
	}
	if !w.written(al, part, size, write, p.dense) {
		w.failUnwritten(al, part, size)
		return nil, 0
	}
	if write {
		s.globalStore.add(p.traffic)
	} else {
		s.globalLoad.add(p.traffic)
	}
	return al, part
}

// within returns the lanes of m that lie inside al. A lane that touches its bounds
// or is misaligned is a fault; lanes elsewhere are left for later.
func (w *warp) within(al *allocation, m uint32, size int) uint32 {
	if !w.aligned(m, size) {
		return 0
	}
	part := m
	room := int64(len(al.data) - size)
	for l, a := range &w.addr {
		if o := int64(a - al.base); m>>l&1 == 1 && (uint64(o) > uint64(room) || room < 0) {
			if find(w.blk.allocations, a) == al {
				w.failAddress(l, size)
				return 0
			}
			part &^= 1 << l
		}
	}
	return part
}

// written marks the bytes that a store writes, or reports whether something wrote
// those that a load reads. dense: the 32 lanes are one stretch.
func (w *warp) written(al *allocation, m uint32, size int, write, dense bool) bool {
	if dense {
		bytes := al.written[w.off[0]:][:32*size]
		if write {
			copy(bytes, ones[:])
			return true
		}
		return allWritten(bytes)
	}
	if !write {
		return w.lanesWritten(al, m, size)
	}
	for l := m; l != 0; l &= l - 1 {
		copy(al.written[w.off[bits.TrailingZeros32(l)&31]:][:size], ones[:])
	}
	return true
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
