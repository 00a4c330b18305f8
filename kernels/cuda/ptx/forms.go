package ptx

import "math/bits"

// v32 and v64 are one register of all 32 lanes.
type (
	v32 [32]uint32
	v64 [32]uint64
)

// fullMask is the activity mask of a whole warp.
const fullMask = ^uint32(0)

// exec executes one decoded instruction for the lanes of mask. What goes wrong it
// leaves in w.fault.
type exec func(w *warp, mask uint32)

// The forms below turn a function on whole vectors into an exec over slots. The
// vector functions always compute 32 lanes: with lanes inactive the result goes
// to a scratch vector first, and only the active lanes are copied.

func (w *warp) target32(d int, m uint32) *v32 {
	w.init32[d] |= m
	if m == fullMask {
		return &w.r32[d]
	}
	return &w.scratch32
}

func (w *warp) target64(d int, m uint32) *v64 {
	w.init64[d] |= m
	if m == fullMask {
		return &w.r64[d]
	}
	return &w.scratch64
}

func (w *warp) finish32(d int, m uint32) {
	if m != fullMask {
		to := &w.r32[d]
		for ; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			to[l] = w.scratch32[l]
		}
	}
}

func (w *warp) finish64(d int, m uint32) {
	if m != fullMask {
		to := &w.r64[d]
		for ; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			to[l] = w.scratch64[l]
		}
	}
}

// ready reports whether the active lanes of a register were written; init holds
// one bit for each lane that was.
func (w *warp) ready(init, m uint32) bool {
	if init&m == m {
		return true
	}
	w.failUninitialized(m &^ init)
	return false
}

func form32(f func(d, a *v32), d, a int) exec {
	return func(w *warp, m uint32) {
		if w.ready(w.init32[a], m) {
			f(w.target32(d, m), &w.r32[a])
			w.finish32(d, m)
		}
	}
}

func form64(f func(d, a *v64), d, a int) exec {
	return func(w *warp, m uint32) {
		if w.ready(w.init64[a], m) {
			f(w.target64(d, m), &w.r64[a])
			w.finish64(d, m)
		}
	}
}

func formWiden(f func(d *v64, a *v32), d, a int) exec {
	return func(w *warp, m uint32) {
		if w.ready(w.init32[a], m) {
			f(w.target64(d, m), &w.r32[a])
			w.finish64(d, m)
		}
	}
}

func formNarrow(f func(d *v32, a *v64), d, a int) exec {
	return func(w *warp, m uint32) {
		if w.ready(w.init64[a], m) {
			f(w.target32(d, m), &w.r64[a])
			w.finish32(d, m)
		}
	}
}

func form32x2(f func(d, a, b *v32), d, a, b int) exec {
	return func(w *warp, m uint32) {
		if w.ready(w.init32[a]&w.init32[b], m) {
			f(w.target32(d, m), &w.r32[a], &w.r32[b])
			w.finish32(d, m)
		}
	}
}

func form64x2(f func(d, a, b *v64), d, a, b int) exec {
	return func(w *warp, m uint32) {
		if w.ready(w.init64[a]&w.init64[b], m) {
			f(w.target64(d, m), &w.r64[a], &w.r64[b])
			w.finish64(d, m)
		}
	}
}

func formShift64(f func(d, a *v64, b *v32), d, a, b int) exec {
	return func(w *warp, m uint32) {
		if w.ready(w.init64[a]&w.init32[b], m) {
			f(w.target64(d, m), &w.r64[a], &w.r32[b])
			w.finish64(d, m)
		}
	}
}

func formWide(f func(d *v64, a, b *v32), d, a, b int) exec {
	return func(w *warp, m uint32) {
		if w.ready(w.init32[a]&w.init32[b], m) {
			f(w.target64(d, m), &w.r32[a], &w.r32[b])
			w.finish64(d, m)
		}
	}
}

func form32x3(f func(d, a, b, c *v32), d, a, b, c int) exec {
	return func(w *warp, m uint32) {
		if w.ready(w.init32[a]&w.init32[b]&w.init32[c], m) {
			f(w.target32(d, m), &w.r32[a], &w.r32[b], &w.r32[c])
			w.finish32(d, m)
		}
	}
}

func form64x3(f func(d, a, b, c *v64), d, a, b, c int) exec {
	return func(w *warp, m uint32) {
		if w.ready(w.init64[a]&w.init64[b]&w.init64[c], m) {
			f(w.target64(d, m), &w.r64[a], &w.r64[b], &w.r64[c])
			w.finish64(d, m)
		}
	}
}

func formWideAdd(f func(d *v64, a, b *v32, c *v64), d, a, b, c int) exec {
	return func(w *warp, m uint32) {
		if w.ready(w.init32[a]&w.init32[b]&w.init64[c], m) {
			f(w.target64(d, m), &w.r32[a], &w.r32[b], &w.r64[c])
			w.finish64(d, m)
		}
	}
}

// formCompare32 and formCompare64 return a bit for each lane to the closure that
// setp makes of them.
func formCompare32(f func(a, b *v32) uint32, a, b int) func(w *warp, m uint32) (uint32, bool) {
	return func(w *warp, m uint32) (uint32, bool) {
		if !w.ready(w.init32[a]&w.init32[b], m) {
			return 0, false
		}
		return f(&w.r32[a], &w.r32[b]), true
	}
}

func formCompare64(f func(a, b *v64) uint32, a, b int) func(w *warp, m uint32) (uint32, bool) {
	return func(w *warp, m uint32) (uint32, bool) {
		if !w.ready(w.init64[a]&w.init64[b], m) {
			return 0, false
		}
		return f(&w.r64[a], &w.r64[b]), true
	}
}

// setPredicate gives the active lanes of predicate d the bits of value.
func (w *warp) setPredicate(d int, value, m uint32) {
	w.pred[d] = w.pred[d]&^m | value&m
	w.initPred[d] |= m
}

// Scalar functions serve the instructions that are too rare for a loop of their own.

func each32(f func(a uint32) uint32) func(d, a *v32) {
	return func(d, a *v32) {
		for i := range d {
			d[i] = f(a[i])
		}
	}
}

func each32x2(f func(a, b uint32) uint32) func(d, a, b *v32) {
	return func(d, a, b *v32) {
		for i := range d {
			d[i] = f(a[i], b[i])
		}
	}
}

func each32x3(f func(a, b, c uint32) uint32) func(d, a, b, c *v32) {
	return func(d, a, b, c *v32) {
		for i := range d {
			d[i] = f(a[i], b[i], c[i])
		}
	}
}

func each64(f func(a uint64) uint64) func(d, a *v64) {
	return func(d, a *v64) {
		for i := range d {
			d[i] = f(a[i])
		}
	}
}

func each64x2(f func(a, b uint64) uint64) func(d, a, b *v64) {
	return func(d, a, b *v64) {
		for i := range d {
			d[i] = f(a[i], b[i])
		}
	}
}

func each64x3(f func(a, b, c uint64) uint64) func(d, a, b, c *v64) {
	return func(d, a, b, c *v64) {
		for i := range d {
			d[i] = f(a[i], b[i], c[i])
		}
	}
}
