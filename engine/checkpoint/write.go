package checkpoint

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
)

// FileWriter writes the whole content of one file to w.
type FileWriter func(w io.Writer) error

const (
	tmpPrefix     = ".retort-tmp-"     // being written
	removedPrefix = ".retort-removed-" // given up, being deleted
	bufferBytes   = 256 << 10
)

// store is the package over one file system.
type store struct{ fs fileSystem }

// disk is the store that the exported functions use.
var disk = store{osFS{}}

// Write makes the folder dir (output_dir/checkpoint-<step>) appear with these
// files and a manifest.json, whole or not at all, and returns only when it
// will survive a power cut. The parent must exist. Files are written in the
// order of their names. A broken folder of that name is replaced; a whole one
// is left and ErrExists returned. A failed file operation comes back as an
// *OpError and an error of a FileWriter wrapped; either way what is called dir
// afterwards, if anything, is whole.
func Write(dir string, files map[string]FileWriter) error { return disk.write(dir, files) }

// WriteFile makes one file appear at path with the content that write gives
// it, whole or not at all; an older file of that name is replaced.
func WriteFile(path string, write FileWriter) error { return disk.writeFile(path, write) }

func (s store) write(dir string, files map[string]FileWriter) error {
	names, err := checkNames(files)
	if err != nil {
		return fmt.Errorf("write checkpoint %s: %w", dir, err)
	}
	parent, base := filepath.Split(filepath.Clean(dir))
	parent = filepath.Clean(parent)
	if err := s.makeRoom(parent, base); err != nil {
		return fmt.Errorf("write checkpoint %s: %w", dir, err)
	}
	tmp := filepath.Join(parent, tmpPrefix+base)
	if err := s.writeFolder(tmp, names, files); err != nil {
		_ = s.fs.removeAll(tmp) // a leftover is ignored by readers and removed by Clean
		return fmt.Errorf("write checkpoint %s: %w", dir, err)
	}
	if err := s.do("rename", tmp, s.fs.rename(tmp, dir)); err != nil {
		_ = s.fs.removeAll(tmp)
		return fmt.Errorf("write checkpoint %s: %w", dir, err)
	}
	if err := s.do("fsync", parent, s.fs.syncDir(parent)); err != nil {
		return fmt.Errorf("write checkpoint %s: the folder is whole but its name may not survive a power cut: %w", dir, err)
	}
	return nil
}

// makeRoom clears what an interrupted write left under base, in parent.
func (s store) makeRoom(parent, base string) error {
	names, err := s.fs.list(parent)
	if err != nil {
		return s.do("list", parent, err)
	}
	if slices.Contains(names, base) {
		dir := filepath.Join(parent, base)
		if _, err := s.verify(dir); err == nil {
			return ErrExists
		} else if !damaged(err) {
			return err // it could not be read just now, which does not make it broken
		}
		if err := s.removeCheckpoint(dir); err != nil {
			return err
		}
	}
	if slices.Contains(names, tmpPrefix+base) {
		tmp := filepath.Join(parent, tmpPrefix+base)
		return s.do("remove", tmp, s.fs.removeAll(tmp))
	}
	return nil
}

// writeFolder fills the new folder tmp and makes its content durable.
func (s store) writeFolder(tmp string, names []string, files map[string]FileWriter) error {
	if err := s.do("mkdir", tmp, s.fs.mkdir(tmp)); err != nil {
		return err
	}
	manifest := Manifest{Format: manifestFormat}
	for _, name := range names {
		entry, err := s.writeDurably(filepath.Join(tmp, name), files[name])
		if err != nil {
			return err
		}
		entry.Name = name
		manifest.Files = append(manifest.Files, entry)
	}
	_, err := s.writeDurably(filepath.Join(tmp, manifestName), func(w io.Writer) error {
		_, err := w.Write(manifest.encode())
		return err
	})
	if err != nil {
		return err
	}
	return s.do("fsync", tmp, s.fs.syncDir(tmp))
}

// writeDurably writes one file and waits until its bytes are on the device.
func (s store) writeDurably(path string, write FileWriter) (entry FileEntry, err error) {
	f, err := s.fs.create(path)
	if err != nil {
		return entry, s.do("create", path, err)
	}
	sink := &hashingWriter{to: f, sum: sha256.New()}
	buffered := bufio.NewWriterSize(sink, bufferBytes)
	err = write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	switch {
	case sink.err != nil: // the device's own error, whatever write made of it
		err = s.do("write", path, sink.err)
	case err != nil:
		err = fmt.Errorf("content of %s: %w", path, err)
	default:
		err = s.do("fsync", path, f.Sync())
	}
	if closeErr := f.Close(); err == nil {
		err = s.do("close", path, closeErr)
	}
	return FileEntry{Size: sink.size, SHA256: hex.EncodeToString(sink.sum.Sum(nil))}, err
}

// tmpCount keeps the temporary names of one process apart.
var tmpCount atomic.Int64

func (s store) writeFile(path string, write FileWriter) error {
	parent, base := filepath.Split(filepath.Clean(path))
	parent = filepath.Clean(parent)
	tmp := filepath.Join(parent, fmt.Sprintf("%s%s-%d-%d", tmpPrefix, base, os.Getpid(), tmpCount.Add(1)))
	_, err := s.writeDurably(tmp, write)
	if err == nil {
		err = s.do("rename", tmp, s.fs.rename(tmp, path))
	}
	if err != nil {
		_ = s.fs.remove(tmp) // a leftover is removed by Clean
		return fmt.Errorf("write %s: %w", path, err)
	}
	return s.do("fsync", parent, s.fs.syncDir(parent))
}

// do gives a failed file operation its type.
func (s store) do(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &OpError{Op: op, Path: path, Err: err}
}

// checkNames returns the file names in order, or why one cannot be used.
func checkNames(files map[string]FileWriter) ([]string, error) {
	names := make([]string, 0, len(files))
	for name := range files {
		if err := checkName(name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, errors.New("no files to write")
	}
	slices.Sort(names)
	return names, nil
}

// checkName refuses names that would leave the folder or hide the manifest.
func checkName(name string) error {
	if name == manifestName || name == "." || name != filepath.Base(name) || !fs.ValidPath(name) {
		return fmt.Errorf("file name %q: give a plain name other than %s", name, manifestName)
	}
	return nil
}

// hashingWriter counts and hashes what reaches the file, and keeps the file's
// own error, so that a caller's wrapping of it cannot hide a full disk.
type hashingWriter struct {
	to   io.Writer
	sum  hash.Hash
	size int64
	err  error
}

// Write passes p on and counts what was taken of it.
func (w *hashingWriter) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	w.sum.Write(p[:n])
	w.size += int64(n)
	if err != nil {
		w.err = err
	}
	return n, err
}
