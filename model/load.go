package model

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"retort/kernels"
	"retort/model/safetensors"
)

// Errors that callers tell apart when a student cannot be read.
var (
	// ErrNoStudent: the path holds neither config.json with safetensors nor a GGUF file.
	ErrNoStudent = errors.New("no student here")
	// ErrMissingTensor: a parameter of the configuration is not in the file.
	ErrMissingTensor = errors.New("missing tensor")
	// ErrNonFinite: a tensor holds NaN or infinity.
	ErrNonFinite = errors.New("not a finite number")
	// ErrTensorShape: a tensor's shape is not what the configuration says.
	ErrTensorShape = errors.New("wrong shape")
)

// source is a file of named tensors: safetensors or GGUF, seen with Hugging Face names.
type source interface {
	names() []string
	shape(name string) ([]int, bool)
	// read returns the tensor as float32 on the host, in the shape shape reports.
	read(name string) (*tensor.Dense, error)
}

// Load reads a student from a Hugging Face folder, a .gguf file, or a folder that holds
// one GGUF file. notes are lines that the user should see: tensors that were not used.
func Load(k kernels.Backend, path string) (s *Student, notes []string, err error) {
	return LoadMerged(k, path, "")
}

// LoadMerged is Load with the adapter of a folder added to the weights, in float64 and
// rounded once to the student's type.
func LoadMerged(k kernels.Backend, path, adapter string) (s *Student, notes []string, err error) {
	gguf, err := FindGGUF(path)
	if err != nil {
		return nil, nil, err
	}
	if gguf != "" {
		return loadGGUF(k, gguf, adapter)
	}
	return loadFolder(k, path, adapter)
}

// FindGGUF returns the GGUF file that path means, or "" when path is a Hugging Face
// folder. ErrNoStudent says that it is neither.
func FindGGUF(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("model: %w: %w", ErrNoStudent, err)
	}
	if !info.IsDir() {
		if strings.HasSuffix(strings.ToLower(path), ".gguf") {
			return path, nil
		}
		return "", fmt.Errorf("model: %w: %s is neither a folder nor a .gguf file", ErrNoStudent, path)
	}
	if _, err := os.Stat(filepath.Join(path, "config.json")); err == nil {
		return "", nil
	}
	found, err := filepath.Glob(filepath.Join(path, "*.gguf"))
	if err != nil {
		return "", fmt.Errorf("model: %w", err)
	}
	switch len(found) {
	case 0:
		if _, err := os.Stat(filepath.Join(path, AdapterConfigFile)); err == nil {
			return "", fmt.Errorf("model: %w: %s is an adapter; give it as adapter_name_or_path, and its base as model_name_or_path", ErrNoStudent, path)
		}
		return "", fmt.Errorf("model: %w: %s has neither config.json nor a .gguf file", ErrNoStudent, path)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("model: %s holds %d .gguf files; name the one you mean", path, len(found))
}

func loadFolder(k kernels.Backend, dir, adapter string) (*Student, []string, error) {
	path := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("model: %w", err)
	}
	config, err := ParseConfig(data)
	if err != nil {
		return nil, nil, fmt.Errorf("model: %s: %w", path, err)
	}
	files, err := safetensors.OpenFolder(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("model: %w", err)
	}
	defer files.Close()
	s, notes, err := fill(k, config, safetensorsSource{files}, adapter)
	if err != nil {
		return nil, nil, fmt.Errorf("model: %s: %w", dir, err)
	}
	s.SourceConfig = data
	return s, notes, nil
}

// fill makes a student and copies its parameters from the source, an adapter's folder (if
// any) merged. What the file has beyond them comes back as one note.
func fill(k kernels.Backend, c Config, src source, adapter string) (*Student, []string, error) {
	if err := checkShapes(c, src); err != nil { // before memory is taken for the student
		return nil, nil, err
	}
	merge := func(Named, *tensor.Dense) error { return nil }
	if adapter != "" {
		f, err := openAdapter(adapter, c)
		if err != nil {
			return nil, nil, err
		}
		defer f.close()
		merge = f.mergeInto
	}
	s, err := allocate(k, c)
	if err != nil {
		return nil, nil, err
	}
	used := map[string]bool{}
	for _, n := range s.Named() {
		name, _ := lookup(src, n.Name)
		used[name] = true
		host, err := src.read(name)
		if err == nil {
			err = merge(n, host)
		}
		if err == nil {
			err = n.upload(k, host)
		}
		if err != nil {
			s.Close()
			return nil, nil, err
		}
	}
	var unused []string
	for _, name := range src.names() {
		if !used[name] && !derived(name) && !(c.Tied && strings.HasSuffix(name, "lm_head.weight")) {
			unused = append(unused, name)
		}
	}
	if len(unused) == 0 {
		return s, nil, nil
	}
	note := fmt.Sprintf("%d tensors of the file are not used: %s", len(unused), strings.Join(unused[:min(3, len(unused))], ", "))
	return s, []string{note}, nil
}

// checkShapes compares the file with the configuration.
func checkShapes(c Config, src source) error {
	for _, s := range c.specs() {
		for _, p := range s.parts {
			want := p.shape(s)
			name, ok := lookup(src, p.name)
			if !ok {
				return fmt.Errorf("%w: %s %v", ErrMissingTensor, p.name, want)
			}
			if have, _ := src.shape(name); !slices.Equal(have, want) {
				return fmt.Errorf("%w: tensor %s is %v, the configuration says %v", ErrTensorShape, name, have, want)
			}
		}
	}
	return nil
}

// lookup finds a parameter under its name, or without the base model's prefix: files of
// GPT-2 come both ways, and so do those of base models without a head.
func lookup(src source, name string) (string, bool) {
	if _, ok := src.shape(name); ok {
		return name, true
	}
	for _, prefix := range []string{"transformer.", "model."} {
		if short, found := strings.CutPrefix(name, prefix); found {
			if _, ok := src.shape(short); ok {
				return short, true
			}
		}
	}
	return name, false
}

// derived tells of tensors that old files carry and nobody needs: causal masks and
// RoPE frequencies.
func derived(name string) bool {
	return strings.HasSuffix(name, ".attn.bias") || strings.HasSuffix(name, ".attn.masked_bias") ||
		strings.HasSuffix(name, "rotary_emb.inv_freq")
}

// safetensorsSource is a folder's tensors.
type safetensorsSource struct{ files *safetensors.Folder }

func (s safetensorsSource) names() []string { return s.files.Names() }

func (s safetensorsSource) shape(name string) ([]int, bool) {
	info, ok := s.files.Info(name)
	return info.Shape, ok
}

func (s safetensorsSource) read(name string) (*tensor.Dense, error) { return s.files.Tensor(name) }
