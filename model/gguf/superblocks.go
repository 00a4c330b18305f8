package gguf

import "encoding/binary"

// The blocks that are read and never written: Q5_0 and Q5_1 of 32 values, and the
// K types, whose blocks of 256 have a scale of their own for each 16 or 32 values.
// As in blocks.go no product is rounded before a minimum is taken from it: an F16
// scale of 11 bits, a group's of at most 7 and an integer of at most 5 fit float32.

// dequantizeQ5_0 is (q-16)·d.
func dequantizeQ5_0(dst []float32, raw []byte) {
	blockBytes := layouts[Q5_0].bytes
	for len(dst) > 0 {
		d, out := scaleAt(raw), dst[:blockValues]
		for i, q := range fiveBits(raw[2:22]) {
			out[i] = float32(int(q)-16) * d
		}
		dst, raw = dst[blockValues:], raw[blockBytes:]
	}
}

// dequantizeQ5_1 is q·d + m.
func dequantizeQ5_1(dst []float32, raw []byte) {
	blockBytes := layouts[Q5_1].bytes
	for len(dst) > 0 {
		d, m, out := scaleAt(raw), scaleAt(raw[2:]), dst[:blockValues]
		for i, q := range fiveBits(raw[4:24]) {
			out[i] = float32(q)*d + m
		}
		dst, raw = dst[blockValues:], raw[blockBytes:]
	}
}

// fiveBits are the integers of a block: the fifth bits of all first, then the lower
// four as in Q4_0.
func fiveBits(packed []byte) (q [blockValues]uint8) {
	fifths, packed := binary.LittleEndian.Uint32(packed), packed[4:20]
	for i, p := range packed {
		q[i] = p&15 | uint8(fifths<<4)&16
		q[i+16] = p>>4 | uint8(fifths>>12)&16
		fifths >>= 1
	}
	return q
}

// superBlock is an unpacked block of a K type: value i is
// q[i]·scale[i/16] - minimum[i/16].
type superBlock struct {
	q              [superValues]int8
	scale, minimum [superValues / groupValues]float32
}

// dequantizeSuper expands blocks of blockBytes one by one.
func dequantizeSuper(dst []float32, raw []byte, blockBytes int, unpack func(*superBlock, []byte)) {
	var b superBlock
	for len(dst) > 0 {
		unpack(&b, raw[:blockBytes])
		for g, scale := range b.scale {
			minimum := b.minimum[g]
			q, out := b.q[g*groupValues:][:groupValues], dst[g*groupValues:][:groupValues]
			for i := range out {
				out[i] = float32(q[i])*scale - minimum
			}
		}
		dst, raw = dst[superValues:], raw[blockBytes:]
	}
}

// unpackQ2_K: for each group a byte of scale (low half) and minimum, then q of two
// bits, d and the minima's own scale.
func unpackQ2_K(b *superBlock, raw []byte) {
	d, dmin := scaleAt(raw[80:]), scaleAt(raw[82:])
	for g, s := range raw[:16] {
		b.scale[g], b.minimum[g] = d*float32(s&15), dmin*float32(s>>4)
	}
	twoBits(&b.q, raw[16:80])
}

// unpackQ3_K: the third bits of q, inverted in meaning (0 takes 4 off), then the
// lower two, scales of six bits, d.
func unpackQ3_K(b *superBlock, raw []byte) {
	third, low, high, d := raw[:32], raw[96:104], raw[104:108], scaleAt(raw[108:])
	for g := range b.scale {
		s := low[g%8]>>(g/8*4)&15 | high[g%4]>>(g/4*2)&3<<4
		b.scale[g], b.minimum[g] = d*float32(int(s)-32), 0
	}
	twoBits(&b.q, raw[32:96])
	for part := range uint(8) { // of 32 values, each with a bit of its own in third
		q := b.q[32*part:][:32]
		for i, bits := range third {
			q[i] += int8(bits>>(part&7)&1)<<2 - 4
		}
	}
}

// twoBits unpacks integers below 4: byte i of each 32 holds those at i, i+32, i+64
// and i+96 of 128. (The masks on shifts here spare the loops a check.)
func twoBits(q *[superValues]int8, packed []byte) {
	for part := range 8 {
		out, from, shift := q[32*part:][:32], packed[part/4*32:][:32], uint(part%4*2)
		for i, p := range from {
			out[i] = int8(p >> (shift & 7) & 3)
		}
	}
}

// unpackQ4_K: d, the minima's own scale, scales and minima of six bits for each 32
// values, q of four bits.
func unpackQ4_K(b *superBlock, raw []byte) {
	sixBits(b, raw[:16])
	fourBits(&b.q, raw[16:144])
}

// unpackQ5_K is unpackQ4_K with the fifth bits of q before the lower four.
func unpackQ5_K(b *superBlock, raw []byte) {
	sixBits(b, raw[:16])
	fourBits(&b.q, raw[48:176])
	fifth := raw[16:48]
	for part := range uint(8) { // of 32 values, each with a bit of its own in fifth
		q := b.q[32*part:][:32]
		for i, bits := range fifth {
			q[i] |= int8(bits >> (part & 7) & 1 << 4)
		}
	}
}

// sixBits unpacks the head of Q4_K and Q5_K: d, dmin, four scales, four minima, then
// the lower halves of four more of each, whose upper bits lie above the first ones.
func sixBits(b *superBlock, head []byte) {
	d, dmin, packed := scaleAt(head), scaleAt(head[2:]), head[4:16]
	for i := range 8 { // of 32 values, two groups
		s, m := packed[i%4]&63, packed[i%4+4]&63
		if i >= 4 {
			s = packed[i+4]&15 | packed[i-4]>>6<<4
			m = packed[i+4]>>4 | packed[i]>>6<<4
		}
		scale, minimum := d*float32(s), dmin*float32(m)
		b.scale[2*i], b.scale[2*i+1] = scale, scale
		b.minimum[2*i], b.minimum[2*i+1] = minimum, minimum
	}
}

// fourBits unpacks integers below 16: byte i of each 32 holds those at i (low half)
// and i+32 of 64.
func fourBits(q *[superValues]int8, packed []byte) {
	for pair := range 4 {
		low, high, from := q[64*pair:][:32], q[64*pair+32:][:32], packed[32*pair:][:32]
		for i, p := range from {
			low[i], high[i] = int8(p&15), int8(p>>4)
		}
	}
}

// unpackQ6_K: the lower four bits of q, then the upper two, signed scales of eight
// bits, d; q has 32 taken off.
func unpackQ6_K(b *superBlock, raw []byte) {
	d := scaleAt(raw[208:])
	for g, s := range raw[192:208] {
		b.scale[g], b.minimum[g] = d*float32(int8(s)), 0
	}
	for half := range 2 { // of 128 values
		low, high, q := raw[64*half:][:64], raw[128+32*half:][:32], b.q[128*half:][:128]
		for i, h := range high {
			q[i] = int8(low[i]&15|h&3<<4) - 32
			q[i+32] = int8(low[i+32]&15|h>>2&3<<4) - 32
			q[i+64] = int8(low[i]>>4|h>>4&3<<4) - 32
			q[i+96] = int8(low[i+32]>>4|h>>6<<4) - 32
		}
	}
}
