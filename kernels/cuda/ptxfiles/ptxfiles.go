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

// Names lists the sources, without .cu: "norm", "rope", ….
func Names() []string {
	var names []string
	paths, _ := fs.Glob(files, "*.sm_80.ptx") // the pattern is well-formed
	for _, path := range paths {
		names = append(names, strings.TrimSuffix(path, ".sm_80.ptx"))
	}
	return names
}

// For returns the PTX of a source for a device of the given compute capability, and the
// file's name for messages: the Hopper text on Hopper, else the one for all since Ampere.
func For(name string, major, minor int) (text, file string, err error) {
	target := "sm_80"
	switch {
	case major < 8:
		return "", "", fmt.Errorf("ptxfiles: no kernels for sm_%d%d: the oldest are for sm_80 (Ampere)", major, minor)
	case major == 9 && minor == 0:
		target = "sm_90a"
	}
	file = name + "." + target + ".ptx"
	raw, err := files.ReadFile(file)
	if err != nil {
		return "", "", fmt.Errorf("ptxfiles: there is no kernel file %s; there are %s", file, strings.Join(Names(), ", "))
	}
	return string(raw), file, nil
}
