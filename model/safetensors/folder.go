package safetensors

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"gorgonia.org/tensor"

	"retort/model/mapped"
)

// The files of a Hugging Face folder that hold its weights.
const (
	SingleFile = "model.safetensors"
	IndexFile  = "model.safetensors.index.json"
)

// Folder is the weights of one folder as one set of names.
type Folder struct {
	dir    string
	shards []*File          // in the order of their names
	holder map[string]*File // the shard that holds a tensor
	names  []string         // sorted
}

// OpenFolder opens model.safetensors in dir or, where there is none, the shards of
// model.safetensors.index.json. All tensors of the shards are in the set, listed in
// the index or not; what the index lists must be where it says.
func OpenFolder(dir string) (*Folder, error) {
	inside, err := openConfined(dir)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	defer inside.root.Close()
	f := &Folder{dir: dir, holder: map[string]*File{}}
	err = f.add(inside, SingleFile)
	if errors.Is(err, ErrMissingShard) {
		err = f.addShards(inside)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	f.names = slices.Sorted(maps.Keys(f.holder))
	return f, nil
}

// addShards opens what the index names.
func (f *Folder) addShards(inside confined) error {
	index := filepath.Join(f.dir, IndexFile)
	text, err := inside.read(IndexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", f.dir, ErrNoWeights)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", index, err)
	}
	if err := f.addListed(inside, text); err != nil {
		return fmt.Errorf("%s: %w", index, err)
	}
	return nil
}

// addListed opens the shards that an index of that text names.
func (f *Folder) addListed(inside confined, text []byte) error {
	shardOf, err := parseIndex(text)
	if err != nil {
		return err
	}
	for _, shard := range slices.Compact(slices.Sorted(maps.Values(shardOf))) {
		if err := f.add(inside, shard); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(shardOf)) {
		path := filepath.Join(f.dir, shardOf[name])
		if holder := f.holder[name]; holder == nil || holder.path != path {
			return inTensor(name, fmt.Errorf("%w %.120q", ErrMissingTensor, shardOf[name]))
		}
	}
	return nil
}

// add opens one shard and takes its tensors into the set.
func (f *Folder) add(inside confined, shard string) error {
	path := filepath.Join(f.dir, shard)
	file, err := inside.open(shard)
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrMissingShard
	}
	if err != nil {
		return fmt.Errorf("%.250q: %w", path, err)
	}
	m, err := mapped.FromFile(file)
	if err != nil {
		return err
	}
	opened, err := newFile(path, m)
	if err != nil {
		return err
	}
	f.shards = append(f.shards, opened)
	for _, name := range opened.header.names {
		if first, twice := f.holder[name]; twice {
			return fmt.Errorf("%s: %w", path, inTensor(name, fmt.Errorf("%w, also in %s", ErrTensorTwice, first.path)))
		}
		f.holder[name] = opened
	}
	return nil
}

// Close unmaps all shards.
func (f *Folder) Close() error {
	var all error
	for _, shard := range f.shards {
		all = errors.Join(all, shard.Close())
	}
	return all
}

// Names are the tensors' names, sorted.
func (f *Folder) Names() []string { return slices.Clone(f.names) }

// Metadata is a copy of the first shard's __metadata__.
func (f *Folder) Metadata() map[string]string { return f.shards[0].Metadata() }

// Info describes the tensor of that name, or is false.
func (f *Folder) Info(name string) (Info, bool) {
	shard, err := f.find(name)
	if err != nil {
		return Info{}, false
	}
	return shard.Info(name)
}

// ReadFloat32 is File.ReadFloat32 of the shard that holds the tensor.
func (f *Folder) ReadFloat32(name string, dst []float32) error {
	shard, err := f.find(name)
	if err != nil {
		return err
	}
	return shard.ReadFloat32(name, dst)
}

// Tensor is File.Tensor of the shard that holds the tensor.
func (f *Folder) Tensor(name string) (*tensor.Dense, error) {
	shard, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return shard.Tensor(name)
}

// Raw is File.Raw of the shard that holds the tensor.
func (f *Folder) Raw(name string) ([]byte, error) {
	shard, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return shard.Raw(name)
}

// find is the shard that holds the tensor.
func (f *Folder) find(name string) (*File, error) {
	if shard := f.holder[name]; shard != nil {
		return shard, nil
	}
	return nil, fmt.Errorf("safetensors: %s: %w", f.dir, inTensor(name, ErrNoTensor))
}
