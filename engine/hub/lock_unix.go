//go:build unix && !solaris && !illumos && !aix

package hub

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes an advisory flock, as huggingface_hub does, which ends with the file's
// closing. On file systems without such locks it pretends to.
func tryLock(f *os.File) bool {
	return !errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
