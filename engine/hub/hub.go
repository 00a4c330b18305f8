// Package hub fetches the files of students and data sets from a Hugging Face hub by
// their ids, "org/name", through the cache that Python's huggingface_hub keeps, in its
// own layout: what either has downloaded, the other finds.
//
//	models--org--name/refs/main          the commit that a revision stands for
//	models--org--name/trees/<commit>.json  all files of a commit with their hashes
//	models--org--name/blobs/<hash>       contents; <hash>.incomplete while they arrive
//	models--org--name/snapshots/<commit>/  the commit's files, links to blobs
//
// The cache comes first: a revision that was once resolved stays at its commit, and
// whole files are not asked for again, so a second call needs no network. To follow a
// branch that moved on, name the new commit ("org/name@commit") or delete the ref.
//
// A file is taken only when its SHA-256 (Git LFS) or its Git blob SHA-1 is the one the
// hub lists; these are also the ETags that the hub serves and the names of the blobs.
// The token goes to the hub's own host and nowhere else, and into no error.
//
// The package owns nothing but files in the cache, imports nothing of ours, and is
// called by cmd and engine to turn an id into a path.
package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// PublicHub is the endpoint where none is configured.
const PublicHub = "https://huggingface.co"

// Client fetches files of models and data sets from a Hugging Face hub, through its
// cache. A Client may be used by many goroutines, and many processes may share a cache.
type Client struct {
	Endpoint string                                     // URL of the hub; PublicHub when empty
	Token    string                                     // sent to the endpoint's host only; may be empty
	CacheDir string                                     // the hub folder of the cache, made when it is absent
	Offline  bool                                       // answer from the cache alone
	HTTP     *http.Client                               // http.DefaultClient when nil
	Progress func(file string, done, total int64)       // called as bytes of a file arrive; may be nil
	pause    func(context.Context, time.Duration) error // waits between attempts; tests shorten it
}

// String describes the client without its token.
func (c *Client) String() string { return fmt.Sprintf("hub %s, cache %s", c.endpoint(), c.CacheDir) }

// The files of a student beside its weights, those that there are.
const (
	configFile = "config.json"
	singleFile = "model.safetensors"
	indexFile  = "model.safetensors.index.json"
)

var sideFiles = []string{
	configFile, "generation_config.json", "tokenizer.json", "tokenizer_config.json",
	"special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja",
}

// Model makes the files of a student present and returns its path: the snapshot's
// folder for safetensors, the .gguf file for "org/name:file.gguf" and for a repository
// without safetensors that has only one. id may name a revision: "org/name@revision".
func (c *Client) Model(ctx context.Context, id string) (string, error) {
	return c.fetch(ctx, models, id, (*snapshot).student)
}

// Adapter makes the files of a LoRA adapter present and returns their folder.
func (c *Client) Adapter(ctx context.Context, id string) (string, error) {
	return c.fetch(ctx, models, id, (*snapshot).adapter)
}

// Dataset makes one file of a data set present and returns its path:
// "org/name:path/to/file.jsonl", or "org/name" where there is only one .jsonl or
// .parquet file. id may name a revision: "org/name@revision:file".
func (c *Client) Dataset(ctx context.Context, id string) (string, error) {
	return c.fetch(ctx, datasets, id, (*snapshot).rows)
}

// fetch opens the snapshot of id and returns the path that choose makes present.
func (c *Client) fetch(ctx context.Context, k kind, id string, choose func(*snapshot, context.Context) (string, error)) (string, error) {
	inRepo := func(err error) error { return fmt.Errorf("hub: %s %s: %w", k.name, id, err) }
	at, err := parseID(id)
	if err != nil {
		return "", inRepo(err)
	}
	if c.CacheDir == "" {
		return "", inRepo(errors.New("no cache folder is set"))
	}
	if err := os.MkdirAll(c.CacheDir, 0o755); err != nil {
		return "", inRepo(diskError(err))
	}
	root, err := os.OpenRoot(c.CacheDir)
	if err != nil {
		return "", inRepo(err)
	}
	defer root.Close()
	s := &snapshot{client: c, kind: k, address: at, root: root, folder: k.folder + strings.ReplaceAll(at.repo, "/", "--")}
	if err := s.resolve(ctx); err != nil {
		return "", inRepo(err)
	}
	chosen, err := choose(s, ctx)
	if err == nil {
		return chosen, nil
	}
	if s.unasked != nil {
		err = fmt.Errorf("%w, going by the files in the cache (%w)", err, s.unasked)
	}
	return "", inRepo(err)
}

// student fetches a model's files and returns the path to load it from.
func (s *snapshot) student(ctx context.Context) (string, error) {
	if s.file != "" && strings.ToLower(path.Ext(s.file)) != ".gguf" {
		return "", fmt.Errorf("%w: of a model only a .gguf file can be named, not %s", ErrID, s.file)
	}
	weights := singleFile
	if !s.has(singleFile) {
		weights = indexFile
	}
	if s.file != "" || !s.has(weights) {
		gguf, err := s.only(".gguf")
		if err != nil {
			return "", err
		}
		return s.path(gguf), s.present(ctx, gguf)
	}
	if !s.has(configFile) {
		return "", fmt.Errorf("%w: %s", ErrNoFile, configFile)
	}
	names := slices.DeleteFunc(slices.Clone(sideFiles), func(name string) bool { return !s.has(name) })
	if err := s.present(ctx, append(names, weights)...); err != nil {
		return "", err
	}
	if weights == indexFile {
		shards, err := s.shards()
		if err != nil {
			return "", err
		}
		if err := s.present(ctx, shards...); err != nil {
			return "", err
		}
	}
	return s.path(""), nil
}

// adapterFiles are all that an adapter is.
var adapterFiles = []string{"adapter_config.json", "adapter_model.safetensors"}

// adapter fetches an adapter's two files.
func (s *snapshot) adapter(ctx context.Context) (string, error) {
	for _, name := range adapterFiles {
		if !s.has(name) {
			return "", fmt.Errorf("%w: %s", ErrNoFile, name)
		}
	}
	return s.path(""), s.present(ctx, adapterFiles...)
}

// rows fetches one file of a data set.
func (s *snapshot) rows(ctx context.Context) (string, error) {
	name, err := s.only(".jsonl", ".parquet")
	if err != nil {
		return "", err
	}
	return s.path(name), s.present(ctx, name)
}

// only is the file that the id names, or the one with such an extension.
func (s *snapshot) only(extensions ...string) (string, error) {
	if s.file != "" {
		return s.file, nil
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		if slices.Contains(extensions, strings.ToLower(path.Ext(name))) {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 0:
		if s.kind == models {
			return "", fmt.Errorf("%w: %s, %s or .gguf", ErrNoFile, singleFile, indexFile)
		}
		return "", fmt.Errorf("%w: %s", ErrNoFile, strings.Join(extensions, " or "))
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%w: name one of its %d files, as in %q", ErrAmbiguous, len(found), s.repo+":"+found[0])
}

// maxIndexBytes bounds the index of sharded weights.
const maxIndexBytes = 64 << 20

// shards are the files that the index names.
func (s *snapshot) shards() ([]string, error) {
	text, err := s.read(path.Join(s.snapshotDir(), indexFile), maxIndexBytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", indexFile, err)
	}
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(text, &index); err != nil || len(index.WeightMap) == 0 {
		return nil, fmt.Errorf("%w: %s has no weight_map", ErrResponse, indexFile)
	}
	return slices.Compact(slices.Sorted(maps.Values(index.WeightMap))), nil
}
