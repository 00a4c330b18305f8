// Package safetensors reads and writes the safetensors format: an 8-byte length, a
// JSON header naming each tensor's dtype, shape and byte range, then the bytes.
//
// A File is one file, memory-mapped; a Folder is the weights of a Hugging Face
// folder, one file or several shards with an index, as one set of names. Both may
// be read from many goroutines at once. Files come from anywhere: every malformed
// case is refused at opening with an error of its own (errors.go), before any
// length in the file is trusted.
//
// The package owns the mapping and nothing else, and knows nothing of models.
// model calls it to load and save parameters, engine's checkpoints through model.
package safetensors

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"retort/model/half"
	"retort/model/mapped"
)

// DType is the format of a tensor's values, by its name in the header.
type DType string

// The dtypes that this package converts; the others it knows are read by Raw.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I64  DType = "I64"
)

var dtypeBytes = map[DType]int{
	F64: 8, F32: 4, F16: 2, BF16: 2,
	"F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1,
	I64: 8, "I32": 4, "I16": 2, "I8": 1,
	"U64": 8, "U32": 4, "U16": 2, "U8": 1,
	"BOOL": 1, "C64": 8,
}

// Size is the bytes of one value; 0 for a dtype that is not known.
func (d DType) Size() int { return dtypeBytes[d] }

// Info describes one tensor.
type Info struct {
	Name  string
	DType DType
	Shape []int // outermost first; empty for a scalar

	begin, end int // bytes within the file
}

// Elements is the number of values.
func (t Info) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Bytes is the stored size in bytes.
func (t Info) Bytes() int { return t.end - t.begin }

// File is one open safetensors file.
type File struct {
	path   string
	bytes  *mapped.File
	header *header
}

// Open maps the file at path and checks its whole header.
func Open(path string) (*File, error) {
	m, err := mapped.Open(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	f, err := newFile(path, m)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	return f, nil
}

// newFile reads the header of m, which it closes when that fails.
func newFile(path string, m *mapped.File) (*File, error) {
	f := &File{path: path, bytes: m}
	err := m.View(func(data []byte) (err error) {
		f.header, err = parse(data)
		return err
	})
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Close unmaps the file. Slices from Raw must not be used afterwards; other reads
// after Close are errors.
func (f *File) Close() error { return f.bytes.Close() }

// Names are the tensors' names, sorted.
func (f *File) Names() []string { return slices.Clone(f.header.names) }

// Metadata is a copy of the header's __metadata__, empty where there is none.
func (f *File) Metadata() map[string]string { return maps.Clone(f.header.metadata) }

// Info describes the tensor of that name, or is false.
func (f *File) Info(name string) (Info, bool) {
	t, ok := f.header.tensors[name]
	t.Shape = slices.Clone(t.Shape)
	return t, ok
}

// ReadFloat32 converts the tensor's values (F64, F32, F16, BF16) into dst, which
// has exactly as many elements, in row-major order.
func (f *File) ReadFloat32(name string, dst []float32) error {
	return f.view(name, func(t Info, raw []byte) error {
		if len(dst) != t.Elements() {
			return fmt.Errorf("%w: %v has %d values, the destination %d", ErrLength, t.Shape, t.Elements(), len(dst))
		}
		return decode(dst, raw, t.DType)
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
		return decode(values, raw, t.DType)
	})
	if err != nil {
		return nil, err
	}
	return dense, nil
}

// Raw is the tensor's stored bytes, little-endian, read-only and valid until Close.
func (f *File) Raw(name string) ([]byte, error) {
	var stored []byte
	err := f.view(name, func(t Info, raw []byte) error {
		stored = raw
		return nil
	})
	return stored, err
}

// view calls use with the tensor's description and stored bytes.
func (f *File) view(name string, use func(t Info, raw []byte) error) error {
	t, ok := f.header.tensors[name]
	if !ok {
		return f.fail(name, ErrNoTensor)
	}
	if err := f.bytes.View(func(data []byte) error {
		return use(t, data[t.begin:t.end:t.end])
	}); err != nil {
		return f.fail(name, err)
	}
	return nil
}

// fail puts the file and the tensor before err.
func (f *File) fail(name string, err error) error {
	return fmt.Errorf("safetensors: %s: %w", f.path, inTensor(name, err))
}

// decode converts stored values to float32.
//
//	dst  (n)
//	raw  (n · dtype.Size())
func decode(dst []float32, raw []byte, dtype DType) error {
	switch dtype {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	case F16:
		half.DecodeF16(dst, raw)
	case BF16:
		half.DecodeBF16(dst, raw)
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:])))
		}
	default:
		return fmt.Errorf("%w: %s", ErrNotFloat, dtype)
	}
	return nil
}
