package data

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Reasons for which a row is refused, never trained on in silence.
const (
	ReasonCutOff          = "cut off (finish_reason length)"
	ReasonNoAnswer        = "no final answer (#### N)"
	ReasonEmptyCompletion = "empty completion"
	ReasonNoAssistant     = "no assistant message to train"
	ReasonNoEndOfTurn     = "the chat template puts no end-of-turn token after the answer"
	ReasonTooLong         = "longer than max_length"
	ReasonSurrogate       = `half of a surrogate pair (\ud800) in a text`
	ReasonTemplateChanges = "the chat template changes the answer's text, so it cannot be told which tokens to train"
	ReasonTemplateTurns   = "the chat template writes turns differently once others follow; give one row per answer"
	ReasonTruncatedAway   = "no trained token left after truncation to max_length"
)

// RefusedError is returned for a row that is refused with a reason of the list
// above: callers that read many rows count it and go on.
type RefusedError struct{ Reason string }

// Error says why the row was refused.
func (e *RefusedError) Error() string { return "refused: " + e.Reason }

// reasonNoObject is the reason of rows that are JSON but no object.
const reasonNoObject = "not a JSON object"

// ReasonUnknownFormat is the reason of rows with none of the known sets of keys.
const ReasonUnknownFormat = "unknown row format"

// MalformedError says why a line is no row. Reason is one of few and is counted, Err
// has what stood there.
type MalformedError struct {
	Reason string
	Err    error
}

// Error says what is wrong and what stood there.
func (e *MalformedError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *MalformedError) Unwrap() error { return e.Err }

func malformed(reason, format string, args ...any) error {
	return &MalformedError{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// Rejects counts the rows that were refused, by reason, and those that were cut.
type Rejects struct {
	// Lines holds the line numbers (from 1) of the refused rows under each reason.
	Lines map[string][]int `json:"rejects"`
	// Truncated holds the line numbers of rows that were cut at max_length and kept.
	Truncated []int `json:"truncated,omitempty"`
}

// Add counts one refused row.
func (r *Rejects) Add(reason string, line int) {
	if r.Lines == nil {
		r.Lines = map[string][]int{}
	}
	r.Lines[reason] = append(r.Lines[reason], line)
}

// Total is the number of refused rows.
func (r Rejects) Total() int {
	total := 0
	for _, lines := range r.Lines {
		total += len(lines)
	}
	return total
}

// Reasons lists the reasons that occurred, most frequent first.
func (r Rejects) Reasons() []string {
	reasons := make([]string, 0, len(r.Lines))
	for reason := range r.Lines {
		reasons = append(reasons, reason)
	}
	slices.SortFunc(reasons, func(a, b string) int {
		if d := len(r.Lines[b]) - len(r.Lines[a]); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return reasons
}

// String is one line: counts by reason with the first few line numbers.
func (r Rejects) String() string {
	var parts []string
	for _, reason := range r.Reasons() {
		parts = append(parts, fmt.Sprintf("%d %s (%s)", len(r.Lines[reason]), reason, someLines(r.Lines[reason])))
	}
	if len(r.Truncated) > 0 {
		parts = append(parts, fmt.Sprintf("%d truncated and kept (%s)", len(r.Truncated), someLines(r.Truncated)))
	}
	if len(parts) == 0 {
		return "none refused"
	}
	return strings.Join(parts, "; ")
}

// someLines writes the first five line numbers.
func someLines(lines []int) string {
	word, shown, more := "lines ", lines, ""
	if len(lines) == 1 {
		word = "line "
	}
	if len(lines) > 5 {
		shown, more = lines[:5], ", …"
	}
	return word + strings.Trim(strings.ReplaceAll(fmt.Sprint(shown), " ", ", "), "[]") + more
}

// count adds err to the rejects when it is a RefusedError and says whether it was.
func (r *Rejects) count(err error, line int) bool {
	var refused *RefusedError
	if !errors.As(err, &refused) {
		return false
	}
	r.Add(refused.Reason, line)
	return true
}
