package main

import (
	"math"
	"slices"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const lanes, laneBytes = 8, 32

// turn is one turn of a loop: 8 lanes of every input, in registers.
type turn struct {
	number int          // within the unrolled loop, for choosing an accumulator
	in     []VecVirtual // may be overwritten
	mask   VecVirtual   // nil, or all bits of the lanes that exist
}

// signature begins a function; doc goes on after the name.
func signature(name, parameters, doc string) {
	TEXT(name, NOSPLIT, "func("+parameters+")")
	Doc(name + " " + doc)
	Pragma("noescape")
}

// loop runs body over the named slices, all of the length of the first: first
// unroll times 8 lanes a turn, then 8, then those that are left, whose missing
// lanes read as zeros and are not written. What body returns goes to outputs.
func loop(unroll int, inputs, outputs []string, body func(t turn) []VecVirtual) {
	var names []string // each slice once
	base := map[string]Register{}
	for _, name := range slices.Concat(inputs, outputs) {
		if base[name] == nil {
			names = append(names, name)
			base[name] = Load(Param(name).Base(), GP64())
		}
	}
	n := Load(Param(names[0]).Len(), GP64())
	advance := func(turns int) {
		Commentf("next %d elements", turns*lanes)
		for _, name := range names {
			ADDQ(U32(turns*laneBytes), base[name])
		}
		SUBQ(U32(turns*lanes), n)
	}
	one := func(number int, mask VecVirtual) {
		t := turn{number: number, mask: mask}
		for _, name := range inputs {
			v := YMM()
			at := Mem{Base: base[name], Disp: number * laneBytes}
			if mask == nil {
				Commentf("load %s[%d:%d]", name, number*lanes, number*lanes+lanes)
				VMOVUPS(at, v)
			} else {
				Commentf("load the rest of %s", name)
				VMASKMOVPS(at, mask, v)
			}
			t.in = append(t.in, v)
		}
		results := body(t)
		for i, name := range outputs {
			at := Mem{Base: base[name], Disp: number * laneBytes}
			if mask == nil {
				Commentf("store %s[%d:%d]", name, number*lanes, number*lanes+lanes)
				VMOVUPS(results[i], at)
			} else {
				Commentf("store the rest of %s", name)
				VMASKMOVPS(results[i], mask, at)
			}
		}
	}
	if unroll > 1 {
		repeat(n, unroll, "main", func() {
			for u := range unroll {
				one(u, nil)
			}
			advance(unroll)
		})
	}
	repeat(n, 1, "eight", func() { one(0, nil); advance(1) })
	Comment("the last n % 8 elements")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	one(0, restMask(n))
	Label("done")
}

// repeat runs body while at least the given number of turns is left.
func repeat(n Register, turns int, label string, body func()) {
	Label(label)
	CMPQ(n, U32(turns*lanes))
	JL(LabelRef(label + "Done"))
	body()
	JMP(LabelRef(label))
	Label(label + "Done")
}

// restMask returns a register with all bits set in the first n lanes.
func restMask(n Register) VecVirtual {
	mask, at := YMM(), GP64()
	Comment("mask = the first n lanes")
	LEAQ(maskTable(), at)
	NEGQ(n)
	VMOVUPS(Mem{Base: at, Index: n, Scale: 4, Disp: laneBytes}, mask)
	return mask
}

var tables = map[string]Mem{}

// maskTable is 8 words of ones, then 8 of zeros.
func maskTable() Mem {
	if at, ok := tables["mask"]; ok {
		return at
	}
	at := GLOBL("laneMask", RODATA|NOPTR)
	for i := range 2 * lanes {
		word := uint32(0)
		if i < lanes {
			word = 0xFFFFFFFF
		}
		DATA(4*i, U32(word))
	}
	tables["mask"] = at
	return at
}

// words is a constant in all 8 lanes, in memory.
func words(name string, value uint32) Mem {
	if at, ok := tables[name]; ok {
		return at
	}
	at := GLOBL(name, RODATA|NOPTR)
	for i := range lanes {
		DATA(4*i, U32(value))
	}
	tables[name] = at
	return at
}

// floats is a float32 in all 8 lanes, in memory.
func floats(name string, value float64) Mem {
	return words(name, math.Float32bits(float32(value)))
}

// broadcast loads a float32 parameter into all lanes.
func broadcast(name string) VecVirtual {
	Commentf("%s in every lane", name)
	return broadcastOf(Param(name))
}

func broadcastOf(c gotypes.Component) VecVirtual {
	at, err := c.Resolve()
	if err != nil {
		panic(err)
	}
	v := YMM()
	VBROADCASTSS(at.Addr, v)
	return v
}

// zeros returns count registers of zeros.
func zeros(count int) []VecVirtual {
	Comment("sums = 0")
	out := make([]VecVirtual, count)
	for i := range out {
		out[i] = YMM()
		VXORPS(out[i], out[i], out[i])
	}
	return out
}

// finish ends a function without a result.
func finish() {
	VZEROUPPER()
	RET()
}
