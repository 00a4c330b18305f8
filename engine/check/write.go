package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	"retort/data"
	"retort/data/augment"
	"retort/data/rowfile"
	"retort/engine"
	"retort/engine/checkpoint"
)

// ReasonMixed refuses a row for Parquet, which has the same columns in all rows.
const ReasonMixed = "of another shape than the first row written, and Parquet has room for one"

// rejected is one row of the file beside the output.
type rejected struct {
	Line   int             `json:"line"`
	Reason string          `json:"reason"`
	Row    json.RawMessage `json:"row,omitempty"`
	Text   string          `json:"text,omitempty"` // of a line that is no JSON
}

// write reads the file again and writes what is left, and beside it what is not. Both files
// appear whole or not at all; a row is in exactly one of them.
func (t *tally) write() error {
	beside := rowfile.RejectsName(t.o.Output)
	err := checkpoint.WriteFile(t.o.Output, func(out io.Writer) error {
		return checkpoint.WriteFile(beside, func(rejects io.Writer) error {
			w := &writer{tally: t, to: out}
			var err error
			if w.rejects, err = rowfile.NewWriter(rejects, beside, rejected{}); err != nil {
				return err
			}
			if err := w.all(); err != nil {
				return err
			}
			return w.rejects.Close()
		})
	})
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	if t.report.Written == 0 {
		t.report.Refused = fmt.Sprintf("%s: no row could be written: %s", t.o.Dataset, t.report.Rejects)
	}
	return nil
}

// writer writes the rows of one output.
type writer struct {
	*tally
	to      io.Writer
	rows    *rowfile.Writer // opened with the first row, whose columns Parquet takes
	columns reflect.Type
	rejects *rowfile.Writer
}

// readTwice says why a file cannot be read a second time.
func readTwice(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%w: output needs to read the dataset twice, and %s is no file: save it first", engine.ErrUsage, path)
	}
	return nil
}

var errChanged = errors.New("the file changed while it was read")

func (w *writer) all() error {
	read := 0
	err := data.EachRow(w.o.Dataset, func(row data.Row, text []byte, fault error) error {
		read++
		if row.Index >= len(w.tally.rows) || int32(row.Line) != w.tally.rows[row.Index].line {
			return errChanged
		}
		reason := w.reasons[w.tally.rows[row.Index].reason]
		if reason == "" || reason == ReasonPreference && w.o.Transform == "" {
			err := w.row(row, text)
			var refused *data.RefusedError
			if !errors.As(err, &refused) {
				return err
			}
			reason = refused.Reason
			w.report.Rejects.Add(reason, row.Line)
		}
		return w.reject(row, text, reason)
	})
	if err == nil && read != len(w.tally.rows) {
		err = errChanged
	}
	if err != nil {
		return fmt.Errorf("%w: %w", engine.ErrBadInput, err)
	}
	if w.rows == nil { // an empty file is a file too
		if w.rows, err = rowfile.NewWriter(w.to, w.o.Output, rejected{}); err != nil {
			return err
		}
	}
	return w.rows.Close()
}

// row writes one row that is left.
func (w *writer) row(row data.Row, text []byte) error {
	if w.o.Format == "" && w.o.Transform == "" {
		if err := w.open(nil); err != nil {
			return err
		}
		w.report.Written++
		return w.rows.WriteRaw(text)
	}
	format := data.Format(w.o.Format)
	if w.o.Transform != "" {
		var err error
		if row, err = augment.Transform(w.o.Transform).Apply(row, uint64(w.o.Seed)); err != nil {
			return err
		}
	}
	if format == "" {
		format = data.FormatPromptCompletion
	}
	record, err := data.Export(row, format)
	if err != nil {
		return err
	}
	if err := w.open(record); err != nil {
		return err
	}
	if rowfile.IsParquet(w.o.Output) && reflect.TypeOf(record) != w.columns {
		return &data.RefusedError{Reason: ReasonMixed}
	}
	w.report.Written++
	return w.rows.Write(record)
}

func (w *writer) open(first any) (err error) {
	if w.rows == nil {
		w.columns = reflect.TypeOf(first)
		w.rows, err = rowfile.NewWriter(w.to, w.o.Output, first)
	}
	return err
}

func (w *writer) reject(row data.Row, text []byte, reason string) error {
	r := rejected{Line: row.Line, Reason: reason}
	if json.Valid(text) {
		r.Row = text
	} else {
		r.Text = string(text)
	}
	return w.rejects.Write(r)
}
