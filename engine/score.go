package engine

import (
	"errors"
	"fmt"

	"retort/data"
	"retort/kernels"
	"retort/model"
)

// Score is one row's log-probabilities.
type Score struct {
	Index         int       `json:"index"`
	PromptIDs     []int32   `json:"prompt_ids"`
	CompletionIDs []int32   `json:"completion_ids"`
	LogProbs      []float32 `json:"logprobs"`
	Loss          float64   `json:"loss"` // mean negative log-probability of the completion's tokens
}

// scoreTokens is about how many tokens one scoring pass takes.
const scoreTokens = 1024

// ScoreRows computes the log-probability of every completion token of every row (of the
// first limit rows when limit is positive), calls emit in the order of the rows and
// returns the rejects. A row beyond the student's context is an error.
func ScoreRows(s *Student, path string, limit int, emit func(Score) error) (data.Rejects, error) {
	rows, err := readRows(path)
	if err != nil {
		return data.Rejects{}, err
	}
	if limit > 0 {
		rows = rows[:min(limit, len(rows))]
	}
	examples, rejects, err := data.EncodeAll(rows, s.Text, data.Options{
		EncodeOptions: data.EncodeOptions{CompletionOnly: true}, MaxLength: s.Context,
	})
	if errors.Is(err, data.ErrTooLong) {
		err = fmt.Errorf("%w: that is the student's context; shorten the row or take it out", err)
	}
	if err != nil {
		return rejects, fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	err = scoreExamples(s, examples, func(i int, logprobs []float32) error {
		e := examples[i]
		out := Score{Index: e.Index, LogProbs: logprobs}
		out.PromptIDs = e.IDs[:e.PromptLen()]
		for j, w := range e.Weights { // of a conversation the answers alone, one id a log-probability
			if w != 0 {
				out.CompletionIDs = append(out.CompletionIDs, e.IDs[j])
			}
		}
		for _, lp := range logprobs {
			out.Loss -= float64(lp)
		}
		out.Loss /= float64(len(logprobs))
		return emit(out)
	})
	return rejects, err
}

// scoreExamples runs the examples through the student, several packed into a pass, and
// visits each with the log-probabilities of its trained tokens, in order. The slice is
// only valid during the visit.
func scoreExamples(s *Student, examples []data.Example, visit func(i int, logprobs []float32) error) error {
	longest, trained := 0, 0
	for _, e := range examples {
		longest = max(longest, len(e.IDs))
		trained = max(trained, e.Trained())
	}
	tokens := max(longest, scoreTokens)
	pass, err := model.NewPass(s.Student, model.PassOptions{Tokens: tokens, Rows: tokens})
	if err != nil {
		return err
	}
	defer pass.Close()
	var batch model.Batch
	var logprobs []float32
	for lo := 0; lo < len(examples); {
		batch.Reset()
		hi := lo
		for hi < len(examples) && (hi == lo || len(batch.IDs)+len(examples[hi].IDs) <= tokens) {
			batch.Add(examples[hi].IDs, examples[hi].Weights)
			hi++
		}
		pass.Forward(&batch)
		pass.Loss()
		if logprobs, err = pass.LogProbs(logprobs); err != nil {
			return fmt.Errorf("%w: %w", ErrDevice, err)
		}
		rest := logprobs
		for i := lo; i < hi; i++ {
			n := examples[i].Trained()
			for _, lp := range rest[:n] {
				if lp-lp != 0 {
					return fmt.Errorf("%w: row %d has a log-probability of %v", ErrNonFinite, examples[i].Index+1, lp)
				}
			}
			if err := visit(i, rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		lo = hi
	}
	return nil
}

// AnswerOptions says how a student answers rows.
type AnswerOptions struct {
	MaxNewTokens int
	Sampling     kernels.Sampling
	NumSamples   int
	Seed         uint64
	Stop         []string // texts that end an answer, beside the student's own ends
}

// Answer is one answer of a student to one row.
type Answer struct {
	Index         int       `json:"index"`  // of the row
	Sample        int       `json:"sample"` // of the answers to it, from 0
	PromptIDs     []int32   `json:"prompt_ids"`
	CompletionIDs []int32   `json:"completion_ids"`
	Text          string    `json:"text"`
	FinishReason  string    `json:"finish_reason"`
	LogProbs      []float32 `json:"logprobs"`
	// Confidence is the mean log-probability of the answer's tokens, as a probability.
	Confidence float64 `json:"confidence"`
}
