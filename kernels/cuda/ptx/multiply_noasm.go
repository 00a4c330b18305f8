//go:build !amd64

package ptx

func multiply(mat *matrices, k int) { multiplyPortable(mat, k) }
