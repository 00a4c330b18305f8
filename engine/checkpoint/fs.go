package checkpoint

import (
	"io"
	"os"
)

// fileSystem is what durability needs of a file system, small enough for a
// test to fail, lose or stop any call of it. Paths are as the caller gave them.
type fileSystem interface {
	create(name string) (file, error) // truncates
	open(name string) (io.ReadCloser, error)
	mkdir(name string) error
	rename(from, to string) error // replaces a file, never a folder with content
	remove(name string) error     // a file
	removeAll(name string) error  // a folder and what is in it; absent is no error
	list(dir string) ([]string, error)
	syncDir(dir string) error
}

// file is one open for writing.
type file interface {
	io.WriteCloser
	Sync() error
}

// osFS is the real one.
type osFS struct{}

func (osFS) create(name string) (file, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
}
func (osFS) open(name string) (io.ReadCloser, error) { return os.Open(name) }
func (osFS) mkdir(name string) error                 { return os.Mkdir(name, 0o755) }
func (osFS) rename(from, to string) error            { return os.Rename(from, to) }
func (osFS) remove(name string) error                { return os.Remove(name) }
func (osFS) removeAll(name string) error             { return os.RemoveAll(name) }

func (osFS) list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (osFS) syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		d.Close()
		return err
	}
	return d.Close()
}
