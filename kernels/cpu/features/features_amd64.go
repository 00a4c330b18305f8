package features

import "golang.org/x/sys/cpu"

// supported lists the assembly kernel sets of this processor, widest first.
func supported() []string {
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		return []string{AVX2}
	}
	return nil
}
