package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"retort/data"
	"retort/data/teacher"
	"retort/kernels"
	"retort/model"
)

// StudentTeacher is a local student that answers as a teacher: many requests side by side,
// in this process.
type StudentTeacher struct {
	s    *Student
	name string
}

var _ teacher.Teacher = (*StudentTeacher)(nil)

// NewStudentTeacher makes a teacher of a student that was opened from path. Its name holds a
// hash of its files, so that a student trained further is asked anew.
func NewStudentTeacher(s *Student, path string) (*StudentTeacher, error) {
	sum, err := studentHash(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	return &StudentTeacher{s, fmt.Sprintf("%s %x", filepath.Base(filepath.Clean(path)), sum[:8])}, nil
}

// studentHash is a SHA-256 of the files that decide what a student answers.
func studentHash(path string) (sum [sha256.Size]byte, err error) {
	files := []string{path}
	if info, err := os.Stat(path); err != nil {
		return sum, err
	} else if info.IsDir() {
		files = nil
		for _, pattern := range []string{"*.gguf", "*.jinja", "*.json", "*.safetensors"} { // Glob sorts
			found, err := filepath.Glob(filepath.Join(path, pattern))
			if err != nil {
				return sum, err
			}
			files = append(files, found...)
		}
	}
	h := sha256.New()
	for _, file := range files {
		if name := filepath.Base(file); strings.HasSuffix(name, "_results.json") || name == "trainer_state.json" {
			continue // records of training
		}
		f, err := os.Open(file)
		if err != nil {
			return sum, err
		}
		n, err := io.Copy(h, f)
		f.Close()
		if err != nil {
			return sum, err
		}
		fmt.Fprintf(h, "|%s %d|", filepath.Base(file), n)
	}
	h.Sum(sum[:0])
	return sum, nil
}

// Model names the student by folder and hash.
func (t *StudentTeacher) Model() string { return t.name }

// Batch is enough to keep the slots of the cache full.
func (t *StudentTeacher) Batch() int { return 1024 }

// Ask decodes the requests together. Prompts that leave no room for an answer are a failure
// of their own, after the others are answered.
func (t *StudentTeacher) Ask(ctx context.Context, requests []teacher.Request, answered func(i int, c teacher.Completion)) error {
	var tooLong *teacher.Failure
	var batch []model.Request
	var index []int // of batch's members among requests
	for i, r := range requests {
		prompt, err := t.encode(r.Messages)
		if err != nil {
			return &teacher.Failure{Permanent: true, Err: fmt.Errorf("%s: %w", r.Place, err)}
		}
		if len(prompt) >= t.s.Context || len(prompt) == 0 {
			tooLong = &teacher.Failure{Permanent: true, Alone: true, Err: fmt.Errorf("%s: the prompt has %d tokens, the student's context is %d", r.Place, len(prompt), t.s.Context)}
			continue
		}
		seed, _ := r.Seed()
		batch, index = append(batch, model.Request{Prompt: prompt, MaxNew: r.Sampling.MaxNewTokens, Seed: uint64(seed)}), append(index, i)
	}
	sampling := requests[0].Sampling // one run has one
	options := model.GenerateOptions{
		Sampling: kernels.Sampling{Temperature: float32(sampling.Temperature), TopP: float32(sampling.TopP)},
		Stop:     t.s.Text.Stop(), Interrupted: func() bool { return ctx.Err() != nil },
		Done: func(i int, c model.Completion) {
			answered(index[i], t.completion(requests[index[i]], len(batch[i].Prompt), c))
		},
	}
	if len(sampling.Stop) > 0 {
		options.OnToken = func(_ int, ids []int32) bool { return stopAt(t.s.Text.Decode(ids), sampling.Stop) >= 0 }
	}
	switch err := t.s.Generate(batch, options); {
	case errors.Is(err, model.ErrInterrupted):
		return context.Cause(ctx)
	case err != nil:
		return err
	case tooLong != nil:
		return tooLong
	}
	return nil
}

// completion is a decoded answer as teachers give it.
func (t *StudentTeacher) completion(r teacher.Request, prompt int, c model.Completion) teacher.Completion {
	text := t.s.Text.Decode(c.IDs)
	if at := stopAt(text, r.Sampling.Stop); at >= 0 {
		text = text[:at]
	}
	out := teacher.Completion{
		Text: text, FinishReason: c.FinishReason, Model: t.name,
		Usage: &data.Usage{PromptTokens: prompt, CompletionTokens: len(c.IDs), TotalTokens: prompt + len(c.IDs)},
	}
	if seed, ok := r.Seed(); ok {
		out.Seed = &seed
	}
	return out
}

// encode turns messages into the ids that the student continues: through its template, or
// one below the other where it has none.
func (t *StudentTeacher) encode(messages []data.Message) ([]int32, error) {
	if t.s.Text.HasTemplate() {
		text, err := t.s.Text.Render(messages, true)
		return t.s.Text.Encode(text), err
	}
	var text strings.Builder
	for _, m := range messages {
		text.WriteString(m.Content + "\n")
	}
	return t.s.Text.Encode(text.String()), nil
}
