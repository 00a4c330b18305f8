// Command gemm writes the inner loops of package kernels/cpu/gemm for one
// instruction set: -isa avx2 or -isa avx512. tile.go has the multiplications,
// pack.go the functions that bring A and B into their order.
package main

import (
	"flag"
	"log"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"
)

// isa is what the functions need to know of an instruction set, and the tiles
// that are written for it. A panel is two vectors wide.
type isa struct {
	name       string
	laneBytes  int // of one vector
	vector     func() VecVirtual
	unroll     int // steps of k per turn of the main loop: 2 or 4
	fullRows   int // rows of the largest tile
	wide       []shape
	panelBytes int // of one row of a panel
}

type shape struct{ rows, panels int }

// The tiles are chosen so that their sums fill the registers and that at least
// as many independent chains of FMAs are in flight as the units' latency asks
// for: eight with 16 registers of 8 lanes, four with 32 of 16 lanes.
var isas = map[string]*isa{
	"avx2": {
		name: "avx2", laneBytes: 32, panelBytes: 64, vector: YMM, unroll: 4, fullRows: 6,
		wide: []shape{{3, 2}, {2, 2}, {1, 4}},
	},
	"avx512": {
		name: "avx512", laneBytes: 64, panelBytes: 128, vector: ZMM, unroll: 2, fullRows: 12,
		wide: []shape{{2, 2}, {1, 4}},
	},
}

func main() {
	name := flag.String("isa", "avx2", "instruction set: avx2 or avx512")
	flag.Parse()
	set := isas[*name]
	if set == nil {
		log.Fatalf("-isa %s: no such instruction set", *name)
	}
	for rows := set.fullRows; rows > 0; rows-- {
		set.tile(shape{rows, 1})
	}
	for _, s := range set.wide {
		set.tile(s)
	}
	for _, width := range []int{set.panelBytes / 4, set.fullRows} {
		set.copySteps(width)
	}
	for _, width := range []int{set.panelBytes / 4, set.fullRows} {
		set.transpose(width)
	}
	if set.name == "avx2" { // which the wider set has too
		set.transposePart()
	}
	Generate()
}
