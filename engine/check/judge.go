package check

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync/atomic"

	"retort/data"
	"retort/data/dedup"
	"retort/data/verify"
	"retort/engine"
)

// Reasons of check's own.
const (
	ReasonContaminated = "an evaluation asks the same (contamination)"
	ReasonPreference   = "a preference row (chosen/rejected): for rewards, not for training"
	ReasonDuplicate    = "the same as an earlier row"
	ReasonNear         = "nearly the same as an earlier row"
)

// finding is all that is known of one row once it was looked at alone.
type finding struct {
	line     int
	index    int
	kind     string // format; empty for lines that are no row
	source   string
	reason   string // for which it is refused; empty when it is not
	detail   string // what stood there, of lines that are no row
	hit      *dedup.Hit
	tokens   int
	trained  int
	example  *data.Example // of the first rows, to be shown
	verified verify.Result
	known    bool // its answer was compared with the known one
	question uint64
	key      uint64 // of its final answer, for votes
	sketch   dedup.Sketch
}

// shownRows is how many rendered rows a report shows.
const shownRows = 10

// judge looks at rows one by one. It is for one goroutine.
type judge struct {
	o        Options
	text     *engine.Text
	encoder  *data.Encoder
	sketcher dedup.Sketcher
	index    *dedup.Index
	gold     *gold
	enough   *atomic.Bool // enough examples are kept to be shown
}

func newJudge(o Options, text *engine.Text, index *dedup.Index, g *gold, enough *atomic.Bool) (*judge, error) {
	encoder, err := data.NewEncoder(text, data.Options{
		EncodeOptions: data.EncodeOptions{CompletionOnly: true, Student: o.Model}, MaxLength: o.MaxLength, Strategy: data.Drop,
	})
	return &judge{o: o, text: text, encoder: encoder, index: index, gold: g, enough: enough}, err
}

// judge finds the first reason to refuse a row: it is malformed, an evaluation asks it, it
// cannot be encoded, it does not verify. An error ends the check.
func (j *judge) judge(l line) (finding, error) {
	f := finding{line: l.number, index: l.index}
	row, fault := data.RowAt(j.o.Dataset, l.number, l.index, l.text, l.fault)
	if fault != nil {
		var m *data.MalformedError
		if !errors.As(fault, &m) {
			return f, fault
		}
		f.reason, f.detail = m.Reason, m.Error()
		if question, ok := data.LooseQuestion(l.text); ok && m.Reason == data.ReasonUnknownFormat {
			row.Prompt = question
			if j.contaminated(&f, row); f.reason == ReasonContaminated {
				f.detail = ""
			}
		}
		return f, nil
	}
	f.kind, f.source = row.Kind.String(), row.Source
	j.contaminated(&f, row)
	if f.reason != "" {
		return f, nil
	}
	if err := j.encode(&f, row); err != nil || f.reason != "" {
		return f, err
	}
	if j.o.Verify || j.o.Keep != "" {
		j.verify(&f, row)
	}
	questions := row.Questions()
	if len(questions) > 0 {
		f.question = dedup.QuestionHash(questions[len(questions)-1])
	}
	if f.reason == "" {
		f.sketch = j.sketcher.Sketch(strings.Join(questions, "\n"), answerOf(row))
	}
	return f, nil
}

func (j *judge) contaminated(f *finding, row data.Row) {
	hit, found := dedup.Says(row)
	if !found {
		hit, found = j.index.Match(row)
	}
	if !found {
		return
	}
	f.hit = &hit
	if !j.o.AllowContamination {
		f.reason = ReasonContaminated
	}
}

// encode renders the row as training would. Without a student's template, conversations
// that are only to be written again are taken as they are.
func (j *judge) encode(f *finding, row data.Row) error {
	example, err := j.encoder.Encode(row, &data.Rejects{})
	var refused *data.RefusedError
	switch {
	case errors.As(err, &refused):
		f.reason = refused.Reason
	case errors.Is(err, data.ErrPreferenceRow):
		f.reason = ReasonPreference
	case errors.Is(err, data.ErrNoTemplate) && j.o.Model == "" && j.o.Output != "":
	case err != nil:
		return fmt.Errorf("%w: %w", engine.ErrBadInput, err)
	default:
		f.tokens, f.trained = len(example.IDs), example.Trained()
		if !j.enough.Load() {
			f.example = &example
		}
		if j.o.Verify {
			f.reason = verify.End(row, example, j.text)
		}
	}
	return nil
}

// verify compares with the known answer where there is one.
func (j *judge) verify(f *finding, row data.Row) {
	gold, known := j.gold.of(row)
	f.verified = verify.Row(row, gold, j.o.rules())
	f.known = known
	if f.verified.Answer != "" {
		f.key = answerKey(f.verified.Answer)
	}
	if j.o.Verify && f.reason == "" && len(f.verified.Reasons) > 0 {
		f.reason = f.verified.Reasons[0]
	}
}

// answerKey is the vote of an answer, never 0.
func answerKey(answer string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(verify.Key(answer)))
	return h.Sum64() | 1
}

// answerOf is all that a row teaches to say, for comparing it with others.
func answerOf(row data.Row) string {
	parts := []string{row.Completion}
	for _, m := range row.Messages {
		if m.Role == "assistant" {
			parts = append(parts, m.Content)
		}
	}
	return strings.Join(append(parts, row.Chosen, row.Rejected), "\n")
}

// gold holds known answers by question and by id.
type gold struct {
	byQuestion map[uint64]string
	byID       map[string]string
}

// readGold reads a file of known answers: any rows with a question or prompt and an answer
// under one of the usual keys.
func readGold(path string) (*gold, error) {
	if path == "" {
		return nil, nil
	}
	g := &gold{map[uint64]string{}, map[string]string{}}
	err := data.EachRow(path, func(row data.Row, text []byte, fault error) error {
		answer, _ := data.LooseAnswer(text)
		if fault != nil {
			row.Prompt, _ = data.LooseQuestion(text)
		} else if row.Pair != nil && row.Pair.Answer != "" {
			answer = row.Pair.Answer
		} else if row.Completion != "" {
			answer = strings.TrimSpace(row.Completion)
		}
		if answer == "" {
			return nil
		}
		if row.Pair != nil && row.Pair.ID != "" {
			g.byID[row.Pair.ID] = answer
		}
		for _, question := range row.Questions() {
			g.byQuestion[dedup.QuestionHash(question)] = answer
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: gold: %w", engine.ErrBadInput, err)
	}
	if len(g.byQuestion) == 0 {
		return nil, fmt.Errorf("%w: gold: %s: no row has a question and an answer", engine.ErrBadInput, path)
	}
	return g, nil
}

// of finds the known answer of a row.
func (g *gold) of(row data.Row) (answer string, ok bool) {
	if g == nil {
		return "", false
	}
	if row.Pair != nil && row.Pair.ID != "" {
		if answer, ok = g.byID[row.Pair.ID]; ok {
			return answer, true
		}
	}
	questions := row.Questions()
	if len(questions) == 0 {
		return "", false
	}
	answer, ok = g.byQuestion[dedup.QuestionHash(questions[len(questions)-1])]
	return answer, ok
}
