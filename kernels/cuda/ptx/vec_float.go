package ptx

import "math"

func f32(b uint32) float32 { return math.Float32frombits(b) }

func f64(b uint64) float64 { return math.Float64frombits(b) }

func bits64(x float64) uint64 { return math.Float64bits(x) }

// float32 arithmetic, rounded to nearest; a NaN result is the canonical one.

func addF32(d, a, b *v32) {
	for i := range d {
		r := f32(a[i]) + f32(b[i])
		d[i] = math.Float32bits(r)
		if r != r {
			d[i] = canonicalNaN
		}
	}
}

func subF32(d, a, b *v32) {
	for i := range d {
		r := f32(a[i]) - f32(b[i])
		d[i] = math.Float32bits(r)
		if r != r {
			d[i] = canonicalNaN
		}
	}
}

func mulF32(d, a, b *v32) {
	for i := range d {
		r := f32(a[i]) * f32(b[i])
		d[i] = math.Float32bits(r)
		if r != r {
			d[i] = canonicalNaN
		}
	}
}

func divF32(d, a, b *v32) {
	for i := range d {
		d[i] = canonical32(f32(a[i]) / f32(b[i]))
	}
}

// fmaF32 is fma.rn: one rounding. The product is exact in float64, so only a sum
// that float64 leaves half way between two float32, or a subnormal one, can be
// rounded wrongly the second time; those go the long way.
func fmaF32(d, a, b, c *v32) {
	for i := range d {
		s := float64(f32(a[i]))*float64(f32(b[i])) + float64(f32(c[i]))
		u := math.Float64bits(s)
		if u&(1<<29-1) == 1<<28 || u<<1-1 < 897<<53-1 {
			d[i] = fmaSlow(a[i], b[i], c[i])
			continue
		}
		r := float32(s)
		d[i] = math.Float32bits(r)
		if r != r {
			d[i] = canonicalNaN
		}
	}
}

func fmaSlow(a, b, c uint32) uint32 {
	s := addOdd(float64(f32(a))*float64(f32(b)), float64(f32(c)))
	return canonical32(float32(formatF32.round(s, roundNearest)))
}

// fmaDirected is fma.rz, .rm and .rp: the nearest float32, and one step back where
// it lies on the wrong side of the exact sum, which is s + err.
func fmaDirected(a, b, c uint32, mode rounding) uint32 {
	p, z := float64(f32(a))*float64(f32(b)), float64(f32(c))
	s := p + z
	bb := s - p
	err := (p - (s - bb)) + (z - bb)
	r := float32(s)
	u := math.Float32bits(r)
	if e := u >> 23 & 255; e == 0 || e == 255 {
		return canonical32(float32(formatF32.round(zeroSign(toOdd(s, err), p, z, mode), mode)))
	}
	rest := (s - float64(r)) + err
	up := rest > 0 && (mode == roundUp || mode == roundZero && r < 0)
	down := rest < 0 && (mode == roundDown || mode == roundZero && r > 0)
	switch {
	case up == down:
		return u
	case up == (r > 0): // away from zero
		return u + 1
	}
	return u - 1
}

// exp2 is 2^x of a float32: a power of two times a Taylor series on [-1/2, 1/2],
// which is exact to the last bits of a float64.
func exp2(x float64) float64 {
	if !(x > -160 && x < 160) {
		return math.Exp2(x)
	}
	n := math.RoundToEven(x)
	t := (x - n) * math.Ln2
	y := 1.0 / 6227020800
	for _, c := range [...]float64{1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
		1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2, 1, 1} {
		y = float64(y*t) + c
	}
	return y * math.Float64frombits(uint64(1023+int64(n))<<52)
}

// minFloat and maxFloat return the other operand for a NaN, unless propagate; -0 < +0.

func minFloat(a, b float64, propagate bool) float64 {
	switch {
	case a != a || b != b:
		return nanChoice(a, b, propagate)
	case a == 0 && b == 0 && math.Signbit(a):
		return a
	case a < b:
		return a
	}
	return b
}

func maxFloat(a, b float64, propagate bool) float64 {
	switch {
	case a != a || b != b:
		return nanChoice(a, b, propagate)
	case a == 0 && b == 0 && !math.Signbit(a):
		return a
	case a > b:
		return a
	}
	return b
}

func nanChoice(a, b float64, propagate bool) float64 {
	switch {
	case propagate || a != a && b != b:
		return math.NaN()
	case a != a:
		return b
	}
	return a
}

func maxF32(d, a, b *v32) {
	for i := range d {
		x, y := f32(a[i]), f32(b[i])
		switch {
		case x > y:
			d[i] = a[i]
		case x < y:
			d[i] = b[i]
		default:
			d[i] = canonical32(float32(maxFloat(float64(x), float64(y), false)))
		}
	}
}

func minF32(d, a, b *v32) {
	for i := range d {
		x, y := f32(a[i]), f32(b[i])
		switch {
		case x < y:
			d[i] = a[i]
		case x > y:
			d[i] = b[i]
		default:
			d[i] = canonical32(float32(minFloat(float64(x), float64(y), false)))
		}
	}
}

func negF32(d, a *v32) {
	for i := range d {
		d[i] = a[i] ^ 1<<31
	}
}

func absF32(d, a *v32) {
	for i := range d {
		d[i] = a[i] &^ (1 << 31)
	}
}

// flush replaces subnormal numbers by a zero of the same sign (.ftz).
func flush(b uint32) uint32 {
	if b&0x7f800000 == 0 {
		return b & (1 << 31)
	}
	return b
}

// saturate clamps to [0, 1]; a NaN becomes 0 (.sat).
func saturate(b uint32) uint32 {
	x := f32(b)
	switch {
	case !(x > 0):
		return 0
	case x > 1:
		return 0x3f800000
	}
	return b
}

func flush1(f func(d, a *v32)) func(d, a *v32) {
	return func(d, a *v32) {
		var x v32
		for i := range d {
			x[i] = flush(a[i])
		}
		f(d, &x)
		for i := range d {
			d[i] = flush(d[i])
		}
	}
}

func flush2(f func(d, a, b *v32)) func(d, a, b *v32) {
	return func(d, a, b *v32) {
		var x, y v32
		for i := range d {
			x[i], y[i] = flush(a[i]), flush(b[i])
		}
		f(d, &x, &y)
		for i := range d {
			d[i] = flush(d[i])
		}
	}
}

func flush3(f func(d, a, b, c *v32)) func(d, a, b, c *v32) {
	return func(d, a, b, c *v32) {
		var x, y, z v32
		for i := range d {
			x[i], y[i], z[i] = flush(a[i]), flush(b[i]), flush(c[i])
		}
		f(d, &x, &y, &z)
		for i := range d {
			d[i] = flush(d[i])
		}
	}
}

// unaryF32 and binaryF32 make vector functions of mathematics in float64.

func unaryF32(f func(x float64) float64) func(d, a *v32) {
	return each32(func(a uint32) uint32 { return canonical32(float32(f(float64(f32(a))))) })
}

// divideApprox is div.approx: within 2 ulp, and zero where the divisor is so large
// that its reciprocal is subnormal.
func divideApprox(a, b uint32) uint32 {
	x, y := f32(a), f32(b)
	if m := b &^ (1 << 31); m > (126+127)<<23 && m < 0x7f800000 {
		if math.IsInf(float64(x), 0) || x != x {
			return canonicalNaN
		}
		return (a ^ b) & (1 << 31)
	}
	return canonical32(x / y)
}
