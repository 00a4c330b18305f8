package features

import "golang.org/x/sys/cpu"

// supported lists the assembly kernel sets of this processor, widest first.
func supported() (sets []string) {
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA {
		return nil
	}
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL {
		sets = append(sets, AVX512)
	}
	return append(sets, AVX2)
}
