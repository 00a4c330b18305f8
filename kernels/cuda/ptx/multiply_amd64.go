package ptx

import "golang.org/x/sys/cpu"

// multiplyAVX2 is the product of bf16 fragments, bit for bit that of
// multiplyPortable.
//
//go:noescape
func multiplyAVX2(f *fragments)

var haveAVX2 = cpu.X86.HasAVX2

// multiplyFast computes the product where the machine can; it reports whether it did.
func multiplyFast(f *fragments) bool {
	if haveAVX2 {
		multiplyAVX2(f)
	}
	return haveAVX2
}
