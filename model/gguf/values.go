package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// kind is the type of a metadata value, by its number in the file.
type kind uint32

const (
	kindUint8 kind = iota
	kindInt8
	kindUint16
	kindInt16
	kindUint32
	kindInt32
	kindFloat32
	kindBool
	kindString
	kindArray
	kindUint64
	kindInt64
	kindFloat64
)

// size is the bytes of a value of fixed size; 0 for strings, arrays and unknown kinds.
func (k kind) size() int {
	switch k {
	case kindUint8, kindInt8, kindBool:
		return 1
	case kindUint16, kindInt16:
		return 2
	case kindUint32, kindInt32, kindFloat32:
		return 4
	case kindUint64, kindInt64, kindFloat64:
		return 8
	}
	return 0
}

// value is one metadata value: a number's bits, or where an array's or a string's
// content lies in the metadata.
type value struct {
	kind       kind
	element    kind   // of an array
	count      int    // of an array's elements
	number     uint64 // the stored bits of a value of fixed size
	begin, end int    // the content of a string or an array within the file
}

// value reads a value's type and content.
func (c *cursor) value() (value, error) {
	number, err := c.uint32()
	if err != nil {
		return value{}, err
	}
	v := value{kind: kind(number)}
	switch v.kind {
	case kindString:
		text, err := c.text(maxInt)
		v.begin, v.end = c.at-len(text), c.at
		return v, err
	case kindArray:
		return c.array(1)
	}
	size := v.kind.size()
	if size == 0 {
		return value{}, fmt.Errorf("%w: %d", ErrValueKind, number)
	}
	raw, err := c.take(size)
	if err != nil {
		return value{}, err
	}
	v.number = bitsOf(raw)
	return v, checkBools(v.kind, raw)
}

// array reads an array's element type, count and content; depth counts nesting.
func (c *cursor) array(depth int) (value, error) {
	if depth > maxArrayDepth {
		return value{}, fmt.Errorf("%w: %d", ErrTooDeep, maxArrayDepth)
	}
	number, err := c.uint32()
	if err != nil {
		return value{}, err
	}
	count, err := c.uint64()
	if err != nil {
		return value{}, err
	}
	v := value{kind: kindArray, element: kind(number), begin: c.at}
	least := v.element.size()
	switch v.element {
	case kindString:
		least = 8
	case kindArray:
		least = 12
	}
	if least == 0 {
		return value{}, fmt.Errorf("%w in an array: %d", ErrValueKind, number)
	}
	if err := c.fits(count, least); err != nil {
		return value{}, fmt.Errorf("array elements: %w", err)
	}
	v.count = int(count)
	if err := c.elements(v, least, depth); err != nil {
		return value{}, err
	}
	v.end = c.at
	return v, nil
}

// elements reads the content of array v, of which size is that of a fixed-size element.
func (c *cursor) elements(v value, size, depth int) error {
	switch v.element {
	case kindString:
		for range v.count {
			if _, err := c.text(maxInt); err != nil {
				return err
			}
		}
		return nil
	case kindArray:
		for range v.count {
			if _, err := c.array(depth + 1); err != nil {
				return err
			}
		}
		return nil
	}
	raw, err := c.take(v.count * size)
	if err != nil {
		return err
	}
	return checkBools(v.element, raw)
}

// checkBools refuses booleans other than 0 and 1; other kinds pass.
func checkBools(k kind, raw []byte) error {
	if k == kindBool {
		if i := slices.IndexFunc(raw, func(b byte) bool { return b > 1 }); i >= 0 {
			return fmt.Errorf("%w: %d", ErrBool, raw[i])
		}
	}
	return nil
}

// bitsOf is the little-endian number in 1, 2, 4 or 8 bytes.
func bitsOf(raw []byte) uint64 {
	switch len(raw) {
	case 1:
		return uint64(raw[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(raw))
	case 4:
		return uint64(binary.LittleEndian.Uint32(raw))
	}
	return binary.LittleEndian.Uint64(raw)
}

// integer is the value of stored bits of an integer kind that fits an int64.
func integer(k kind, stored uint64) (int64, bool) {
	switch k {
	case kindInt8:
		return int64(int8(stored)), true
	case kindInt16:
		return int64(int16(stored)), true
	case kindInt32:
		return int64(int32(stored)), true
	case kindInt64:
		return int64(stored), true
	case kindUint8, kindUint16, kindUint32, kindUint64:
		if stored <= math.MaxInt64 {
			return int64(stored), true
		}
	}
	return 0, false
}

// float is the value of stored bits of a floating-point kind.
func float(k kind, stored uint64) (float64, bool) {
	switch k {
	case kindFloat32:
		return float64(math.Float32frombits(uint32(stored))), true
	case kindFloat64:
		return math.Float64frombits(stored), true
	}
	return 0, false
}

// Keys are the metadata's keys in the file's order.
func (f *File) Keys() []string { return slices.Clone(f.header.keys) }

// String is a string of the metadata; false where the key is absent or of another
// type, as in the functions below.
func (f *File) String(key string) (string, bool) {
	v, ok := f.header.values[key]
	if !ok || v.kind != kindString {
		return "", false
	}
	return string(f.meta[v.begin:v.end]), true
}

// Bool is a boolean of the metadata.
func (f *File) Bool(key string) (bool, bool) {
	v, ok := f.header.values[key]
	if !ok || v.kind != kindBool {
		return false, false
	}
	return v.number == 1, true
}

// Uint is an integer of the metadata, of any integer type, that is not negative.
func (f *File) Uint(key string) (uint64, bool) {
	v := f.header.values[key]
	if v.kind == kindUint64 {
		return v.number, true
	}
	n, ok := f.Int(key)
	if !ok || n < 0 {
		return 0, false
	}
	return uint64(n), true
}

// Int is an integer of the metadata, of any integer type, that fits an int64.
func (f *File) Int(key string) (int64, bool) {
	v, ok := f.header.values[key]
	if !ok {
		return 0, false
	}
	return integer(v.kind, v.number)
}

// Float is a float32 or float64 of the metadata.
func (f *File) Float(key string) (float64, bool) {
	v, ok := f.header.values[key]
	if !ok {
		return 0, false
	}
	return float(v.kind, v.number)
}

// Strings is an array of strings.
func (f *File) Strings(key string) ([]string, bool) {
	v, ok := f.header.values[key]
	if !ok || v.kind != kindArray || v.element != kindString {
		return nil, false
	}
	out := make([]string, v.count)
	rest := f.meta[v.begin:v.end]
	for i := range out {
		end := 8 + int(binary.LittleEndian.Uint64(rest))
		out[i] = string(rest[8:end])
		rest = rest[end:]
	}
	return out, true
}

// Ints is an array of integers of any one integer type that all fit an int64.
func (f *File) Ints(key string) ([]int64, bool) {
	return elements(f, key, integer)
}

// Floats is an array of float32 or float64, the latter rounded.
func (f *File) Floats(key string) ([]float32, bool) {
	return elements(f, key, func(k kind, stored uint64) (float32, bool) {
		v, ok := float(k, stored)
		return float32(v), ok
	})
}

// elements converts an array of fixed-size elements one by one, until one does not.
func elements[T any](f *File, key string, convert func(kind, uint64) (T, bool)) ([]T, bool) {
	v, ok := f.header.values[key]
	if !ok || v.kind != kindArray || v.element.size() == 0 {
		return nil, false
	}
	if _, ok := convert(v.element, 0); !ok {
		return nil, false
	}
	size := v.element.size()
	out := make([]T, v.count)
	for i := range out {
		if out[i], ok = convert(v.element, bitsOf(f.meta[v.begin+i*size:][:size])); !ok {
			return nil, false
		}
	}
	return out, true
}
