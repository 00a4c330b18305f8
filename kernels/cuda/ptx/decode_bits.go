package ptx

import "math/bits"

func bitRules() map[string]rule {
	return map[string]rule{
		"and":   {KindInteger, func(d *decoder) exec { return d.logical(vec.and32, and64, "and") }},
		"or":    {KindInteger, func(d *decoder) exec { return d.logical(vec.or32, or64, "or") }},
		"xor":   {KindInteger, func(d *decoder) exec { return d.logical(vec.xor32, xor64, "xor") }},
		"not":   {KindInteger, decodeNot},
		"cnot":  {KindInteger, decodeCnot},
		"shl":   {KindInteger, func(d *decoder) exec { return d.shift(true) }},
		"shr":   {KindInteger, func(d *decoder) exec { return d.shift(false) }},
		"shf":   {KindInteger, decodeFunnel},
		"lop3":  {KindInteger, decodeLookup},
		"prmt":  {KindMove, decodePermute},
		"bfe":   {KindInteger, decodeExtract},
		"bfi":   {KindInteger, decodeInsert},
		"bfind": {KindInteger, decodeFind},
		"clz": {KindInteger, func(d *decoder) exec {
			return d.count(func(a uint64, n int) uint32 { return uint32(n - bits.Len64(a)) })
		}},
		"popc": {KindInteger, func(d *decoder) exec {
			return d.count(func(a uint64, _ int) uint32 { return uint32(bits.OnesCount64(a)) })
		}},
		"brev": {KindInteger, func(d *decoder) exec {
			t := d.typeAmong("b32", "b64")
			d.want(2)
			return d.unaryInt(t, reverse)
		}},
	}
}

var bitTypes = []string{"pred", "b16", "b32", "b64"}

// logical decodes and, or and xor, of predicates too.
func (d *decoder) logical(v32 func(d, a, b *v32), v64 func(d, a, b *v64), name string) exec {
	t := d.typeAmong(bitTypes...)
	d.want(3)
	switch t.class() {
	case classPred:
		return d.logicalPredicate(name)
	case class64:
		return form64x2(v64, d.dst(0, t), d.src(1, t), d.src(2, t))
	}
	return form32x2(v32, d.dst(0, t), d.src(1, t), d.src(2, t))
}

func (d *decoder) logicalPredicate(name string) exec {
	d.out.kind = KindCompare
	to := d.predicateDst(d.operand(0))
	a, aNot := d.predicate(d.operand(1))
	b, bNot := d.predicate(d.operand(2))
	combine := combiner(name)
	return func(w *warp, m uint32) {
		if w.ready(w.initPred[a]&w.initPred[b], m) {
			w.setPredicate(to, combine(inverted(w.pred[a], aNot), inverted(w.pred[b], bNot)), m)
		}
	}
}

// combiner returns a bitwise operation by name.
func combiner(name string) func(a, b uint32) uint32 {
	return map[string]func(a, b uint32) uint32{
		"and": func(a, b uint32) uint32 { return a & b },
		"or":  func(a, b uint32) uint32 { return a | b },
		"xor": func(a, b uint32) uint32 { return a ^ b },
	}[name]
}

func inverted(p uint32, not bool) uint32 {
	if not {
		return ^p
	}
	return p
}

func decodeNot(d *decoder) exec {
	t := d.typeAmong(bitTypes...)
	d.want(2)
	if t.class() != classPred {
		return d.unaryInt(t, func(a uint64, _ int) uint64 { return ^a })
	}
	d.out.kind = KindCompare
	to := d.predicateDst(d.operand(0))
	a, not := d.predicate(d.operand(1))
	return func(w *warp, m uint32) {
		if w.ready(w.initPred[a], m) {
			w.setPredicate(to, inverted(w.pred[a], !not), m)
		}
	}
}

func decodeCnot(d *decoder) exec {
	t := d.typeAmong("b16", "b32", "b64")
	d.want(2)
	return d.unaryInt(t, func(a uint64, _ int) uint64 {
		if a == 0 {
			return 1
		}
		return 0
	})
}

// shift decodes shl and shr; the amount has 32 bits whatever the type.
func (d *decoder) shift(left bool) exec {
	var t scalar
	if left {
		t = d.typeAmong("b16", "b32", "b64")
	} else {
		t = d.typeAmong("b16", "b32", "b64", "u16", "u32", "u64", "s16", "s32", "s64")
	}
	d.want(3)
	to, a, amount := d.dst(0, t), d.src(1, t), d.src(2, scalars["u32"])
	if t.class() == class64 {
		switch {
		case left:
			return formShift64(vec.shl64, to, a, amount)
		case t.isSigned():
			return formShift64(shrS64, to, a, amount)
		}
		return formShift64(vec.shrU64, to, a, amount)
	}
	switch {
	case left && t.bits == 32:
		return form32x2(vec.shl32, to, a, amount)
	case left:
		return form32x2(each32x2(func(a, b uint32) uint32 { return a << b & 0xffff }), to, a, amount)
	case t.isSigned() && t.bits == 32:
		return form32x2(vec.shrS32, to, a, amount)
	case t.isSigned():
		return form32x2(each32x2(func(a, b uint32) uint32 { return uint32(int16(a)>>b) & 0xffff }), to, a, amount)
	}
	return form32x2(vec.shrU32, to, a, amount)
}

func decodeFunnel(d *decoder) exec {
	t := d.typeAmong("b32")
	direction, mode := d.take("l", "r"), d.take("wrap", "clamp")
	if direction == "" || mode == "" {
		d.errorf(".l or .r, and .wrap or .clamp are needed")
	}
	d.want(4)
	left, wrap := direction == "l", mode == "wrap"
	return form32x3(each32x3(func(a, b, c uint32) uint32 { return funnelShift(a, b, c, left, wrap) }),
		d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t))
}

func decodeLookup(d *decoder) exec {
	t := d.typeAmong("b32")
	d.want(5)
	table := uint32(d.integerOperand(4))
	if table > 255 {
		d.errorf("truth table %#x", table)
	}
	return form32x3(each32x3(func(a, b, c uint32) uint32 { return lookup3(a, b, c, table) }),
		d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t))
}

func decodePermute(d *decoder) exec {
	mode := d.take("f4e", "b4e", "rc8", "ecl", "ecr", "rc16")
	t := d.typeAmong("b32")
	d.want(4)
	return form32x3(each32x3(func(a, b, c uint32) uint32 { return permuteBytes(a, b, c, mode) }),
		d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t))
}

func decodeExtract(d *decoder) exec {
	t, u32 := d.typeAmong("u32", "s32", "u64", "s64"), scalars["u32"]
	d.want(4)
	to, a, position, length := d.dst(0, t), d.src(1, t), d.src(2, u32), d.src(3, u32)
	if t.class() == class32 {
		return form32x3(each32x3(func(a, b, c uint32) uint32 {
			return uint32(bitFieldExtract(uint64(a), b, c, 32, t.isSigned()))
		}), to, a, position, length)
	}
	return func(w *warp, m uint32) {
		if w.ready(w.init64[a]&w.init32[position]&w.init32[length], m) {
			out := w.target64(to, m)
			for l := range out {
				out[l] = bitFieldExtract(w.r64[a][l], w.r32[position][l], w.r32[length][l], 64, t.isSigned())
			}
			w.finish64(to, m)
		}
	}
}

func decodeInsert(d *decoder) exec {
	t, u32 := d.typeAmong("b32", "b64"), scalars["u32"]
	d.want(5)
	to, a, b, position, length := d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, u32), d.src(4, u32)
	if t.class() == class32 {
		return func(w *warp, m uint32) {
			if w.ready(w.init32[a]&w.init32[b]&w.init32[position]&w.init32[length], m) {
				out := w.target32(to, m)
				for l := range out {
					out[l] = uint32(bitFieldInsert(uint64(w.r32[a][l]), uint64(w.r32[b][l]), w.r32[position][l], w.r32[length][l], 32))
				}
				w.finish32(to, m)
			}
		}
	}
	return func(w *warp, m uint32) {
		if w.ready(w.init64[a]&w.init64[b]&w.init32[position]&w.init32[length], m) {
			out := w.target64(to, m)
			for l := range out {
				out[l] = bitFieldInsert(w.r64[a][l], w.r64[b][l], w.r32[position][l], w.r32[length][l], 64)
			}
			w.finish64(to, m)
		}
	}
}

func decodeFind(d *decoder) exec {
	t, shift := d.typeAmong("u32", "s32", "u64", "s64"), d.flag("shiftamt")
	return d.countOf(t, func(a uint64, n int) uint32 { return findLead(a, n, t.isSigned(), shift) })
}

// count decodes clz and popc: 32-bit results of 32 or 64 bits.
func (d *decoder) count(f func(a uint64, n int) uint32) exec {
	return d.countOf(d.typeAmong("b32", "b64"), f)
}

func (d *decoder) countOf(t scalar, f func(a uint64, n int) uint32) exec {
	d.want(2)
	to, a := d.dst(0, scalars["u32"]), d.src(1, t)
	if t.class() == class64 {
		return formNarrow(func(d *v32, a *v64) {
			for i := range d {
				d[i] = f(a[i], 64)
			}
		}, to, a)
	}
	return form32(each32(func(a uint32) uint32 { return f(uint64(a), 32) }), to, a)
}
