package ptx

import "math"

// rounding is a PTX rounding mode.
type rounding uint8

const (
	roundNearest rounding = iota // .rn, ties to even
	roundZero                    // .rz
	roundDown                    // .rm
	roundUp                      // .rp
	roundAway                    // .rna, ties away from zero
)

var roundings = map[string]rounding{
	"rn": roundNearest, "rz": roundZero, "rm": roundDown, "rp": roundUp, "rna": roundAway,
}

// format is a binary floating-point format no wider than float64.
type format struct {
	bits     int // whole width
	mantissa int // stored bits
	minimum  int // exponent of the smallest normal number
	maximum  int // exponent of the largest finite number
}

var (
	formatF16  = format{16, 10, -14, 15}
	formatBF16 = format{16, 7, -126, 127}
	formatTF32 = format{32, 10, -126, 127} // stored as float32 with 13 zero bits below
	formatF32  = format{32, 23, -126, 127}
	formatF64  = format{64, 52, -1022, 1023}
)

// formatOf returns the format of one element of t.
func formatOf(t scalar) format {
	switch {
	case t.family == brainFloat:
		return formatBF16
	case t.family == tensorFloat:
		return formatTF32
	case t.bits == 64:
		return formatF64
	case t.bits == 16 || t.lanes == 2:
		return formatF16
	}
	return formatF32
}

// largest returns the largest finite number.
func (f format) largest() float64 {
	return math.Ldexp(2-math.Ldexp(1, -f.mantissa), f.maximum)
}

// round returns x rounded to the format, as float64. x must be exact or rounded
// to odd, which keeps every mode right as long as the format is 2 bits narrower.
func (f format) round(x float64, mode rounding) float64 {
	if x == 0 || math.IsInf(x, 0) || x != x || f.bits == 64 {
		return x
	}
	if f.mantissa == 23 && mode != roundAway {
		return roundTo32(x, mode)
	}
	_, e := math.Frexp(x)
	unit := max(e-1, f.minimum) - f.mantissa
	q := math.Ldexp(x, -unit)
	switch mode {
	case roundNearest:
		q = math.RoundToEven(q)
	case roundZero:
		q = math.Trunc(q)
	case roundDown:
		q = math.Floor(q)
	case roundUp:
		q = math.Ceil(q)
	case roundAway:
		q = math.Round(q)
	}
	if q == 0 {
		return math.Copysign(0, x)
	}
	y := math.Ldexp(q, unit)
	if math.Abs(y) <= f.largest() {
		return y
	}
	if mode == roundZero || mode == roundDown && y > 0 || mode == roundUp && y < 0 {
		return math.Copysign(f.largest(), y)
	}
	return math.Inf(int(math.Copysign(1, y)))
}

// roundTo32 is round for float32: Go's own conversion, one step back where the
// mode forbids its direction.
func roundTo32(x float64, mode rounding) float64 {
	r := float32(x)
	y := float64(r)
	switch {
	case y > x && (mode == roundDown || mode == roundZero && x > 0):
		y = float64(math.Nextafter32(r, float32(math.Inf(-1))))
	case y < x && (mode == roundUp || mode == roundZero && x < 0):
		y = float64(math.Nextafter32(r, float32(math.Inf(1))))
	}
	if y == 0 {
		return math.Copysign(0, x)
	}
	return y
}

// encode returns the bits of x, which is rounded to nearest first (not to tf32, whose
// bits are those of a float32).
func (f format) encode(x float64) uint32 {
	if f.bits == 32 { // tf32 must have been rounded before
		return canonical32(float32(x))
	}
	if math.IsNaN(x) {
		return 0x7fff
	}
	x = f.round(x, roundNearest)
	sign := uint32(0)
	if math.Signbit(x) {
		sign = 1 << 15
		x = -x
	}
	switch {
	case x == 0:
		return sign
	case math.IsInf(x, 0):
		return sign | uint32(2*f.maximum+1)<<f.mantissa
	}
	_, e := math.Frexp(x)
	exponent := max(e-1, f.minimum)
	q := uint32(math.Ldexp(x, f.mantissa-exponent))
	// A subnormal q lacks the hidden bit: its exponent field is then zero.
	return sign | (uint32(exponent-f.minimum)<<f.mantissa + q)
}

// decode returns the value of bits.
func (f format) decode(b uint32) float64 {
	if f.bits == 32 {
		return float64(math.Float32frombits(b))
	}
	if f.mantissa == 7 {
		return float64(math.Float32frombits(b << 16))
	}
	return float64(halfToFloat(b))
}

// halfToFloat returns the value of an f16.
func halfToFloat(b uint32) float32 {
	sign := b & 0x8000 << 16
	magnitude := b & 0x7fff
	switch {
	case magnitude >= 0x7c00: // infinity, NaN
		return math.Float32frombits(sign | 0x7f800000 | magnitude<<13)
	case magnitude < 0x400: // subnormal: a multiple of 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(magnitude)*0x1p-24))
	}
	return math.Float32frombits(sign | (magnitude<<13 + 112<<23))
}

// floatToHalf rounds to f16, ties to even.
func floatToHalf(x float32) uint32 { return formatF16.encode(float64(x)) }

// floatToBrain rounds to bf16, ties to even.
func floatToBrain(x float32) uint32 {
	b := math.Float32bits(x)
	if b&0x7fffffff > 0x7f800000 {
		return 0x7fff
	}
	return (b + 0x7fff + b>>16&1) >> 16
}

// canonicalNaN is the NaN that float32 instructions return.
const canonicalNaN = 0x7fffffff

func canonical32(x float32) uint32 {
	if x != x {
		return canonicalNaN
	}
	return math.Float32bits(x)
}

// toOdd corrects s, the nearest float64 to an exact value whose difference from s
// has the sign of err: the odd neighbour keeps the information that was cut off.
func toOdd(s, err float64) float64 {
	b := math.Float64bits(s)
	if err == 0 || err != err || b&1 == 1 || math.IsInf(s, 0) {
		return s
	}
	if (err > 0) == (s > 0) {
		return math.Float64frombits(b + 1)
	}
	return math.Float64frombits(b - 1)
}

// addOdd returns a+b rounded to odd.
func addOdd(a, b float64) float64 {
	s := a + b
	bb := s - a
	return toOdd(s, (a-(s-bb))+(b-bb))
}

// divOdd returns a/b rounded to odd; a and b come from float32 or narrower.
func divOdd(a, b float64) float64 {
	q := a / b
	r := math.FMA(-q, b, a)
	if b < 0 {
		r = -r
	}
	return toOdd(q, r)
}

// sqrtOdd returns the square root rounded to odd; a comes from float32 or narrower.
func sqrtOdd(a float64) float64 {
	q := math.Sqrt(a)
	return toOdd(q, math.FMA(-q, q, a))
}
