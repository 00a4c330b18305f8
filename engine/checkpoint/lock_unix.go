//go:build unix && !solaris && !illumos && !aix

package checkpoint

import (
	"errors"
	"os"
	"strconv"
	"syscall"
)

// lockFile takes an advisory flock, which the kernel drops with the process:
// there is no stale lock. The file stays; removing it would let two processes
// hold locks on two files of one name.
func lockFile(path, outputDir string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, disk.do("open", path, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, lockedError(path, outputDir)
		}
		return nil, disk.do("lock", path, err)
	}
	// Only for the other's message; the lock itself does not need it.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return func() { f.Close() }, nil
}
