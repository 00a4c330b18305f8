// Command vec writes the functions of package kernels/cpu/vec for one
// instruction set: -isa avx2 or -isa avx512.
//
// Every function is a loop over the lanes of a register whose last turn is
// masked, so that an element meets the same instructions wherever it stands:
// loop.go holds that loop, isa.go what differs between the instruction sets,
// and each other file one family of functions.
package main

import (
	"flag"
	"log"

	. "github.com/mmcloughlin/avo/build"
)

func main() {
	name := flag.String("isa", "avx2", "instruction set: avx2 or avx512")
	flag.Parse()
	if target = isas[*name]; target == nil {
		log.Fatalf("-isa %s: no such instruction set", *name)
	}
	reductions()
	elementwise()
	activations()
	norms()
	rows()
	adamW()
	dropout()
	Generate()
}
