package gguf

import (
	"encoding/binary"
	"fmt"
	"io"
	"reflect"
	"slices"
	"unicode/utf8"
)

// KV is one metadata key and its value: a string, bool, float32, float64 or sized
// integer, or a slice of one of these.
type KV struct {
	Key   string
	Value any
}

// Entry is one tensor to write.
type Entry struct {
	Name  string
	Shape []int // outermost first; empty for a scalar
	Type  Type  // as stored, one of Type.Writable
	Data  []float32
}

// kinds are the metadata types of Go's kinds.
var kinds = map[reflect.Kind]kind{
	reflect.Uint8: kindUint8, reflect.Int8: kindInt8,
	reflect.Uint16: kindUint16, reflect.Int16: kindInt16,
	reflect.Uint32: kindUint32, reflect.Int32: kindInt32,
	reflect.Uint64: kindUint64, reflect.Int64: kindInt64,
	reflect.Float32: kindFloat32, reflect.Float64: kindFloat64,
	reflect.Bool: kindBool, reflect.String: kindString,
}

// chunkBlocks is how many blocks of values are converted at a time.
const chunkBlocks = 1 << 9

// Write writes a GGUF file of version 3 with the metadata and the tensors in the
// order given, aligned to 32 bytes. Values are quantized in small chunks.
func Write(w io.Writer, meta []KV, tensors []Entry) error {
	head, err := encodeHeader(meta, tensors)
	if err != nil {
		return fmt.Errorf("gguf: %w", err)
	}
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("gguf: header: %w", err)
	}
	for _, e := range tensors {
		if err := e.write(w); err != nil {
			return fmt.Errorf("gguf: %w", inTensor(e.Name, err))
		}
	}
	return nil
}

// write writes the tensor's data and its padding.
func (e Entry) write(w io.Writer) error {
	var chunk []byte
	written := 0
	for values := range slices.Chunk(e.Data, chunkBlocks*blockValues) {
		var err error
		if chunk, err = quantize(chunk[:0], values, e.Type); err != nil {
			return err
		}
		if _, err := w.Write(chunk); err != nil {
			return err
		}
		written += len(chunk)
	}
	_, err := w.Write(make([]byte, alignUp(uint64(written), defaultAlignment)-uint64(written)))
	return err
}

// encodeHeader is the file up to the first tensor's data.
func encodeHeader(meta []KV, tensors []Entry) ([]byte, error) {
	out := append([]byte(magic), version, 0, 0, 0)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(tensors)))
	out = binary.LittleEndian.AppendUint64(out, uint64(len(meta)))
	keys := map[string]bool{}
	for _, kv := range meta {
		if keys[kv.Key] {
			return nil, inKey(kv.Key, ErrDuplicateKey)
		}
		keys[kv.Key] = true
		var err error
		if out, err = appendKV(out, kv); err != nil {
			return nil, inKey(kv.Key, err)
		}
	}
	names := map[string]bool{}
	offset := uint64(0)
	for _, e := range tensors {
		if names[e.Name] {
			return nil, inTensor(e.Name, ErrDuplicateTensor)
		}
		names[e.Name] = true
		size, err := e.check()
		if err != nil {
			return nil, inTensor(e.Name, err)
		}
		out = appendText(out, e.Name)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(e.Shape)))
		for _, size := range slices.Backward(e.Shape) {
			out = binary.LittleEndian.AppendUint64(out, uint64(size))
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(e.Type))
		out = binary.LittleEndian.AppendUint64(out, offset)
		offset = alignUp(offset+uint64(size), defaultAlignment)
	}
	padding := alignUp(uint64(len(out)), defaultAlignment) - uint64(len(out))
	return append(out, make([]byte, padding)...), nil
}

// check is the entry's stored size in bytes, or what is wrong with it.
func (e Entry) check() (int, error) {
	if err := checkName(e.Name); err != nil {
		return 0, err
	}
	if !e.Type.Writable() {
		return 0, fmt.Errorf("%w for writing: %s", ErrUnsupportedType, e.Type)
	}
	if len(e.Shape) > maxRank {
		return 0, fmt.Errorf("%w: %v", ErrRank, e.Shape)
	}
	if slices.ContainsFunc(e.Shape, func(size int) bool { return size < 0 }) {
		return 0, fmt.Errorf("%w: negative size in %v", ErrShapeOverflow, e.Shape)
	}
	size, err := shapeBytes(e.Shape, e.Type)
	if err != nil {
		return 0, err
	}
	if want := (Info{Shape: e.Shape}).Elements(); want != len(e.Data) {
		return 0, fmt.Errorf("%w: %v needs %d values, %d given", ErrLength, e.Shape, want, len(e.Data))
	}
	return size, nil
}

// checkName refuses a key or tensor name that a reader would refuse.
func checkName(name string) error {
	if len(name) > maxKeyBytes {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrStringLength, len(name), maxKeyBytes)
	}
	if !utf8.ValidString(name) {
		return ErrUTF8
	}
	return nil
}

// appendText appends a string: its length, then its bytes.
func appendText(out []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(out, uint64(len(s))), s...)
}

// appendKV appends a key, its value's type and its value.
func appendKV(out []byte, kv KV) ([]byte, error) {
	if err := checkName(kv.Key); err != nil {
		return nil, err
	}
	if kv.Key == alignmentKey && kv.Value != uint32(defaultAlignment) {
		return nil, fmt.Errorf("%w that is written: uint32 %d", ErrAlignment, defaultAlignment)
	}
	out = appendText(out, kv.Key)
	v := reflect.ValueOf(kv.Value)
	if v.Kind() != reflect.Slice {
		k, ok := kinds[v.Kind()]
		if !ok {
			return nil, fmt.Errorf("%w: %T", ErrValueKind, kv.Value)
		}
		return appendValue(binary.LittleEndian.AppendUint32(out, uint32(k)), v)
	}
	k, ok := kinds[v.Type().Elem().Kind()]
	if !ok {
		return nil, fmt.Errorf("%w: %T", ErrValueKind, kv.Value)
	}
	out = binary.LittleEndian.AppendUint32(out, uint32(kindArray))
	out = binary.LittleEndian.AppendUint32(out, uint32(k))
	out = binary.LittleEndian.AppendUint64(out, uint64(v.Len()))
	if k != kindString {
		return appendValue(out, v)
	}
	for i := range v.Len() {
		out = appendText(out, v.Index(i).String())
	}
	return out, nil
}

// appendValue appends a string, or a number or boolean or a slice of these.
func appendValue(out []byte, v reflect.Value) ([]byte, error) {
	if v.Kind() == reflect.String {
		return appendText(out, v.String()), nil
	}
	return binary.Append(out, binary.LittleEndian, v.Interface())
}
