package ptx

import "golang.org/x/sys/cpu"

// multiplyAVX is multiplyPortable, bit for bit, with the eight columns of a row in
// one register.
//
//go:noescape
func multiplyAVX(mat *matrices, k int)

var haveAVX = cpu.X86.HasAVX

func multiply(mat *matrices, k int) {
	if haveAVX {
		multiplyAVX(mat, k)
		return
	}
	multiplyPortable(mat, k)
}
