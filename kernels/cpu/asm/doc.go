// Package asm has no code of its own: its folders are the programs that write
// the assembly of gemm and vec, by github.com/mmcloughlin/avo, and its test
// checks that what is committed is what they write. Run `go generate` in gemm
// or vec after changing them.
package asm
