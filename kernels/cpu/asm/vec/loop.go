package main

import (
	"slices"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// turn is one turn of a loop: a register of every input.
type turn struct {
	number int          // within the unrolled loop, for choosing an accumulator
	in     []VecVirtual // may be overwritten
	mask   Register     // nil, or the lanes that exist
}

// signature begins a function; doc goes on after the name.
func signature(name, parameters, doc string) {
	name = target.prefix + name
	TEXT(name, NOSPLIT, "func("+parameters+")")
	Doc(name + " " + doc)
	Pragma("noescape")
}

// loop runs body over the named slices, all of the length of the first: first
// unroll registers a turn, then one, then the elements that are left, whose
// missing lanes read as zeros and are not written. What body returns goes to
// outputs.
func loop(unroll int, inputs, outputs []string, body func(t turn) []VecVirtual) {
	lanes, laneBytes := target.lanes, 4*target.lanes
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
	one := func(number int, mask Register) {
		t := turn{number: number, mask: mask}
		for _, name := range inputs {
			at := Mem{Base: base[name], Disp: number * laneBytes}
			if mask != nil {
				Commentf("load the rest of %s", name)
				t.in = append(t.in, target.loadRest(at, mask))
				continue
			}
			v := target.vector()
			Commentf("load %s[%d:%d]", name, number*lanes, number*lanes+lanes)
			VMOVUPS(at, v)
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
				target.storeRest(results[i], mask, at)
			}
		}
	}
	if unroll > 1 {
		repeat(n, unroll*lanes, "main", func() {
			for u := range unroll {
				one(u, nil)
			}
			advance(unroll)
		})
	}
	repeat(n, lanes, "single", func() { one(0, nil); advance(1) })
	Commentf("the last n %% %d elements", lanes)
	TESTQ(n, n)
	JZ(LabelRef("done"))
	one(0, target.restMask(n))
	Label("done")
}

// repeat runs body while n, which body counts down, is at least the given number.
func repeat(n Register, least int, label string, body func()) {
	Label(label)
	CMPQ(n, U32(least))
	JL(LabelRef(label + "Done"))
	body()
	JMP(LabelRef(label))
	Label(label + "Done")
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
	v := target.vector()
	VBROADCASTSS(at.Addr, v)
	return v
}

// zeros returns count registers of zeros.
func zeros(count int) []VecVirtual {
	Comment("sums = 0")
	out := make([]VecVirtual, count)
	for i := range out {
		out[i] = target.vector()
		VXORPS(out[i], out[i], out[i])
	}
	return out
}

// result stores the lowest lane of v as the function's result of that number,
// as float32 or float64.
func result(number int, v VecVirtual, double bool) {
	at, err := ReturnIndex(number).Resolve()
	if err != nil {
		panic(err)
	}
	if double {
		VMOVSD(v.AsX(), at.Addr)
	} else {
		VMOVSS(v.AsX(), at.Addr)
	}
}

// finish ends a function.
func finish() {
	VZEROUPPER()
	RET()
}
