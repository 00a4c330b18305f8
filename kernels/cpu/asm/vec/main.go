// Command vec writes the AVX2 functions of package kernels/cpu/vec.
//
// Every function is a loop over 8 lanes whose last turn is masked, so that an
// element meets the same instructions wherever it stands: loop.go holds that
// loop, reduce.go the functions that end in one number, elementwise.go those
// that end in a slice, exp.go the exponential that some of them share.
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	reductions()
	elementwise()
	activations()
	adamW()
	Generate()
}
