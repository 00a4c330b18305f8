package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"retort/data/tokenizer"
	"retort/engine/checkpoint"
	"retort/kernels"
	"retort/model"
	"retort/model/safetensors"
)

// Convert writes the student at path, an adapter's folder (if not "") merged into it, as a
// Hugging Face folder in float32. It refuses a folder that holds a student already.
func Convert(k kernels.Backend, path, adapter, output string) error {
	for _, name := range []string{"config.json", safetensors.SingleFile, safetensors.IndexFile, model.AdapterConfigFile} {
		if _, err := os.Stat(filepath.Join(output, name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: output %s already holds a student or an adapter (%s); give another folder", ErrBadInput, output, name)
		}
	}
	s, err := OpenMerged(k, path, adapter)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := os.MkdirAll(output, 0o755); err != nil {
		return fmt.Errorf("%w: output: %w", ErrBadInput, err)
	}
	files, err := s.Files()
	if err != nil {
		return err
	}
	writers := make(map[string]checkpoint.FileWriter, len(files))
	for name, write := range files {
		writers[name] = write
	}
	return checkpoint.WriteFiles(output, writers, "config.json", tokenizer.FileNames()...)
}
