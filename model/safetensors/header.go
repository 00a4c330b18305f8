package safetensors

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
)

const (
	// MaxHeaderBytes is the largest header that is read, in bytes; the reference has the same limit.
	MaxHeaderBytes = 100_000_000

	prefixBytes = 8 // the header's length, little-endian
	metadataKey = "__metadata__"
	maxInt      = uint64(1)<<(strconv.IntSize-1) - 1
)

// header is what a file says about itself.
type header struct {
	metadata map[string]string
	tensors  map[string]Info
	names    []string // sorted
}

// parse reads the header of a whole file and checks every tensor against data.
// No size in the file is used before it is known to lie within data.
func parse(data []byte) (*header, error) {
	if len(data) < prefixBytes {
		return nil, fmt.Errorf("%w: %d", ErrFileTooShort, len(data))
	}
	length := binary.LittleEndian.Uint64(data)
	if length > MaxHeaderBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrHeaderTooLong, length, MaxHeaderBytes)
	}
	if length > uint64(len(data)-prefixBytes) {
		return nil, fmt.Errorf("%w: %d bytes, %d follow", ErrHeaderTooShort, length, len(data)-prefixBytes)
	}
	dataStart := prefixBytes + int(length)
	text := data[prefixBytes:dataStart]
	if length == 0 || text[0] != '{' {
		return nil, ErrHeaderStart
	}
	h, err := parseJSON(text)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if err := h.place(dataStart, len(data)); err != nil {
		return nil, err
	}
	h.names = slices.Sorted(maps.Keys(h.tensors))
	return h, nil
}

// parseJSON reads the header's text; offsets are still relative to the data.
func parseJSON(text []byte) (*header, error) {
	w, err := newWalker(text)
	if err != nil {
		return nil, err
	}
	h := &header{metadata: map[string]string{}, tensors: map[string]Info{}}
	err = w.object([]string{metadataKey}, func(key string) error {
		if key == metadataKey {
			return h.readMetadata(w)
		}
		info, err := readInfo(w, key)
		if err != nil {
			return inTensor(key, err)
		}
		h.tensors[key] = info
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h, w.end()
}

// readMetadata reads the value of __metadata__.
func (h *header) readMetadata(w *walker) error {
	if err := w.object(nil, func(key string) error {
		value, err := w.string()
		h.metadata[key] = value
		return err
	}); err != nil {
		return fmt.Errorf("%s: %w", metadataKey, err)
	}
	return nil
}

// readInfo reads {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}.
func readInfo(w *walker, name string) (Info, error) {
	info := Info{Name: name}
	var offsets []int
	known := []string{"dtype", "shape", "data_offsets"}
	err := w.object(known, func(key string) (err error) {
		switch key {
		case "dtype":
			var s string
			s, err = w.string()
			info.DType = DType(s)
		case "shape":
			info.Shape, err = w.naturals()
		case "data_offsets":
			offsets, err = w.naturals()
		default:
			return fmt.Errorf("%w %.40q", ErrUnknownKey, key)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	switch {
	case err != nil:
		return Info{}, err
	case info.DType == "":
		return Info{}, fmt.Errorf("%w dtype", ErrMissingKey)
	case info.Shape == nil:
		return Info{}, fmt.Errorf("%w shape", ErrMissingKey)
	case offsets == nil:
		return Info{}, fmt.Errorf("%w data_offsets", ErrMissingKey)
	case info.DType.Size() == 0:
		return Info{}, fmt.Errorf("%w %.40q", ErrDType, string(info.DType))
	case len(offsets) != 2:
		return Info{}, fmt.Errorf("%w: %d", ErrOffsetsCount, len(offsets))
	}
	info.begin, info.end = offsets[0], offsets[1]
	return info, nil
}

// place checks that the tensors fill the data without hole or overlap and makes
// their offsets relative to the file.
func (h *header) place(dataStart, fileBytes int) error {
	order := slices.SortedFunc(maps.Values(h.tensors), func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end), cmp.Compare(a.Name, b.Name))
	})
	dataBytes, filled := fileBytes-dataStart, 0
	for _, t := range order {
		if err := t.check(filled, dataBytes); err != nil {
			return inTensor(t.Name, err)
		}
		filled = t.end
		t.begin += dataStart
		t.end += dataStart
		h.tensors[t.Name] = t
	}
	if filled != dataBytes {
		return fmt.Errorf("%w: %d", ErrUnusedData, dataBytes-filled)
	}
	return nil
}

// check compares a tensor's offsets with its shape and with what lies before it,
// filled bytes of dataBytes.
func (t Info) check(filled, dataBytes int) error {
	if t.end < t.begin {
		return fmt.Errorf("%w: [%d, %d]", ErrOffsetsReversed, t.begin, t.end)
	}
	if t.end > dataBytes {
		return fmt.Errorf("%w: [%d, %d] of %d bytes", ErrOutOfRange, t.begin, t.end, dataBytes)
	}
	need, ok := shapeBytes(t.Shape, t.DType)
	if !ok {
		return fmt.Errorf("%w: %v of %s", ErrShapeOverflow, t.Shape, t.DType)
	}
	if have := t.end - t.begin; have != need {
		return fmt.Errorf("%w: %v of %s needs %d bytes, offsets span %d", ErrSize, t.Shape, t.DType, need, have)
	}
	if t.begin > filled {
		return fmt.Errorf("%w: begins at %d, the tensor before ends at %d", ErrHole, t.begin, filled)
	}
	if t.begin < filled {
		return fmt.Errorf("%w: begins at %d, the tensor before ends at %d", ErrOverlap, t.begin, filled)
	}
	return nil
}

// shapeBytes is the size of a tensor in bytes, or false where a product on the
// way does not fit an int.
func shapeBytes(shape []int, dtype DType) (int, bool) {
	size := uint64(dtype.Size())
	for _, d := range shape {
		high, low := bits.Mul64(size, uint64(d))
		if high != 0 || low > maxInt {
			return 0, false
		}
		size = low
	}
	return int(size), true
}
