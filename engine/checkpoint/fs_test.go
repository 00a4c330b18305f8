package checkpoint

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// memFS is a fileSystem over pebble's crashable one, which knows what was
// synced and can show the disk as a power cut would leave it.
type memFS struct{ mem *vfs.MemFS }

// out is the output folder of the tests that run in memory.
const out = "/out"

func newMemFS() memFS {
	m := memFS{vfs.NewCrashableMem()}
	must(m.mem.MkdirAll(out, 0o755))
	must(m.syncDir("/"))
	return m
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (m memFS) create(name string) (file, error) {
	f, err := m.mem.Create(name, vfs.WriteCategoryUnspecified)
	return memFile{f}, err
}
func (m memFS) open(name string) (io.ReadCloser, error) { return m.mem.Open(name) }
func (m memFS) remove(name string) error                { return m.mem.Remove(name) }
func (m memFS) list(dir string) ([]string, error)       { return m.mem.List(dir) }

func (m memFS) mkdir(name string) error {
	if _, err := m.mem.Stat(name); err == nil {
		return syscall.EEXIST
	}
	return m.mem.MkdirAll(name, 0o755)
}

func (m memFS) rename(from, to string) error {
	if names, err := m.mem.List(to); err == nil && len(names) > 0 {
		return syscall.ENOTEMPTY
	}
	return m.mem.Rename(from, to)
}

func (m memFS) removeAll(name string) error { return m.mem.RemoveAll(name) }

func (m memFS) syncDir(dir string) error {
	d, err := m.mem.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// memFile hands over copies: pebble's Write may overwrite what it is given, and
// does under the race detector.
type memFile struct{ vfs.File }

func (f memFile) Write(p []byte) (int, error) { return f.File.Write(slices.Clone(p)) }

// errKilled is what every operation returns once the process is dead.
var errKilled = errors.New("killed")

// fault is what happens at the k-th operation.
type fault struct {
	name string
	err  error // returned, and nothing done; nil for a short write
	dead bool  // nothing works from then on
}

var faults = []fault{
	{name: "EIO", err: syscall.EIO},
	{name: "ENOSPC", err: syscall.ENOSPC},
	{name: "short write"},
	{name: "killed", err: errKilled, dead: true},
}

// tap sits on a fileSystem, counts every operation, and can fail the k-th or
// call a hook before each.
type tap struct {
	fileSystem
	fault  fault
	k      int // fails operation k, counted from 1; 0 never
	count  int
	before func()
}

func (t *tap) step() error {
	t.count++
	if t.before != nil {
		t.before()
	}
	if t.k > 0 && (t.count == t.k || t.fault.dead && t.count > t.k) {
		if t.fault.err == nil {
			return syscall.EIO // a short write is only for writes
		}
		return t.fault.err
	}
	return nil
}

// fired says whether the k-th operation was reached.
func (t *tap) fired() bool { return t.count >= t.k }

func (t *tap) create(name string) (file, error) {
	if err := t.step(); err != nil {
		return nil, err
	}
	f, err := t.fileSystem.create(name)
	return &tappedFile{f, t}, err
}

func (t *tap) open(name string) (io.ReadCloser, error) {
	if err := t.step(); err != nil {
		return nil, err
	}
	f, err := t.fileSystem.open(name)
	return &tappedReader{f, t}, err
}

func (t *tap) mkdir(name string) error {
	return t.then(func() error { return t.fileSystem.mkdir(name) })
}
func (t *tap) rename(from, to string) error {
	return t.then(func() error { return t.fileSystem.rename(from, to) })
}
func (t *tap) remove(name string) error {
	return t.then(func() error { return t.fileSystem.remove(name) })
}
func (t *tap) syncDir(dir string) error {
	return t.then(func() error { return t.fileSystem.syncDir(dir) })
}

func (t *tap) list(dir string) ([]string, error) {
	if err := t.step(); err != nil {
		return nil, err
	}
	return t.fileSystem.list(dir)
}

// removeAll goes file by file, so that it can stop half way.
func (t *tap) removeAll(name string) error {
	children, err := t.fileSystem.list(name)
	if err != nil {
		return t.then(func() error { return t.fileSystem.removeAll(name) })
	}
	for _, child := range children {
		if err := t.remove(filepath.Join(name, child)); err != nil {
			return err
		}
	}
	return t.remove(name)
}

func (t *tap) then(op func() error) error {
	if err := t.step(); err != nil {
		return err
	}
	return op()
}

type tappedFile struct {
	file
	t *tap
}

func (f *tappedFile) Write(p []byte) (int, error) {
	if err := f.t.step(); err != nil {
		if f.t.fault.err != nil {
			return 0, err
		}
		return f.file.Write(p[:len(p)/2]) // short, and no error to say so
	}
	return f.file.Write(p)
}
func (f *tappedFile) Sync() error { return f.t.then(f.file.Sync) }
func (f *tappedFile) Close() error {
	err := f.t.step()
	return errors.Join(err, f.file.Close())
}

type tappedReader struct {
	io.ReadCloser
	t *tap
}

func (r *tappedReader) Read(p []byte) (int, error) {
	if err := r.t.step(); err != nil {
		return 0, err
	}
	return r.ReadCloser.Read(p)
}
