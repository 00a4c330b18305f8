//go:build !nvrtc

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "compile: built without the tag nvrtc; run 'make kernels'")
	os.Exit(2)
}
