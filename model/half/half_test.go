package half

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// format describes one 16-bit format for tests that hold for both.
type format struct {
	name              string
	exponent, mantiss int // bits
	bias              int
	from              func(uint16) float32
	to                func(float32) uint16
	decode            func([]float32, []byte)
	encode            func([]byte, []float32) []byte
}

var formats = []format{
	{"F16", 5, 10, 15, FromF16, ToF16, DecodeF16, AppendF16},
	{"BF16", 8, 7, 127, FromBF16, ToBF16, DecodeBF16, AppendBF16},
}

// infinity is the format's bit pattern of +Inf.
func (f format) infinity() uint16 { return uint16(1<<f.exponent-1) << f.mantiss }

// value is what IEEE 754 says pattern h is worth, in float64.
func (f format) value(h uint16) float64 {
	sign := 1.0
	if h&0x8000 != 0 {
		sign = -1
	}
	e := int(h&0x7fff) >> f.mantiss
	m := float64(h & (1<<f.mantiss - 1))
	switch {
	case e == 1<<f.exponent-1 && m != 0:
		return math.NaN()
	case e == 1<<f.exponent-1:
		return math.Inf(int(sign))
	case e == 0:
		return sign * math.Ldexp(m, 1-f.bias-f.mantiss)
	}
	return sign * math.Ldexp(1+m/float64(int(1)<<f.mantiss), e-f.bias)
}

func TestEveryPatternWidensToItsIEEEValue(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			for h := range 1 << 16 {
				got, want := float64(f.from(uint16(h))), f.value(uint16(h))
				if math.IsNaN(want) {
					require.True(t, math.IsNaN(got), "pattern %04x", h)
				} else if got != want || math.Signbit(got) != math.Signbit(want) {
					t.Fatalf("pattern %04x: got %g, want %g", h, got, want)
				}
			}
		})
	}
}

func TestEveryPatternSurvivesWideningAndNarrowing(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			quiet := uint16(1) << (f.mantiss - 1)
			for h := range 1 << 16 {
				want := uint16(h)
				if want&0x7fff > f.infinity() {
					want |= quiet
				}
				if got := f.to(f.from(uint16(h))); got != want {
					t.Fatalf("pattern %04x came back as %04x, want %04x", h, got, want)
				}
			}
		})
	}
}

// TestNarrowingRoundsToNearestEven looks at both sides of every rounding
// boundary: between each pair of neighbours lies one midpoint, a tie that goes to
// the even pattern, and the float32 below and above it go to their own side.
// Infinity is the neighbour of the largest finite value, at the place of the next
// power of two.
func TestNarrowingRoundsToNearestEven(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			for low := uint16(0); low < f.infinity(); low++ {
				high := low + 1
				above := f.value(high)
				if high == f.infinity() {
					above = math.Ldexp(1, f.bias+1)
				}
				middle := float32((f.value(low) + above) / 2)
				even := low
				if low&1 == 1 {
					even = high
				}
				for _, sign := range []uint16{0, 0x8000} {
					signed := middle
					if sign != 0 {
						signed = -middle
					}
					before, after := math.Nextafter32(signed, 0), math.Nextafter32(signed, 2*signed)
					if g := f.to(signed); g != even|sign {
						t.Fatalf("tie %g between %04x and %04x: got %04x", signed, low, high, g)
					}
					if g := f.to(before); g != low|sign {
						t.Fatalf("%g, just below the tie of %04x and %04x: got %04x", before, low, high, g)
					}
					if g := f.to(after); g != high|sign {
						t.Fatalf("%g, just above the tie of %04x and %04x: got %04x", after, low, high, g)
					}
				}
			}
		})
	}
}

func TestSpecialValuesNarrow(t *testing.T) {
	inf := float32(math.Inf(1))
	tests := []struct {
		name      string
		in        float32
		f16, bf16 uint16
	}{
		{"plus zero", 0, 0, 0},
		{"minus zero", float32(math.Copysign(0, -1)), 0x8000, 0x8000},
		{"one", 1, 0x3c00, 0x3f80},
		{"infinity", inf, 0x7c00, 0x7f80},
		{"minus infinity", -inf, 0xfc00, 0xff80},
		{"largest float32", math.MaxFloat32, 0x7c00, 0x7f80},
		{"smallest float32 subnormal", math.SmallestNonzeroFloat32, 0, 0},
		{"largest F16", 65504, 0x7bff, 0x4780},
		{"smallest F16 subnormal", 1.0 / (1 << 24), 0x0001, 0x3380},
		{"NaN whose payload lies below the kept bits", math.Float32frombits(0x7f800001), 0x7e00, 0x7fc0},
		{"negative NaN", math.Float32frombits(0xffc00000), 0xfe00, 0xffc0},
		{"NaN of all ones", math.Float32frombits(0x7fffffff), 0x7fff, 0x7fff},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.f16, ToF16(tt.in), "F16")
			require.Equal(t, tt.bf16, ToBF16(tt.in), "BF16")
		})
	}
}

func TestSlicesConvertLikeSingleValues(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			in := []float32{0.1, -2.5, 1e-6, 3e4, 0, -0.333}
			raw := f.encode([]byte{9}, in)
			require.Len(t, raw, 1+Bytes*len(in))
			require.Equal(t, byte(9), raw[0])
			out := make([]float32, len(in))
			f.decode(out, raw[1:])
			for i, v := range in {
				require.Equal(t, f.from(f.to(v)), out[i])
			}
		})
	}
}

func BenchmarkDecodeF16(b *testing.B) {
	dst, src := make([]float32, 1<<20), make([]byte, 2<<20)
	for i := range len(src) / 2 { // weights between 2^-7 and 1
		src[2*i], src[2*i+1] = byte(i*7), 0x20+byte(i%28)
	}
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		DecodeF16(dst, src)
	}
}
