package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
)

const (
	manifestName     = "manifest.json"
	manifestFormat   = 1
	manifestMaxBytes = 16 << 20 // far above any checkpoint's list of files
)

// Manifest is manifest.json: what Write put into the folder.
type Manifest struct {
	Format int         `json:"format"`
	Files  []FileEntry `json:"files"` // ordered by name, manifest.json itself left out
}

// FileEntry is one file of a checkpoint.
type FileEntry struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // lower-case hexadecimal
}

// encode gives the only bytes that stand for this manifest.
func (m Manifest) encode() []byte {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("checkpoint: manifest of plain fields does not encode: %v", err))
	}
	return append(raw, '\n')
}

// Verify reads every byte of the checkpoint folder dir and compares it with
// the manifest. Whatever is not as written comes back as a *VerifyError that
// names the file: a changed byte (of the manifest too), a missing, extra,
// truncated or grown file.
func Verify(dir string) (Manifest, error) { return disk.verify(dir) }

func (s store) verify(dir string) (Manifest, error) {
	m, err := s.readManifest(dir)
	if err != nil {
		return Manifest{}, err
	}
	present, err := s.fs.list(dir)
	if err != nil {
		return Manifest{}, &VerifyError{Dir: dir, File: ".", Err: err}
	}
	for _, name := range present {
		named := func(e FileEntry) bool { return e.Name == name }
		if name != manifestName && !slices.ContainsFunc(m.Files, named) {
			return Manifest{}, &VerifyError{Dir: dir, File: name, Err: ErrExtraFile}
		}
	}
	for _, e := range m.Files {
		if err := s.verifyFile(dir, e); err != nil {
			return Manifest{}, err
		}
	}
	return m, nil
}

// damaged tells a checkpoint that is not as written from one that could not
// be read.
func damaged(err error) bool {
	for _, kind := range []error{ErrNoManifest, ErrBadManifest, ErrMissingFile, ErrExtraFile, ErrWrongSize, ErrWrongHash} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// readManifest reads manifest.json and holds it to its one encoding, so that
// no byte of it can change without notice.
func (s store) readManifest(dir string) (Manifest, error) {
	bad := func(detail string) (Manifest, error) {
		return Manifest{}, &VerifyError{Dir: dir, File: manifestName, Err: ErrBadManifest, Detail: detail}
	}
	f, err := s.fs.open(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, &VerifyError{Dir: dir, File: manifestName, Err: ErrNoManifest}
	}
	if err != nil {
		return Manifest{}, &VerifyError{Dir: dir, File: manifestName, Err: err}
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, manifestMaxBytes+1))
	if err != nil {
		return Manifest{}, &VerifyError{Dir: dir, File: manifestName, Err: err}
	}
	if len(raw) > manifestMaxBytes {
		return bad("longer than 16 MiB")
	}
	var m Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return bad(err.Error())
	}
	if m.Format != manifestFormat {
		return bad(fmt.Sprintf("format %d, this program reads %d", m.Format, manifestFormat))
	}
	for i, e := range m.Files {
		if err := checkName(e.Name); err != nil {
			return bad(err.Error())
		}
		if i > 0 && m.Files[i-1].Name >= e.Name {
			return bad(fmt.Sprintf("file %q is out of order or twice", e.Name))
		}
	}
	if len(m.Files) == 0 || !bytes.Equal(raw, m.encode()) {
		return bad("not as written")
	}
	return m, nil
}

// verifyFile compares one file's bytes with its entry.
func (s store) verifyFile(dir string, e FileEntry) error {
	f, err := s.fs.open(filepath.Join(dir, e.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return &VerifyError{Dir: dir, File: e.Name, Err: ErrMissingFile}
	}
	if err != nil {
		return &VerifyError{Dir: dir, File: e.Name, Err: err}
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return &VerifyError{Dir: dir, File: e.Name, Err: err}
	}
	if size != e.Size {
		return &VerifyError{Dir: dir, File: e.Name, Err: ErrWrongSize,
			Detail: fmt.Sprintf("%d bytes, manifest says %d", size, e.Size)}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != e.SHA256 {
		return &VerifyError{Dir: dir, File: e.Name, Err: ErrWrongHash,
			Detail: fmt.Sprintf("%s, manifest says %s", got, e.SHA256)}
	}
	return nil
}
