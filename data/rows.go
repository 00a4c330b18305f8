package data

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"
)

// MaxLineBytes is the longest line of a row file that is read.
const MaxLineBytes = 16 << 20

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
	KindText       RowKind = iota // Prompt and Completion, encoded as they are
	KindPrompt                    // Prompt or Messages alone: something to answer
	KindMessages                  // Messages, rendered through the student's template
	KindPair                      // Pair: GSM8K, socratic GSM8K or our own record
	KindPreference                // Chosen and Rejected: read for rewards, not trained
)

// String is the kind's name in messages.
func (k RowKind) String() string {
	return [...]string{"text", "prompt", "messages", "pair", "preference"}[k]
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

// ReadRows reads a JSONL file. The format is recognised row by row:
//
//	{"prompt", "completion"}              text, or two lists of messages
//	{"prompt"}                            text or messages to answer
//	{"messages"}                          a conversation
//	{"question", "answer": "… #### N"}    GSM8K, plain or socratic
//	{"question", "rationale", "answer"}   our own pair
//	{"question"}                          a question to answer
//	{"prompt", "chosen", "rejected"}      preferences; the prompt may be missing
//
// Other keys are left alone. A byte order mark and blank lines are passed over.
// Errors name file and line and what is wrong there.
func ReadRows(path string) ([]Row, error) {
	var rows []Row
	err := EachLine(path, func(line int, text []byte) error {
		row, err := ParseRow(text)
		if err != nil {
			return err
		}
		row.File, row.Line, row.Index = path, line, len(rows)
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

// EachLine calls visit with every line of a file that is not blank, with its
// number from 1, without its line end. An error of visit stops the walk and is
// wrapped with file and line. text is only valid during the call.
func EachLine(path string, visit func(line int, text []byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	reader := bufio.NewReaderSize(f, 1<<20)
	var text []byte
	for line := 1; ; line++ {
		text, err = readLine(reader, text[:0])
		last := err == io.EOF
		if err != nil && !last {
			return fmt.Errorf("%s:%d: %w", path, line, err)
		}
		if line == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		if !utf8.Valid(text) {
			return fmt.Errorf("%s:%d: the line is not valid UTF-8", path, line)
		}
		if len(bytes.TrimSpace(text)) > 0 {
			if err := visit(line, bytes.TrimSpace(text)); err != nil {
				return fmt.Errorf("%s:%d: %w", path, line, err)
			}
		}
		if last {
			return nil
		}
	}
}

// readLine appends the next line to buffer, whatever its length up to
// MaxLineBytes. At the end of the file the error is io.EOF, with or without text.
func readLine(r *bufio.Reader, buffer []byte) ([]byte, error) {
	for {
		part, err := r.ReadSlice('\n')
		buffer = append(buffer, part...)
		if len(bytes.TrimRight(buffer, "\r\n")) > MaxLineBytes {
			return buffer, fmt.Errorf("the line is longer than %d MiB", MaxLineBytes>>20)
		}
		if err != bufio.ErrBufferFull {
			return buffer, err
		}
	}
}
