package teacher

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"retort/data"
)

// File is a teacher whose answers lie in a file already: of another program, of
// `retort generate`, or of a provider's batch.
type File struct {
	path       string
	hash       [sha256.Size]byte
	byQuestion map[string][]Completion
	byIndex    map[int][]Completion
}

var _ Teacher = (*File)(nil)

// OpenFile reads a JSONL file of completions. A row says what it answers by its
// question or prompt (any format of data.ReadRows that has an answer; of a
// conversation the user's last message), or as the rows of `retort generate` do
// by {"index", "text"}. Several rows for one question are its samples, in order.
func OpenFile(path string) (*File, error) {
	f := &File{path: path, byQuestion: map[string][]Completion{}, byIndex: map[int][]Completion{}}
	sum := sha256.New()
	err := data.EachLine(path, func(_ int, line []byte) error {
		sum.Write(line)
		sum.Write([]byte{'\n'})
		return f.add(line)
	})
	if err != nil {
		return nil, err
	}
	if len(f.byQuestion)+len(f.byIndex) == 0 {
		return nil, fmt.Errorf("%s: %w: the file is empty", path, data.ErrNoRows)
	}
	sum.Sum(f.hash[:0])
	return f, nil
}

// add reads one row.
func (f *File) add(line []byte) error {
	var meta struct {
		Index        *int    `json:"index"`
		Text         *string `json:"text"`
		FinishReason string  `json:"finish_reason"`
		Model        string  `json:"model"`
	}
	if err := json.Unmarshal(line, &meta); err != nil {
		return fmt.Errorf("bad JSON: %w", err)
	}
	c := Completion{FinishReason: meta.FinishReason, Model: meta.Model}
	if meta.Index != nil && meta.Text != nil {
		c.Text = *meta.Text
		f.byIndex[*meta.Index] = append(f.byIndex[*meta.Index], c.orStop())
		return nil
	}
	row, err := data.ParseRow(line)
	if err != nil {
		return err
	}
	question := row.Prompt
	switch row.Kind {
	case data.KindText, data.KindPair:
		c.Text = row.Completion
	case data.KindMessages:
		last := row.Messages[len(row.Messages)-1]
		if last.Role != "assistant" || len(row.Messages) < 2 {
			return fmt.Errorf("the conversation does not end with an assistant's answer")
		}
		c.Text, question = last.Content, row.Messages[len(row.Messages)-2].Content
	default:
		return fmt.Errorf("a %s row holds no answer", row.Kind)
	}
	if row.Pair != nil && c.FinishReason == "" {
		m := row.Pair.Metadata
		c.FinishReason, c.RequestID, c.Usage, c.Seed = m.FinishReason, m.RequestID, m.Usage, m.Seed
		if c.Model == "" {
			c.Model = m.Model
		}
	}
	key := strings.TrimSpace(question)
	f.byQuestion[key] = append(f.byQuestion[key], c.orStop())
	return nil
}

// orStop says "stop" for a row that does not say how its answer ended.
func (c Completion) orStop() Completion {
	if c.FinishReason == "" {
		c.FinishReason = "stop"
	}
	return c
}

// Model names the file by its content: a changed file is asked anew.
func (f *File) Model() string { return fmt.Sprintf("file %x", f.hash[:8]) }

// Batch is as many as are journaled in one go.
func (f *File) Batch() int { return 256 }

// Ask looks the answers up. Questions that the file does not answer are a
// permanent failure that names the first of them, after all the others.
func (f *File) Ask(ctx context.Context, requests []Request, answered func(i int, c Completion)) error {
	var missing *Failure
	for i, r := range requests {
		if err := ctx.Err(); err != nil {
			return err
		}
		samples := f.byQuestion[strings.TrimSpace(r.Question)]
		if samples == nil {
			samples = f.byIndex[r.Row]
		}
		if r.Sample < len(samples) {
			c := samples[r.Sample]
			if c.Model == "" {
				c.Model = f.Model()
			}
			answered(i, c)
		} else if missing == nil {
			missing = permanent("%s has %d answers to %s, sample %d was asked for", f.path, len(samples), r.Place, r.Sample+1)
			missing.Alone = true
		}
	}
	if missing != nil {
		return missing
	}
	return nil
}
