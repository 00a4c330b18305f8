package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"retort/data"
	"retort/engine/checkpoint"
	"retort/engine/runlog"
	"retort/kernels"
	"retort/model"
	"retort/model/safetensors"
)

// Names of the files of a checkpoint beside the student's own.
const (
	optimizerFile = "optimizer.safetensors"
	stateFile     = "trainer_state.json"
	dataFile      = "data_state.json"
	rngFile       = "rng_state.json"
)

// dataState says where in the data a checkpoint stands, and in which data.
type dataState struct {
	Position
	Examples      int    `json:"examples"`
	SHA256        string `json:"sha256"` // of the encoded examples
	BatchSize     int    `json:"per_device_train_batch_size"`
	Accumulation  int    `json:"gradient_accumulation_steps"`
	MaxLength     int    `json:"max_length"`
	Packing       bool   `json:"packing"`
	Shuffle       bool   `json:"shuffle"`
	Seed          int    `json:"seed"`
	LearningSteps int    `json:"total_steps"`
	// What the next log line needs of the steps before: their losses' sum and number, and
	// how many of the last steps were not finite.
	LossSum   float64 `json:"loss_sum"`
	LossSteps int     `json:"loss_steps"`
	BadInARow int     `json:"bad_steps_in_a_row"`
	Totals    totals  `json:"totals"`
	// Hyperparameters are compared on a resume, so that a change is said.
	Hyperparameters map[string]string `json:"hyperparameters"`
}

// rngState is all the randomness of a run: the order of an epoch is drawn from seed and
// epoch alone, so no generator state has to be kept.
type rngState struct {
	Generator string `json:"generator"`
	Seed      int    `json:"seed"`
	Epoch     int    `json:"epoch"`
}

// save writes checkpoint-<step>: everything that the next step depends on.
func (t *Trainer) save() error {
	files, err := t.student.Files()
	if err != nil {
		return err
	}
	files[optimizerFile] = func(w io.Writer) error {
		return model.WriteTensors(w, t.optimizer.k, t.optimizer.named())
	}
	files[stateFile] = t.state.Encode
	files[dataFile] = writeJSON(t.dataState())
	files[rngFile] = writeJSON(rngState{"PCG(seed, epoch)", t.o.Seed, t.position.Epoch})
	writers := make(map[string]checkpoint.FileWriter, len(files))
	for name, write := range files {
		writers[name] = write
	}
	if err := checkpoint.Write(checkpoint.Dir(t.o.OutputDir, t.state.GlobalStep), writers); err != nil {
		return err
	}
	if t.o.SaveTotalLimit > 0 {
		return checkpoint.Prune(t.o.OutputDir, t.o.SaveTotalLimit)
	}
	return nil
}

func (t *Trainer) dataState() dataState {
	d := dataState{
		Position: t.position, Examples: len(t.scheduler.examples), SHA256: t.dataSHA,
		BatchSize: t.o.PerDeviceTrainBatchSize, Accumulation: t.o.GradientAccumulationSteps,
		MaxLength: t.o.MaxLength, Packing: t.o.Packing, Shuffle: t.o.Shuffle, Seed: t.o.Seed, LearningSteps: t.steps,
		LossSum: t.window.sum, LossSteps: t.window.n, BadInARow: t.badInARow,
		Totals: t.totals, Hyperparameters: t.settings(),
	}
	d.Totals.Seconds = t.elapsed().Seconds()
	return d
}

// findResume returns the checkpoint to continue from, "" for none.
func (t *Trainer) findResume() (string, error) {
	switch t.o.ResumeFromCheckpoint {
	case "":
		return "", nil
	case "auto", "true", "True": // transformers says True
		path, _, skipped, err := checkpoint.Latest(t.o.OutputDir)
		for _, s := range skipped {
			t.hooks.Note(fmt.Sprintf("WARNING: a damaged checkpoint is not used: %v", s))
		}
		switch {
		case errors.Is(err, checkpoint.ErrNotFound) && len(skipped) == 0:
			return "", nil
		case err != nil:
			return "", fmt.Errorf("%w: resume_from_checkpoint: %w; to start anew give another output_dir", ErrBadInput, err)
		}
		return path, nil
	}
	path := filepath.Clean(t.o.ResumeFromCheckpoint)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: resume_from_checkpoint is a checkpoint's folder or auto: %w", ErrBadInput, err)
	}
	if _, err := checkpoint.Verify(path); err != nil {
		return "", fmt.Errorf("%w: resume_from_checkpoint: %w", ErrBadInput, err)
	}
	return path, nil
}

// readResume reads what planning needs of a checkpoint: position and history. The data
// must be the same, or the position means nothing.
func (t *Trainer) readResume(dir string) error {
	f, err := os.Open(filepath.Join(dir, stateFile))
	if err != nil {
		return fmt.Errorf("%w: resume: %w", ErrBadInput, err)
	}
	defer f.Close()
	if t.state, err = runlog.DecodeState(f); err != nil {
		return fmt.Errorf("%w: resume: %s: %w", ErrBadInput, dir, err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, dataFile))
	if err != nil {
		return fmt.Errorf("%w: resume: %w", ErrBadInput, err)
	}
	var d dataState
	if err := json.Unmarshal(raw, &d); err != nil {
		return fmt.Errorf("%w: resume: %s: %w", ErrBadInput, filepath.Join(dir, dataFile), err)
	}
	if d.SHA256 != t.dataSHA {
		return fmt.Errorf("%w: resume: the data is not what %s was trained on (SHA-256 of the encoded rows %.12s, now %.12s); give the same dataset, tokenizer and max_length", ErrBadInput, dir, d.SHA256, t.dataSHA)
	}
	if d.BatchSize != t.o.PerDeviceTrainBatchSize || d.Accumulation != t.o.GradientAccumulationSteps ||
		d.Packing != t.o.Packing || d.Shuffle != t.o.Shuffle || d.Seed != t.o.Seed || d.MaxLength != t.o.MaxLength {
		t.hooks.Note(fmt.Sprintf("resuming %s with other batch or order settings: the run goes on, but not as the straight run would", dir))
	}
	t.position, t.badInARow = d.Position, d.BadInARow
	t.window = window{d.LossSum, d.LossSteps}
	t.totals, t.hyperparameters = d.Totals, d.Hyperparameters
	return nil
}

// settings are the hyperparameters, and the type that the device computes in.
func (t *Trainer) settings() map[string]string {
	all := t.o.hyperparameters()
	all["activation type"] = t.student.Backend().ActivationType().String()
	return all
}

// compareHyperparameters says which settings a resumed run has changed: it then ends
// elsewhere than the straight run would.
func (t *Trainer) compareHyperparameters() {
	var changed []string
	for key, now := range t.settings() {
		if before, known := t.hyperparameters[key]; known && before != now {
			changed = append(changed, fmt.Sprintf("%s %s → %s", key, before, now))
		}
	}
	if len(changed) > 0 {
		slices.Sort(changed)
		t.hooks.Note("resuming with other settings than the run began with: " + strings.Join(changed, ", "))
	}
}

// loadResume puts the checkpoint's weights and optimizer state onto the device.
func (t *Trainer) loadResume(dir string) error {
	k, trained, file := t.student.Backend(), t.student.Trained(), safetensors.SingleFile
	if t.student.Adapter() != nil {
		file = model.AdapterWeightsFile
	}
	if err := model.ReadTensors(filepath.Join(dir, file), k, trained.Stored()); err != nil {
		return fmt.Errorf("%w: resume: %w", ErrBadInput, err)
	}
	trained.Restored()
	if err := model.ReadTensors(filepath.Join(dir, optimizerFile), k, t.optimizer.named()); err != nil {
		return fmt.Errorf("%w: resume: %w", ErrBadInput, err)
	}
	t.hooks.Note(fmt.Sprintf("resumed from %s after step %d", dir, t.state.GlobalStep))
	return nil
}

// named lists the optimizer's tensors for a checkpoint: both moments of every parameter
// and the step count. (Norm and scale are the last step's and may not be finite.)
func (o *optimizer) named() []model.Named {
	var out []model.Named
	for i, prefix := range []string{"exp_avg.", "exp_avg_sq."} {
		for _, n := range o.moments[i].Named() {
			n.Name = prefix + n.Name
			out = append(out, n)
		}
	}
	step := o.control.ColRange(kernels.ControlStep, kernels.ControlStep+1)
	return append(out, model.Named{Name: "step", Tensor: step, Shape: []int{1}})
}

func writeJSON(v any) func(io.Writer) error {
	return func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
}

// fingerprint is the SHA-256 of encoded examples: ids and weights, in order.
func fingerprint(examples []data.Example) string {
	h := sha256.New()
	var word [4]byte
	put := func(v uint32) {
		binary.LittleEndian.PutUint32(word[:], v)
		h.Write(word[:])
	}
	for _, e := range examples {
		put(uint32(len(e.IDs)))
		for i, id := range e.IDs {
			put(uint32(id))
			put(math.Float32bits(e.Weights[i]))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
