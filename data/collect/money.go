package collect

import (
	"context"
	"errors"
	"fmt"

	"retort/data/journal"
	"retort/data/teacher"
)

// Bounds of token counts.
const (
	// templateTokens is what a server's chat template may add to the text of a
	// prompt: marks around each message, a system prompt of its own.
	templateTokens = 256
	// believableTokens is more than any answer has.
	believableTokens = 1_000_000_000
)

// PromptTokens is how many tokens a prompt has at most: tokenizers make at most
// one of each byte.
func PromptTokens(q teacher.Request) int { return q.Bytes() + templateTokens }

// estimatedTokens is how many tokens a text of so many bytes usually has.
func estimatedTokens(bytes int) int { return (bytes + 3) / 4 }

// Bound is the most that a request can cost.
func (p Prices) Bound(q teacher.Request) journal.Cost {
	return p.cost(PromptTokens(q), q.Sampling.MaxNewTokens)
}

func (p Prices) cost(prompt, completion int) journal.Cost {
	return journal.TokenCost(prompt, p.Prompt) + journal.TokenCost(completion, p.Completion)
}

// bound is the most that a request can cost, as far as the teacher's counts so
// far have shown: a system prompt of its own, for instance, is on every bill.
func (r *run) bound(q teacher.Request) journal.Cost {
	r.mu.Lock()
	prompt, completion := PromptTokens(q)+r.overPrompt, max(q.Sampling.MaxNewTokens, r.overCompletion)
	r.mu.Unlock()
	return r.o.Prices.cost(prompt, completion)
}

// learnBounds remembers counts beyond what was thought to be the most; r.mu is held.
func (r *run) learnBounds(q teacher.Request, prompt, completion int) {
	if over := prompt - PromptTokens(q); over > r.overPrompt {
		r.overPrompt = over
		r.note(fmt.Sprintf("the teacher counts %d tokens in a prompt of %d bytes; what is reserved grows accordingly", prompt, q.Bytes()), true)
	}
	if completion > max(q.Sampling.MaxNewTokens, r.overCompletion) {
		r.overCompletion = completion
		r.note(fmt.Sprintf("the teacher counts %d tokens in an answer of at most %d; what is reserved grows accordingly", completion, q.Sampling.MaxNewTokens), true)
	}
}

// count is the number of tokens of prompt and answer as the teacher says.
// believable is false where it says nothing, or what cannot be: then the numbers
// are estimates. More tokens than were asked for are believed: they will be billed.
func (r *run) count(q teacher.Request, c teacher.Completion) (prompt, completion int, believable bool) {
	if u := c.Usage; u != nil && u.PromptTokens > 0 && u.CompletionTokens >= 0 &&
		u.PromptTokens < believableTokens && u.CompletionTokens < believableTokens && (u.CompletionTokens > 0 || c.Text == "") {
		return u.PromptTokens, u.CompletionTokens, true
	}
	return estimatedTokens(q.Bytes()), estimatedTokens(len(c.Text) + len(c.Reasoning)), false
}

// reserve sets the money for an attempt aside. Where the cap leaves too little,
// it waits for what others hold, and fails with ErrCap when nobody holds any.
func (r *run) reserve(amount journal.Cost) error {
	if amount == 0 {
		return nil
	}
	for {
		r.mu.Lock()
		freed := r.freed // before asking: what is given back from here on closes it
		r.mu.Unlock()
		held, err := r.j.Reserve(amount, r.o.MaxCost)
		if !errors.Is(err, journal.ErrCap) {
			return err
		}
		if held == 0 {
			return fmt.Errorf("%w: %s of %s are spent, and the next request can cost %s; raise max_cost to go on", ErrCap, r.j.Spent(), r.o.MaxCost, amount)
		}
		select {
		case <-freed:
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		}
	}
}

// release gives back what is left of an attempt's reservation. It stays charged
// where the teacher may have done the work.
func (r *run) release(open journal.Cost, asked error) error {
	if open == 0 {
		return nil
	}
	var charge journal.Cost
	if f := (*teacher.Failure)(nil); errors.As(asked, &f) && f.MaybePaid {
		charge = open
	}
	err := r.j.Release(open, charge)
	r.mu.Lock()
	r.lost += charge
	r.mu.Unlock()
	r.wake()
	return err
}

// wake lets those that wait for money look again.
func (r *run) wake() {
	r.mu.Lock()
	close(r.freed)
	r.freed = make(chan struct{})
	r.mu.Unlock()
}
