package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"retort/data/journal"
	"retort/data/teacher"
)

const (
	// longestBackoff bounds the wait that we choose ourselves.
	longestBackoff = time.Minute
	// longestWait bounds the wait that a teacher may ask for; beyond it the run
	// ends and says so.
	longestWait = 15 * time.Minute
	// barrenLimit ends a run once so many requests in a row were given up.
	barrenLimit = 3
)

// answer has a batch answered: attempts until nothing of it is left, or the run ends.
func (r *run) answer(batch []teacher.Request) {
	for retry := 0; ; retry++ {
		left, err := r.attempt(batch)
		if err == nil {
			return
		}
		var f *teacher.Failure
		switch {
		case !errors.As(err, &f):
			r.stop(err) // the journal, the cap, or the end of the run
			return
		case f.Permanent && f.Alone:
			r.giveUp(f, false)
			return
		case f.Permanent:
			r.stop(err)
			return
		case retry == r.o.MaxRetries:
			r.giveUp(fmt.Errorf("%w (%d times)", f, retry+1), true)
			return
		}
		if len(left) < len(batch) {
			retry = 0 // it goes on
		}
		batch = left
		if f.Wait > longestWait {
			r.stop(&teacher.Failure{Permanent: true, Err: fmt.Errorf("%w: it asks to wait %s; run again then", f, f.Wait.Round(time.Second))})
			return
		}
		if r.wait(f, retry) != nil {
			return
		}
	}
}

// wait holds back before the next attempt: everybody where the teacher said how
// long, this batch alone otherwise, twice as long each time and never in step.
func (r *run) wait(f *teacher.Failure, retry int) error {
	wait := f.Wait
	if wait > 0 {
		r.pace.pause(wait)
	} else {
		full := min(r.o.Backoff<<min(retry, 20), longestBackoff)
		wait = full/2 + time.Duration(rand.Int64N(int64(full/2)+1))
	}
	r.mu.Lock()
	r.report.Retries++
	r.note(fmt.Sprintf("teacher: %v; asking again in %s", f, wait.Round(time.Millisecond)), false)
	r.mu.Unlock()
	return sleep(r.ctx, wait)
}

// giveUp leaves a batch unanswered. After several in a row for which retrying
// did not help, the run ends.
func (r *run) giveUp(err error, counts bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.report.Failed == "" {
		r.report.Failed = err.Error()
	}
	if !counts {
		return
	}
	if r.barren++; r.barren >= barrenLimit {
		r.stop(&teacher.Failure{Permanent: true, Err: fmt.Errorf("%w; %d requests in a row had no answer", err, r.barren)})
	}
}

// attempt sends a batch once and returns what is still unanswered.
func (r *run) attempt(batch []teacher.Request) (left []teacher.Request, err error) {
	expected := r.pace.expect(batch)
	if err := r.pace.admit(r.ctx, len(batch), expected); err != nil {
		return batch, err
	}
	used := 0
	defer func() { r.pace.settle(expected, used) }()
	bounds := make([]journal.Cost, len(batch))
	var open journal.Cost
	for i, q := range batch {
		bounds[i] = r.bound(q)
		open += bounds[i]
	}
	if err := r.reserve(open); err != nil {
		return batch, err
	}
	answered := make([]bool, len(batch))
	var commits []*journal.Commit
	asked := r.t.Ask(r.ctx, batch, func(i int, c teacher.Completion) {
		answered[i] = true
		open -= bounds[i]
		n, commit := r.keep(batch[i], c, bounds[i])
		used += n
		commits = append(commits, commit)
	})
	for _, c := range commits {
		if err := c.Wait(); err != nil {
			return nil, err
		}
	}
	r.done(len(commits))
	if len(commits) > 0 && !r.o.Prices.free() {
		r.wake()
	}
	for i, q := range batch {
		if !answered[i] {
			left = append(left, q)
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	if err := r.release(open, asked); err != nil {
		return left, err
	}
	if asked == nil {
		return left, fmt.Errorf("the teacher left out %d of %d requests", len(left), len(batch))
	}
	return left, asked
}

// keep hands an answer to the journal and counts it. It returns the tokens of
// prompt and answer.
func (r *run) keep(q teacher.Request, c teacher.Completion, bound journal.Cost) (tokens int, commit *journal.Commit) {
	raw, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("collect: a completion cannot be written as JSON: %v", err))
	}
	prompt, completion, believable := r.count(q, c)
	charge := bound
	if believable && !r.o.Prices.free() {
		charge = r.o.Prices.cost(prompt, completion)
	}
	commit = r.j.Put(journal.Entry{Key: Key(q), Request: q.Canonical(), Answer: raw, Reserved: bound, Charge: charge})
	r.pace.learn(prompt + completion)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.PromptTokens += prompt
	r.report.CompletionTokens += completion
	if believable && !r.o.Prices.free() {
		r.learnBounds(q, prompt, completion)
	}
	if !believable {
		if r.report.OddUsage++; r.report.OddUsage == 1 && !r.o.Prices.free() {
			r.note("the teacher's token counts are missing or cannot be right; such answers are charged at the most that they can cost", true)
		}
	}
	if r.report.Models[c.Model]++; c.Model != q.Prompt.Model && r.report.Models[c.Model] == 1 && r.t.Batch() == 1 {
		r.note(fmt.Sprintf("asked for the model %q, answers come from %q", q.Prompt.Model, c.Model), true)
	}
	return prompt + completion, commit
}

// done counts answers that are on the disk.
func (r *run) done(n int) {
	if n == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Answered += n
	r.barren = 0
	r.progress()
}

// sleep waits, or returns the reason for which ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
