package ptx

// Comparisons of 32 lanes; the result has one bit for each lane. All operators
// are put together from three: less, less or equal, equal.

type (
	compare32 = func(a, b *v32) uint32
	compare64 = func(a, b *v64) uint32
)

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

func ltU32(a, b *v32) (m uint32) {
	for i := 31; i >= 0; i-- {
		m = m<<1 | bit(a[i] < b[i])
	}
	return m
}

func ltS32(a, b *v32) (m uint32) {
	for i := 31; i >= 0; i-- {
		m = m<<1 | bit(int32(a[i]) < int32(b[i]))
	}
	return m
}

func eqU32(a, b *v32) (m uint32) {
	for i := 31; i >= 0; i-- {
		m = m<<1 | bit(a[i] == b[i])
	}
	return m
}

func ltU64(a, b *v64) (m uint32) {
	for i := 31; i >= 0; i-- {
		m = m<<1 | bit(a[i] < b[i])
	}
	return m
}

func ltS64(a, b *v64) (m uint32) {
	for i := 31; i >= 0; i-- {
		m = m<<1 | bit(int64(a[i]) < int64(b[i]))
	}
	return m
}

func eqU64(a, b *v64) (m uint32) {
	for i := 31; i >= 0; i-- {
		m = m<<1 | bit(a[i] == b[i])
	}
	return m
}

func ltF32(a, b *v32) (m uint32) {
	for i := 31; i >= 0; i-- {
		m = m<<1 | bit(f32(a[i]) < f32(b[i]))
	}
	return m
}

func leF32(a, b *v32) (m uint32) {
	for i := 31; i >= 0; i-- {
		m = m<<1 | bit(f32(a[i]) <= f32(b[i]))
	}
	return m
}

func eqF32(a, b *v32) (m uint32) {
	for i := 31; i >= 0; i-- {
		m = m<<1 | bit(f32(a[i]) == f32(b[i]))
	}
	return m
}

func ltF64(a, b *v64) (m uint32) {
	for i := 31; i >= 0; i-- {
		m = m<<1 | bit(f64(a[i]) < f64(b[i]))
	}
	return m
}

func leF64(a, b *v64) (m uint32) {
	for i := 31; i >= 0; i-- {
		m = m<<1 | bit(f64(a[i]) <= f64(b[i]))
	}
	return m
}

func eqF64(a, b *v64) (m uint32) {
	for i := 31; i >= 0; i-- {
		m = m<<1 | bit(f64(a[i]) == f64(b[i]))
	}
	return m
}

// widened32 compares narrow values after widening both with f.
func widened32(f func(uint32) uint32, c compare32) compare32 {
	return func(a, b *v32) uint32 {
		var x, y v32
		for i := range x {
			x[i], y[i] = f(a[i]), f(b[i])
		}
		return c(&x, &y)
	}
}

// integerOperator builds an operator from less and equal; ok is false for a name
// that does not fit integers. signless types know only eq and ne.
func integerOperator[V any](name string, less, equal func(a, b *V) uint32, signless bool) (func(a, b *V) uint32, bool) {
	switch name {
	case "eq":
		return equal, true
	case "ne":
		return func(a, b *V) uint32 { return ^equal(a, b) }, true
	}
	if signless {
		return nil, false
	}
	switch name {
	case "lt", "lo":
		return less, true
	case "gt", "hi":
		return func(a, b *V) uint32 { return less(b, a) }, true
	case "le", "ls":
		return func(a, b *V) uint32 { return ^less(b, a) }, true
	case "ge", "hs":
		return func(a, b *V) uint32 { return ^less(a, b) }, true
	}
	return nil, false
}

// floatOperator builds an operator from less, less or equal, and equal. The plain
// names are false for a NaN, those that end in u are true.
func floatOperator[V any](name string, lt, le, eq func(a, b *V) uint32) (func(a, b *V) uint32, bool) {
	f, ok := map[string]func(a, b *V) uint32{
		"eq":  eq,
		"lt":  lt,
		"le":  le,
		"gt":  func(a, b *V) uint32 { return lt(b, a) },
		"ge":  func(a, b *V) uint32 { return le(b, a) },
		"ne":  func(a, b *V) uint32 { return lt(a, b) | lt(b, a) },
		"equ": func(a, b *V) uint32 { return ^(lt(a, b) | lt(b, a)) },
		"neu": func(a, b *V) uint32 { return ^eq(a, b) },
		"ltu": func(a, b *V) uint32 { return ^le(b, a) },
		"leu": func(a, b *V) uint32 { return ^lt(b, a) },
		"gtu": func(a, b *V) uint32 { return ^le(a, b) },
		"geu": func(a, b *V) uint32 { return ^lt(a, b) },
		"num": func(a, b *V) uint32 { return le(a, b) | le(b, a) },
		"nan": func(a, b *V) uint32 { return ^(le(a, b) | le(b, a)) },
	}[name]
	return f, ok
}

// comparison32 and comparison64 return the operator name for type t, or nil.

func comparison32(name string, t scalar) compare32 {
	var f compare32
	switch {
	case t.isFloat() && t.bits == 32 && t.lanes == 1:
		f, _ = floatOperator(name, vec.ltF32, vec.leF32, vec.eqF32)
	case t.isFloat() && t.bits == 16:
		format := formatOf(t)
		if f, _ = floatOperator(name, vec.ltF32, vec.leF32, vec.eqF32); f != nil {
			f = widened32(func(a uint32) uint32 { return canonical32(float32(format.decode(a))) }, f)
		}
	case t.isSigned():
		if f, _ = integerOperator(name, vec.ltS32, vec.eqU32, false); f != nil && t.bits == 16 {
			f = widened32(func(a uint32) uint32 { return uint32(sx(uint64(a), 16)) }, f)
		}
	case t.family == unsigned || t.family == untyped:
		f, _ = integerOperator(name, vec.ltU32, vec.eqU32, t.family == untyped)
	}
	return f
}

func comparison64(name string, t scalar) compare64 {
	var f compare64
	switch {
	case t.isFloat():
		f, _ = floatOperator(name, ltF64, leF64, eqF64)
	case t.isSigned():
		f, _ = integerOperator(name, ltS64, eqU64, false)
	default:
		f, _ = integerOperator(name, ltU64, eqU64, t.family == untyped)
	}
	return f
}
