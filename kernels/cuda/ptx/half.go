package ptx

import "math"

// Arithmetic on f16 and bf16, single or in pairs: each element is widened, the
// operation done in float64 (rounded to odd where it is not exact), and the
// result rounded once.

// element makes a function on the elements of a register from one on values.
type element struct {
	format    format
	lanes     int
	ftz, sat  bool
	relu      bool
	minNormal float64
}

func newElement(t scalar, ftz, sat, relu bool) element {
	f := formatOf(t)
	return element{f, t.lanes, ftz, sat, relu, math.Ldexp(1, f.minimum)}
}

func (e element) load(v uint32, i int) float64 {
	x := e.format.decode(v >> (16 * i) & 0xffff)
	if e.ftz && math.Abs(x) < e.minNormal {
		return math.Copysign(0, x)
	}
	return x
}

func (e element) store(x float64, i int) uint32 {
	switch {
	case e.sat && !(x > 0):
		x = 0
	case e.sat && x > 1:
		x = 1
	case e.relu && x < 0:
		x = 0
	}
	b := e.format.encode(x)
	if e.ftz && math.Abs(e.format.decode(b)) < e.minNormal {
		b &= 0x8000
	}
	return b << (16 * i)
}

func halves1(t scalar, ftz bool, f func(a float64) float64) func(a uint32) uint32 {
	e := newElement(t, ftz, false, false)
	return func(a uint32) (d uint32) {
		for i := 0; i < e.lanes; i++ {
			d |= e.store(f(e.load(a, i)), i)
		}
		return d
	}
}

func halves2(t scalar, ftz, sat, relu bool, f func(a, b float64) float64) func(a, b uint32) uint32 {
	e := newElement(t, ftz, sat, relu)
	return func(a, b uint32) (d uint32) {
		for i := 0; i < e.lanes; i++ {
			d |= e.store(f(e.load(a, i), e.load(b, i)), i)
		}
		return d
	}
}

func halves3(t scalar, ftz, sat, relu bool, f func(a, b, c float64) float64) func(a, b, c uint32) uint32 {
	e := newElement(t, ftz, sat, relu)
	return func(a, b, c uint32) (d uint32) {
		for i := 0; i < e.lanes; i++ {
			d |= e.store(f(e.load(a, i), e.load(b, i), e.load(c, i)), i)
		}
		return d
	}
}
