// Package mapped gives read-only access to the bytes of a file without copying
// them: by mmap on Unix, by reading the whole file elsewhere.
//
// It owns the mapping. The readers of weight files (model/safetensors,
// model/gguf) call it. Readers share a File freely; Close waits for views in
// progress, and a view after it is an error instead of a fault.
//
// A file that another process shortens while it is mapped faults on access (the
// operating system's rule for mmap): weight files are replaced by renaming, not
// rewritten in place.
package mapped

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
)

var (
	// ErrClosed is returned when a file is viewed after Close.
	ErrClosed = errors.New("file is closed")
	// ErrNotRegular is returned when a path is a folder, a pipe or a device.
	ErrNotRegular = errors.New("not a regular file")
	// ErrTooLarge is returned when a file is larger than the address space.
	ErrTooLarge = errors.New("file is larger than this platform can address")
)

// File is the bytes of one file.
type File struct {
	mu     sync.RWMutex
	data   []byte
	closed bool
	unmap  func([]byte) error // nil when data is ordinary memory
}

// Open maps the file at path.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return FromFile(f)
}

// FromFile maps an open file and closes f; the mapping outlives it.
func FromFile(f *os.File) (*File, error) {
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", f.Name(), ErrNotRegular)
	}
	if info.Size() > math.MaxInt {
		return nil, fmt.Errorf("%s: %w: %d bytes", f.Name(), ErrTooLarge, info.Size())
	}
	if info.Size() == 0 { // mmap refuses an empty range
		return FromBytes(nil), nil
	}
	data, unmap, err := load(f, int(info.Size()))
	if err != nil {
		return nil, fmt.Errorf("%s: mapping %d bytes: %w", f.Name(), info.Size(), err)
	}
	return &File{data: data, unmap: unmap}, nil
}

// FromBytes is a File over data in memory, which the caller must not change.
func FromBytes(data []byte) *File {
	return &File{data: data}
}

// Bytes is the whole file; it must not be used after Close.
func (f *File) Bytes() ([]byte, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return nil, ErrClosed
	}
	return f.data, nil
}

// View calls use with the whole file, which stays mapped until use returns.
func (f *File) View(use func(data []byte) error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return ErrClosed
	}
	return use(f.data)
}

// Close unmaps the file after the views in progress; a second Close does nothing.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	data := f.data
	f.data, f.closed = nil, true
	if f.unmap == nil {
		return nil
	}
	return f.unmap(data)
}
