package ptx

import (
	"encoding/binary"
	"math/bits"
)

// access is a decoded load or store: where, how wide, and which registers.
type access struct {
	space    space
	base     int   // slot of the address
	base32   bool  // the address register has 32 bits
	offset   int64 // added to it
	bytes    int   // of one element
	count    int   // elements: 1, 2 or 4
	regs     [4]int
	wide     bool // registers of 64 bits
	signBits int  // sign-extend elements to this width; 0: no
	write    bool
	locked   bool // volatile, relaxed, acquire, release: ordered with atomics
	fixed    bool // all lanes read the kernel's argument at fixedAt
	fixedAt  int
}

// total returns the bytes that a lane moves.
func (a *access) total() int { return a.bytes * a.count }

// addresses fills w.addr for the active lanes.
func (a *access) addresses(w *warp, m uint32) bool {
	if a.base32 {
		if !w.ready(w.init32[a.base], m) {
			return false
		}
		for l, v := range &w.r32[a.base] {
			w.addr[l] = uint64(v + uint32(a.offset))
		}
		return true
	}
	if !w.ready(w.init64[a.base], m) {
		return false
	}
	off := uint64(a.offset)
	for l, v := range &w.r64[a.base] {
		w.addr[l] = v + off
	}
	return true
}

// execute is the exec of every ld and st.
func (a *access) execute(w *warp, m uint32) {
	if a.fixed && a.fixedAt+a.total() <= len(w.blk.args) {
		a.fromArguments(w, m)
		return
	}
	if a.write && !a.valuesReady(w, m) || !a.addresses(w, m) {
		return
	}
	if a.space != spaceGeneric {
		a.inSpace(w, a.space, m)
		return
	}
	for rest := m; rest != 0 && w.fault == nil; {
		sp, part := w.window(rest)
		a.inSpace(w, sp, part)
		rest &^= part
	}
}

// fromArguments gives all lanes the same argument.
func (a *access) fromArguments(w *warp, m uint32) {
	for e := range a.count {
		v := little(w.blk.args[a.fixedAt+e*a.bytes:], a.bytes)
		if a.signBits > 0 {
			v = low(uint64(sx(v, 8*a.bytes)), a.signBits)
		}
		if slot := a.regs[e]; a.wide {
			t := w.target64(slot, m)
			for l := range t {
				t[l] = v
			}
			w.finish64(slot, m)
		} else {
			t := w.target32(slot, m)
			for l := range t {
				t[l] = uint32(v)
			}
			w.finish32(slot, m)
		}
	}
}

// window finds the space that the first lane's generic address lies in, makes
// the addresses of all lanes in it relative, and returns those lanes.
func (w *warp) window(m uint32) (space, uint32) {
	sp := windowOf(w.addr[bits.TrailingZeros32(m)&31])
	var part uint32
	for l := range w.addr {
		if m>>l&1 == 1 && windowOf(w.addr[l]) == sp {
			part |= 1 << l
			if sp != spaceGlobal {
				w.addr[l] &= windowSize - 1
			}
		}
	}
	return sp, part
}

func windowOf(addr uint64) space {
	switch addr &^ (windowSize - 1) {
	case sharedWindow:
		return spaceShared
	case localWindow:
		return spaceLocal
	case paramWindow:
		return spaceParam
	}
	return spaceGlobal
}

// inSpace moves the data of lanes whose addresses are relative to one space.
func (a *access) inSpace(w *warp, sp space, m uint32) {
	switch sp {
	case spaceGlobal, spaceConst:
		for rest := m; rest != 0; {
			al, part := w.global(rest, a.total(), a.write)
			if al == nil {
				return
			}
			if a.locked {
				w.blk.memory.atomics.Lock()
			}
			a.move(w, al.data, part)
			if a.locked {
				w.blk.memory.atomics.Unlock()
			}
			rest &^= part
		}
	case spaceShared:
		if w.sharedAccess(m, a.total(), a.write) {
			a.move(w, w.blk.shared, m)
		}
	case spaceLocal:
		if w.aligned(m, a.total()) && w.localAccess(m, a.total(), a.write) {
			a.move(w, w.local.data, m)
		}
	case spaceParam:
		if w.aligned(m, a.total()) && w.paramAccess(m, a.total(), a.write) {
			a.move(w, w.blk.args, m)
		}
	}
}

// aligned checks the active addresses against the size of the access.
func (w *warp) aligned(m uint32, size int) bool {
	var or uint64
	for l, v := range &w.addr {
		if m>>l&1 == 1 {
			or |= v
		}
	}
	low := uint64(size - 1)
	if or&low == 0 {
		return true
	}
	for l, v := range &w.addr {
		if m>>l&1 == 1 && v&low != 0 {
			w.fail(ErrAlignment, 1<<l, "address %#x is no multiple of %d", v, size)
			break
		}
	}
	return false
}

// move copies between data at w.off and the registers.
func (a *access) move(w *warp, data []byte, m uint32) {
	for e := 0; e < a.count; e++ {
		at := int32(e * a.bytes)
		switch {
		case a.write && a.wide:
			a.store64(w, data, &w.r64[a.regs[e]], at, m)
		case a.write:
			a.store32(w, data, &w.r32[a.regs[e]], at, m)
		case a.wide:
			w.init64[a.regs[e]] |= m
			a.load64(w, data, &w.r64[a.regs[e]], at, m)
		default:
			w.init32[a.regs[e]] |= m
			a.load32(w, data, &w.r32[a.regs[e]], at, m)
		}
	}
}

func (a *access) load32(w *warp, data []byte, d *v32, at int32, m uint32) {
	if m == fullMask && a.bytes == 4 {
		for l, o := range &w.off {
			d[l] = binary.LittleEndian.Uint32(data[o+at:])
		}
		return
	}
	if m == fullMask && a.bytes == 2 && a.signBits == 0 {
		for l, o := range &w.off {
			d[l] = uint32(binary.LittleEndian.Uint16(data[o+at:]))
		}
		return
	}
	for l, o := range &w.off {
		if m>>l&1 == 1 && a.bytes == 4 {
			d[l] = binary.LittleEndian.Uint32(data[o+at:])
		} else if m>>l&1 == 1 {
			v := uint64(data[o+at])
			if a.bytes == 2 {
				v = uint64(binary.LittleEndian.Uint16(data[o+at:]))
			}
			if a.signBits > 0 {
				v = low(uint64(sx(v, 8*a.bytes)), a.signBits)
			}
			d[l] = uint32(v)
		}
	}
}

func (a *access) load64(w *warp, data []byte, d *v64, at int32, m uint32) {
	for l, o := range &w.off {
		if m>>l&1 == 0 {
			continue
		}
		v := little(data[o+at:], a.bytes)
		if a.signBits > 0 {
			v = uint64(sx(v, 8*a.bytes))
		}
		d[l] = v
	}
}

func (a *access) store32(w *warp, data []byte, s *v32, at int32, m uint32) {
	if m == fullMask && a.bytes == 4 {
		for l, o := range &w.off {
			binary.LittleEndian.PutUint32(data[o+at:], s[l])
		}
		return
	}
	for l, o := range &w.off {
		if m>>l&1 == 0 {
			continue
		}
		switch a.bytes {
		case 4:
			binary.LittleEndian.PutUint32(data[o+at:], s[l])
		case 2:
			binary.LittleEndian.PutUint16(data[o+at:], uint16(s[l]))
		default:
			data[o+at] = byte(s[l])
		}
	}
}

func (a *access) store64(w *warp, data []byte, s *v64, at int32, m uint32) {
	for l, o := range &w.off {
		if m>>l&1 == 1 {
			putLittle(data[o+at:], s[l], a.bytes)
		}
	}
}

// little reads n bytes, 1, 2, 4 or 8, in little-endian order.
func little(p []byte, n int) uint64 {
	switch n {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(p))
	case 4:
		return uint64(binary.LittleEndian.Uint32(p))
	}
	return binary.LittleEndian.Uint64(p)
}

func putLittle(p []byte, v uint64, n int) {
	switch n {
	case 1:
		p[0] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(p, uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(p, uint32(v))
	default:
		binary.LittleEndian.PutUint64(p, v)
	}
}

// valuesReady checks that the registers that a store reads were written.
func (a *access) valuesReady(w *warp, m uint32) bool {
	for e := 0; e < a.count; e++ {
		init := w.init32
		if a.wide {
			init = w.init64
		}
		if !w.ready(init[a.regs[e]], m) {
			return false
		}
	}
	return true
}

// localMemory is the .local memory of a warp: a stretch for each lane.
type localMemory struct {
	size    int // bytes of one lane
	data    []byte
	written []byte
}

func newLocalMemory(size int) localMemory {
	return localMemory{size: size, data: make([]byte, 32*size), written: make([]byte, 32*size)}
}

func (l *localMemory) reset() { clear(l.written) }

// localAccess checks an access to local memory and fills w.off.
func (w *warp) localAccess(m uint32, size int, write bool) bool {
	for l, a := range &w.addr {
		if m>>l&1 == 0 {
			continue
		}
		if a+uint64(size) > uint64(w.local.size) {
			w.fail(ErrBounds, 1<<l, "%d bytes at local offset %d of %d", size, a, w.local.size)
			return false
		}
		o := l*w.local.size + int(a)
		w.off[l] = int32(o)
		if write {
			copy(w.local.written[o:o+size], ones[:])
		} else if !allWritten(w.local.written[o : o+size]) {
			w.fail(ErrUninitialized, 1<<l, "%d bytes at local offset %d were never written", size, a)
			return false
		}
	}
	return true
}

// paramAccess checks an access to the kernel's arguments and fills w.off.
func (w *warp) paramAccess(m uint32, size int, write bool) bool {
	for l, a := range &w.addr {
		if m>>l&1 == 0 {
			continue
		}
		if a+uint64(size) > uint64(len(w.blk.args)) {
			w.fail(ErrBounds, 1<<l, "%d bytes at parameter offset %d of %d", size, a, len(w.blk.args))
			return false
		}
		if write {
			w.fail(ErrReadOnly, 1<<l, "store to the kernel's parameters")
			return false
		}
		w.off[l] = int32(a)
	}
	return true
}
