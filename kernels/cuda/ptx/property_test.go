package ptx

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// anyFloat draws float32 bits with many special values and close exponents.
func anyFloat(t *rapid.T, name string) uint32 {
	return rapid.OneOf(rapid.Uint32(), rapid.SampledFrom([]uint32{0, negative, one, tiny, 0x007fffff, 0x00800000, largest, inf, 0xff800000, 0x7fc00000}),
		rapid.Custom(func(t *rapid.T) uint32 {
			return rapid.Uint32Range(0x3f000000, 0x40800000).Draw(t, "close") | rapid.Uint32Range(0, 1).Draw(t, "sign")<<31
		})).Draw(t, name)
}

// exactRound rounds an exact rational to float32 by a definition of its own.
func exactRound(x *big.Float, mode big.RoundingMode) uint32 {
	f := new(big.Float).SetMode(mode).SetPrec(24).Set(x)
	if e := f.MantExp(nil); x.Sign() != 0 && e < -125 { // subnormal: fewer bits
		unit := new(big.Float).SetMantExp(big.NewFloat(1), -149)
		q := new(big.Float).SetPrec(400).Quo(x, unit)
		n, _ := q.Int(nil)
		rest := new(big.Float).SetPrec(400).Sub(q, new(big.Float).SetInt(n))
		step := big.NewInt(int64(x.Sign()))
		twice := new(big.Float).Mul(rest, big.NewFloat(2))
		switch c := twice.Abs(twice).Cmp(big.NewFloat(1)); {
		case mode == big.ToNearestEven && (c > 0 || c == 0 && n.Bit(0) == 1),
			mode == big.ToPositiveInf && rest.Sign() > 0, mode == big.ToNegativeInf && rest.Sign() < 0:
			n.Add(n, step)
		}
		v, _ := new(big.Float).Mul(new(big.Float).SetInt(n), unit).Float64()
		return math.Float32bits(float32(math.Copysign(v, float64(x.Sign()))))
	}
	v, _ := f.Float32()
	if math.IsInf(float64(v), 0) && (mode == big.ToZero || mode == big.ToPositiveInf && v < 0 || mode == big.ToNegativeInf && v > 0) {
		return math.Float32bits(float32(math.Copysign(math.MaxFloat32, float64(v))))
	}
	return math.Float32bits(v)
}

func finite(bits ...uint32) bool {
	for _, b := range bits {
		if b&0x7f800000 == 0x7f800000 {
			return false
		}
	}
	return true
}

// TestFusedMultiplyAddRoundsOnce compares fma in all modes with exact arithmetic.
func TestFusedMultiplyAddRoundsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyFloat(t, "a"), anyFloat(t, "b"), anyFloat(t, "c")
		var d, x, y, z v32
		x[0], y[0], z[0] = a, b, c
		fmaF32(&d, &x, &y, &z)
		if !finite(a, b, c) {
			want := float32(float64(f32(a))*float64(f32(b)) + float64(f32(c)))
			require.Equal(t, canonical32(want), d[0])
			return
		}
		exact := new(big.Float).SetPrec(1000).Mul(big.NewFloat(float64(f32(a))), big.NewFloat(float64(f32(b))))
		exact.SetPrec(1000).Mul(new(big.Float).SetPrec(1000).SetFloat64(float64(f32(a))), new(big.Float).SetPrec(1000).SetFloat64(float64(f32(b))))
		exact.Add(exact, new(big.Float).SetPrec(1000).SetFloat64(float64(f32(c))))
		if exact.Sign() == 0 {
			require.Zero(t, d[0]&^negative)
			return
		}
		require.Equal(t, exactRound(exact, big.ToNearestEven), d[0])
		for mode, m := range map[rounding]big.RoundingMode{roundZero: big.ToZero, roundDown: big.ToNegativeInf, roundUp: big.ToPositiveInf} {
			require.Equal(t, exactRound(exact, m), fmaDirected(a, b, c, mode), "mode %d", mode)
		}
	})
}

// TestPowerOfTwoIsExactToTheLastBitsOfFloat64 holds exp2 to what ex2.approx needs.
func TestPowerOfTwoIsExactToTheLastBitsOfFloat64(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := float64(f32(anyFloat(t, "x")))
		want := math.Exp2(x)
		if got := exp2(x); want != want || math.IsInf(want, 0) || want == 0 {
			require.Equal(t, canonical32(float32(want)), canonical32(float32(got)))
		} else {
			require.InEpsilon(t, want, got, 1e-15)
		}
	})
}

func TestDivisionAndRootRoundInAllModes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyFloat(t, "a"), anyFloat(t, "b")
		if !finite(a, b) || a&^negative == 0 || b&^negative == 0 {
			t.Skip()
		}
		exact := new(big.Float).SetPrec(2000).Quo(new(big.Float).SetPrec(2000).SetFloat64(float64(f32(a))), new(big.Float).SetPrec(2000).SetFloat64(float64(f32(b))))
		root := new(big.Float).SetPrec(2000).SetFloat64(math.Abs(float64(f32(a))))
		root.Sqrt(root)
		for mode, m := range map[rounding]big.RoundingMode{roundNearest: big.ToNearestEven, roundZero: big.ToZero, roundDown: big.ToNegativeInf, roundUp: big.ToPositiveInf} {
			got := formatF32.round(divOdd(float64(f32(a)), float64(f32(b))), mode)
			require.Equal(t, exactRound(exact, m), math.Float32bits(float32(got)), "quotient, mode %d", mode)
			got = formatF32.round(sqrtOdd(math.Abs(float64(f32(a)))), mode)
			require.Equal(t, exactRound(root, m), math.Float32bits(float32(got)), "root, mode %d", mode)
		}
	})
}

// TestHalvesSurviveTheRoundTrip decodes and encodes every f16 and every bf16.
func TestHalvesSurviveTheRoundTrip(t *testing.T) {
	for b := range uint32(1 << 16) {
		for _, f := range []format{formatF16, formatBF16} {
			x := f.decode(b)
			if x != x {
				require.Equal(t, uint32(0x7fff), f.encode(x))
				continue
			}
			require.Equal(t, b, f.encode(x))
		}
		if x := f32(b << 16); x == x {
			require.Equal(t, b, floatToBrain(x))
		}
	}
}

// TestHalfRoundingIsToTheNearest checks that no neighbour is closer, and that the
// quick bf16 path agrees with the general one.
func TestHalfRoundingIsToTheNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := f32(anyFloat(t, "x"))
		if x != x {
			t.Skip()
		}
		require.Equal(t, formatBF16.encode(float64(x)), floatToBrain(x))
		h := floatToHalf(x)
		got := formatF16.decode(h)
		if math.IsInf(got, 0) {
			require.GreaterOrEqual(t, math.Abs(float64(x)), 65520.0)
			return
		}
		for _, n := range []uint32{h - 1, h + 1} {
			if v := formatF16.decode(n & 0xffff); n&0x7fff < 0x7c00 && (n^h)&0x8000 == 0 {
				require.LessOrEqual(t, math.Abs(got-float64(x)), math.Abs(v-float64(x)))
			}
		}
	})
}

// TestIntegerFunctionsMatchBigArithmetic covers what no Go operator says directly.
func TestIntegerFunctionsMatchBigArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{16, 32, 64}).Draw(t, "bits")
		a, b := low(rapid.Uint64().Draw(t, "a"), n), low(rapid.Uint64().Draw(t, "b"), n)
		high := func(x, y *big.Int) uint64 {
			p := new(big.Int).Mul(x, y)
			p.Rsh(p, uint(n)).And(p, new(big.Int).SetUint64(low(^uint64(0), n)))
			return p.Uint64()
		}
		require.Equal(t, high(new(big.Int).SetUint64(a), new(big.Int).SetUint64(b)), mulHigh(a, b, n, false))
		require.Equal(t, high(big.NewInt(sx(a, n)), big.NewInt(sx(b, n))), mulHigh(a, b, n, true))
		if b != 0 {
			require.Equal(t, a, low(divU(a, b, n)*b+remU(a, b, n), n))
			require.Equal(t, a, low(divS(a, b, n)*b+remS(a, b, n), n))
		}
		p, l := rapid.Uint32Range(0, 31).Draw(t, "position"), rapid.Uint32Range(0, 31).Draw(t, "length")
		x := uint64(uint32(a))
		require.Equal(t, x>>p&(1<<l-1), bitFieldExtract(x, p, l, 32, false))
		mask := uint64(uint32((1<<l - 1) << p))
		require.Equal(t, uint64(uint32(b))&^mask|x<<p&mask, bitFieldInsert(x, uint64(uint32(b)), p, l, 32))
		y, z := uint32(b), uint32(rapid.Uint64().Draw(t, "z"))
		require.Equal(t, uint32(x)&y|^uint32(x)&z, lookup3(uint32(x), y, z, 0xf0&0xcc|0x0f&0xaa))
	})
}

// TestConversionsBetweenIntegersAndFloatsMatchGo compares with Go's own
// conversions, which round to nearest and truncate.
func TestConversionsBetweenIntegersAndFloatsMatchGo(t *testing.T) {
	to := integerToFloat(scalars["s64"], scalars["f32"], roundNearest, false)
	back := floatToInteger(scalars["f32"], scalars["s64"], "rzi", false)
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int64().Draw(t, "v") >> rapid.IntRange(0, 63).Draw(t, "shift")
		require.Equal(t, math.Float32bits(float32(v)), uint32(to(uint64(v))))
		x := f32(anyFloat(t, "x"))
		if math.Abs(float64(x)) < 1<<62 {
			require.Equal(t, int64(x), int64(back(uint64(math.Float32bits(x)))))
		}
	})
}
