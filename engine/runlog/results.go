package runlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"retort/engine/checkpoint"
)

// WriteResults writes <split>_results.json (split: train, eval, test) at the
// root of the run folder and merges the metrics into all_results.json, which
// is the union of all splits; later figures win. Keys are sorted, numbers that
// are not finite are strings (see Number).
func WriteResults(outputDir, split string, metrics map[string]float64) error {
	own := make(map[string]any, len(metrics))
	for name, v := range metrics {
		own[name] = Number(v)
	}
	if err := writeJSON(filepath.Join(outputDir, split+"_results.json"), own); err != nil {
		return err
	}
	path := filepath.Join(outputDir, "all_results.json")
	all := map[string]any{}
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("merge into %s: %w; repair it or move it away", path, err)
	}
	if all == nil { // the file held null
		all = map[string]any{}
	}
	maps.Copy(all, own)
	return writeJSON(path, all)
}

// writeJSON writes v in transformers' form of these files, whole or not at all.
func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "    ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return checkpoint.WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(append(raw, '\n'))
		return err
	})
}
