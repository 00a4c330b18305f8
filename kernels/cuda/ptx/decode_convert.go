package ptx

import "math"

// decodeConvert decodes cvt between all integer and float types.
func decodeConvert(d *decoder) exec {
	from, to := d.lastType(), d.lastType()
	if d.err != nil {
		return nil
	}
	if to.lanes == 2 {
		return d.convertPair(from, to)
	}
	d.want(2)
	f := d.conversion(from, to)
	if d.err != nil {
		return nil
	}
	// The registers may be wider than the types.
	src, dst := d.operand(1), d.operand(0)
	a, out := d.source(src, from, true), d.destination(dst, to, true)
	if to.isSigned() && dst.kind == opRegister && dst.reg.typ.bits > to.bits {
		inner, n, wide := f, to.bits, dst.reg.typ.bits
		f = func(v uint64) uint64 { return low(uint64(sx(inner(v), n)), wide) }
	}
	n := from.bits
	switch srcWide, dstWide := d.wide(src, from), d.wide(dst, to); {
	case srcWide && dstWide:
		return form64(each64(func(v uint64) uint64 { return f(low(v, n)) }), out, a)
	case srcWide && from.bits == 64 && to.bits == 32 && !from.isFloat() && !to.isFloat() && !d.saturates():
		return formNarrow(vec.truncate64, out, a)
	case srcWide:
		return formNarrow(func(d *v32, a *v64) {
			for i := range d {
				d[i] = uint32(f(low(a[i], n)))
			}
		}, out, a)
	case dstWide && from.bits == 32 && to.bits == 64 && from.family == unsigned && !to.isFloat() && !d.saturates():
		return formWiden(vec.extendU32, out, a)
	case dstWide && from.bits == 32 && to.bits == 64 && from.isSigned() && !to.isFloat() && !d.saturates():
		return formWiden(vec.extendS32, out, a)
	case dstWide:
		return formWiden(func(d *v64, a *v32) {
			for i := range d {
				d[i] = f(low(uint64(a[i]), n))
			}
		}, out, a)
	}
	switch d.st.text { // those that most kernels have
	case "cvt.sat.f32.f32":
		return form32(each32(saturate), out, a)
	case "cvt.rn.bf16.f32":
		return form32(each32(func(v uint32) uint32 { return floatToBrain(f32(v)) }), out, a)
	case "cvt.f32.bf16":
		return form32(each32(func(v uint32) uint32 { return canonical32(f32(v << 16)) }), out, a)
	}
	return form32(each32(func(v uint32) uint32 { return uint32(f(low(uint64(v), n))) }), out, a)
}

// wide reports whether the operand lives in a 64-bit slot.
func (d *decoder) wide(o *operand, t scalar) bool {
	if o.kind == opRegister {
		return o.reg.typ.class() == class64
	}
	return t.class() == class64
}

func (d *decoder) saturates() bool {
	for _, m := range d.st.mods {
		if m == "sat" {
			return true
		}
	}
	return false
}

// conversion returns the function from the bits of one type to those of another,
// and takes the modifiers.
func (d *decoder) conversion(from, to scalar) func(v uint64) uint64 {
	mode, rounds := d.rounding()
	whole := d.take("rni", "rzi", "rmi", "rpi")
	ftz, sat, relu := d.flag("ftz"), d.flag("sat"), d.flag("relu")
	known := func(t scalar) bool {
		return t.isFloat() || t.family == unsigned || t.isSigned() || t.family == tensorFloat
	}
	narrower := formatOf(to).mantissa < formatOf(from).mantissa || formatOf(to).maximum < formatOf(from).maximum
	switch {
	case !known(from) || !known(to) || from.lanes == 2 || from.family == tensorFloat:
		d.errorf("cannot convert .%s to .%s", from.name, to.name)
	case from.isFloat() && !to.isFloat() && to.family != tensorFloat:
		if whole == "" || rounds || relu {
			d.errorf("one of .rni, .rzi, .rmi and .rpi is needed")
		}
		return floatToInteger(from, to, whole, ftz)
	case !from.isFloat() && to.isFloat():
		if !rounds || whole != "" || ftz || relu {
			d.errorf("one of .rn, .rz, .rm and .rp is needed")
		}
		if to.bits == 64 && from.bits == 64 && mode != roundNearest {
			d.errorf("only .rn is in the subset")
		}
		return integerToFloat(from, to, mode, sat)
	case !from.isFloat():
		if rounds || whole != "" || ftz || relu {
			d.errorf("a modifier of floats between integers")
		}
		return integerToInteger(from, to, sat)
	case to.family == tensorFloat && (from.name != "f32" || !rounds):
		d.errorf("only .rn or .rna of .f32")
	case to.name != from.name && narrower != rounds && to.family != tensorFloat:
		d.errorf("a rounding mode goes with narrowing, and only with it")
	case to.name != from.name && whole != "" || to.name == from.name && rounds:
		d.errorf("rounding to an integer keeps the type")
	}
	return floatToFloat(from, to, mode, whole, ftz, sat, relu)
}

// toWhole rounds to an integer as .rni, .rzi, .rmi or .rpi say.
func toWhole(x float64, mode string) float64 {
	switch mode {
	case "rni":
		return math.RoundToEven(x)
	case "rzi":
		return math.Trunc(x)
	case "rmi":
		return math.Floor(x)
	case "rpi":
		return math.Ceil(x)
	}
	return x
}

// floatValue decodes the bits of a float type.
func floatValue(v uint64, t scalar) float64 {
	if t.bits == 64 {
		return f64(v)
	}
	return formatOf(t).decode(uint32(v))
}

// floatToInteger clamps to the range; a NaN becomes 0, or with 64 bits the top bit.
func floatToInteger(from, to scalar, mode string, ftz bool) func(v uint64) uint64 {
	n := to.bits
	least, most := 0.0, math.Ldexp(1, n)
	if to.isSigned() {
		least, most = -math.Ldexp(1, n-1), math.Ldexp(1, n-1)
	}
	return func(v uint64) uint64 {
		if ftz && from.name == "f32" {
			v = uint64(flush(uint32(v)))
		}
		x := toWhole(floatValue(v, from), mode)
		switch {
		case x != x && (n == 64 || from.bits == 64):
			return 1 << (n - 1)
		case x != x:
			return 0
		case x >= most && to.isSigned():
			return 1<<(n-1) - 1
		case x >= most:
			return low(^uint64(0), n)
		case x < least:
			return low(uint64(int64(least)), n)
		case x >= 1<<63:
			return uint64(x-1<<63) | 1<<63
		}
		return low(uint64(int64(x)), n)
	}
}

func integerToFloat(from, to scalar, mode rounding, sat bool) func(v uint64) uint64 {
	return func(v uint64) uint64 {
		negative := from.isSigned() && sx(v, from.bits) < 0
		if negative {
			v = uint64(-sx(v, from.bits))
		}
		var x float64
		switch {
		case to.bits == 64:
			x = float64(v) // rounded to nearest
		case v>>53 == 0:
			x = float64(v)
		default: // to odd, for the rounding to come
			x = float64(v>>11|uint64(bit(v&0x7ff != 0))) * 2048
		}
		if negative {
			x = -x
		}
		return floatBits(x, to, mode, sat, false)
	}
}

func integerToInteger(from, to scalar, sat bool) func(v uint64) uint64 {
	return func(v uint64) uint64 {
		if from.isSigned() {
			v = uint64(sx(v, from.bits))
		}
		if !sat {
			return low(v, to.bits)
		}
		negative := from.isSigned() && int64(v) < 0
		most := low(^uint64(0), to.bits)
		if to.isSigned() {
			most >>= 1
		}
		switch {
		case negative && !to.isSigned():
			return 0
		case negative && int64(v) < -int64(most)-1:
			return most + 1
		case !negative && v > most:
			return most
		}
		return low(v, to.bits)
	}
}

func floatToFloat(from, to scalar, mode rounding, whole string, ftz, sat, relu bool) func(v uint64) uint64 {
	return func(v uint64) uint64 {
		if ftz && from.name == "f32" {
			v = uint64(flush(uint32(v)))
		}
		r := floatBits(toWhole(floatValue(v, from), whole), to, mode, sat, relu)
		if ftz && to.name == "f32" {
			r = uint64(flush(uint32(r)))
		}
		return r
	}
}

// floatBits rounds x to type t and returns its bits.
func floatBits(x float64, t scalar, mode rounding, sat, relu bool) uint64 {
	switch {
	case sat && !(x > 0), relu && x < 0:
		x = 0
	case sat && x > 1:
		x = 1
	}
	if t.bits == 64 {
		return bits64(x)
	}
	f := formatOf(t)
	return uint64(f.encode(f.round(x, mode)))
}

// convertPair decodes cvt.rn.bf16x2.f32 d, a, b: a goes to the upper half.
func (d *decoder) convertPair(from, to scalar) exec {
	d.want(3)
	mode, rounds := d.rounding()
	relu, sat := d.flag("relu"), d.flag("satfinite")
	if from.name != "f32" || !rounds || sat {
		d.errorf("only .rn and .rz of two .f32 are in the subset")
	}
	f := each32x2(func(a, b uint32) uint32 {
		up, down := float64(f32(a)), float64(f32(b))
		return uint32(floatBits(up, scalar{"", 16, to.family, 1}, mode, false, relu)<<16 |
			floatBits(down, scalar{"", 16, to.family, 1}, mode, false, relu))
	})
	if to.family == brainFloat && mode == roundNearest && !relu {
		f = func(d, a, b *v32) {
			for i := range d {
				d[i] = floatToBrain(f32(a[i]))<<16 | floatToBrain(f32(b[i]))
			}
		}
	}
	return form32x2(f, d.dst(0, to), d.src(1, from), d.src(2, from))
}

// decodeAddress decodes cvta and cvta.to: between a space's own addresses and
// generic ones.
func decodeAddress(d *decoder) exec {
	t := d.typeAmong("u64", "u32")
	to := d.flag("to")
	name := d.take("global", "shared", "shared::cta", "local", "const", "param", "param::entry")
	if name == "" {
		d.errorf("a state space is missing")
	}
	d.want(2)
	if t.bits == 32 {
		d.errorf("only .u64 is in the subset")
	}
	var window uint64
	switch spaces[name] {
	case spaceShared:
		window = sharedWindow
	case spaceLocal:
		window = localWindow
	case spaceParam:
		window = paramWindow
	}
	if to {
		window = -window
	}
	return form64(func(d, a *v64) {
		for i := range d {
			d[i] = a[i] + window
		}
	}, d.dst(0, t), d.src(1, t))
}
