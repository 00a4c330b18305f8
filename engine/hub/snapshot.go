package hub

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// snapshot is one commit of one repository, of which the cache has some files.
type snapshot struct {
	client *Client
	kind   kind
	address
	root    *os.Root // the cache; all paths below are within it, with slashes
	folder  string   // of the repository
	commit  string
	files   map[string]entry // all files of the commit, by name
	unasked error            // why files are only those of the cache, without hashes; usually nil
}

// entry is a file in the list of a commit's files, as in trees/<commit>.json.
type entry struct {
	Size    int64  `json:"size"` // bytes
	BlobID  string `json:"blob_id"`
	SHA256  string `json:"lfs_sha256,omitempty"` // of files in Git LFS only
	LFSSize int64  `json:"lfs_size,omitempty"`   // bytes
	XetHash string `json:"xet_hash,omitempty"`
}

// hash is the name of the file's blob: its SHA-256 in Git LFS, else its Git SHA-1.
func (e entry) hash() string {
	if e.SHA256 != "" {
		return e.SHA256
	}
	return e.BlobID
}

// bytes is the size of the file's content.
func (e entry) bytes() int64 {
	if e.SHA256 != "" {
		return e.LFSSize
	}
	return e.Size
}

// tree is the content of trees/<commit>.json.
type tree struct {
	Format int              `json:"format_version"`
	Files  map[string]entry `json:"files"`
}

const (
	treeFormat   = 1
	maxTreeBytes = 256 << 20
	maxRefBytes  = 1 << 10
)

// resolve finds the commit and its files: from the cache, else from the hub, else from
// what the cache holds of the commit.
func (s *snapshot) resolve(ctx context.Context) error {
	s.commit = s.cachedCommit()
	if s.commit != "" && s.readTree() {
		return nil
	}
	err := ErrOffline
	if !s.client.Offline {
		if err = s.ask(ctx); err == nil || ctx.Err() != nil {
			return err
		}
	}
	if s.commit != "" {
		s.files = s.cachedFiles()
	}
	if len(s.files) == 0 {
		return err
	}
	s.unasked = err
	return nil
}

// ask gets the commit, unless it is known, and its files from the hub and notes both
// in the cache.
func (s *snapshot) ask(ctx context.Context) error {
	known, err := s.commit, error(nil)
	if known == "" {
		if s.commit, err = s.askCommit(ctx); err != nil {
			return err
		}
	}
	if s.files, err = s.askFiles(ctx); err != nil {
		return err
	}
	text, err := json.MarshalIndent(tree{treeFormat, s.files}, "", " ")
	if err != nil {
		return err
	}
	if err := s.write(s.treePath(), text); err != nil || known != "" {
		return err
	}
	return s.write(s.refPath(), []byte(s.commit))
}

func (s *snapshot) treePath() string    { return path.Join(s.folder, "trees", s.commit+".json") }
func (s *snapshot) refPath() string     { return path.Join(s.folder, "refs", s.revision) }
func (s *snapshot) snapshotDir() string { return path.Join(s.folder, "snapshots", s.commit) }

// path is where a file of the snapshot is for others; the folder for "".
func (s *snapshot) path(name string) string {
	return filepath.Join(s.client.CacheDir, filepath.FromSlash(path.Join(s.snapshotDir(), name)))
}

// has says whether the commit has a file of that name.
func (s *snapshot) has(name string) bool {
	_, ok := s.files[name]
	return ok
}

// cachedCommit is the commit that the revision stands for, or "".
func (s *snapshot) cachedCommit() string {
	if commitHash.MatchString(s.revision) {
		return s.revision
	}
	text, err := s.read(s.refPath(), maxRefBytes)
	if commit := strings.TrimSpace(string(text)); err == nil && commitHash.MatchString(commit) {
		return commit
	}
	return ""
}

// readTree reads the list of the commit's files from the cache; a damaged one is as none.
func (s *snapshot) readTree() bool {
	text, err := s.read(s.treePath(), maxTreeBytes)
	var t tree
	if err != nil || json.Unmarshal(text, &t) != nil || t.Format != treeFormat || t.Files == nil {
		return false
	}
	s.files = t.Files
	return true
}

// cachedFiles are the files of the commit that the cache has, of unknown size and hash.
func (s *snapshot) cachedFiles() map[string]entry {
	files := map[string]entry{}
	_ = fs.WalkDir(s.root.FS(), s.snapshotDir(), func(at string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && s.isWhole(at, -1) {
			files[strings.TrimPrefix(at, s.snapshotDir()+"/")] = entry{Size: -1}
		}
		return nil // what cannot be read is not there
	})
	return files
}

// isWhole says whether a regular file of that size, in bytes, is at the path; any size
// will do for a negative one.
func (s *snapshot) isWhole(at string, size int64) bool {
	info, err := s.root.Stat(at)
	return err == nil && info.Mode().IsRegular() && (size < 0 || info.Size() == size)
}

// present downloads those of the files that the cache lacks.
func (s *snapshot) present(ctx context.Context, names ...string) error {
	for _, name := range names {
		if !isFileName(name) {
			return fmt.Errorf("%w: %.120q", ErrPath, name)
		}
		file, ok := s.files[name]
		if !ok {
			return fmt.Errorf("%w: %s", ErrNoFile, name)
		}
		if s.isWhole(path.Join(s.snapshotDir(), name), file.bytes()) {
			continue
		}
		if s.client.Offline {
			return fmt.Errorf("%s: %w", name, ErrOffline)
		}
		if err := s.download(ctx, name, file); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// link makes the blob appear under the file's name in the snapshot, at once.
func (s *snapshot) link(name, blob string) error {
	at := path.Join(s.snapshotDir(), name)
	if err := s.root.MkdirAll(path.Dir(at), 0o755); err != nil {
		return err
	}
	up := strings.Repeat("../", 2+strings.Count(name, "/"))
	fresh := at + "." + rand.Text() + ".tmp"
	if err := s.root.Symlink(filepath.FromSlash(up+strings.TrimPrefix(blob, s.folder+"/")), fresh); err != nil {
		if s.root.Link(blob, fresh) != nil { // for systems that know no symbolic links
			return err
		}
	}
	if err := s.root.Rename(fresh, at); err != nil {
		s.root.Remove(fresh)
		return err
	}
	return nil
}

// read is the content of a small file of the cache.
func (s *snapshot) read(at string, limit int64) ([]byte, error) {
	f, err := s.root.Open(at)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return text, err
}

// write replaces a small file of the cache at once.
func (s *snapshot) write(at string, text []byte) error {
	if err := s.root.MkdirAll(path.Dir(at), 0o755); err != nil {
		return diskError(err)
	}
	fresh := at + "." + rand.Text() + ".tmp"
	err := s.root.WriteFile(fresh, text, 0o644)
	if err == nil {
		err = s.root.Rename(fresh, at)
	}
	if err != nil {
		s.root.Remove(fresh)
	}
	return diskError(err)
}
