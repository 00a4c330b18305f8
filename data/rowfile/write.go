package rowfile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
)

// ErrContainer is returned for a file name that says no container that can be written.
var ErrContainer = errors.New("unknown container")

// IsParquet says whether a file name asks for Parquet.
func IsParquet(name string) bool { return strings.EqualFold(filepath.Ext(name), ".parquet") }

// CheckName says whether the container that a file name asks for can be written: .jsonl
// (or .json, .ndjson), these with .gz or .zst behind, and .parquet.
func CheckName(name string) error {
	base := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(name), ".gz"), ".zst")
	switch filepath.Ext(base) {
	case ".jsonl", ".json", ".ndjson":
		return nil
	case ".parquet":
		if IsParquet(name) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s: use .jsonl, .jsonl.gz, .jsonl.zst or .parquet", ErrContainer, name)
}

// RejectsName is the file beside an output that takes the rows that were refused.
func RejectsName(output string) string {
	ext := ""
	for _, end := range []string{".gz", ".zst"} {
		if strings.EqualFold(filepath.Ext(output), end) {
			ext = output[len(output)-len(end):]
			output = output[:len(output)-len(end)]
		}
	}
	return strings.TrimSuffix(output, filepath.Ext(output)) + ".rejects.jsonl" + ext
}

// Writer writes rows to a container.
type Writer struct {
	lines   *bufio.Writer
	encoder *json.Encoder
	closers []io.Closer
	columns *parquet.GenericWriter[any]
	rows    int // written to columns
}

// NewWriter writes the container that name asks for (CheckName) to w. like is a row of the
// struct type that all rows have; only Parquet needs it, for its columns. Close completes
// the container and leaves w open.
func NewWriter(w io.Writer, name string, like any) (*Writer, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	out := &Writer{}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".parquet":
		out.columns = parquet.NewGenericWriter[any](w, parquet.SchemaOf(like), parquet.Compression(&parquet.Zstd), parquet.PageBufferSize(1<<20))
		return out, nil
	case ".gz":
		zipped := gzip.NewWriter(w)
		out.closers, w = append(out.closers, zipped), zipped
	case ".zst":
		zipped, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		out.closers, w = append(out.closers, zipped), zipped
	}
	out.lines = bufio.NewWriterSize(w, 1<<16)
	out.encoder = json.NewEncoder(out.lines)
	out.encoder.SetEscapeHTML(false)
	return out, nil
}

// rowsPerGroup bounds what Parquet keeps in memory before it writes.
const rowsPerGroup = 20_000

// Write writes one row.
func (w *Writer) Write(row any) error {
	if w.columns == nil {
		return w.encoder.Encode(row)
	}
	if _, err := w.columns.Write([]any{row}); err != nil {
		return err
	}
	w.rows++
	if w.rows%rowsPerGroup == 0 {
		return w.columns.Flush()
	}
	return nil
}

// WriteRaw writes a row that is JSON already, on one line.
func (w *Writer) WriteRaw(text []byte) error {
	if w.columns != nil {
		return errors.New("rowfile: Parquet takes typed rows")
	}
	if bytes.IndexByte(text, '\n') >= 0 { // an element of an array written over several lines
		var line bytes.Buffer
		if err := json.Compact(&line, text); err != nil {
			return err
		}
		text = line.Bytes()
	}
	if _, err := w.lines.Write(text); err != nil {
		return err
	}
	return w.lines.WriteByte('\n')
}

// Close writes what is left.
func (w *Writer) Close() error {
	if w.columns != nil {
		return w.columns.Close()
	}
	err := w.lines.Flush()
	for _, c := range w.closers {
		err = errors.Join(err, c.Close())
	}
	return err
}
