package teacher

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"retort/data/problems"
)

// Generated is the built-in problem generator as a teacher: it solves its own
// problems, with errors at the rates of its configuration.
type Generated struct {
	g    *problems.Generator
	name string
}

var _ Teacher = (*Generated)(nil)

// NewGenerated makes a teacher of a generator's configuration.
func NewGenerated(c problems.Config) (*Generated, error) {
	g, err := problems.New(c)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	return &Generated{g, fmt.Sprintf("retort-problems %x", sum[:8])}, nil
}

// Question is row i of the generator, to be asked.
func (t *Generated) Question(i int) problems.Problem { return t.g.Problem(i) }

// Model names the generator by its configuration.
func (t *Generated) Model() string { return t.name }

// Batch is as many as are journaled in one go.
func (t *Generated) Batch() int { return 256 }

// Ask solves the problems: sample 0 as `retort generate-data` does, each further
// one with mistakes drawn anew.
func (t *Generated) Ask(ctx context.Context, requests []Request, answered func(i int, c Completion)) error {
	for i, r := range requests {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := t.g.Solution(r.Row, r.Sample)
		if p.Question != r.Question {
			return permanent("%s is not row %d of this generator", r.Place, r.Row)
		}
		pair := p.Pair()
		answered(i, Completion{Text: pair.Text(), FinishReason: p.FinishReason, Model: t.name, Seed: pair.Metadata.Seed})
	}
	return nil
}
