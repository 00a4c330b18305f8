package evaluate

import (
	"fmt"
	"slices"
	"time"

	"retort/data"
	"retort/data/problems"
	"retort/engine"
)

// Task is a set of questions with reference solutions that end in "#### N".
type Task struct {
	Name  string
	Rows  []data.Row
	Steps []int // operations of each reference solution; nil where nobody knows
}

// GSM8K is a task from a file of GSM8K rows; limit 0 takes all.
func GSM8K(path string, limit int) (Task, error) {
	rows, err := data.ReadRows(path)
	if err != nil {
		return Task{}, fmt.Errorf("%w: %w", engine.ErrBadInput, err)
	}
	t := Task{Name: "gsm8k", Rows: rows}
	for _, r := range rows {
		if _, ok := StrictMatch(r.Completion); r.Kind != data.KindPair || !ok {
			return Task{}, fmt.Errorf("%w: %s: a question with an answer that ends in \"#### N\" is expected", engine.ErrBadInput, r.Place())
		}
	}
	if limit > 0 {
		t.Rows = rows[:min(limit, len(rows))]
	}
	return t, nil
}

// maxGenerated bounds the problems of one evaluation.
const maxGenerated = 1 << 20

// Generated is a task of n problems of the built-in generator.
func Generated(c problems.Config, n int) (Task, error) {
	g, err := problems.New(c)
	if err != nil {
		return Task{}, fmt.Errorf("%w: %w", engine.ErrUsage, err)
	}
	if n > maxGenerated {
		return Task{}, fmt.Errorf("%w: %d problems to evaluate on are more than %d", engine.ErrUsage, n, maxGenerated)
	}
	t := Task{Name: "generated"}
	for i := range n {
		p := g.Problem(i)
		t.Rows = append(t.Rows, data.PairRow(i, p.Pair()))
		t.Steps = append(t.Steps, p.NumSteps)
	}
	return t, nil
}

// Sample is one question with its answer and what each rule says of it.
type Sample struct {
	Row      data.Row
	Answer   engine.Answer
	Verdicts []Verdict // in the order of GSM8KRules
}

// Report is the outcome of a task: for every rule a tally of all questions and, where the
// steps are known, one by number of steps.
type Report struct {
	Task        string
	Rules       []Rule
	Total       []Tally         // by rule
	BySteps     []map[int]Tally // by rule; empty maps where steps are unknown
	Samples     []Sample
	CutOff      int // answers that reached max_new_tokens
	Tokens      int
	Elapsed     time.Duration
	Temperature float32
	MaxNew      int
}

// Run lets the student answer the task once per question and judges the answers by every
// rule. progress may be nil.
func Run(s *engine.Student, t Task, o engine.AnswerOptions, progress func(done, total, tokens int)) (Report, error) {
	o.NumSamples = 1
	o.Stop = slices.Concat(GSM8KStops(), o.Stop)
	began := time.Now()
	answers, err := engine.AnswerRows(s, t.Rows, o, func(done, tokens int) {
		if progress != nil {
			progress(done, len(t.Rows), tokens)
		}
	})
	if err != nil {
		return Report{}, err
	}
	r := Report{Task: t.Name, Rules: GSM8KRules(), Elapsed: time.Since(began), Temperature: o.Sampling.Temperature, MaxNew: o.MaxNewTokens}
	r.Total = make([]Tally, len(r.Rules))
	for range r.Rules {
		r.BySteps = append(r.BySteps, map[int]Tally{})
	}
	for i, a := range answers {
		sample := Sample{Row: t.Rows[i], Answer: a}
		for j, rule := range r.Rules {
			v := rule.Judge(a.Text, t.Rows[i].Completion)
			sample.Verdicts = append(sample.Verdicts, v)
			r.Total[j].Add(v)
			if t.Steps != nil {
				tally := r.BySteps[j][t.Steps[i]]
				tally.Add(v)
				r.BySteps[j][t.Steps[i]] = tally
			}
		}
		r.Samples = append(r.Samples, sample)
		r.Tokens += len(a.CompletionIDs)
		if a.FinishReason == "length" {
			r.CutOff++
		}
	}
	return r, nil
}

// Steps lists the numbers of steps that the report distinguishes, ascending.
func (r Report) Steps() []int {
	var out []int
	for n := range r.BySteps[0] {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// Strict is the tally of the rule that tables lead with: lm-eval's strict match.
func (r Report) Strict() Tally { return r.Total[0] }

// TokensPerSecond is the speed of answering, prompts not counted.
func (r Report) TokensPerSecond() float64 { return float64(r.Tokens) / r.Elapsed.Seconds() }
