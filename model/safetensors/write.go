package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"retort/model/half"
)

// Entry is one tensor to write.
type Entry struct {
	Name  string
	Shape []int     // outermost first; empty for a scalar
	DType DType     // F32 or, rounded to nearest even, BF16 or F16; I64 for Int64
	Data  []float32 // the values in row-major order, unless DType is I64
	Int64 []int64   // the values of an I64 tensor
	// Load, where Data is nil, returns the values when they are about to be written,
	// so that a large file needs one tensor in memory at a time.
	Load func() ([]float32, error)
}

// length is the number of values given; those that Load will return are the shape's.
func (e Entry) length() int {
	switch {
	case e.DType == I64:
		return len(e.Int64)
	case e.Data == nil && e.Load != nil:
		n := 1
		for _, d := range e.Shape {
			n *= d
		}
		return n
	}
	return len(e.Data)
}

// load fetches the values that are not there yet.
func (e *Entry) load() error {
	if e.Data != nil || e.Load == nil {
		return nil
	}
	want := e.length()
	data, err := e.Load()
	if err != nil {
		return err
	}
	if e.Data = data; len(data) != want {
		return fmt.Errorf("%w: %v needs %d values, %d given", ErrLength, e.Shape, want, len(data))
	}
	return nil
}

// chunkValues is how many values are converted at a time.
const chunkValues = 1 << 14

// Write writes a safetensors file. Equal entries give equal bytes in whatever
// order they come: tensors are laid out by dtype, widest first, so that each is
// aligned, then by name. metadata gets "format": "pt" unless it has a format:
// transformers refuses files without. Values are converted in small chunks.
func Write(w io.Writer, entries []Entry, metadata map[string]string) error {
	order := slices.SortedFunc(slices.Values(entries), func(a, b Entry) int {
		return cmp.Or(cmp.Compare(b.DType.Size(), a.DType.Size()), cmp.Compare(a.Name, b.Name))
	})
	head, err := encodeHeader(order, metadata)
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("safetensors: header: %w", err)
	}
	chunk := make([]byte, 0, chunkValues*F64.Size())
	for _, e := range order { // a copy: what it loads is dropped with it
		if err := e.load(); err != nil {
			return fmt.Errorf("safetensors: %w", inTensor(e.Name, err))
		}
		for from := 0; from < e.length(); from += chunkValues {
			chunk = e.appendValues(chunk[:0], from, min(from+chunkValues, e.length()))
			if _, err := w.Write(chunk); err != nil {
				return fmt.Errorf("safetensors: %w", inTensor(e.Name, err))
			}
		}
	}
	return nil
}

// appendValues appends the stored form of the values [from, to).
func (e Entry) appendValues(dst []byte, from, to int) []byte {
	switch e.DType {
	case I64:
		for _, v := range e.Int64[from:to] {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
		}
		return dst
	case BF16:
		return half.AppendBF16(dst, e.Data[from:to])
	case F16:
		return half.AppendF16(dst, e.Data[from:to])
	}
	for _, v := range e.Data[from:to] {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	}
	return dst
}

// encodeHeader is the length and the header of a file with the tensors in that
// order, padded with spaces to a multiple of 8 bytes.
func encodeHeader(order []Entry, metadata map[string]string) ([]byte, error) {
	meta := map[string]string{"format": "pt"}
	maps.Copy(meta, metadata)
	for key, value := range meta {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return nil, fmt.Errorf("%s: %.120q: %w", metadataKey, key, ErrUTF8)
		}
	}
	text := bytes.NewBuffer(make([]byte, prefixBytes))
	text.WriteString(`{"` + metadataKey + `":`)
	if err := appendJSON(text, meta); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	offset := 0
	for _, e := range order {
		size, err := e.check()
		if err != nil {
			return nil, inTensor(e.Name, err)
		}
		if seen[e.Name] {
			return nil, inTensor(e.Name, fmt.Errorf("%w: used twice", ErrName))
		}
		seen[e.Name] = true
		text.WriteByte(',')
		if err := appendJSON(text, e.Name); err != nil {
			return nil, err
		}
		text.WriteByte(':')
		if err := appendJSON(text, struct {
			DType   DType  `json:"dtype"`
			Shape   []int  `json:"shape"`
			Offsets [2]int `json:"data_offsets"`
		}{e.DType, append([]int{}, e.Shape...), [2]int{offset, offset + size}}); err != nil {
			return nil, err
		}
		offset += size
	}
	text.WriteByte('}')
	for text.Len()%prefixBytes != 0 {
		text.WriteByte(' ')
	}
	length := text.Len() - prefixBytes
	if length > MaxHeaderBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrHeaderTooLong, length, MaxHeaderBytes)
	}
	binary.LittleEndian.PutUint64(text.Bytes(), uint64(length))
	return text.Bytes(), nil
}

// check is the entry's size in bytes, or what is wrong with it.
func (e Entry) check() (int, error) {
	if !utf8.ValidString(e.Name) {
		return 0, fmt.Errorf("%w: %w", ErrName, ErrUTF8)
	}
	if strings.EqualFold(e.Name, metadataKey) {
		return 0, fmt.Errorf("%w: reserved by the format", ErrName)
	}
	switch e.DType {
	case F32, BF16, F16, I64:
	default:
		return 0, fmt.Errorf("%w to write: %q", ErrDType, string(e.DType))
	}
	if slices.ContainsFunc(e.Shape, func(d int) bool { return d < 0 }) {
		return 0, fmt.Errorf("%w: shape %v", ErrNumber, e.Shape)
	}
	size, ok := shapeBytes(e.Shape, e.DType)
	if !ok {
		return 0, fmt.Errorf("%w: %v of %s", ErrShapeOverflow, e.Shape, e.DType)
	}
	if have := e.length() * e.DType.Size(); have != size {
		return 0, fmt.Errorf("%w: %v needs %d values, %d given", ErrLength, e.Shape, size/e.DType.Size(), e.length())
	}
	return size, nil
}

// appendJSON appends v without the newline and the HTML escapes of encoding/json.
func appendJSON(text *bytes.Buffer, v any) error {
	enc := json.NewEncoder(text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	text.Truncate(text.Len() - 1)
	return nil
}
