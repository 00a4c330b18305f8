package rowfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
)

// ErrParquet is wrapped by errors about files that begin as Parquet and cannot be read.
var ErrParquet = errors.New("damaged Parquet file")

// eachParquet walks over the rows of a Parquet file as JSON objects. A column that is null
// in a row is left out of it: every column stands in every row, keys do not.
func eachParquet(f *os.File, visit Visit) (err error) {
	info, err := f.Stat()
	if err != nil {
		return &readError{err}
	}
	if !info.Mode().IsRegular() {
		return &readError{errors.New("a Parquet file cannot be read from a pipe: its table of contents stands at its end")}
	}
	rows, err := openParquet(f, info.Size())
	if err != nil {
		return &readError{err}
	}
	defer rows.Close()
	for n := 1; ; n++ {
		text, err := nextParquet(rows)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &readError{err}
		}
		var fault error
		if len(text) > MaxLineBytes {
			fault = ErrLineTooLong
		}
		if err := deliver(n, text, fault, visit); err != nil {
			return err
		}
	}
}

func openParquet(f *os.File, size int64) (rows *parquet.GenericReader[any], err error) {
	defer damaged(&err)
	file, err := parquet.OpenFile(f, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	return parquet.NewGenericReader[any](file), nil
}

func nextParquet(rows *parquet.GenericReader[any]) (text []byte, err error) {
	defer damaged(&err)
	row := []any{map[string]any{}}
	switch n, err := rows.Read(row); { // with the last row comes io.EOF
	case n == 0 && err == nil:
		return nil, io.ErrNoProgress
	case n == 0:
		return nil, err
	}
	return json.Marshal(withoutNulls(row[0]))
}

// damaged turns a failure of the library, its panics on damaged files included, into an
// error that wraps ErrParquet.
func damaged(err *error) {
	if cause := recover(); cause != nil {
		*err = fmt.Errorf("%w: %v", ErrParquet, cause)
	} else if *err != nil && *err != io.EOF {
		*err = fmt.Errorf("%w: %w", ErrParquet, *err)
	}
}

// withoutNulls removes the keys of null values, at any depth.
func withoutNulls(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			if item = withoutNulls(item); item == nil {
				delete(v, key)
			} else {
				v[key] = item
			}
		}
	case []any:
		for i, item := range v {
			v[i] = withoutNulls(item)
		}
	}
	return value
}
