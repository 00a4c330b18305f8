package ptx

import "math/bits"

// Integer arithmetic on 32 lanes. Signed and unsigned share what two's complement
// shares.

func add32(d, a, b *v32) {
	for i := range d {
		d[i] = a[i] + b[i]
	}
}

func sub32(d, a, b *v32) {
	for i := range d {
		d[i] = a[i] - b[i]
	}
}

func mul32(d, a, b *v32) {
	for i := range d {
		d[i] = a[i] * b[i]
	}
}

func mad32(d, a, b, c *v32) {
	for i := range d {
		d[i] = a[i]*b[i] + c[i]
	}
}

func and32(d, a, b *v32) {
	for i := range d {
		d[i] = a[i] & b[i]
	}
}

func or32(d, a, b *v32) {
	for i := range d {
		d[i] = a[i] | b[i]
	}
}

func xor32(d, a, b *v32) {
	for i := range d {
		d[i] = a[i] ^ b[i]
	}
}

// Shift amounts at or above the width give zero, or the sign: Go says the same.

func shl32(d, a, b *v32) {
	for i := range d {
		d[i] = a[i] << b[i]
	}
}

func shrU32(d, a, b *v32) {
	for i := range d {
		d[i] = a[i] >> b[i]
	}
}

func shrS32(d, a, b *v32) {
	for i := range d {
		d[i] = uint32(int32(a[i]) >> b[i])
	}
}

func mov32(d, a *v32) { *d = *a }

func mov64(d, a *v64) { *d = *a }

func add64(d, a, b *v64) {
	for i := range d {
		d[i] = a[i] + b[i]
	}
}

func sub64(d, a, b *v64) {
	for i := range d {
		d[i] = a[i] - b[i]
	}
}

func mul64(d, a, b *v64) {
	for i := range d {
		d[i] = a[i] * b[i]
	}
}

func mad64(d, a, b, c *v64) {
	for i := range d {
		d[i] = a[i]*b[i] + c[i]
	}
}

func and64(d, a, b *v64) {
	for i := range d {
		d[i] = a[i] & b[i]
	}
}

func or64(d, a, b *v64) {
	for i := range d {
		d[i] = a[i] | b[i]
	}
}

func xor64(d, a, b *v64) {
	for i := range d {
		d[i] = a[i] ^ b[i]
	}
}

func shl64(d, a *v64, b *v32) {
	for i := range d {
		d[i] = a[i] << b[i]
	}
}

func shrU64(d, a *v64, b *v32) {
	for i := range d {
		d[i] = a[i] >> b[i]
	}
}

func shrS64(d, a *v64, b *v32) {
	for i := range d {
		d[i] = uint64(int64(a[i]) >> b[i])
	}
}

func mulWideU32(d *v64, a, b *v32) {
	for i := range d {
		d[i] = uint64(a[i]) * uint64(b[i])
	}
}

func mulWideS32(d *v64, a, b *v32) {
	for i := range d {
		d[i] = uint64(int64(int32(a[i])) * int64(int32(b[i])))
	}
}

func madWideU32(d *v64, a, b *v32, c *v64) {
	for i := range d {
		d[i] = uint64(a[i])*uint64(b[i]) + c[i]
	}
}

func madWideS32(d *v64, a, b *v32, c *v64) {
	for i := range d {
		d[i] = uint64(int64(int32(a[i]))*int64(int32(b[i]))) + c[i]
	}
}

// extendU32 and extendS32 are cvt.u64.u32 and cvt.s64.s32; truncate64 is cvt.u32.u64.

func extendU32(d *v64, a *v32) {
	for i := range d {
		d[i] = uint64(a[i])
	}
}

func extendS32(d *v64, a *v32) {
	for i := range d {
		d[i] = uint64(int64(int32(a[i])))
	}
}

func truncate64(d *v32, a *v64) {
	for i := range d {
		d[i] = uint32(a[i])
	}
}

// sx extends the sign of the low n bits.
func sx(v uint64, n int) int64 { return int64(v<<(64-n)) >> (64 - n) }

// low keeps the low n bits.
func low(v uint64, n int) uint64 {
	if n >= 64 {
		return v
	}
	return v & (1<<n - 1)
}

// Division by zero is left to the machine by PTX; cards return all ones, and the
// dividend as the remainder.

func divU(a, b uint64, n int) uint64 {
	if b == 0 {
		return low(^uint64(0), n)
	}
	return a / b
}

func divS(a, b uint64, n int) uint64 {
	if b == 0 {
		return low(^uint64(0), n)
	}
	return low(uint64(sx(a, n)/sx(b, n)), n)
}

func remU(a, b uint64, _ int) uint64 {
	if b == 0 {
		return a
	}
	return a % b
}

func remS(a, b uint64, n int) uint64 {
	if b == 0 {
		return a
	}
	return low(uint64(sx(a, n)%sx(b, n)), n)
}

// mulHigh returns the upper n bits of the 2n-bit product.
func mulHigh(a, b uint64, n int, signed bool) uint64 {
	if n < 64 {
		if signed {
			return low(uint64(sx(a, n)*sx(b, n))>>n, n)
		}
		return a * b >> n
	}
	hi, _ := bits.Mul64(a, b)
	if signed {
		if int64(a) < 0 {
			hi -= b
		}
		if int64(b) < 0 {
			hi -= a
		}
	}
	return hi
}

// bitFieldExtract is bfe: length bits of a from position, sign-extended when signed.
func bitFieldExtract(a uint64, position, length uint32, n int, signed bool) uint64 {
	position &= 255
	length &= 255
	var sign uint64
	if signed && length > 0 {
		sign = a >> min(int(position+length)-1, n-1) & 1
	}
	var d uint64
	for i := 0; i < n; i++ {
		bit := sign
		if i < int(length) && int(position)+i < n {
			bit = a >> (int(position) + i) & 1
		}
		d |= bit << i
	}
	return d
}

// bitFieldInsert is bfi: b with length bits from position replaced by a's low bits.
func bitFieldInsert(a, b uint64, position, length uint32, n int) uint64 {
	position &= 255
	length &= 255
	for i := 0; i < int(length) && int(position)+i < n; i++ {
		at := int(position) + i
		b = b&^(1<<at) | a>>i&1<<at
	}
	return b
}

// findLead is bfind: the position of the highest bit that differs from the sign,
// or all ones; with shift the number of places to move it to the top.
func findLead(a uint64, n int, signed, shift bool) uint32 {
	if signed && sx(a, n) < 0 {
		a = low(^a, n)
	}
	if a == 0 {
		return ^uint32(0)
	}
	at := bits.Len64(a) - 1
	if shift {
		return uint32(n - 1 - at)
	}
	return uint32(at)
}

// permuteBytes is prmt: four bytes chosen from the eight of b:a.
func permuteBytes(a, b, control uint32, mode string) uint32 {
	pool := uint64(b)<<32 | uint64(a)
	var d uint32
	for i := 0; i < 4; i++ {
		k := uint32(i)
		c := control & 3
		var sel, sign uint32
		switch mode {
		case "":
			sel, sign = control>>(4*i)&7, control>>(4*i+3)&1
		case "f4e":
			sel = (c + k) & 7
		case "b4e":
			sel = (c - k) & 7
		case "rc8":
			sel = c
		case "ecl":
			sel = max(k, c)
		case "ecr":
			sel = min(k, c)
		case "rc16":
			sel = c&2 + k&1
		}
		v := uint32(pool>>(8*sel)) & 255
		if sign == 1 {
			v = uint32(int32(int8(v))>>7) & 255
		}
		d |= v << (8 * i)
	}
	return d
}

// funnelShift is shf: the 64 bits of b:a shifted, one half of them returned.
func funnelShift(a, b, c uint32, left, wrap bool) uint32 {
	if wrap {
		c &= 31
	} else {
		c = min(c, 32)
	}
	v := uint64(b)<<32 | uint64(a)
	if left {
		return uint32(v << c >> 32)
	}
	return uint32(v >> c)
}

// lookup3 is lop3: any function of three bits, given by its truth table.
func lookup3(a, b, c, table uint32) uint32 {
	var d uint32
	for i := uint32(0); i < 8; i++ {
		if table>>i&1 == 0 {
			continue
		}
		x, y, z := a, b, c
		if i&4 == 0 {
			x = ^x
		}
		if i&2 == 0 {
			y = ^y
		}
		if i&1 == 0 {
			z = ^z
		}
		d |= x & y & z
	}
	return d
}
