// Package engine schedules batches and runs students on them: training with its
// checkpoints, guards and records, scoring and answering. It joins what package data
// knows of text with what package model knows of students; cmd calls it, and it calls
// neither cmd nor anything above.
package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"retort/data"
	"retort/kernels"
	"retort/model"
)

// Errors that decide the exit code of a command.
var (
	// ErrBadInput: a file, row or option value that cannot be used (exit code 3).
	ErrBadInput = errors.New("bad input")
	// ErrDevice: the device that was asked for is not there or failed (exit code 5).
	ErrDevice = kernels.ErrDevice
	// ErrNonFinite: training stopped on NaN or infinity (exit code 4).
	ErrNonFinite = errors.New("non-finite numbers")
	// ErrInterrupted: stopped on request, with everything saved (exit code 130).
	ErrInterrupted = errors.New("interrupted")
)

// Student is a student with its text side.
type Student struct {
	*model.Student
	Text *Text
	// Notes are lines that the user should see once: tensors not used, dropout not applied.
	Notes []string
}

// OpenStudent reads a pretrained student: a Hugging Face folder, a .gguf file, or a
// folder with one.
func OpenStudent(k kernels.Backend, path string) (*Student, error) {
	return OpenMerged(k, path, "")
}

// OpenMerged is OpenStudent with an adapter's folder added to the weights; "" is none.
func OpenMerged(k kernels.Backend, path, adapter string) (*Student, error) {
	text, err := OpenText(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	m, notes, err := model.LoadMerged(k, path, adapter)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	return join(m, text, notes)
}

// NewStudent makes a fresh student with seeded random weights from a config.json (or the
// folder that holds one) and a tokenizer's folder; the built-in tokenizer when that is "".
func NewStudent(k kernels.Backend, config, tokenizer string, seed uint64) (*Student, error) {
	var text *Text
	var err error
	if tokenizer == "" {
		text, err = BuiltinText()
	} else {
		text, err = OpenText(tokenizer)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	if info, err := os.Stat(config); err == nil && info.IsDir() {
		config = filepath.Join(config, "config.json")
	}
	raw, err := os.ReadFile(config)
	if err != nil {
		return nil, fmt.Errorf("%w: config_name: %w", ErrBadInput, err)
	}
	c, err := model.ParseConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBadInput, config, err)
	}
	return FreshStudent(k, c, text, seed)
}

// FreshStudent makes a student with seeded random weights.
func FreshStudent(k kernels.Backend, c model.Config, text *Text, seed uint64) (*Student, error) {
	if err := checkParameters(k, c); err != nil {
		return nil, err
	}
	m, err := model.New(k, c, seed)
	if errors.Is(err, model.ErrConfig) {
		return nil, fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	if err != nil {
		return nil, err
	}
	return join(m, text, nil)
}

// join checks that tokenizer and student fit together.
func join(m *model.Student, text *Text, notes []string) (*Student, error) {
	if n := text.Tokenizer.VocabSize(); n > m.Vocab {
		m.Close()
		return nil, fmt.Errorf("%w: the tokenizer has %d tokens, the student's embedding %d rows: they do not belong together", ErrBadInput, n, m.Vocab)
	}
	for _, id := range text.stop {
		if id < 0 || int(id) >= m.Vocab {
			m.Close()
			return nil, fmt.Errorf("%w: generation_config.json: eos_token_id %d lies beyond the vocabulary of %d tokens", ErrBadInput, id, m.Vocab)
		}
	}
	for _, id := range m.EOS { // config.json may know ends that the text side does not
		text.addStop(id)
		if text.eos < 0 {
			text.eos = id
		}
	}
	if m.HasDropout {
		notes = append(notes, "config.json asks for dropout; it is not applied")
	}
	return &Student{Student: m, Text: text, Notes: notes}, nil
}

// UseAdapter reads an adapter's folder beside the student and uses it; the student stays as
// it is, and several adapters may be read to be compared.
func (s *Student) UseAdapter(path string) error {
	a, err := s.LoadAdapter(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	s.Use(a)
	return nil
}

// Files are the files of the student's folder, or of its adapter's while it uses one,
// tokenizer included.
func (s *Student) Files() (map[string]func(io.Writer) error, error) {
	write := s.Student.Files
	if a := s.Adapter(); a != nil {
		write = func() (map[string]func(io.Writer) error, error) { return a.Files(s.Config) }
	}
	files, err := write()
	if err != nil {
		return nil, err
	}
	for name, content := range s.Text.Files {
		files[name] = func(w io.Writer) error {
			_, err := w.Write(content)
			return err
		}
	}
	return files, nil
}

// readRows reads a row file; every failure is bad input.
func readRows(path string) ([]data.Row, error) {
	rows, err := data.ReadRows(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	return rows, nil
}
