// Package manifest ties the embedded PTX to its sources: a list of SHA-256 sums that the
// kernels' compiler writes and that a test of package ptxfiles compares.
package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Compiler is what compiles the kernels; its PTX runs on drivers of CUDA 12.4 and newer.
const Compiler = "NVRTC 12.4.127 with the headers of CUDA 12.4.127"

// Options are the compiler's, besides the target and include folders. Line information
// lets the PTX machine and the profilers name the line of the source.
var Options = []string{"--std=c++17", "--generate-line-info"}

// Targets are what sources are compiled for: sm_80 runs on every card since Ampere, sm_90a
// only on Hopper, with its own instructions.
var Targets = []string{"sm_80", "sm_90a"}

// Fits tells whether a source is compiled for a target: all are for each, except those for
// Hopper alone, whose names end in _sm90.cu.
func Fits(source, target string) bool {
	return target == "sm_90a" || !strings.HasSuffix(source, "_sm90.cu")
}

// File is the manifest's name beside the PTX.
const File = "manifest.json"

// Manifest says which sources and compiler made which PTX.
type Manifest struct {
	Compiler string            `json:"compiler"`
	Options  []string          `json:"options"`
	Sources  map[string]string `json:"sources"` // file of src: SHA-256
	PTX      map[string]string `json:"ptx"`     // file of ptxfiles: SHA-256
}

// Kernels lists the sources in folder that are compiled: all .cu files, by name.
func Kernels(folder string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.cu"))
	slices.Sort(paths)
	return paths, err
}

// Of sums up the sources and the PTX as they lie in their folders.
func Of(sources, ptx string) (Manifest, error) {
	m := Manifest{Compiler: Compiler, Options: Options}
	var err error
	if m.Sources, err = sums(sources, "*.cu", "*.cuh"); err != nil {
		return m, err
	}
	m.PTX, err = sums(ptx, "*.ptx")
	return m, err
}

// Read reads the manifest beside the PTX.
func Read(ptx string) (m Manifest, err error) {
	raw, err := os.ReadFile(filepath.Join(ptx, File))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("%s: %w", File, err)
	}
	return m, nil
}

// Write writes the manifest beside the PTX.
func (m Manifest) Write(ptx string) error {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(ptx, File), append(raw, '\n'), 0o644)
}

// sums maps each file of the patterns to its SHA-256.
func sums(folder string, patterns ...string) (map[string]string, error) {
	out := map[string]string{}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			sum := sha256.Sum256(content)
			out[filepath.Base(path)] = hex.EncodeToString(sum[:])
		}
	}
	return out, nil
}
