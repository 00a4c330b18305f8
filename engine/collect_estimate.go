package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"retort/data/collect"
	"retort/data/journal"
	"retort/data/teacher"
)

// CollectEstimate is what a run would take.
type CollectEstimate struct {
	Questions    int     `json:"questions"`
	Requests     int     `json:"requests"` // different ones
	Found        int     `json:"found"`    // already in the journal
	ToAsk        int     `json:"to_ask"`
	PromptTokens int     `json:"prompt_tokens"`
	Counted      bool    `json:"counted"`           // with a tokenizer; otherwise bytes/4
	AnswerTokens int     `json:"max_answer_tokens"` // at most
	Cost         float64 `json:"max_cost"`          // at most, if the prompts have so many tokens
	Spent        float64 `json:"spent"`             // by the journal so far
	Seconds      float64 `json:"min_seconds"`       // at least, by requests_per_minute
}

// DryRun says what Run would take. It asks nothing and makes no journal.
func (c *Collection) DryRun() (e CollectEstimate, err error) {
	var text *Text
	if c.o.Tokenizer != "" {
		if text, err = OpenText(c.o.Tokenizer); err != nil {
			return e, fmt.Errorf("%w: %w", ErrBadInput, err)
		}
	}
	e.Questions, e.Counted = len(c.rows), text != nil
	var j *journal.Journal
	if _, err := os.Stat(c.o.journalPath()); !errors.Is(err, fs.ErrNotExist) {
		if j, err = journal.Open(c.o.journalPath()); err != nil {
			return e, fmt.Errorf("%w: %w", ErrBadInput, err)
		}
		defer j.Close()
		e.Spent = j.Spent().Float()
	}
	seen := map[journal.Key]bool{}
	for _, q := range c.requests {
		k := collect.Key(q)
		if seen[k] {
			continue
		}
		seen[k] = true
		if j != nil {
			if _, ok, err := j.Get(k); ok {
				e.Found++
				continue
			} else if err != nil && !errors.Is(err, journal.ErrDamagedRecord) {
				return e, err
			}
		}
		e.ToAsk++
		e.PromptTokens += promptTokens(q, text)
		e.AnswerTokens += q.Sampling.MaxNewTokens
	}
	e.Requests = len(seen)
	e.Cost = (float64(e.PromptTokens)*c.o.PromptPrice + float64(e.AnswerTokens)*c.o.CompletionPrice) / 1e6
	if c.o.RequestsPerMinute > 0 {
		e.Seconds = float64(e.ToAsk) / c.o.RequestsPerMinute * 60
	}
	return e, nil
}

// promptTokens counts a prompt's tokens with a tokenizer, or guesses without one.
func promptTokens(q teacher.Request, text *Text) int {
	if text == nil {
		return (q.Bytes() + 3) / 4
	}
	n := 0
	for _, m := range q.Messages {
		n += len(text.Encode(m.Content)) + 4 // the marks around a message
	}
	return n
}

// String is the estimate in a few lines.
func (e CollectEstimate) String() string {
	how := "estimated as bytes/4; give tokenizer to count them"
	if e.Counted {
		how = "counted"
	}
	text := fmt.Sprintf("%d questions, %d requests: %d answers are in the journal, %d to ask for\n%d prompt tokens (%s), at most %d answer tokens\nat most %.4f to pay, %.4f spent so far",
		e.Questions, e.Requests, e.Found, e.ToAsk, e.PromptTokens, how, e.AnswerTokens, e.Cost, e.Spent)
	if e.Seconds > 0 {
		text += fmt.Sprintf("\nat least %s by requests_per_minute", time.Duration(e.Seconds*float64(time.Second)).Round(time.Second))
	}
	return text
}
