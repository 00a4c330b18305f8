package model

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"gorgonia.org/tensor"

	"retort/model/safetensors"
)

// The files of an adapter's folder, under PEFT's names.
const (
	AdapterConfigFile  = "adapter_config.json"
	AdapterWeightsFile = "adapter_model.safetensors"
)

// adapterFile is an adapter on disk that was held against a student's configuration.
type adapterFile struct {
	LoRA
	path  string
	file  *safetensors.File
	specs []spec
}

// openAdapter opens the adapter in dir and makes sure that it fits the student: that all of
// its tensors are there, of the right shapes, and no others.
func openAdapter(dir string, c Config) (*adapterFile, error) {
	f := &adapterFile{path: filepath.Join(dir, AdapterWeightsFile)}
	raw, err := os.ReadFile(filepath.Join(dir, AdapterConfigFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("model: %w: %s has no %s", ErrAdapter, dir, AdapterConfigFile)
	}
	if err == nil {
		f.LoRA, err = parseLoRA(raw)
	}
	if err == nil {
		f.specs, err = c.loraSpecs(f.LoRA)
	}
	if err != nil {
		return nil, fmt.Errorf("model: %s: %w", filepath.Join(dir, AdapterConfigFile), err)
	}
	f.file, err = safetensors.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("model: %w: %s has no %s (a .bin file, which is Python code, is not read)", ErrAdapter, dir, AdapterWeightsFile)
	}
	if err == nil {
		if err = f.check(c); err != nil {
			err = fmt.Errorf("%s: %w", f.path, err)
			f.close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return f, nil
}

func (f *adapterFile) close() { f.file.Close() }

// check compares the file's tensors with the adapter's parameters.
func (f *adapterFile) check(c Config) error {
	known := map[string]bool{}
	for _, s := range f.specs {
		for _, p := range s.parts {
			known[p.name] = true
			info, ok := f.file.Info(p.name)
			if !ok {
				return fmt.Errorf("%w: %w: %s %v", ErrAdapter, ErrMissingTensor, p.name, p.shape(s))
			}
			if want := p.shape(s); !slices.Equal(info.Shape, want) {
				return fmt.Errorf("%w: %w: %s is %v, for this student it would be %v: the adapter belongs to another base", ErrAdapter, ErrTensorShape, p.name, info.Shape, want)
			}
		}
	}
	for _, name := range f.file.Names() {
		info, _ := f.file.Info(name)
		embedding := strings.HasSuffix(name, "embed_tokens.weight") || strings.HasSuffix(name, "wte.weight") || strings.HasSuffix(name, "lm_head.weight")
		switch {
		case known[name]:
		case embedding && len(info.Shape) == 2 && info.Shape[0] != c.Vocab:
			return fmt.Errorf("%w: %s has a vocabulary of %d tokens, the student %d: the adapter belongs to another base", ErrAdapter, name, info.Shape[0], c.Vocab)
		case embedding:
			return fmt.Errorf("%w: %s: adapters that bring embeddings of their own are not supported", ErrAdapter, name)
		default:
			return fmt.Errorf("%w: tensor %s fits no target module of the student", ErrAdapter, name)
		}
	}
	return nil
}

// mergeInto adds s·B·A to a matrix of the student, on the host and in the shape of its file;
// what the adapter does not target stays as it is. Sums are float64 and rounded once.
func (f *adapterFile) mergeInto(n Named, weight *tensor.Dense) error {
	name := "base_model.model." + strings.TrimSuffix(n.Name, ".weight")
	if _, ok := f.file.Info(name + ".lora_A.weight"); !ok {
		return nil
	}
	a, err := f.file.Tensor(name + ".lora_A.weight")
	if err != nil {
		return err
	}
	b, err := f.file.Tensor(name + ".lora_B.weight")
	if err != nil {
		return err
	}
	left, right := b, a // (out, r) · (r, in)
	if n.Transposed {
		left, right = a, b // (in, r) · (r, out)
		for _, t := range []*tensor.Dense{left, right} {
			if err := transpose(t); err != nil {
				return fmt.Errorf("model: %s: %w", name, err)
			}
		}
	}
	addProduct(weight.Float32s(), left.Float32s(), right.Float32s(), f.R, f.Scale())
	return nil
}

// addProduct is w += scale·left·right in float64, rounded once.
//
//	w (rows, cols)   left (rows, r)   right (r, cols)
func addProduct(w, left, right []float32, r int, scale float64) {
	rows, cols := len(left)/r, len(right)/r
	wide := make([]float64, len(right))
	for i, v := range right {
		wide[i] = scale * float64(v)
	}
	const chunk = 64
	var wait sync.WaitGroup
	for lo := 0; lo < rows; lo += chunk {
		wait.Go(func() {
			sum := make([]float64, cols)
			for i := lo; i < min(lo+chunk, rows); i++ {
				row := w[i*cols : (i+1)*cols]
				for j, v := range row {
					sum[j] = float64(v)
				}
				for k, l := range left[i*r : (i+1)*r] {
					for j, v := range wide[k*cols : (k+1)*cols] {
						sum[j] += float64(l) * v
					}
				}
				for j, v := range sum {
					row[j] = float32(v)
				}
			}
		})
	}
	wait.Wait()
}
