package data

import (
	"errors"
	"fmt"

	"retort/data/rowfile"
)

// MaxLineBytes is the longest line of a row file that is read.
const MaxLineBytes = rowfile.MaxLineBytes

// Errors that a caller may want to tell apart.
var (
	// ErrNoRows is returned when a file holds no row at all, or none is left to train on.
	ErrNoRows = errors.New("no rows")
	// ErrPreferenceRow is returned when a preference row is to be trained on.
	ErrPreferenceRow = errors.New("a preference row (chosen/rejected) cannot be trained on: there is no preference optimisation yet; give prompt/completion or messages")
	// ErrNoTemplate is returned when message rows meet a student without a chat template.
	ErrNoTemplate = errors.New("no chat template")
	// ErrTooLong is returned when a row exceeds max_length under the strategy raise.
	ErrTooLong = errors.New("row too long")
)

// RowKind says which of the accepted formats a row has.
type RowKind int

// The kinds of rows.
const (
	KindText        RowKind = iota // Prompt and Completion, encoded as they are
	KindPrompt                     // Prompt or Messages alone: something to answer
	KindMessages                   // Messages, rendered through the student's template
	KindPair                       // Pair: GSM8K, socratic GSM8K or our own record
	KindPreference                 // Chosen and Rejected: read for rewards, not trained
	KindInstruction                // Prompt and Completion of Alpaca, rendered like a pair's
	KindStepwise                   // Prompt and Steps with Labels, rendered like a pair's
)

// String is the kind's name in messages.
func (k RowKind) String() string {
	return [...]string{"text", "prompt", "messages", "pair", "preference", "instruction", "stepwise"}[k]
}

// Row is one row of a file in whichever format it came.
type Row struct {
	File  string // as given to ReadRows; empty for rows made in memory
	Index int    // place among the rows, from 0
	Line  int    // line in the file, from 1
	Kind  RowKind

	Prompt     string
	Completion string // for KindPair the solution text, verbatim where the file had one
	Messages   []Message
	// Context is the number of leading Messages that are never trained: the
	// prompt of a conversational prompt/completion row, 0 for plain messages.
	Context int
	Pair    *Pair

	Chosen, Rejected                 string // KindPreference as texts
	ChosenMessages, RejectedMessages []Message

	// Steps and Labels of KindStepwise: Labels[i] says whether Steps[i] is right. Completion
	// holds the steps as lines.
	Steps  []string
	Labels []bool

	// Source says where the row comes from: a pair's, or what stands under "source".
	Source string
	// Split is what the row says of itself under "split", in lower case: "train", "test", …
	Split string

	// Refused is the reason for which the row must not be trained on; empty if none.
	Refused string
}

// Place names the row for messages: file and line.
func (r Row) Place() string {
	if r.File == "" {
		return fmt.Sprintf("row %d", r.Index+1)
	}
	return fmt.Sprintf("%s:%d", r.File, r.Line)
}

// asksPlainly says whether the row is a question and its answer, with nothing said about
// how the two are put together.
func (r Row) asksPlainly() bool {
	return r.Kind == KindPair || r.Kind == KindInstruction || r.Kind == KindStepwise
}

// PairRow makes a row of a pair that is already in memory.
func PairRow(index int, p Pair) Row {
	row := Row{Index: index, Line: index + 1, Kind: KindPair, Prompt: p.Question, Completion: p.Text(), Pair: &p}
	row.refuse(p.Metadata.FinishReason)
	return row
}

// refuse marks a row whose text stopped at the token limit.
func (r *Row) refuse(finishReason string) {
	if finishReason == "length" {
		r.Refused = ReasonCutOff
	}
}

// ReadRows reads a whole row file: JSONL, a JSON array or Parquet, plain, gzip or zstd.
// The format is recognised row by row:
//
//	{"prompt", "completion"}              text, or two lists of messages
//	{"prompt"}                            text or messages to answer
//	{"messages"}                          a conversation
//	{"conversations": [{"from","value"}]} ShareGPT, read as a conversation
//	{"instruction", "input", "output"}    Alpaca
//	{"question", "answer": "… #### N"}    GSM8K, plain or socratic
//	{"question", "rationale", "answer"}   our own pair
//	{"question"}                          a question to answer
//	{"prompt", "completions", "labels"}   stepwise: one label for each step
//	{"prompt", "chosen", "rejected"}      preferences; the prompt may be missing
//
// Other keys are left alone. A byte order mark and blank lines are passed over.
// Errors name file and line and what is wrong there.
func ReadRows(path string) ([]Row, error) {
	var rows []Row
	err := EachRow(path, func(row Row, _ []byte, fault error) error {
		if fault != nil {
			return fault
		}
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s: %w: the file is empty", path, ErrNoRows)
	}
	return rows, nil
}

// EachRow walks over the rows of a file in the formats of ReadRows, one in memory at a
// time. text is the row as JSON, valid during the call only. A fault, a *MalformedError,
// says why a line is no row; row then has its file, line and index only. An error of visit
// ends the walk and is wrapped with file and line.
func EachRow(path string, visit func(row Row, text []byte, fault error) error) error {
	index := 0
	return rowfile.Each(path, func(line int, text []byte, fault error) error {
		row, fault := RowAt(path, line, index, text, fault)
		index++
		return visit(row, text, fault)
	})
}

// RowAt makes a row of what rowfile.Each found at a place of a file, for callers that parse
// on several goroutines; see EachRow.
func RowAt(path string, line, index int, text []byte, fault error) (Row, error) {
	row := Row{}
	if fault != nil {
		fault = &MalformedError{Reason: fault.Error(), Err: fault}
	} else {
		row, fault = ParseRow(text)
	}
	row.File, row.Line, row.Index = path, line, index
	return row, fault
}

// EachLine calls visit with every line of a file that is not blank, with its
// number from 1, without its line end. An error of visit stops the walk and is
// wrapped with file and line, and so is a line that cannot be read. text is only
// valid during the call.
func EachLine(path string, visit func(line int, text []byte) error) error {
	return rowfile.Each(path, func(line int, text []byte, fault error) error {
		if fault != nil {
			return fault
		}
		return visit(line, text)
	})
}
