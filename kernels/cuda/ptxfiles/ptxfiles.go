// Package ptxfiles embeds the kernels' PTX, compiled ahead from kernels/cuda/src by 'make
// kernels', so that a user needs no CUDA compiler. The CUDA backend asks it for the text
// that fits its device. manifest.json ties the files to their sources; a test compares.
package ptxfiles

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.ptx
var files embed.FS

// Names lists the sources, without .cu, that have a text for a compute capability: "norm",
// "rope", …, and on Hopper those that are for it alone, which end in _sm90.
func Names(major, minor int) []string {
	var names []string
	end := "." + target(major, minor) + ".ptx"
	paths, _ := fs.Glob(files, "*"+end) // the pattern is well-formed
	for _, path := range paths {
		names = append(names, strings.TrimSuffix(path, end))
	}
	return names
}

// target is the Hopper text on Hopper, else the one for all since Ampere.
func target(major, minor int) string {
	if major == 9 && minor == 0 {
		return "sm_90a"
	}
	return "sm_80"
}

// For returns the PTX of a source for a device of the given compute capability, and the
// file's name for messages.
func For(name string, major, minor int) (text, file string, err error) {
	if major < 8 {
		return "", "", fmt.Errorf("ptxfiles: no kernels for sm_%d%d: the oldest are for sm_80 (Ampere)", major, minor)
	}
	file = name + "." + target(major, minor) + ".ptx"
	raw, err := files.ReadFile(file)
	if err != nil {
		return "", "", fmt.Errorf("ptxfiles: there is no kernel file %s; there are %s", file, strings.Join(Names(major, minor), ", "))
	}
	return string(raw), file, nil
}
