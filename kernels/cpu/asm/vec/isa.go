package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// isa is what differs between the instruction sets.
type isa struct {
	prefix    string // of the functions' names
	lanes     int    // float32 in a register
	vector    func() VecVirtual
	restMask  func(n Register) Register                // the first n lanes, 0 < n < lanes
	loadRest  func(from Mem, mask Register) VecVirtual // zeros in lanes that do not exist
	storeRest func(v VecVirtual, mask Register, to Mem)
	existing  func(v VecVirtual, mask Register) VecVirtual // v with zeros in the other lanes
	low, high func(v VecVirtual) Register                  // halves; high uses a new register
	round     func(v, to VecVirtual)                       // to the nearest integer, even if halfway
	scale     func(v, n VecVirtual)                        // v *= 2^n for integral n in [-150, 129]
}

// target is the instruction set that this run of the program writes for.
var target *isa

var isas = map[string]*isa{"avx2": &avx2, "avx512": &avx512}

var avx2 = isa{
	prefix: "avx2", lanes: 8, vector: YMM,
	restMask: func(n Register) Register {
		mask, at := YMM(), GP64()
		Comment("mask = the first n lanes")
		LEAQ(maskTable(), at)
		NEGQ(n)
		VMOVUPS(Mem{Base: at, Index: n, Scale: 4, Disp: 32}, mask)
		return mask
	},
	loadRest: func(from Mem, mask Register) VecVirtual {
		v := YMM()
		VMASKMOVPS(from, mask, v)
		return v
	},
	storeRest: func(v VecVirtual, mask Register, to Mem) { VMASKMOVPS(v, mask, to) },
	existing: func(v VecVirtual, mask Register) VecVirtual {
		kept := YMM()
		VANDPS(mask, v, kept)
		return kept
	},
	low: func(v VecVirtual) Register { return v.AsX() },
	high: func(v VecVirtual) Register {
		half := XMM()
		VEXTRACTF128(Imm(1), v, half)
		return half
	},
	round: func(v, to VecVirtual) { VROUNDPS(Imm(0), v, to) },
	scale: func(v, n VecVirtual) {
		t := YMM()
		Comment("times 2^(n/2) times 2^(n - n/2)")
		VCVTPS2DQ(n, n)
		VPSRAD(Imm(1), n, t)
		VPSUBD(t, n, n)
		VPADDD(words("expBias", 127), t, t)
		VPSLLD(Imm(23), t, t)
		VMULPS(t, v, v)
		VPADDD(words("expBias", 127), n, n)
		VPSLLD(Imm(23), n, n)
		VMULPS(n, v, v)
	},
}

var avx512 = isa{
	prefix: "avx512", lanes: 16, vector: ZMM,
	restMask: func(n Register) Register {
		mask, bits := K(), GP32()
		Comment("mask = the first n lanes")
		MOVL(I32(-1), bits)
		BZHIL(n.(GPVirtual).As32(), bits, bits)
		KMOVW(bits, mask)
		return mask
	},
	loadRest: func(from Mem, mask Register) VecVirtual {
		v := ZMM()
		VMOVUPS_Z(from, mask, v)
		return v
	},
	storeRest: func(v VecVirtual, mask Register, to Mem) { VMOVUPS(v, mask, to) },
	existing: func(v VecVirtual, mask Register) VecVirtual {
		kept := ZMM()
		VMOVAPS_Z(v, mask, kept)
		return kept
	},
	low: func(v VecVirtual) Register { return v.AsY() },
	high: func(v VecVirtual) Register {
		half := YMM()
		VEXTRACTF64X4(Imm(1), v, half)
		return half
	},
	round: func(v, to VecVirtual) { VRNDSCALEPS(Imm(0), v, to) },
	scale: func(v, n VecVirtual) {
		Comment("times 2^n")
		VSCALEFPS(n, v, v)
	},
}

var tables = map[string]Mem{}

// maskTable is 8 words of ones, then 8 of zeros.
func maskTable() Mem {
	if at, ok := tables["mask"]; ok {
		return at
	}
	at := GLOBL("laneMask", RODATA|NOPTR)
	for i := range 16 {
		word := uint32(0)
		if i < 8 {
			word = 0xFFFFFFFF
		}
		DATA(4*i, U32(word))
	}
	tables["mask"] = at
	return at
}

// words is a constant in all lanes, in memory.
func words(name string, value uint32) Mem {
	if at, ok := tables[name]; ok {
		return at
	}
	at := GLOBL(name, RODATA|NOPTR)
	for i := range target.lanes {
		DATA(4*i, U32(value))
	}
	tables[name] = at
	return at
}

// floats is a float32 in all lanes, in memory.
func floats(name string, value float64) Mem {
	return words(name, math.Float32bits(float32(value)))
}

// widen returns the lanes of v as float64, in two registers.
func widen(v VecVirtual) (low, high VecVirtual) {
	low, high = target.vector(), target.vector()
	VCVTPS2PD(target.low(v), low)
	VCVTPS2PD(target.high(v), high)
	return low, high
}
