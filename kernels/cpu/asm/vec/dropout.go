package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// dropout writes Philox and what it decides; c holds what Dropout of package vec puts there,
// in its order. A lane is a block of random bits, so that a turn is 8 blocks, 64 elements:
// the slices' length is a multiple of that. Both instruction sets use the same registers.
func dropout() {
	const (
		factor = iota
		sum    // all ones to add to y, 0 to overwrite it
		row
		stream0
		stream1
		key0
		key1
		threshold // twice
	)
	signature("Dropout", "y, x []float32, c [8]uint32", "masks x, 64 elements a turn.")
	y, x := Load(Param("y").Base(), GP64()), Load(Param("x").Base(), GP64())
	n := Load(Param("x").Len(), GP64())
	load := func(constant int) VecVirtual {
		at, err := Param("c").Index(constant).Resolve()
		if err != nil {
			panic(err)
		}
		v := YMM()
		VBROADCASTSS(at.Addr, v)
		return v
	}
	Comment("the first column of the counters: 0, 1, ... 7")
	column := YMM()
	VMOVDQU(countTable(), column)
	repeat(n, 64, "turn", func() {
		Comment("the counter and the key")
		c := []VecVirtual{YMM(), load(row), load(stream0), load(stream1)}
		VMOVDQA(column, c[0])
		k0, k1 := load(key0), load(key1)
		for round := range 10 {
			Commentf("round %d", round+1)
			low0, high0 := multiply(c[0], words("philoxM0", 0xd2511f53))
			low1, high1 := multiply(c[2], words("philoxM1", 0xcd9e8d57))
			VPXOR(c[1], high1, high1)
			VPXOR(k0, high1, high1)
			VPXOR(c[3], high0, high0)
			VPXOR(k1, high0, high0)
			c = []VecVirtual{high1, low1, high0, low0}
			if round < 9 {
				VPADDD(words("philoxW0", 0x9e3779b9), k0, k0)
				VPADDD(words("philoxW1", 0xbb67ae85), k1, k1)
			}
		}
		for i, pair := range blocks(c) {
			Commentf("the elements of blocks %d and %d: kept where max(bits, threshold) = bits", i, i+4)
			kept := YMM()
			VPMAXUW(load(threshold), pair, kept)
			VPCMPEQW(pair, kept, kept)
			for half, block := range []int{i, i + 4} {
				mask, v, old := YMM(), YMM(), YMM()
				if half == 0 {
					VPMOVSXWD(kept.AsX(), mask)
				} else {
					high := XMM()
					VEXTRACTI128(Imm(1), kept, high)
					VPMOVSXWD(high, mask)
				}
				VMOVUPS(Mem{Base: x, Disp: 32 * block}, v)
				VMULPS(load(factor), v, v)
				VANDPS(mask, v, v)
				VMOVUPS(Mem{Base: y, Disp: 32 * block}, old)
				VANDPS(load(sum), old, old)
				VADDPS(old, v, v)
				VMOVUPS(v, Mem{Base: y, Disp: 32 * block})
			}
		}
		Comment("next 64 elements")
		VPADDD(words("eight", 8), column, column)
		ADDQ(U32(256), x)
		ADDQ(U32(256), y)
		SUBQ(U32(64), n)
	})
	finish()
}

// multiply returns the halves of the 64-bit products of v's lanes with m.
func multiply(v VecVirtual, m Mem) (low, high VecVirtual) {
	even, odd := YMM(), YMM()
	low, high = YMM(), YMM()
	VPMULUDQ(m, v, even)
	VPSRLQ(Imm(32), v, odd)
	VPMULUDQ(m, odd, odd)
	VPSLLQ(Imm(32), odd, low)
	VPBLENDD(Imm(0xaa), low, even, low)
	VPSRLQ(Imm(32), even, high)
	VPBLENDD(Imm(0xaa), odd, high, high)
	return low, high
}

// blocks turns four words of eight blocks round: result i holds block i, then block i+4.
func blocks(w []VecVirtual) [4]VecVirtual {
	Comment("the words of a block side by side")
	var t, out [4]VecVirtual
	for i := range t {
		t[i], out[i] = YMM(), YMM()
	}
	VPUNPCKLDQ(w[1], w[0], t[0])
	VPUNPCKHDQ(w[1], w[0], t[1])
	VPUNPCKLDQ(w[3], w[2], t[2])
	VPUNPCKHDQ(w[3], w[2], t[3])
	VPUNPCKLQDQ(t[2], t[0], out[0])
	VPUNPCKHQDQ(t[2], t[0], out[1])
	VPUNPCKLQDQ(t[3], t[1], out[2])
	VPUNPCKHQDQ(t[3], t[1], out[3])
	return out
}

// countTable is the words 0 to 7.
func countTable() Mem {
	at := GLOBL("count", RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(uint32(i)))
	}
	return at
}
