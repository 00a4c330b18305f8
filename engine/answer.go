package engine

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"retort/data"
	"retort/model"
)

// maxAnswers bounds what one call keeps in memory.
const maxAnswers = 1 << 20

// AnswerRows lets the student answer every row, NumSamples times each, and returns the
// answers in the order of the rows (the samples of a row after each other). progress, when not
// nil, is told how many answers have finished and how many tokens they have.
func AnswerRows(s *Student, rows []data.Row, o AnswerOptions, progress func(done, tokens int)) ([]Answer, error) {
	samples := max(1, o.NumSamples)
	if samples > maxAnswers/max(1, len(rows)) {
		return nil, fmt.Errorf("%w: %d answers to each of %d rows are more than %d", ErrUsage, samples, len(rows), maxAnswers)
	}
	var requests []model.Request
	answers := make([]Answer, 0, len(rows)*samples)
	for _, row := range rows {
		prompt, err := data.EncodePrompt(row, s.Text, data.EncodeOptions{})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadInput, err)
		}
		if len(prompt) == 0 {
			return nil, fmt.Errorf("%w: %s: the prompt is empty", ErrBadInput, row.Place())
		}
		if len(prompt) >= s.Context {
			return nil, fmt.Errorf("%w: %s: the prompt has %d tokens, the student's context is %d: nothing is left for an answer", ErrBadInput, row.Place(), len(prompt), s.Context)
		}
		for i := range samples {
			requests = append(requests, model.Request{Prompt: prompt, MaxNew: o.MaxNewTokens, Seed: sampleSeed(o.Seed, row.Index, i)})
			answers = append(answers, Answer{Index: row.Index, Sample: i, PromptIDs: prompt})
		}
	}
	done, tokens := 0, 0
	options := model.GenerateOptions{
		Sampling: o.Sampling, Stop: s.Text.Stop(),
		Done: func(i int, c model.Completion) {
			answers[i].complete(s.Text, c, o.Stop)
			done, tokens = done+1, tokens+len(c.IDs)
			if progress != nil {
				progress(done, tokens)
			}
		},
	}
	if len(o.Stop) > 0 {
		options.OnToken = func(_ int, ids []int32) bool { return stopAt(s.Text.Decode(ids), o.Stop) >= 0 }
	}
	err := s.Generate(requests, options)
	for _, a := range answers {
		for _, lp := range a.LogProbs {
			if err == nil && lp-lp != 0 {
				err = fmt.Errorf("%w: row %d has a log-probability of %v", ErrNonFinite, a.Index+1, lp)
			}
		}
	}
	if err != nil {
		if errors.Is(err, model.ErrPromptTooLong) {
			return nil, fmt.Errorf("%w: %w", ErrBadInput, err)
		}
		return nil, err
	}
	return answers, nil
}

// complete fills in what the student said.
func (a *Answer) complete(t *Text, c model.Completion, stop []string) {
	a.CompletionIDs, a.LogProbs, a.FinishReason = c.IDs, c.LogProbs, c.FinishReason
	if a.CompletionIDs == nil { // max_new_tokens 0
		a.CompletionIDs, a.LogProbs = []int32{}, []float32{}
	}
	a.Text = t.Decode(c.IDs)
	if at := stopAt(a.Text, stop); at >= 0 {
		a.Text = a.Text[:at]
	}
	sum := 0.0
	for _, lp := range c.LogProbs {
		sum += float64(lp)
	}
	if len(c.LogProbs) > 0 {
		a.Confidence = math.Exp(sum / float64(len(c.LogProbs)))
	}
}

// stopAt is where the first stop text begins, -1 for nowhere.
func stopAt(text string, stop []string) int {
	first := -1
	for _, s := range stop {
		if at := strings.Index(text, s); s != "" && at >= 0 && (first < 0 || at < first) {
			first = at
		}
	}
	return first
}

// sampleSeed gives every sample of every row a seed of its own, so that an answer does not
// depend on which other rows are asked.
func sampleSeed(seed uint64, row, sample int) uint64 {
	return seed*0x9e3779b97f4a7c15 + uint64(row)*0xbf58476d1ce4e5b9 + uint64(sample)*0x94d049bb133111eb
}
