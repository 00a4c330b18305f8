// Package gguf reads and writes GGUF, the weight file of llama.cpp: typed metadata
// (architecture, sizes, tokenizer, chat template), a list of tensors, then their
// data, quantized or not. Versions 2 and 3, little-endian.
//
// A File is memory-mapped; dequantizing (the types of types.go) does ggml's
// arithmetic, value for value, and may run on many goroutines at once.
// Files come from anywhere: every malformed case is refused at opening with an
// error of its own (errors.go), before any count or length in the file is trusted.
//
// The package owns the mapping and a copy of the metadata, and knows nothing of
// models: names, and the order of rows that some architectures store permuted,
// are the file's. model calls it to load parameters, and to export them.
package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"retort/model/half"
	"retort/model/mapped"
)

// Info describes one tensor.
type Info struct {
	Name  string
	Type  Type
	Shape []int // outermost first, the reverse of the file's order; empty for a scalar

	offset uint64 // of the first byte
	bytes  int
}

// Elements is the number of values.
func (t Info) Elements() int {
	n := 1
	for _, size := range t.Shape {
		n *= size
	}
	return n
}

// Bytes is the stored size in bytes; 0 for a type that Type.String knows by number only.
func (t Info) Bytes() int { return t.bytes }

// File is one open GGUF file.
type File struct {
	path   string
	bytes  *mapped.File
	header *header
	meta   []byte // the file up to the end of the metadata, readable after Close
}

// Open maps the file at path and checks everything before the tensors' data.
func Open(path string) (*File, error) {
	m, err := mapped.Open(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	return newFile(path, m)
}

// newFile reads the header of m, which it closes when that fails.
func newFile(path string, m *mapped.File) (*File, error) {
	f := &File{path: path, bytes: m}
	err := m.View(func(data []byte) (err error) {
		if f.header, err = parse(data); err == nil {
			f.meta = slices.Clone(data[:f.header.metaBytes])
		}
		return err
	})
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("gguf: %s: %w", path, err)
	}
	return f, nil
}

// Close unmaps the file; reading tensors afterwards is an error, the metadata stays.
func (f *File) Close() error { return f.bytes.Close() }

// Names are the tensors' names in the file's order.
func (f *File) Names() []string { return slices.Clone(f.header.names) }

// Info describes the tensor of that name, or is false.
func (f *File) Info(name string) (Info, bool) {
	t, ok := f.header.tensors[name]
	t.Shape = slices.Clone(t.Shape)
	return t, ok
}

// ReadFloat32 dequantizes the tensor into dst, which has exactly as many elements,
// in row-major order.
func (f *File) ReadFloat32(name string, dst []float32) error {
	return f.view(name, func(t Info, raw []byte) error {
		if len(dst) != t.Elements() {
			return fmt.Errorf("%w: %v has %d values, the destination %d", ErrLength, t.Shape, t.Elements(), len(dst))
		}
		dequantize(dst, raw, t.Type)
		return nil
	})
}

// Tensor is the tensor's values as a new float32 array of its shape.
func (f *File) Tensor(name string) (*tensor.Dense, error) {
	var dense *tensor.Dense
	err := f.view(name, func(t Info, raw []byte) error {
		if t.Elements() == 0 {
			return fmt.Errorf("%w: %v", ErrEmpty, t.Shape)
		}
		values := make([]float32, t.Elements())
		dense = tensor.New(tensor.WithShape(t.Shape...), tensor.WithBacking(values))
		dequantize(values, raw, t.Type)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return dense, nil
}

// view calls use with the description and the stored bytes of a tensor whose type
// is supported.
func (f *File) view(name string, use func(t Info, raw []byte) error) error {
	t, ok := f.header.tensors[name]
	err := ErrNoTensor
	switch {
	case ok && !t.Type.Supported():
		err = fmt.Errorf("%w %s", ErrUnsupportedType, t.Type)
	case ok:
		err = f.bytes.View(func(data []byte) error {
			return use(t, data[t.offset:][:t.bytes])
		})
	}
	if err != nil {
		return fmt.Errorf("gguf: %s: %w", f.path, inTensor(name, err))
	}
	return nil
}

// dequantize converts stored values of a supported type to float32.
//
//	dst  (n)   n a multiple of the type's block
//	raw        the n values' blocks
func dequantize(dst []float32, raw []byte, t Type) {
	switch t {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	case F16:
		half.DecodeF16(dst, raw)
	case BF16:
		half.DecodeBF16(dst, raw)
	case Q8_0:
		dequantizeQ8_0(dst, raw)
	case Q4_0:
		dequantizeQ4_0(dst, raw)
	case Q4_1:
		dequantizeQ4_1(dst, raw)
	case Q5_0:
		dequantizeQ5_0(dst, raw)
	case Q5_1:
		dequantizeQ5_1(dst, raw)
	case Q2_K:
		dequantizeSuper(dst, raw, layouts[t].bytes, unpackQ2_K)
	case Q3_K:
		dequantizeSuper(dst, raw, layouts[t].bytes, unpackQ3_K)
	case Q4_K:
		dequantizeSuper(dst, raw, layouts[t].bytes, unpackQ4_K)
	case Q5_K:
		dequantizeSuper(dst, raw, layouts[t].bytes, unpackQ5_K)
	case Q6_K:
		dequantizeSuper(dst, raw, layouts[t].bytes, unpackQ6_K)
	}
}
