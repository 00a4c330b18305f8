package check

import (
	"fmt"
	"slices"
	"sync/atomic"

	"retort/data"
	"retort/data/dedup"
	"retort/data/verify"
	"retort/engine"
)

// Run checks a data file. The report is complete also where the error says that the file is
// refused: it wraps engine.ErrBadInput.
func Run(o Options) (Report, error) {
	if err := o.Validate(); err != nil {
		return Report{}, err
	}
	if o.Output != "" {
		if err := readTwice(o.Dataset); err != nil {
			return Report{}, err
		}
	}
	text, err := openText(o.Model)
	if err != nil {
		return Report{}, err
	}
	t := newTally(o)
	index, err := t.openIndex()
	if err != nil {
		return t.report, err
	}
	known, err := readGold(o.Gold)
	if err != nil {
		return t.report, err
	}
	err = scan(o.Dataset, func() (*judge, error) { return newJudge(o, text, index, known, &t.enough) }, t.add)
	if err != nil {
		return t.report, fmt.Errorf("%w: %w", engine.ErrBadInput, err)
	}
	t.decide()
	t.summarise(text)
	if t.report.Refused == "" && o.Output != "" {
		if err := t.write(); err != nil {
			return t.report, err
		}
	}
	if err := t.describe(); err != nil {
		return t.report, err
	}
	if t.report.Refused != "" {
		return t.report, fmt.Errorf("%w: %s", engine.ErrBadInput, t.report.Refused)
	}
	return t.report, nil
}

func openText(model string) (*engine.Text, error) {
	open := func() (*engine.Text, error) { return engine.OpenText(model) }
	if model == "" {
		open = engine.BuiltinText
	}
	text, err := open()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", engine.ErrBadInput, err)
	}
	return text, nil
}

// verdict is what is kept of a row.
type verdict struct {
	question, key uint64
	line          int32
	tokens        int32
	trained       int32
	words         int32
	sketch        int32 // place in the finder; -1 for a row that was refused before
	reason        uint16
	known         bool
}

// tally collects the findings of a file and decides what only the whole file shows.
type tally struct {
	o        Options
	report   Report
	rows     []verdict
	reasons  []string // by verdict.reason; the first is none
	finder   dedup.Finder
	examples []data.Example
	enough   atomic.Bool // of examples
}

func newTally(o Options) *tally {
	return &tally{o: o, reasons: []string{""}, report: Report{
		Dataset: o.Dataset, Kinds: map[string]int{}, Sources: map[string]int{}, Details: map[string]string{},
	}}
}

// openIndex reads the evaluations.
func (t *tally) openIndex() (*dedup.Index, error) {
	index := dedup.NewIndex()
	index.AddKnown()
	for _, path := range t.o.EvalDataset {
		n, err := index.AddFile(path)
		if err != nil {
			return nil, fmt.Errorf("%w: eval_dataset: %w", engine.ErrBadInput, err)
		}
		hash, _, err := hashFile(path)
		if err != nil {
			return nil, fmt.Errorf("%w: eval_dataset: %w", engine.ErrBadInput, err)
		}
		t.report.Contamination.Evaluations = append(t.report.Contamination.Evaluations, Evaluation{File: path, SHA256: hash, Questions: n})
	}
	return index, nil
}

// maxSources bounds how many sources are told apart.
const maxSources = 1000

// add takes one row's finding, in the order of the file.
func (t *tally) add(f finding) error {
	r := &t.report
	r.Rows++
	if f.kind != "" {
		r.Kinds[f.kind]++
	}
	if f.source != "" {
		if _, ok := r.Sources[f.source]; !ok && len(r.Sources) >= maxSources {
			f.source = "others"
		}
		r.Sources[f.source]++
	}
	if f.hit != nil {
		r.Contamination.add(f.line, *f.hit)
	}
	if _, ok := r.Details[f.reason]; !ok && f.detail != "" {
		r.Details[f.reason] = f.detail
	}
	r.Equations.Checked += f.verified.Equations.Checked
	r.Equations.Wrong += len(f.verified.Equations.Wrong)
	if f.known {
		r.Compared++
	}
	v := verdict{question: f.question, key: f.key, line: int32(f.line), words: int32(f.verified.Words), sketch: -1, reason: t.reason(f.reason)}
	v.known = f.known
	if f.reason == "" {
		v.sketch = int32(t.finder.Len())
		t.finder.Add(len(t.rows), f.sketch)
		v.tokens, v.trained = int32(f.tokens), int32(f.trained)
		if f.example != nil && len(t.examples) < shownRows {
			t.examples = append(t.examples, *f.example)
			t.enough.Store(len(t.examples) == shownRows)
		}
	}
	t.rows = append(t.rows, v)
	return nil
}

// reason gives a reason its number.
func (t *tally) reason(text string) uint16 {
	i := slices.Index(t.reasons, text)
	if i < 0 {
		i = len(t.reasons)
		t.reasons = append(t.reasons, text)
	}
	return uint16(i)
}

// decide votes, then looks for duplicates among what is left.
func (t *tally) decide() {
	if t.o.Keep != "" {
		t.vote()
	}
	left := make([]bool, t.finder.Len())
	for _, v := range t.rows {
		if v.sketch >= 0 {
			left[v.sketch] = v.reason == 0
		}
	}
	for _, d := range t.finder.Duplicates(t.o.Dedup, func(i int) bool { return left[i] }) {
		reason := ReasonNear
		if d.Exact {
			reason = ReasonDuplicate
			t.report.Duplicates++
		} else {
			t.report.NearDuplicates++
		}
		if t.o.Dedup {
			t.rows[d.Row].reason = t.reason(reason)
		}
	}
}

// vote groups the samples of each question and keeps what keep asks.
func (t *tally) vote() {
	var order []int32
	for i, v := range t.rows {
		if v.reason == 0 && v.question != 0 {
			order = append(order, int32(i))
		}
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		x, y := t.rows[a].question, t.rows[b].question
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	for from := 0; from < len(order); {
		end := from + 1
		for end < len(order) && t.rows[order[end]].question == t.rows[order[from]].question {
			end++
		}
		t.choose(order[from:end])
		from = end
	}
}

// choose decides among the samples of one question.
func (t *tally) choose(group []int32) {
	samples := make([]verify.Sample, len(group))
	for i, row := range group {
		v := t.rows[row]
		samples[i] = verify.Sample{Key: v.key, Known: v.known, Words: int(v.words)}
	}
	unlike := func(i, j int) float64 {
		return 1 - t.finder.Similarity(int(t.rows[group[i]].sketch), int(t.rows[group[j]].sketch))
	}
	for i, reason := range verify.Choose(samples, verify.Keep(t.o.Keep), t.o.KeepCount, unlike) {
		t.rows[group[i]].reason = t.reason(reason)
	}
}

// summarise fills in what the report says of the whole.
func (t *tally) summarise(text *engine.Text) {
	r := &t.report
	var lengths []int32
	for _, v := range t.rows {
		if v.reason != 0 {
			r.Rejects.Add(t.reasons[v.reason], int(v.line))
			continue
		}
		r.Usable++
		r.Tokens += int(v.tokens)
		r.Trained += int(v.trained)
		lengths = append(lengths, v.tokens)
	}
	if len(lengths) > 0 {
		slices.Sort(lengths)
		r.Longest, r.Median = int(lengths[len(lengths)-1]), int(lengths[len(lengths)/2])
	}
	r.Previews = engine.Previews(text, t.examples, shownRows)
	r.Refused = t.refusal()
}

// refusal says why the file must not be trained on, in a line; empty when it may be. Where
// the rows that are left are written, rows that are no rows do not speak against them.
func (t *tally) refusal() string {
	r := &t.report
	malformed := 0
	for reason := range r.Details {
		malformed += len(r.Rejects.Lines[reason])
	}
	preferences := len(r.Rejects.Lines[ReasonPreference])
	share := float64(r.Contamination.Rows) / float64(max(1, r.Rows))
	switch {
	case r.Rows == 0:
		return fmt.Sprintf("%s: %v: the file is empty", t.o.Dataset, data.ErrNoRows)
	case !t.o.AllowContamination && share > dedup.RefusedShare:
		return fmt.Sprintf("%s: %d of %d rows ask what an evaluation asks, more than %.0f %%: training on them would make its figures worthless; the first is line %d, %s; with --allow_contamination they are kept",
			t.o.Dataset, r.Contamination.Rows, r.Rows, 100*dedup.RefusedShare, r.Contamination.Hits[0].Line, r.Contamination.Hits[0].Hit)
	case t.o.Output != "" && preferences > 0 && t.o.Transform == "":
		return ""
	case r.Usable == 0:
		return fmt.Sprintf("%s: %v left to train on, of %d: %s", t.o.Dataset, data.ErrNoRows, r.Rows, r.Rejects)
	case t.o.Output != "":
		return ""
	case preferences > 0:
		return fmt.Sprintf("%s: %v", t.o.Dataset, data.ErrPreferenceRow)
	case malformed > 0:
		return fmt.Sprintf("%s: %d lines are no rows, and train would end there; write the others with --output: %s", t.o.Dataset, malformed, r.Rejects)
	}
	return ""
}
