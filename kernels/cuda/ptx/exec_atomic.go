package ptx

import "math/bits"

// atomicOp is a decoded atom or red on integers.
type atomicOp struct {
	at   access // space, base, offset, bytes
	f    func(old, b, c uint64) uint64
	wide bool
	d    int // slot, or -1 for red
	b, c int // slots; c -1 unless cas
}

// execute runs the lanes one after the other, as a card may; atomics of other
// blocks are kept out meanwhile.
func (o *atomicOp) execute(w *warp, m uint32) {
	init := w.init32
	if o.wide {
		init = w.init64
	}
	if !w.ready(init[o.b], m) || o.c >= 0 && !w.ready(init[o.c], m) || !o.at.addresses(w, m) {
		return
	}
	for rest := m; rest != 0 && w.fault == nil; {
		sp, part := o.at.space, rest
		if sp == spaceGeneric {
			sp, part = w.window(rest)
		}
		switch sp {
		case spaceGlobal:
			w.blk.memory.atomics.Lock()
			part = o.inGlobal(w, part)
			w.blk.memory.atomics.Unlock()
		case spaceShared:
			o.inShared(w, part)
		default:
			w.fail(ErrBounds, part, "atomic on %s memory", sp)
		}
		rest &^= part
	}
}

func (o *atomicOp) inGlobal(w *warp, m uint32) uint32 {
	al, part := w.global(m, o.at.bytes, false)
	if al == nil {
		return m
	}
	if al.readOnly {
		w.fail(ErrReadOnly, part, "atomic on %s", al.what)
		return part
	}
	o.lanes(w, al.data, part)
	return part
}

func (o *atomicOp) inShared(w *warp, m uint32) {
	if !w.sharedOffsets(m, o.at.bytes) {
		return
	}
	w.countShared(m, o.at.bytes, true)
	for l := m; l != 0; l &= l - 1 {
		lane := bits.TrailingZeros32(l) & 31
		words := w.blk.history(w.off[lane], o.at.bytes)
		for i := range words {
			if words[i].state != 15 {
				w.failState(&words[i], lane, i, 15)
				return
			}
		}
		if !w.writeWords(words, lane, 15, atomicWrite, 0) {
			return
		}
	}
	o.lanes(w, w.blk.shared, m)
}

func (o *atomicOp) lanes(w *warp, data []byte, m uint32) {
	for l := m; l != 0; l &= l - 1 {
		i := bits.TrailingZeros32(l) & 31
		p := data[w.off[i]:]
		old := little(p, o.at.bytes)
		var b, c uint64
		if o.wide {
			b = w.r64[o.b][i]
			if o.c >= 0 {
				c = w.r64[o.c][i]
			}
		} else {
			b = uint64(w.r32[o.b][i])
			if o.c >= 0 {
				c = uint64(w.r32[o.c][i])
			}
		}
		putLittle(p, o.f(old, b, c), o.at.bytes)
		switch {
		case o.d < 0:
		case o.wide:
			w.r64[o.d][i] = old
			w.init64[o.d] |= 1 << i
		default:
			w.r32[o.d][i] = uint32(old)
			w.init32[o.d] |= 1 << i
		}
	}
}

// atomicFunction returns what an atomic operation makes of the old value, or nil.
func atomicFunction(name string, t scalar) func(old, b, c uint64) uint64 {
	n := t.bits
	less := func(a, b uint64) bool { return a < b }
	if t.isSigned() {
		less = func(a, b uint64) bool { return sx(a, n) < sx(b, n) }
	}
	return map[string]func(old, b, c uint64) uint64{
		"and":  func(old, b, _ uint64) uint64 { return old & b },
		"or":   func(old, b, _ uint64) uint64 { return old | b },
		"xor":  func(old, b, _ uint64) uint64 { return old ^ b },
		"add":  func(old, b, _ uint64) uint64 { return low(old+b, n) },
		"exch": func(_, b, _ uint64) uint64 { return b },
		"min": func(old, b, _ uint64) uint64 {
			if less(b, old) {
				return b
			}
			return old
		},
		"max": func(old, b, _ uint64) uint64 {
			if less(old, b) {
				return b
			}
			return old
		},
		"inc": func(old, b, _ uint64) uint64 {
			if old >= b {
				return 0
			}
			return old + 1
		},
		"dec": func(old, b, _ uint64) uint64 {
			if old == 0 || old > b {
				return b
			}
			return old - 1
		},
		"cas": func(old, b, c uint64) uint64 {
			if old == b {
				return c
			}
			return old
		},
	}[name]
}
