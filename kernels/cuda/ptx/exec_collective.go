package ptx

import (
	"math/bits"
)

// Collectives: instructions in which lanes see each other's values. They need
// every lane that they name, and say so when one is missing.

// members checks the lane mask of a .sync instruction: each executing lane must
// be named in its own mask, and every named lane that has not exited must execute.
func (w *warp) members(slot int, m uint32) bool {
	if !w.ready(w.init32[slot], m) {
		return false
	}
	and, or := fullMask, uint32(0)
	for _, mask := range &w.r32[slot] {
		and &= mask
		or |= mask
	}
	if and&m == m && or&w.live&^m == 0 { // the usual case, quickly
		return true
	}
	for l := m; l != 0; l &= l - 1 {
		i := bits.TrailingZeros32(l) & 31
		mask := w.r32[slot][i]
		if mask>>i&1 == 0 {
			w.fail(ErrAbsentLanes, 1<<i, "the lane is not in its own mask %#08x", mask)
			return false
		}
		if absent := mask & w.live &^ m; absent != 0 {
			w.fail(ErrAbsentLanes, absent, "lanes %#08x of the mask %#08x do not take part", absent, mask)
			return false
		}
	}
	return true
}

// shuffleMode is the second word of shfl.sync.
type shuffleMode uint8

const (
	shuffleIndex shuffleMode = iota
	shuffleUp
	shuffleDown
	shuffleXor
)

var shuffleModes = map[string]shuffleMode{"idx": shuffleIndex, "up": shuffleUp, "down": shuffleDown, "bfly": shuffleXor}

// shuffleOp is a decoded shfl.sync.
type shuffleOp struct {
	mode       shuffleMode
	d, a, b, c int // slots
	p          int // predicate slot, or -1
	mask       int
}

func (s *shuffleOp) execute(w *warp, m uint32) {
	if !w.members(s.mask, m) || !w.ready(w.init32[s.b]&w.init32[s.c], m) {
		return
	}
	var from v32
	inRange := s.sources(&from, &w.r32[s.b], &w.r32[s.c])
	a, have := &w.r32[s.a], m&w.init32[s.a]
	var out v32
	var missing uint32
	for l, f := range &from {
		out[l] = a[f&31]
		missing |= (^have >> (f & 31) & 1) << l
	}
	if missing &= m; missing != 0 {
		i := bits.TrailingZeros32(missing) & 31
		if f := from[i] & 31; m>>f&1 == 0 {
			w.fail(ErrAbsentLanes, 1<<i, "the value comes from lane %d, which does not take part (lanes %#08x do)", f, m)
		} else {
			w.failUninitialized(1 << f)
		}
		return
	}
	*w.target32(s.d, m) = out
	w.finish32(s.d, m)
	if s.p >= 0 {
		w.setPredicate(s.p, inRange, m)
	}
}

// sources gives each lane the lane that it reads, and returns the lanes whose
// source lies inside their segment; the others read themselves.
func (s *shuffleOp) sources(from, b, c *v32) (inRange uint32) {
	for l := range from {
		i := uint32(l)
		step, clamp, segment := b[l]&31, c[l]&31, c[l]>>8&31
		most, f := i&segment|clamp&^segment, uint32(0)
		ok := false
		switch s.mode {
		case shuffleUp:
			f = i - step
			ok = int32(f) >= int32(most)
		case shuffleDown:
			f = i + step
			ok = f <= most
		case shuffleXor:
			f = i ^ step
			ok = f <= most
		default:
			f = i&segment | step&^segment
			ok = f <= most
		}
		if !ok {
			f = i
		}
		from[l] = f
		inRange |= bit(ok) << l
	}
	return inRange
}

// voteOp is a decoded vote.sync; d is a predicate slot, or with ballot a register.
type voteOp struct {
	mode string // all, any, uni, ballot
	d, p int
	not  bool
	mask int
}

func (v *voteOp) execute(w *warp, m uint32) {
	if !w.members(v.mask, m) || !w.ready(w.initPred[v.p], m) {
		return
	}
	p := w.pred[v.p]
	if v.not {
		p = ^p
	}
	d := w.scratch32
	var out uint32
	for l := m; l != 0; l &= l - 1 {
		i := bits.TrailingZeros32(l) & 31
		member := w.r32[v.mask][i] & m
		votes := p & member
		d[i] = votes
		if v.mode == "all" && votes == member || v.mode == "any" && votes != 0 || v.mode == "uni" && (votes == 0 || votes == member) {
			out |= 1 << i
		}
	}
	if v.mode == "ballot" {
		*w.target32(v.d, m) = d
		w.finish32(v.d, m)
		return
	}
	w.setPredicate(v.d, out, m)
}

// reduceOp is a decoded redux.sync.
type reduceOp struct {
	f          func(a, b uint32) uint32
	d, a, mask int
}

func (r *reduceOp) execute(w *warp, m uint32) {
	if !w.members(r.mask, m) || !w.ready(w.init32[r.a], m) {
		return
	}
	var out v32
	for l := m; l != 0; l &= l - 1 {
		i := bits.TrailingZeros32(l) & 31
		group := w.r32[r.mask][i] & m
		v := w.r32[r.a][bits.TrailingZeros32(group)&31]
		for g := group & (group - 1); g != 0; g &= g - 1 {
			v = r.f(v, w.r32[r.a][bits.TrailingZeros32(g)&31])
		}
		out[i] = v
	}
	*w.target32(r.d, m) = out
	w.finish32(r.d, m)
}

// matchOp is a decoded match.sync over 32 or 64 bits.
type matchOp struct {
	all, wide     bool
	d, a, p, mask int // p: predicate slot or -1
}

func (o *matchOp) execute(w *warp, m uint32) {
	init := w.init32
	if o.wide {
		init = w.init64
	}
	if !w.members(o.mask, m) || !w.ready(init[o.a], m) {
		return
	}
	value := func(l int) uint64 {
		if o.wide {
			return w.r64[o.a][l]
		}
		return uint64(w.r32[o.a][l])
	}
	var out v32
	var equal uint32
	for l := m; l != 0; l &= l - 1 {
		i := bits.TrailingZeros32(l) & 31
		member := w.r32[o.mask][i] & m
		var same uint32
		for g := member; g != 0; g &= g - 1 {
			if k := bits.TrailingZeros32(g) & 31; value(k) == value(i) {
				same |= 1 << k
			}
		}
		out[i] = same
		if o.all {
			out[i] = 0
			if same == member {
				out[i] = member
				equal |= 1 << i
			}
		}
	}
	*w.target32(o.d, m) = out
	w.finish32(o.d, m)
	if o.p >= 0 {
		w.setPredicate(o.p, equal, m)
	}
}

// syncWarp is bar.warp.sync.
func syncWarp(mask int) exec {
	return func(w *warp, m uint32) { w.members(mask, m) }
}
