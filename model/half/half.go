// Package half converts between float32 and the two 16-bit floating-point
// formats of weight files: IEEE 754 binary16 (F16: 5 exponent bits, 10 mantissa
// bits) and bfloat16 (BF16: 8 exponent bits, 7 mantissa bits).
//
// Widening is exact. Narrowing rounds to nearest, ties to even, as PyTorch and
// NumPy do; values beyond the largest finite one become infinite, subnormals are
// kept, and a NaN stays a NaN with its sign, made quiet.
//
// It is a leaf: it owns no state, and the readers and writers of weight files
// (model/safetensors, model/gguf) call it.
package half

import (
	"encoding/binary"
	"math"
)

// Bytes is the stored size of one F16 or BF16 value, in bytes.
const Bytes = 2

const (
	signBit    = 1 << 31
	infBits    = 0xff << 23 // float32 +Inf
	biasChange = 127 - 15   // exponent bias of float32 minus that of F16
	dropped16  = 23 - 10    // mantissa bits that F16 does not have
)

// FromF16 widens one F16 bit pattern.
func FromF16(h uint16) float32 {
	if normalF16(h) {
		return fromNormalF16(h)
	}
	sign, mantissa := uint32(h&0x8000)<<16, uint32(h&0x3ff)
	if h&0x7c00 == 0 { // zero or subnormal: mantissa · 2^-24, exact in float32
		v := float32(mantissa) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(v))
	}
	return math.Float32frombits(sign | infBits | mantissa<<dropped16) // infinity or NaN
}

// normalF16 says whether h is neither zero, subnormal, infinite nor NaN.
func normalF16(h uint16) bool { return (h>>10&31)-1 < 30 }

// fromNormalF16 widens a normal number; small enough to be inlined in loops.
func fromNormalF16(h uint16) float32 {
	// The sign is extended to bits 28-31, of which the mask keeps bit 31.
	bits := uint32(int32(int16(h))) << dropped16 & 0x8fffe000
	return math.Float32frombits(bits + biasChange<<23)
}

// ToF16 narrows a float32 to the nearest F16 bit pattern, ties to even.
func ToF16(v float32) uint16 {
	bits := math.Float32bits(v)
	sign := uint16(bits >> 16 & 0x8000)
	magnitude := bits &^ signBit
	switch {
	case magnitude > infBits: // NaN: keep the payload's top bits, set the quiet bit
		return sign | 0x7e00 | uint16(magnitude>>dropped16&0x3ff)
	case magnitude >= (biasChange+31)<<23: // 65536 and above
		return sign | 0x7c00
	case magnitude >= (biasChange+1)<<23: // normal; a carry may run into infinity, which is right
		return sign | uint16(roundShift(magnitude-biasChange<<23, dropped16))
	case magnitude < 102<<23: // below 2^-25, half of the smallest subnormal
		return sign
	}
	// Subnormal: the significand with its hidden bit, shifted until one unit is 2^-24.
	significand := magnitude&0x7fffff | 0x800000
	return sign | uint16(roundShift(significand, 126-magnitude>>23))
}

// FromBF16 widens one BF16 bit pattern.
func FromBF16(h uint16) float32 {
	return math.Float32frombits(uint32(h) << 16)
}

// ToBF16 narrows a float32 to the nearest BF16 bit pattern, ties to even.
func ToBF16(v float32) uint16 {
	bits := math.Float32bits(v)
	if bits&^signBit > infBits {
		return uint16(bits>>16) | 0x40 // NaN: set the quiet bit
	}
	return uint16(roundShift(bits, 16))
}

// roundShift is bits / 2^n rounded to nearest, ties to even, for 1 <= n <= 24.
func roundShift(bits, n uint32) uint32 {
	odd := bits >> n & 1
	return (bits + (1<<(n-1) - 1) + odd) >> n
}

// DecodeF16 widens len(dst) little-endian F16 values of src.
//
//	dst  (n)   values
//	src  (2n)  bytes
func DecodeF16(dst []float32, src []byte) {
	src = src[:Bytes*len(dst)]
	for i := range dst {
		h := binary.LittleEndian.Uint16(src[Bytes*i:])
		if normalF16(h) {
			dst[i] = fromNormalF16(h)
		} else {
			dst[i] = FromF16(h)
		}
	}
}

// DecodeBF16 widens len(dst) little-endian BF16 values of src.
//
//	dst  (n)   values
//	src  (2n)  bytes
func DecodeBF16(dst []float32, src []byte) {
	src = src[:Bytes*len(dst)]
	for i := range dst {
		dst[i] = FromBF16(binary.LittleEndian.Uint16(src[Bytes*i:]))
	}
}

// AppendF16 appends src (n) to dst as n little-endian F16 values.
func AppendF16(dst []byte, src []float32) []byte {
	for _, v := range src {
		dst = binary.LittleEndian.AppendUint16(dst, ToF16(v))
	}
	return dst
}

// AppendBF16 appends src (n) to dst as n little-endian BF16 values.
func AppendBF16(dst []byte, src []float32) []byte {
	for _, v := range src {
		dst = binary.LittleEndian.AppendUint16(dst, ToBF16(v))
	}
	return dst
}
