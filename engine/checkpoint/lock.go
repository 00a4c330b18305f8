package checkpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const lockName = ".retort-lock"

// Lock makes outputDir if need be and takes it for this process until release
// is called or the process ends. When another run holds it the error wraps
// ErrLocked and names that process.
func Lock(outputDir string) (release func(), err error) {
	if err := makeDirs(outputDir); err != nil {
		return nil, err
	}
	return lockFile(filepath.Join(outputDir, lockName), outputDir)
}

// makeDirs is os.MkdirAll whose new names survive a power cut.
func makeDirs(dir string) error {
	dir = filepath.Clean(dir)
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDirs(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		return disk.do("mkdir", dir, err)
	}
	// a file in the way, or another process that was faster
	if info, err := os.Stat(dir); err != nil {
		return disk.do("mkdir", dir, err)
	} else if !info.IsDir() {
		return fmt.Errorf("mkdir %s: a file of that name is in the way", dir)
	}
	return disk.do("fsync", parent, disk.fs.syncDir(parent))
}

// lockedError names the process that wrote its id into the lock file.
func lockedError(path, outputDir string) error {
	holder := "another process"
	if raw, err := os.ReadFile(path); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil {
			holder = fmt.Sprintf("process %d", pid)
		}
	}
	return fmt.Errorf("%w: %s is held by %s; wait for it or choose another output_dir", ErrLocked, outputDir, holder)
}
