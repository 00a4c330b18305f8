package safetensors

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// confined opens the files of one folder and nothing outside it, whatever an index
// names and wherever symbolic links point.
//
// The Hugging Face cache keeps a model as snapshots/<revision>/ with links to
// blobs/ beside snapshots/. In such a folder, links may reach all of the model's
// part of the cache; the paths in the index still may not.
type confined struct {
	root   *os.Root
	prefix string // the folder within root
}

// openConfined opens the folder at dir, of which the caller closes the root.
func openConfined(dir string) (confined, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return confined{}, err
	}
	if real, err = filepath.Abs(real); err != nil {
		return confined{}, err
	}
	prefix := "."
	if snapshots := filepath.Dir(real); filepath.Base(snapshots) == "snapshots" {
		prefix = filepath.Join("snapshots", filepath.Base(real))
		real = filepath.Dir(snapshots)
	}
	root, err := os.OpenRoot(real)
	return confined{root, prefix}, err
}

// open opens the file at path, relative to the folder.
func (c confined) open(path string) (*os.File, error) {
	if !filepath.IsLocal(path) {
		return nil, ErrShardPath
	}
	file, err := c.root.Open(filepath.Join(c.prefix, path))
	var system syscall.Errno
	if err != nil && !errors.As(err, &system) { // not the system's word, so os.Root's own refusal
		return nil, fmt.Errorf("%w: %w", ErrShardPath, err)
	}
	return file, err
}

// read is the content of the file at path, at most MaxHeaderBytes.
func (c confined) read(path string) ([]byte, error) {
	file, err := c.open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, MaxHeaderBytes+1))
	if err == nil && len(text) > MaxHeaderBytes {
		err = fmt.Errorf("%w: at most %d bytes", ErrIndexTooLong, MaxHeaderBytes)
	}
	return text, err
}

// parseIndex reads {"metadata": {…}, "weight_map": {"<tensor>": "<shard>", …}} and
// returns the shard of each tensor.
func parseIndex(text []byte) (map[string]string, error) {
	w, err := newWalker(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIndex, err)
	}
	shardOf := map[string]string{}
	err = w.object([]string{"weight_map"}, func(key string) error {
		if key != "weight_map" {
			return w.skip()
		}
		return w.object(nil, func(name string) error {
			shard, err := w.string()
			shardOf[name] = filepath.FromSlash(shard)
			return err
		})
	})
	if err == nil {
		err = w.end()
	}
	if err == nil && len(shardOf) == 0 {
		err = fmt.Errorf("%w weight_map", ErrMissingKey)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIndex, err)
	}
	return shardOf, nil
}
