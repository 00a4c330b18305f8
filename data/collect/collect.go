// Package collect has a teacher answer many requests, through the journal: what
// is there already is not asked again, each answer counts once it is on the disk,
// money is reserved before anything is sent, limits are kept, and what fails is
// asked again as the teacher wishes.
//
// It owns the run: pace (pace.go), retries (attempt.go) and the account of what
// happened (Report). It knows the Teacher interface and the journal, not what
// is asked or what the answers are for. The engine calls it.
package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"retort/data/journal"
	"retort/data/teacher"
)

// Options are the limits of a run.
type Options struct {
	Concurrency       int     // requests in flight, at most; a local teacher is asked by one
	RequestsPerMinute float64 // 0 is no limit
	TokensPerMinute   float64 // of prompts and answers; 0 is no limit
	MaxRetries        int     // of one request
	Backoff           time.Duration
	Prices            Prices
	MaxCost           journal.Cost // 0 is no cap
}

// Prices are what a teacher charges, per million tokens.
type Prices struct{ Prompt, Completion float64 }

// free says whether nothing is charged.
func (p Prices) free() bool { return p == Prices{} }

// Hooks show a run while it goes on. Either may be nil; they are called from one
// goroutine at a time.
type Hooks struct {
	Progress func(Progress)
	Note     func(line string)
}

// Progress is how far a run has come.
type Progress struct {
	Done, Total int // answers, those found in the journal included
	Tokens      int // of the answers of this run
	Spent       journal.Cost
}

// Report is what a run did.
type Report struct {
	Requests int `json:"requests"` // different ones
	Found    int `json:"found"`    // answers that the journal had
	Answered int `json:"answered"` // answers of this run
	Retries  int `json:"retries"`
	Missing  int `json:"missing"` // requests without an answer at the end
	// Failed says why the first of the requests that were given up has no answer.
	Failed           string         `json:"failed,omitempty"`
	PromptTokens     int            `json:"prompt_tokens"`
	CompletionTokens int            `json:"completion_tokens"`
	OddUsage         int            `json:"odd_usage"` // answers whose token counts cannot be right
	Damaged          int            `json:"damaged"`   // records of the journal that were asked anew
	Models           map[string]int `json:"models"`    // answers of this run by the model that gave them
	Spent            float64        `json:"spent"`     // by the journal since its beginning
	PerhapsPaid      float64        `json:"perhaps_paid"`
	Seconds          float64        `json:"seconds"`
}

// Errors that a caller may want to tell apart.
var (
	// ErrCap is returned when the cost cap ends a run; what is answered is kept.
	ErrCap = journal.ErrCap
	// ErrIncomplete is returned when requests were given up after retries.
	ErrIncomplete = errors.New("answers are missing")
)

// run is the state of one Run.
type run struct {
	t       teacher.Teacher
	j       *journal.Journal
	o       Options
	hooks   Hooks
	pace    *pacer
	ctx     context.Context // ends when no further request may start
	stop    context.CancelCauseFunc
	batches chan []teacher.Request

	mu     sync.Mutex // guards what follows and the hooks
	report Report
	lost   journal.Cost // charged in this run for answers that did not arrive
	noted  time.Time
	barren int           // requests given up since the last answer
	freed  chan struct{} // closed, and made anew, whenever reserved money is given back
	// Tokens beyond what PromptTokens and max_new_tokens allow, as the teacher counts.
	overPrompt, overCompletion int
}

// Run asks for every request that the journal has no answer to. It returns when
// all are answered or given up, when the cap is reached (ErrCap), on a permanent
// failure (a *teacher.Failure), or when ctx ends, with nothing in flight.
func Run(ctx context.Context, t teacher.Teacher, j *journal.Journal, requests []teacher.Request, o Options, hooks Hooks) (Report, error) {
	began := time.Now()
	r := &run{t: t, j: j, o: o, hooks: hooks, pace: newPacer(o), batches: make(chan []teacher.Request), freed: make(chan struct{})}
	r.report.Models = map[string]int{}
	missing, err := r.missing(requests)
	if err != nil {
		return r.report, err
	}
	r.ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	workers := max(1, o.Concurrency)
	if t.Batch() > 1 {
		workers = 1
	}
	var group sync.WaitGroup
	for range min(workers, max(1, len(missing))) {
		group.Go(r.work)
	}
	r.feed(missing)
	group.Wait()
	r.report.Missing = len(missing) - r.report.Answered
	r.report.Spent, r.report.PerhapsPaid = j.Spent().Float(), (r.lost + j.Lost()).Float()
	r.report.Seconds = time.Since(began).Seconds()
	switch cause := context.Cause(r.ctx); {
	case r.report.Missing == 0:
		return r.report, nil
	case ctx.Err() != nil && errors.Is(cause, ctx.Err()):
		return r.report, ctx.Err()
	case cause != nil:
		return r.report, cause
	}
	return r.report, fmt.Errorf("%w: %d of %d: %s", ErrIncomplete, r.report.Missing, r.report.Requests, r.report.Failed)
}

// missing lists the requests that are not answered, each of them once.
func (r *run) missing(requests []teacher.Request) ([]teacher.Request, error) {
	var out []teacher.Request
	seen := make(map[journal.Key]bool, len(requests))
	for _, q := range requests {
		k := Key(q)
		if seen[k] {
			continue
		}
		seen[k] = true
		_, ok, err := r.j.Get(k)
		switch {
		case errors.Is(err, journal.ErrDamagedRecord):
			r.report.Damaged++
			r.note(fmt.Sprintf("%v; it is asked for again", err), true)
		case err != nil:
			return nil, err
		case ok:
			r.report.Found++
			continue
		}
		out = append(out, q)
	}
	r.report.Requests = len(seen)
	r.progress()
	return out, nil
}

// feed hands the requests out in batches until they, or the run, end.
func (r *run) feed(missing []teacher.Request) {
	defer close(r.batches)
	for size := max(1, r.t.Batch()); len(missing) > 0; {
		n := min(size, len(missing))
		select {
		case r.batches <- missing[:n]:
			missing = missing[n:]
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *run) work() {
	for batch := range r.batches {
		if r.ctx.Err() != nil {
			return
		}
		r.answer(batch)
	}
}

// Key is where the journal keeps the answer to a request.
func Key(q teacher.Request) journal.Key {
	return journal.Key{Hash: q.Hash(), Sample: q.Sample}
}

// Answer reads the answer to a request from the journal.
func Answer(j *journal.Journal, q teacher.Request) (c teacher.Completion, ok bool, err error) {
	raw, ok, err := j.Get(Key(q))
	if err != nil || !ok {
		return c, false, err
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, false, fmt.Errorf("the journal's answer to %s is no completion: %w", q.Place, err)
	}
	return c, true, nil
}

// progress tells the hook; r.mu is held, or nobody else runs yet.
func (r *run) progress() {
	if r.hooks.Progress != nil {
		r.hooks.Progress(Progress{
			Done: r.report.Found + r.report.Answered, Total: r.report.Requests,
			Tokens: r.report.CompletionTokens, Spent: r.j.Spent(),
		})
	}
}

// note shows a line. Lines about retries come at most every ten seconds.
func (r *run) note(line string, always bool) {
	if r.hooks.Note == nil || !always && time.Since(r.noted) < 10*time.Second {
		return
	}
	r.noted = time.Now()
	r.hooks.Note(line)
}
