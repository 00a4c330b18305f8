// Package features decides, once at start, which set of CPU kernels runs:
// the widest one that the processor supports, or the one that the environment
// variable RETORT_CPU names. It owns nothing else; gemm and vec ask it while
// they initialise, and `retort doctor` and the run's header show its answer.
package features

import (
	"fmt"
	"os"
	"strings"
)

// Names of the kernel sets, as RETORT_CPU spells them.
const (
	Generic = "generic" // portable Go, everywhere
	AVX2    = "avx2"    // AVX2 and FMA assembly, amd64
	AVX512  = "avx512"  // AVX-512 F, BW, DQ and VL assembly, amd64
)

// Variable is the environment variable that forces a kernel set.
const Variable = "RETORT_CPU"

var (
	selected    string
	selectedErr error
)

func init() { selected, selectedErr = choose(os.Getenv(Variable), Available()) }

// Selected returns the name of the kernel set in use. The error is not nil
// when RETORT_CPU names a set that does not exist or that this processor
// lacks; the portable set is then in use, and the caller must say so.
func Selected() (name string, err error) { return selected, selectedErr }

// Available returns the kernel sets that this processor runs, widest first;
// the last one is always Generic.
func Available() []string { return append(supported(), Generic) }

// choose picks the kernel set for the given value of RETORT_CPU.
func choose(forced string, available []string) (string, error) {
	if forced == "" {
		return available[0], nil
	}
	for _, name := range available {
		if name == forced {
			return name, nil
		}
	}
	reason := "no such kernel set"
	if forced == AVX2 || forced == AVX512 {
		reason = "this processor does not support it"
	}
	return Generic, fmt.Errorf("%s=%q: %s; using %s; set it to one of: %s",
		Variable, forced, reason, Generic, strings.Join(available, ", "))
}
