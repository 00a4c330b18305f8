package ptx

import (
	"math/bits"
	"slices"
)

func integerRules() map[string]rule {
	return map[string]rule{
		"add":   {KindInteger, func(d *decoder) exec { return d.addSub(vec.add32, vec.add64, "add") }},
		"sub":   {KindInteger, func(d *decoder) exec { return d.addSub(vec.sub32, vec.sub64, "sub") }},
		"mul":   {KindInteger, decodeMul},
		"mad":   {KindInteger, decodeMad},
		"div":   {KindInteger, func(d *decoder) exec { return d.divide(divU, divS) }},
		"rem":   {KindInteger, func(d *decoder) exec { return d.divide(remU, remS) }},
		"min":   {KindInteger, func(d *decoder) exec { return d.minMax(true) }},
		"max":   {KindInteger, func(d *decoder) exec { return d.minMax(false) }},
		"abs":   {KindInteger, decodeAbs},
		"neg":   {KindInteger, decodeNeg},
		"sad":   {KindInteger, decodeSad},
		"dp4a":  {KindInteger, decodeDot},
		"mul24": {KindInteger, func(d *decoder) exec { return d.multiply24(false) }},
		"mad24": {KindInteger, func(d *decoder) exec { return d.multiply24(true) }},
	}
}

var integerTypes = []string{"u16", "s16", "u32", "s32", "u64", "s64"}

// unaryInt, binaryInt and ternaryInt apply f to integers of any width; f sees
// zero-extended values and its result is cut to the width.

func (d *decoder) unaryInt(t scalar, f func(a uint64, n int) uint64) exec {
	n := t.bits
	if t.class() == class64 {
		return form64(each64(func(a uint64) uint64 { return f(a, 64) }), d.dst(0, t), d.src(1, t))
	}
	return form32(each32(func(a uint32) uint32 { return uint32(low(f(uint64(a), n), n)) }), d.dst(0, t), d.src(1, t))
}

func (d *decoder) binaryInt(t scalar, f func(a, b uint64, n int) uint64) exec {
	n := t.bits
	if t.class() == class64 {
		return form64x2(each64x2(func(a, b uint64) uint64 { return f(a, b, 64) }), d.dst(0, t), d.src(1, t), d.src(2, t))
	}
	return form32x2(each32x2(func(a, b uint32) uint32 { return uint32(low(f(uint64(a), uint64(b), n), n)) }),
		d.dst(0, t), d.src(1, t), d.src(2, t))
}

func (d *decoder) ternaryInt(t scalar, f func(a, b, c uint64, n int) uint64) exec {
	n := t.bits
	if t.class() == class64 {
		return form64x3(each64x3(func(a, b, c uint64) uint64 { return f(a, b, c, 64) }),
			d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t))
	}
	return form32x3(each32x3(func(a, b, c uint32) uint32 { return uint32(low(f(uint64(a), uint64(b), uint64(c), n), n)) }),
		d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t))
}

// addSub decodes add and sub of integers and of floats.
func (d *decoder) addSub(v32 func(d, a, b *v32), v64 func(d, a, b *v64), name string) exec {
	switch cc := slices.Contains(d.mods, "cc"); {
	case cc && name == "add":
		return d.carrying(false, addCarry)
	case cc:
		return d.carrying(false, subBorrow)
	}
	t := d.lastType()
	if t.isFloat() {
		return d.floatBinary(t, name)
	}
	d.want(3)
	if d.flag("sat") {
		if t.name != "s32" {
			d.errorf(".sat goes with .s32 only")
		}
		return d.binaryInt(t, func(a, b uint64, _ int) uint64 {
			x, y := sx(a, 32), sx(b, 32)
			if name == "sub" {
				y = -y
			}
			return uint64(min(max(x+y, -1<<31), 1<<31-1))
		})
	}
	d.integer(t)
	switch t.bits {
	case 32:
		return form32x2(v32, d.dst(0, t), d.src(1, t), d.src(2, t))
	case 64:
		return form64x2(v64, d.dst(0, t), d.src(1, t), d.src(2, t))
	}
	return d.binaryInt(t, func(a, b uint64, _ int) uint64 {
		if name == "sub" {
			return a - b
		}
		return a + b
	})
}

// integer refuses types that integer arithmetic lacks.
func (d *decoder) integer(t scalar) {
	if t.family != unsigned && t.family != signed || t.bits < 16 {
		d.errorf("type .%s is not in the subset for this instruction", t.name)
	}
}

// doubleType returns the type of twice the width, for .wide.
func (d *decoder) doubleType(t scalar) scalar {
	name, ok := map[string]string{"u16": "u32", "s16": "s32", "u32": "u64", "s32": "s64"}[t.name]
	if !ok {
		d.errorf(".wide of .%s", t.name)
		return t
	}
	return scalars[name]
}

func decodeMul(d *decoder) exec {
	t := d.lastType()
	if t.isFloat() {
		return d.floatBinary(t, "mul")
	}
	d.want(3)
	d.integer(t)
	switch d.take("lo", "hi", "wide") {
	case "lo":
		switch t.bits {
		case 32:
			return form32x2(vec.mul32, d.dst(0, t), d.src(1, t), d.src(2, t))
		case 64:
			return form64x2(mul64, d.dst(0, t), d.src(1, t), d.src(2, t))
		}
		return d.binaryInt(t, func(a, b uint64, _ int) uint64 { return a * b })
	case "hi":
		return d.binaryInt(t, func(a, b uint64, n int) uint64 { return mulHigh(a, b, n, t.isSigned()) })
	case "wide":
		w := d.doubleType(t)
		if t.bits == 16 {
			return form32x2(each32x2(func(a, b uint32) uint32 { return wide16(a, b, t) }), d.dst(0, w), d.src(1, t), d.src(2, t))
		}
		f := vec.mulWideU32
		if t.isSigned() {
			f = vec.mulWideS32
		}
		return formWide(f, d.dst(0, w), d.src(1, t), d.src(2, t))
	}
	d.errorf("one of .lo, .hi and .wide is missing")
	return nil
}

func wide16(a, b uint32, t scalar) uint32 {
	if t.isSigned() {
		return uint32(sx(uint64(a), 16) * sx(uint64(b), 16))
	}
	return a * b
}

func decodeMad(d *decoder) exec {
	if slices.Contains(d.mods, "cc") {
		return d.carrying(false, addCarry)
	}
	t := d.lastType()
	if t.isFloat() {
		return d.fused(t)
	}
	d.want(4)
	d.integer(t)
	switch d.take("lo", "hi", "wide") {
	case "lo":
		switch t.bits {
		case 32:
			return form32x3(vec.mad32, d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t))
		case 64:
			return form64x3(mad64, d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t))
		}
		return d.ternaryInt(t, func(a, b, c uint64, _ int) uint64 { return a*b + c })
	case "hi":
		if d.flag("sat") {
			d.errorf(".sat is not in the subset")
		}
		return d.ternaryInt(t, func(a, b, c uint64, n int) uint64 { return mulHigh(a, b, n, t.isSigned()) + c })
	case "wide":
		w := d.doubleType(t)
		if t.bits == 16 {
			return form32x3(each32x3(func(a, b, c uint32) uint32 { return wide16(a, b, t) + c }),
				d.dst(0, w), d.src(1, t), d.src(2, t), d.src(3, w))
		}
		f := vec.madWideU32
		if t.isSigned() {
			f = vec.madWideS32
		}
		return formWideAdd(f, d.dst(0, w), d.src(1, t), d.src(2, t), d.src(3, w))
	}
	d.errorf("one of .lo, .hi and .wide is missing")
	return nil
}

// divide decodes div and rem.
func (d *decoder) divide(u, s func(a, b uint64, n int) uint64) exec {
	t := d.lastType()
	if t.isFloat() {
		d.out.kind = KindSpecial
		return d.floatDivide(t)
	}
	d.want(3)
	d.integer(t)
	if t.isSigned() {
		return d.binaryInt(t, s)
	}
	return d.binaryInt(t, u)
}

func (d *decoder) minMax(least bool) exec {
	t := d.lastType()
	if t.isFloat() {
		if least {
			return d.floatBinary(t, "min")
		}
		return d.floatBinary(t, "max")
	}
	d.want(3)
	d.integer(t)
	return d.binaryInt(t, func(a, b uint64, n int) uint64 {
		smaller := a < b
		if t.isSigned() {
			smaller = sx(a, n) < sx(b, n)
		}
		if smaller == least {
			return a
		}
		return b
	})
}

func decodeAbs(d *decoder) exec {
	t := d.lastType()
	if t.isFloat() {
		return d.floatSign(t, true)
	}
	d.want(2)
	d.integer(t)
	return d.unaryInt(t, func(a uint64, n int) uint64 {
		if sx(a, n) < 0 {
			return -a
		}
		return a
	})
}

func decodeNeg(d *decoder) exec {
	t := d.lastType()
	if t.isFloat() {
		return d.floatSign(t, false)
	}
	d.want(2)
	d.integer(t)
	return d.unaryInt(t, func(a uint64, _ int) uint64 { return -a })
}

// decodeSad decodes c + |a-b|.
func decodeSad(d *decoder) exec {
	t := d.typeAmong(integerTypes...)
	d.want(4)
	return d.ternaryInt(t, func(a, b, c uint64, n int) uint64 {
		smaller := a < b
		if t.isSigned() {
			smaller = sx(a, n) < sx(b, n)
		}
		if smaller {
			return c + b - a
		}
		return c + a - b
	})
}

// decodeDot decodes dp4a.atype.btype: c plus the dot product of four bytes.
func decodeDot(d *decoder) exec {
	d.want(4)
	b, a := d.typeAmong("u32", "s32"), d.typeAmong("u32", "s32")
	part := func(v uint32, i int, t scalar) int32 {
		if t.isSigned() {
			return int32(int8(v >> (8 * i)))
		}
		return int32(uint8(v >> (8 * i)))
	}
	return form32x3(each32x3(func(x, y, c uint32) uint32 {
		for i := 0; i < 4; i++ {
			c += uint32(part(x, i, a) * part(y, i, b))
		}
		return c
	}), d.dst(0, a), d.src(1, a), d.src(2, b), d.src(3, a))
}

// multiply24 decodes mul24 and mad24, lo only.
func (d *decoder) multiply24(add bool) exec {
	t := d.typeAmong("u32", "s32")
	if !d.flag("lo") {
		d.errorf("only .lo is in the subset")
	}
	product := func(a, b uint64) uint64 {
		if t.isSigned() {
			return uint64(sx(a, 24) * sx(b, 24))
		}
		return low(a, 24) * low(b, 24)
	}
	if add {
		d.want(4)
		return d.ternaryInt(t, func(a, b, c uint64, _ int) uint64 { return product(a, b) + c })
	}
	d.want(3)
	return d.binaryInt(t, func(a, b uint64, _ int) uint64 { return product(a, b) })
}

func reverse(a uint64, n int) uint64 { return bits.Reverse64(a) >> (64 - n) }
