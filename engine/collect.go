package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"retort/data"
	"retort/data/collect"
	"retort/data/journal"
	"retort/data/prompts"
	"retort/data/teacher"
	"retort/kernels"
)

// ErrTeacher: the teacher refused, kept failing, or the cost cap was reached (exit code 6).
var ErrTeacher = errors.New("teacher")

// Collection is a run of `retort collect` with everything open but nothing asked yet.
type Collection struct {
	o        CollectOptions
	teacher  teacher.Teacher
	rows     []data.Row
	requests []teacher.Request // NumSamples for each row, in order
	close    func()
}

// OpenCollection checks the options, opens the teacher and writes all prompts. device is
// called for a local student alone.
func OpenCollection(o CollectOptions, device func() (kernels.Backend, error)) (*Collection, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	template, err := prompts.Open(o.PromptTemplate)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	c := &Collection{o: o, close: func() {}}
	if err := c.openTeacher(device); err != nil {
		return nil, err
	}
	if err := c.prepare(template); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close gives the teacher back.
func (c *Collection) Close() { c.close() }

func (c *Collection) openTeacher(device func() (kernels.Backend, error)) error {
	switch o := c.o; o.Teacher {
	case "file":
		f, err := teacher.OpenFile(o.Completions)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBadInput, err)
		}
		c.teacher = f
	case "generator":
		o.Problems.Seed = uint64(max(0, o.Seed))
		g, err := teacher.NewGenerated(o.Problems)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUsage, err)
		}
		c.teacher = g
	case "student":
		k, err := device()
		if err != nil {
			return err
		}
		s, err := OpenStudent(k, o.Student)
		if err != nil {
			k.Close()
			return err
		}
		c.close = func() { s.Close(); k.Close() }
		t, err := NewStudentTeacher(s, o.Student)
		if err != nil {
			c.close()
			return err
		}
		c.teacher = t
	default:
		key, err := teacher.ReadKey(o.APIKeyEnv, o.APIKeyFile)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBadInput, err)
		}
		e, err := teacher.NewEndpoint(teacher.EndpointOptions{
			BaseURL: o.BaseURL, Model: o.Model, Key: key, Connections: o.Concurrency, Timeout: time.Duration(o.Timeout * float64(time.Second)),
		})
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUsage, err)
		}
		c.teacher, c.close = e, e.Close
	}
	return nil
}

// prepare reads the questions and writes their prompts.
func (c *Collection) prepare(template *prompts.Template) error {
	if err := c.readQuestions(); err != nil {
		return err
	}
	sampling := c.o.sampling()
	c.requests = make([]teacher.Request, 0, len(c.rows)*c.o.NumSamples)
	for i := range c.rows {
		row := &c.rows[i]
		if row.Pair == nil {
			row.Pair = &data.Pair{Question: row.Prompt}
		}
		if err := c.askable(*row); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrBadInput, row.Place(), err)
		}
		p := row.Pair
		messages, err := template.Render(prompts.Data{ID: p.ID, Question: p.Question, Answer: p.Answer, Rationale: p.Rationale, Subquestions: p.Subquestions})
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrBadInput, row.Place(), err)
		}
		prompt := teacher.NewPrompt(teacher.Prompt{
			Row: row.Index, Place: row.Place(), Question: p.Question, Model: c.teacher.Model(), Messages: messages, Sampling: sampling,
		})
		for sample := range c.o.NumSamples {
			c.requests = append(c.requests, teacher.Request{Prompt: prompt, Sample: sample})
		}
	}
	return nil
}

// readQuestions fills rows: the shard of the file's, or of the generator's.
func (c *Collection) readQuestions() error {
	var all []data.Row
	if g, ok := c.teacher.(*teacher.Generated); ok {
		n := c.o.Limit
		if n == 0 {
			n = generatorQuestions
		}
		for i := range n {
			all = append(all, data.PairRow(i, g.Question(i).Pair()))
		}
	} else {
		var err error
		if all, err = readRows(c.o.Dataset); err != nil {
			return err
		}
		if c.o.Limit > 0 {
			all = all[:min(c.o.Limit, len(all))]
		}
	}
	lo, hi, err := c.o.shard(len(all))
	c.rows = all[lo:hi]
	return err
}

// askable refuses rows that hold no question.
func (c *Collection) askable(row data.Row) error {
	switch {
	case row.Refused == data.ReasonSurrogate:
		return &data.RefusedError{Reason: row.Refused}
	case row.Kind == data.KindMessages || row.Kind == data.KindPreference || len(row.Messages) > 0:
		return fmt.Errorf("a %s row holds no single question; give rows with \"question\" or a \"prompt\" text", row.Kind)
	case strings.TrimSpace(row.Pair.Question) == "":
		return errors.New("the question is empty")
	}
	return nil
}

// Run asks for what the journal does not hold and hands every pair to emit, in the order of
// the questions, once all that can be had is there: emit is called only then. Without an
// error all answers are there. The cost cap and requests that were given up are ErrTeacher
// with the others emitted; a permanent failure is ErrTeacher, an end of ctx ErrInterrupted,
// both with nothing emitted: the journal has what was answered.
func (c *Collection) Run(ctx context.Context, hooks collect.Hooks, emit func(data.Pair) error) (report collect.Report, err error) {
	j, err := journal.Open(c.o.journalPath())
	if err != nil {
		return report, fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	if lost := j.Lost(); lost > 0 && hooks.Note != nil {
		hooks.Note(fmt.Sprintf("the last run ended with requests under way; they may have been paid for and count as %s spent", lost))
	}
	report, failed := collect.Run(ctx, c.teacher, j, c.requests, c.o.limits(), hooks)
	var refused *teacher.Failure
	switch {
	case failed == nil:
	case errors.Is(failed, collect.ErrCap):
		failed = fmt.Errorf("%w: %w (%d answers are missing)", ErrTeacher, failed, report.Missing)
	case errors.Is(failed, collect.ErrIncomplete):
		failed = fmt.Errorf("%w: %w; a rerun asks for them again", ErrTeacher, failed)
	case errors.Is(failed, context.Canceled):
		return report, fmt.Errorf("%w: %d of %d answers are in the journal; the same command goes on", ErrInterrupted, report.Found+report.Answered, report.Requests)
	case errors.As(failed, &refused):
		return report, fmt.Errorf("%w: %w", ErrTeacher, failed)
	default:
		return report, failed
	}
	for i, q := range c.requests {
		answer, ok, err := collect.Answer(j, q)
		if err != nil {
			return report, err
		}
		if !ok {
			continue
		}
		if err := emit(c.pair(c.rows[i/c.o.NumSamples], q, answer)); err != nil {
			return report, err
		}
	}
	return report, failed
}

// pair is an answer as the record that all methods share.
func (c *Collection) pair(row data.Row, q teacher.Request, answer teacher.Completion) data.Pair {
	p := data.Pair{ID: row.Pair.ID, Question: row.Pair.Question, Source: row.Pair.Source}
	p.Rationale, p.Answer = data.SplitSolution(answer.Text)
	if p.ID == "" {
		p.ID = fmt.Sprintf("%s:%d", filepath.Base(c.o.Dataset), row.Line)
	}
	if c.o.NumSamples > 1 {
		p.ID = fmt.Sprintf("%s/%d", p.ID, q.Sample)
	}
	p.Metadata = data.Metadata{
		Model: answer.Model, RequestID: answer.RequestID, FinishReason: answer.FinishReason,
		Usage: answer.Usage, Seed: answer.Seed, PromptSHA: q.SHA(),
	}
	return p
}
