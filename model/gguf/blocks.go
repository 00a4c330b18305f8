package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"retort/model/half"
)

// The blocks of Q8_0, Q4_0 and Q4_1, both ways. Reading is exact up to the addition
// of Q4_1's minimum: an F16 scale has 11 bits, an integer at most 8, and float32
// holds their product. So a fused multiply-add, where the machine has one, gives
// ggml's values too. Writing rounds products, and says so by converting them.

// scaleAt is the F16 number at raw.
func scaleAt(raw []byte) float32 { return half.FromF16(binary.LittleEndian.Uint16(raw)) }

// dequantizeQ8_0 is q·d.
func dequantizeQ8_0(dst []float32, raw []byte) {
	blockBytes := layouts[Q8_0].bytes
	for len(dst) > 0 {
		d, q, out := scaleAt(raw), raw[2:34], dst[:blockValues]
		for i := range out {
			out[i] = float32(int8(q[i])) * d
		}
		dst, raw = dst[blockValues:], raw[blockBytes:]
	}
}

// dequantizeQ4_0 is (q-8)·d.
func dequantizeQ4_0(dst []float32, raw []byte) {
	blockBytes := layouts[Q4_0].bytes
	var worth [16]float32 // of each q
	for len(dst) > 0 {
		d := scaleAt(raw)
		for q := range worth {
			worth[q] = float32(q-8) * d
		}
		expandNibbles(dst, raw[2:18], &worth)
		dst, raw = dst[blockValues:], raw[blockBytes:]
	}
}

// dequantizeQ4_1 is q·d + m.
func dequantizeQ4_1(dst []float32, raw []byte) {
	blockBytes := layouts[Q4_1].bytes
	var worth [16]float32 // of each q
	for len(dst) > 0 {
		d, m := scaleAt(raw), scaleAt(raw[2:])
		for q := range worth {
			worth[q] = float32(q)*d + m
		}
		expandNibbles(dst, raw[4:20], &worth)
		dst, raw = dst[blockValues:], raw[blockBytes:]
	}
}

// expandNibbles looks up the 32 values of a block: the low halves of the 16 bytes
// first, then the high ones.
func expandNibbles(dst []float32, packed []byte, worth *[16]float32) {
	low, high, packed := dst[:16], dst[16:32], packed[:16]
	for i, p := range packed {
		low[i] = worth[p&15]
		high[i] = worth[p>>4]
	}
}

// quantize appends the stored form of src (n), n a multiple of the type's block.
// The types are those of Type.Writable.
func quantize(dst []byte, src []float32, t Type) ([]byte, error) {
	var appendBlock func([]byte, []float32) ([]byte, error)
	switch t {
	case F16:
		return half.AppendF16(dst, src), nil
	case BF16:
		return half.AppendBF16(dst, src), nil
	case F32:
		for _, v := range src {
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
		}
		return dst, nil
	case Q8_0:
		appendBlock = appendQ8_0
	case Q4_0:
		appendBlock = appendQ4_0
	case Q4_1:
		appendBlock = appendQ4_1
	}
	var err error
	for ; len(src) > 0 && err == nil; src = src[blockValues:] {
		dst, err = appendBlock(dst, src[:blockValues])
	}
	return dst, err
}

// appendScale appends v as F16, which must be finite.
func appendScale(dst []byte, v float32) ([]byte, error) {
	h := half.ToF16(v)
	if h&0x7c00 == 0x7c00 {
		return dst, fmt.Errorf("%w: scale or minimum %g", ErrNotFinite, v)
	}
	return binary.LittleEndian.AppendUint16(dst, h), nil
}

// inverse is 1/d, or 0 where that is infinite.
func inverse(d float32) float32 {
	if inv := 1 / d; !math.IsInf(float64(inv), 0) {
		return inv
	}
	return 0
}

// magnitude is the largest absolute value, or NaN if any is.
func magnitude(block []float32) float32 {
	var largest float32
	for _, v := range block {
		largest = max(largest, v, -v)
	}
	return largest
}

// appendQ8_0 appends a block whose largest value becomes ±127.
func appendQ8_0(dst []byte, block []float32) ([]byte, error) {
	d := magnitude(block) / 127
	dst, err := appendScale(dst, d)
	if err != nil {
		return dst, err
	}
	inv := inverse(d)
	for _, v := range block {
		dst = append(dst, byte(int8(math.Round(float64(v*inv)))))
	}
	return dst, nil
}

// appendQ4_0 appends a block whose value of largest magnitude becomes -8.
func appendQ4_0(dst []byte, block []float32) ([]byte, error) {
	largest := magnitude(block)
	if i := slices.IndexFunc(block, func(v float32) bool { return max(v, -v) == largest }); i >= 0 {
		largest = block[i] // with its sign; a NaN is not found and stays
	}
	d := largest / -8
	dst, err := appendScale(dst, d)
	if err != nil {
		return dst, err
	}
	inv := inverse(d)
	return appendNibbles(dst, block, func(v float32) float32 { return float32(v*inv) + 8.5 }), nil
}

// appendQ4_1 appends a block whose smallest value becomes 0 and largest 15.
func appendQ4_1(dst []byte, block []float32) ([]byte, error) {
	low, high := block[0], block[0]
	for _, v := range block {
		low, high = min(low, v), max(high, v) // NaN if any is
	}
	d := (high - low) / 15
	dst, err := appendScale(dst, d)
	if err != nil {
		return dst, err
	}
	if dst, err = appendScale(dst, low); err != nil {
		return dst, err
	}
	inv := inverse(d)
	return appendNibbles(dst, block, func(v float32) float32 { return float32((v-low)*inv) + 0.5 }), nil
}

// appendNibbles packs the 32 values of a block, each mapped to 0..16 and cut to an
// integer of at most 15.
func appendNibbles(dst []byte, block []float32, position func(float32) float32) []byte {
	for i := range blockValues / 2 {
		low := min(byte(position(block[i])), 15)
		high := min(byte(position(block[i+blockValues/2])), 15)
		dst = append(dst, low|high<<4)
	}
	return dst
}
