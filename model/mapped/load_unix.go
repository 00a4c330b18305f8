//go:build unix

package mapped

import (
	"os"

	"golang.org/x/sys/unix"
)

// load maps size bytes of f, read-only.
func load(f *os.File, size int) ([]byte, func([]byte) error, error) {
	data, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	return data, unix.Munmap, err
}
