//go:build !unix || solaris || illumos || aix

package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
)

// lockFile creates the file exclusively, for systems without flock. It stays
// behind when the process is killed, and the error says so.
func lockFile(path, outputDir string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w (if that process is gone, delete %s)", lockedError(path, outputDir), path)
	}
	if err != nil {
		return nil, disk.do("create", path, err)
	}
	_, _ = f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	return func() {
		f.Close()
		os.Remove(path)
	}, nil
}
