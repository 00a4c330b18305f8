// Package rowfile reads and writes the containers that rows come in: JSONL, a JSON array
// of objects, and Parquet, plain or compressed with gzip or zstd. It streams: a file of
// any size needs the memory of a few rows (Parquet: of a few pages).
//
// It owns the limits on lines and the detection of containers by their first bytes, never
// by the file's name; what a row means is package data's. data and the engine call it.
package rowfile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

// MaxLineBytes is the longest row that is read, as JSON.
const MaxLineBytes = 16 << 20

// Limits on what a zstd frame may ask of this process.
const (
	maxWindowBytes  = 128 << 20
	maxDecoderBytes = 256 << 20
)

// Faults of single rows; reading goes on behind them.
var (
	// ErrLineTooLong is the fault of a row beyond MaxLineBytes.
	ErrLineTooLong = fmt.Errorf("the line is longer than %d MiB", MaxLineBytes>>20)
	// ErrUTF8 is the fault of a row that is no text.
	ErrUTF8 = errors.New("the line is not valid UTF-8")
	// ErrOpenArray is the fault of a JSON array that ends before its bracket.
	ErrOpenArray = errors.New("the JSON array is cut: its closing bracket is missing")
	// ErrAfterArray is the fault of text behind a JSON array.
	ErrAfterArray = errors.New("there is text behind the JSON array")
)

// Visit gets one row: its text without surrounding space, valid during the call only, and
// its number from 1, which is the line in JSONL and the place among the rows elsewhere.
// fault, when not nil, says why the row cannot be used; text may then be nil. An error
// that Visit returns ends the walk.
type Visit func(line int, text []byte, fault error) error

// Each walks over the rows of a file. Blank lines and a byte order mark are passed over.
// The error names file and line, and wraps that of visit where it is visit's.
func Each(path string, visit Visit) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	line := 0
	err = each(f, func(n int, text []byte, fault error) error {
		line = n
		return visit(n, text, fault)
	})
	var broken *readError
	switch {
	case errors.As(err, &broken):
		return fmt.Errorf("%s:%d: %w", path, line+1, broken.error)
	case err != nil:
		return fmt.Errorf("%s:%d: %w", path, line, err)
	}
	return nil
}

// readError is a failure of the file itself, somewhere behind the last row that was read.
type readError struct{ error }

// each finds out what the file is.
func each(f *os.File, visit Visit) error {
	reader := bufio.NewReaderSize(f, 1<<20)
	magic, _ := reader.Peek(4) // shorter files are none of these
	switch {
	case bytes.Equal(magic, []byte("PAR1")):
		return eachParquet(f, visit)
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		unzipped, err := gzip.NewReader(reader)
		if err != nil {
			return &readError{err}
		}
		return eachText(bufio.NewReaderSize(unzipped, 1<<20), visit)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		unzipped, err := zstd.NewReader(reader, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindowBytes), zstd.WithDecoderMaxMemory(maxDecoderBytes))
		if err != nil {
			return &readError{err}
		}
		defer unzipped.Close()
		return eachText(bufio.NewReaderSize(unzipped, 1<<20), visit)
	}
	return eachText(reader, visit)
}

// eachText walks over JSONL, or over a JSON array where the first character opens one.
func eachText(reader *bufio.Reader, visit Visit) error {
	if mark, _ := reader.Peek(3); string(mark) == "\ufeff" {
		_, _ = reader.Discard(3) // they were peeked at
	}
	start, _ := reader.Peek(4096)
	if bytes.HasPrefix(bytes.TrimSpace(start), []byte("[")) {
		return eachElement(reader, visit)
	}
	var text []byte
	for line := 1; ; line++ {
		var err, fault error
		text, fault, err = readLine(reader, text[:0])
		last := err == io.EOF
		if err != nil && !last {
			return &readError{err}
		}
		if err := deliver(line, text, fault, visit); err != nil {
			return err
		}
		if last {
			return nil
		}
	}
}

// deliver hands one row on, unless it is blank.
func deliver(line int, text []byte, fault error, visit Visit) error {
	if fault == nil && !utf8.Valid(text) {
		fault = ErrUTF8
	}
	if fault != nil {
		return visit(line, nil, fault)
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return nil
	}
	return visit(line, text, nil)
}

// readLine appends the next line to buffer; beyond MaxLineBytes it keeps nothing more and
// reads to the line's end. At the end of the file err is io.EOF, with or without text.
func readLine(r *bufio.Reader, buffer []byte) (text []byte, fault, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if fault == nil {
			buffer = append(buffer, part...)
			if len(bytes.TrimRight(buffer, "\r\n")) > MaxLineBytes {
				fault = ErrLineTooLong
			}
		}
		if err != bufio.ErrBufferFull {
			return buffer, fault, err
		}
	}
}
