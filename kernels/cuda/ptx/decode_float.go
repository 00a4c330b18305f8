package ptx

import "math"

func floatRules() map[string]rule {
	special := func(f func(x float64) float64) rule {
		return rule{KindSpecial, func(d *decoder) exec { return d.approximate(f) }}
	}
	return map[string]rule{
		"fma":      {KindFloat, func(d *decoder) exec { return d.fused(d.lastType()) }},
		"ex2":      special(exp2),
		"lg2":      special(math.Log2),
		"sin":      special(math.Sin),
		"cos":      special(math.Cos),
		"tanh":     special(math.Tanh),
		"rsqrt":    special(func(x float64) float64 { return 1 / math.Sqrt(x) }),
		"rcp":      {KindSpecial, decodeReciprocal},
		"sqrt":     {KindSpecial, decodeSqrt},
		"copysign": {KindFloat, decodeCopysign},
		"testp":    {KindCompare, decodeTest},
	}
}

// exactly returns the result of a binary operation rounded to odd in float64, from
// which every narrower format can be rounded in every mode.
func exactly(name string) func(a, b float64) float64 {
	return map[string]func(a, b float64) float64{
		"add": addOdd,
		"sub": func(a, b float64) float64 { return addOdd(a, -b) },
		"mul": func(a, b float64) float64 { return a * b },
		"div": divOdd,
		"min": func(a, b float64) float64 { return minFloat(a, b, false) },
		"max": func(a, b float64) float64 { return maxFloat(a, b, false) },
	}[name]
}

// zeroSign gives an exact sum of zero the sign that the mode asks for: rounding
// down, only +0 + +0 is +0.
func zeroSign(sum, a, b float64, mode rounding) float64 {
	if sum != 0 || mode != roundDown || a == 0 && b == 0 && !math.Signbit(a) && !math.Signbit(b) {
		return sum
	}
	return math.Copysign(0, -1)
}

// floatBinary decodes add, sub, mul, min and max of floats.
func (d *decoder) floatBinary(t scalar, name string) exec {
	d.out.kind = KindFloat
	d.want(3)
	mode, _ := d.rounding()
	ftz, sat := d.flag("ftz"), d.flag("sat")
	propagate := false
	if name == "min" || name == "max" {
		propagate = d.flag("NaN")
	}
	f := exactly(name)
	switch {
	case propagate && name == "min":
		f = func(a, b float64) float64 { return minFloat(a, b, true) }
	case propagate:
		f = func(a, b float64) float64 { return maxFloat(a, b, true) }
	}
	if t.class() == class64 {
		if mode != roundNearest || ftz || sat {
			d.errorf("only .rn is in the subset for .f64")
		}
		return form64x2(each64x2(float64Op(name)), d.dst(0, t), d.src(1, t), d.src(2, t))
	}
	if t.bits == 16 || t.lanes == 2 {
		if mode != roundNearest {
			d.errorf("only .rn is in the subset for .%s", t.name)
		}
		return form32x2(each32x2(halves2(t, ftz, sat, false, f)), d.dst(0, t), d.src(1, t), d.src(2, t))
	}
	v := map[string]func(d, a, b *v32){"add": vec.addF32, "sub": vec.subF32, "mul": vec.mulF32, "min": vec.minF32, "max": vec.maxF32}[name]
	if mode != roundNearest || propagate {
		v = each32x2(func(a, b uint32) uint32 {
			x, y := float64(f32(a)), float64(f32(b))
			r := f(x, y)
			switch name {
			case "add":
				r = zeroSign(r, x, y, mode)
			case "sub":
				r = zeroSign(r, x, -y, mode)
			}
			return canonical32(float32(formatF32.round(r, mode)))
		})
	}
	return d.finishF32x2(v, ftz, sat, t)
}

func (d *decoder) finishF32x2(v func(d, a, b *v32), ftz, sat bool, t scalar) exec {
	if ftz {
		v = flush2(v)
	}
	if sat {
		inner := v
		v = func(d, a, b *v32) {
			inner(d, a, b)
			for i := range d {
				d[i] = saturate(d[i])
			}
		}
	}
	return form32x2(v, d.dst(0, t), d.src(1, t), d.src(2, t))
}

func float64Op(name string) func(a, b uint64) uint64 {
	return map[string]func(a, b uint64) uint64{
		"add": func(a, b uint64) uint64 { return bits64(f64(a) + f64(b)) },
		"sub": func(a, b uint64) uint64 { return bits64(f64(a) - f64(b)) },
		"mul": func(a, b uint64) uint64 { return bits64(f64(a) * f64(b)) },
		"div": func(a, b uint64) uint64 { return bits64(f64(a) / f64(b)) },
		"min": func(a, b uint64) uint64 { return bits64(minFloat(f64(a), f64(b), false)) },
		"max": func(a, b uint64) uint64 { return bits64(maxFloat(f64(a), f64(b), false)) },
	}[name]
}

// fused decodes fma, and mad of floats, which is the same since sm_20.
func (d *decoder) fused(t scalar) exec {
	d.out.kind = KindFloat
	d.want(4)
	mode, ok := d.rounding()
	if !ok {
		d.errorf("a rounding mode is missing")
	}
	ftz, sat, relu := d.flag("ftz"), d.flag("sat"), d.flag("relu")
	if t.class() == class64 {
		if mode != roundNearest || ftz || sat || relu {
			d.errorf("only .rn is in the subset for .f64")
		}
		return form64x3(each64x3(func(a, b, c uint64) uint64 { return bits64(math.FMA(f64(a), f64(b), f64(c))) }),
			d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t))
	}
	v := vec.fmaF32
	switch {
	case t.bits == 16 || t.lanes == 2:
		if mode != roundNearest {
			d.errorf("only .rn is in the subset for .%s", t.name)
		}
		v = each32x3(halves3(t, ftz, sat, relu, func(a, b, c float64) float64 { return addOdd(a*b, c) }))
		return form32x3(v, d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t))
	case relu:
		d.errorf(".relu goes with halves only")
	case mode != roundNearest:
		v = each32x3(func(a, b, c uint32) uint32 { return fmaDirected(a, b, c, mode) })
	}
	if ftz {
		v = flush3(v)
	}
	if sat {
		inner := v
		v = func(d, a, b, c *v32) {
			inner(d, a, b, c)
			for i := range d {
				d[i] = saturate(d[i])
			}
		}
	}
	return form32x3(v, d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t))
}

// floatSign decodes abs and neg of floats: sign bits only.
func (d *decoder) floatSign(t scalar, abs bool) exec {
	d.out.kind = KindFloat
	d.want(2)
	ftz := d.flag("ftz")
	if t.class() == class64 {
		return d.unaryInt(t, func(a uint64, _ int) uint64 {
			if abs {
				return a &^ (1 << 63)
			}
			return a ^ 1<<63
		})
	}
	v := negF32
	if abs {
		v = absF32
	}
	if t.bits == 16 || t.lanes == 2 {
		signs := uint32(0x8000)
		if t.lanes == 2 {
			signs = 0x80008000
		}
		v = each32(func(a uint32) uint32 {
			if abs {
				return a &^ signs
			}
			return a ^ signs
		})
	} else if ftz {
		v = flush1(v)
	}
	return form32(v, d.dst(0, t), d.src(1, t))
}

// floatDivide decodes div: .rn and the directed modes exactly, .approx and .full.
func (d *decoder) floatDivide(t scalar) exec {
	d.want(3)
	how, ftz := d.take("approx", "full"), false
	mode, exact := d.rounding()
	ftz = d.flag("ftz")
	if how == "" && !exact {
		d.errorf("one of .rn, .rz, .rm, .rp, .approx and .full is missing")
	}
	switch {
	case t.class() == class64:
		if mode != roundNearest || how != "" {
			d.errorf("only .rn is in the subset for .f64")
		}
		return form64x2(each64x2(float64Op("div")), d.dst(0, t), d.src(1, t), d.src(2, t))
	case t.name != "f32":
		d.errorf("type .%s is not in the subset for this instruction", t.name)
	}
	v := divF32
	switch {
	case how == "approx":
		v = each32x2(divideApprox)
	case mode != roundNearest:
		v = each32x2(func(a, b uint32) uint32 {
			return canonical32(float32(formatF32.round(divOdd(float64(f32(a)), float64(f32(b))), mode)))
		})
	}
	return d.finishF32x2(v, ftz, false, t)
}

// approximate decodes ex2, lg2, sin, cos, tanh and rsqrt: f in float64, rounded
// once, which lies inside the documented error of every card.
func (d *decoder) approximate(f func(x float64) float64) exec {
	t := d.lastType()
	d.want(2)
	if !d.flag("approx") {
		d.errorf(".approx is missing")
	}
	ftz := d.flag("ftz")
	switch {
	case t.name == "f32" && ftz:
		return form32(each32(func(a uint32) uint32 { return flush(canonical32(float32(f(float64(f32(flush(a))))))) }), d.dst(0, t), d.src(1, t))
	case t.name == "f32":
		return form32(unaryF32(f), d.dst(0, t), d.src(1, t))
	case (t.bits == 16 || t.lanes == 2) && (d.st.opcode == "ex2" || d.st.opcode == "tanh"):
		return form32(each32(halves1(t, ftz, f)), d.dst(0, t), d.src(1, t))
	case t.name == "f64" && d.st.opcode == "rsqrt" && !ftz:
		return form64(each64(func(a uint64) uint64 { return bits64(f(f64(a))) }), d.dst(0, t), d.src(1, t))
	}
	d.errorf("type .%s is not in the subset for this instruction", t.name)
	return nil
}

// precise decodes what rcp and sqrt share: odd returns the result rounded to odd,
// nearest returns the float32 next to it.
func (d *decoder) precise(odd func(x float64) float64, nearest func(a uint32) uint32) exec {
	t := d.typeAmong("f32", "f64")
	d.want(2)
	approx := d.flag("approx")
	mode, exact := d.rounding()
	ftz := d.flag("ftz")
	if approx == exact {
		d.errorf("either .approx or a rounding mode")
	}
	if t.class() == class64 {
		reciprocal := d.st.opcode == "rcp"
		if mode != roundNearest || approx && !ftz {
			d.errorf("only .rn is in the subset for .f64")
		}
		return form64(each64(func(a uint64) uint64 {
			if reciprocal {
				return bits64(1 / f64(a))
			}
			return bits64(math.Sqrt(f64(a)))
		}), d.dst(0, t), d.src(1, t))
	}
	v := each32(func(a uint32) uint32 {
		return canonical32(float32(formatF32.round(odd(float64(f32(a))), mode)))
	})
	if mode == roundNearest {
		v = each32(nearest)
	}
	if ftz {
		v = flush1(v)
	}
	return form32(v, d.dst(0, t), d.src(1, t))
}

func decodeReciprocal(d *decoder) exec {
	return d.precise(func(x float64) float64 { return divOdd(1, x) },
		func(a uint32) uint32 { return canonical32(1 / f32(a)) })
}

func decodeSqrt(d *decoder) exec {
	return d.precise(sqrtOdd, func(a uint32) uint32 { return canonical32(float32(math.Sqrt(float64(f32(a))))) })
}

// decodeCopysign decodes: the magnitude of the second with the sign of the first.
func decodeCopysign(d *decoder) exec {
	t := d.typeAmong("f32", "f64")
	d.want(3)
	sign := uint64(1) << (t.bits - 1)
	return d.binaryInt(t, func(a, b uint64, _ int) uint64 { return a&sign | b&^sign })
}

func decodeTest(d *decoder) exec {
	t := d.typeAmong("f32", "f64")
	what := d.take("finite", "infinite", "number", "notanumber", "normal", "subnormal")
	smallest := math.Ldexp(1, formatOf(t).minimum)
	test := map[string]func(x float64) bool{
		"finite":     func(x float64) bool { return !math.IsInf(x, 0) && x == x },
		"infinite":   func(x float64) bool { return math.IsInf(x, 0) },
		"number":     func(x float64) bool { return x == x },
		"notanumber": func(x float64) bool { return x != x },
		"normal":     func(x float64) bool { return math.Abs(x) >= smallest && !math.IsInf(x, 0) },
		"subnormal":  func(x float64) bool { return x != 0 && math.Abs(x) < smallest },
	}[what]
	d.want(2)
	if test == nil {
		d.errorf("the property is missing")
		return nil
	}
	to, a := d.predicateDst(d.operand(0)), d.src(1, t)
	return func(w *warp, m uint32) {
		init := w.init32
		if t.bits == 64 {
			init = w.init64
		}
		if !w.ready(init[a], m) {
			return
		}
		var out uint32
		for l := 0; l < 32; l++ {
			x := float64(0)
			if t.bits == 64 {
				x = f64(w.r64[a][l])
			} else {
				x = float64(f32(w.r32[a][l]))
			}
			out |= bit(test(x)) << l
		}
		w.setPredicate(to, out, m)
	}
}
