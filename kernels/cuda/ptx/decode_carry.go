package ptx

import "math/bits"

// carryRules are the instructions for numbers wider than 64 bits: .cc leaves each
// lane's carry, or borrow, to the next addc, subc or madc.
func carryRules() map[string]rule {
	return map[string]rule{
		"addc": {KindInteger, func(d *decoder) exec { return d.carrying(true, addCarry) }},
		"subc": {KindInteger, func(d *decoder) exec { return d.carrying(true, subBorrow) }},
		"madc": {KindInteger, func(d *decoder) exec { return d.carrying(true, addCarry) }},
	}
}

// carries is the state between two such instructions.
type carries struct{ value, init uint32 }

func addCarry(a, b, carry uint64, n int) (sum, out uint64) {
	sum, out = bits.Add64(a, b, carry)
	if n < 64 {
		return low(sum, n), sum >> n & 1
	}
	return sum, out
}

func subBorrow(a, b, borrow uint64, n int) (difference, out uint64) {
	difference, out = bits.Sub64(a, b, borrow)
	return low(difference, n), out
}

// carrying decodes op{.lo|.hi}{.cc}.type d, a, b{, c}; in: the carry of the
// instruction before takes part. With c the operation is on the product's half and c.
func (d *decoder) carrying(in bool, f func(a, b, carry uint64, n int) (result, out uint64)) exec {
	t := d.typeAmong("u32", "s32", "u64", "s64")
	out := d.flag("cc")
	c := -1
	half := d.take("lo", "hi")
	if half != "" {
		d.want(4)
		c = d.src(3, t)
	} else {
		d.want(3)
	}
	a, b := d.src(1, t), d.src(2, t)
	dst := d.dst(0, t)
	return func(w *warp, m uint32) {
		if in && !w.ready(w.carry.init, m) {
			return
		}
		for l := m; l != 0; l &= l - 1 {
			i := bits.TrailingZeros32(l) & 31
			x, okX := w.integer(a, t, i)
			y, okY := w.integer(b, t, i)
			okC := true
			switch half {
			case "lo":
				x = low(x*y, t.bits)
				y, okC = w.integer(c, t, i)
			case "hi":
				x = mulHigh(x, y, t.bits, t.isSigned())
				y, okC = w.integer(c, t, i)
			}
			if !okX || !okY || !okC {
				w.failUninitialized(1 << i)
				return
			}
			carry := uint64(0)
			if in {
				carry = uint64(w.carry.value >> i & 1)
			}
			r, over := f(x, y, carry, t.bits)
			if t.bits == 64 {
				w.r64[dst][i] = r
				w.init64[dst] |= 1 << i
			} else {
				w.r32[dst][i] = uint32(r)
				w.init32[dst] |= 1 << i
			}
			if out {
				w.carry.value = w.carry.value&^(1<<i) | uint32(over)<<i
				w.carry.init |= 1 << i
			}
		}
	}
}

// integer returns a lane's value of a register, and whether it was written.
func (w *warp) integer(slot int, t scalar, lane int) (v uint64, ok bool) {
	if t.bits == 64 {
		return w.r64[slot][lane], w.init64[slot]>>lane&1 == 1
	}
	return uint64(w.r32[slot][lane]), w.init32[slot]>>lane&1 == 1
}
