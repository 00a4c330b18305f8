package gguf

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"
)

const (
	magic            = "GGUF"
	version          = 3 // written; 2 is laid out alike
	fixedBytes       = 24
	defaultAlignment = 32
	alignmentKey     = "general.alignment"

	maxKeyBytes   = 1<<16 - 1
	maxRank       = 4
	maxArrayDepth = 4
	maxInt        = uint64(1)<<(strconv.IntSize-1) - 1

	minKeyBytes    = 8 + 4 + 1     // length of an empty key, value type, shortest value
	minTensorBytes = 8 + 4 + 4 + 8 // length of an empty name, rank 0, type, offset
)

// header is what a file says about itself.
type header struct {
	keys      []string // in the file's order
	values    map[string]value
	names     []string // in the file's order
	tensors   map[string]Info
	metaBytes int // end of the metadata within the file
}

// parse reads everything before the tensors' data and checks every tensor against
// the file. No count or length is used before the file is known to be long enough.
func parse(data []byte) (*header, error) {
	if len(data) < len(magic) {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooShort, len(data))
	}
	if string(data[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: %q", ErrMagic, data[:len(magic)])
	}
	if len(data) < fixedBytes {
		return nil, fmt.Errorf("%w: %d bytes of %d", ErrTooShort, len(data), fixedBytes)
	}
	if v := binary.LittleEndian.Uint32(data[4:]); v != 2 && v != 3 {
		if swapped := bits.ReverseBytes32(v); swapped == 2 || swapped == 3 {
			return nil, fmt.Errorf("%w: big-endian file", ErrVersion)
		}
		return nil, fmt.Errorf("%w %d, supported are 2 and 3", ErrVersion, v)
	}
	tensors, keys := binary.LittleEndian.Uint64(data[8:]), binary.LittleEndian.Uint64(data[16:])
	c := &cursor{data: data, at: fixedBytes}
	h := &header{values: map[string]value{}, tensors: map[string]Info{}}
	if err := h.readMetadata(c, keys); err != nil {
		return nil, err
	}
	h.metaBytes = c.at
	if err := h.readTensors(c, tensors); err != nil {
		return nil, err
	}
	return h, h.place(c.at, len(data))
}

// readMetadata reads the keys and notes where their values lie.
func (h *header) readMetadata(c *cursor, count uint64) error {
	if err := c.fits(count, minKeyBytes); err != nil {
		return fmt.Errorf("metadata keys: %w", err)
	}
	for range count {
		key, err := c.name(maxKeyBytes)
		if err != nil {
			return fmt.Errorf("metadata key %d: %w", len(h.keys), err)
		}
		if _, twice := h.values[key]; twice {
			return inKey(key, ErrDuplicateKey)
		}
		v, err := c.value()
		if err != nil {
			return inKey(key, err)
		}
		h.keys = append(h.keys, key)
		h.values[key] = v
	}
	return nil
}

// readTensors reads the list of tensors; offsets are still relative to the data.
func (h *header) readTensors(c *cursor, count uint64) error {
	if err := c.fits(count, minTensorBytes); err != nil {
		return fmt.Errorf("tensors: %w", err)
	}
	for range count {
		name, err := c.name(maxKeyBytes)
		if err != nil {
			return fmt.Errorf("name of tensor %d: %w", len(h.names), err)
		}
		if _, twice := h.tensors[name]; twice {
			return inTensor(name, ErrDuplicateTensor)
		}
		t, err := c.tensor(name)
		if err != nil {
			return inTensor(name, err)
		}
		h.names = append(h.names, name)
		h.tensors[name] = t
	}
	return nil
}

// place checks where the tensors lie and makes their offsets relative to the file.
func (h *header) place(headerBytes, fileBytes int) error {
	alignment := uint64(defaultAlignment)
	if v, ok := h.values[alignmentKey]; ok {
		if v.kind != kindUint32 || bits.OnesCount64(v.number) != 1 {
			return inKey(alignmentKey, fmt.Errorf("%w of type uint32", ErrAlignment))
		}
		alignment = v.number
	}
	size := uint64(fileBytes)
	dataStart := alignUp(uint64(headerBytes), alignment)
	order := make([]Info, 0, len(h.names))
	for _, name := range h.names {
		t := h.tensors[name]
		offset := t.offset
		if offset%alignment != 0 {
			return inTensor(name, fmt.Errorf("%w: %d is no multiple of %d", ErrMisaligned, offset, alignment))
		}
		if dataStart > size || offset > size-dataStart || uint64(t.bytes) > size-dataStart-offset {
			return inTensor(name, fmt.Errorf("%w: %d bytes at %d, the file has %d from %d on", ErrOutOfRange, t.bytes, offset, size, dataStart))
		}
		t.offset = dataStart + offset
		h.tensors[name] = t
		order = append(order, t)
	}
	slices.SortStableFunc(order, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.bytes, b.bytes))
	})
	for i := 1; i < len(order); i++ {
		if before, t := order[i-1], order[i]; before.offset+uint64(before.bytes) > t.offset {
			return inTensor(t.Name, fmt.Errorf("%w: with %.120q", ErrOverlap, before.Name))
		}
	}
	return nil
}

// alignUp is n rounded up to a multiple of alignment, a power of two.
func alignUp(n, alignment uint64) uint64 { return (n + alignment - 1) &^ (alignment - 1) }

// cursor reads a file's header from front to back.
type cursor struct {
	data []byte
	at   int
}

// left is the number of bytes not yet read.
func (c *cursor) left() uint64 { return uint64(len(c.data) - c.at) }

// fits checks that count things of at least size bytes can follow.
func (c *cursor) fits(count uint64, size int) error {
	if count > c.left()/uint64(size) {
		return fmt.Errorf("%w: %d, %d bytes are left", ErrCount, count, c.left())
	}
	return nil
}

// take reads n bytes.
func (c *cursor) take(n int) ([]byte, error) {
	if uint64(n) > c.left() {
		return nil, fmt.Errorf("%w: %d bytes wanted, %d are left", ErrTruncated, n, c.left())
	}
	taken := c.data[c.at : c.at+n]
	c.at += n
	return taken, nil
}

// uint32 reads a number of 4 bytes.
func (c *cursor) uint32() (uint32, error) {
	raw, err := c.take(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(raw), nil
}

// uint64 reads a number of 8 bytes.
func (c *cursor) uint64() (uint64, error) {
	raw, err := c.take(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(raw), nil
}

// text reads a string: its length, then its bytes, at most limit.
func (c *cursor) text(limit uint64) ([]byte, error) {
	length, err := c.uint64()
	if err != nil {
		return nil, err
	}
	if length > c.left() || length > limit {
		return nil, fmt.Errorf("%w: %d bytes, %d are left", ErrStringLength, length, c.left())
	}
	return c.take(int(length))
}

// name reads a key or a tensor's name.
func (c *cursor) name(limit uint64) (string, error) {
	raw, err := c.text(limit)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(raw) {
		return "", fmt.Errorf("%w: %.120q", ErrUTF8, raw)
	}
	return string(raw), nil
}

// tensor reads what follows a tensor's name: rank, sizes (innermost first), type, offset.
func (c *cursor) tensor(name string) (Info, error) {
	rank, err := c.uint32()
	if err != nil {
		return Info{}, err
	}
	if rank > maxRank {
		return Info{}, fmt.Errorf("%w: %d", ErrRank, rank)
	}
	sizes, err := c.take(8 * int(rank))
	if err != nil {
		return Info{}, err
	}
	number, err := c.uint32()
	if err != nil {
		return Info{}, err
	}
	offset, err := c.uint64()
	if err != nil {
		return Info{}, err
	}
	t := Info{Name: name, Type: Type(number), Shape: make([]int, rank), offset: offset}
	for i := range t.Shape {
		size := binary.LittleEndian.Uint64(sizes[8*i:])
		if size > maxInt {
			return Info{}, fmt.Errorf("%w: size %d", ErrShapeOverflow, size)
		}
		t.Shape[len(t.Shape)-1-i] = int(size)
	}
	t.bytes, err = shapeBytes(t.Shape, t.Type)
	return t, err
}

// shapeBytes is the stored size of a tensor in bytes; 0 for a type without a
// known layout.
//
//	shape  outermost first
func shapeBytes(shape []int, t Type) (int, error) {
	l := layouts[t]
	row, elements := 1, uint64(1)
	for _, size := range shape {
		high, low := bits.Mul64(elements, uint64(size))
		if high != 0 || low > maxInt {
			return 0, fmt.Errorf("%w: %v", ErrShapeOverflow, shape)
		}
		row, elements = size, low
	}
	if l.values == 0 {
		return 0, nil
	}
	if row%l.values != 0 {
		return 0, fmt.Errorf("%w: %v of %s, blocks of %d", ErrRowLength, shape, t, l.values)
	}
	high, size := bits.Mul64(elements/uint64(l.values), uint64(l.bytes))
	if high != 0 || size > maxInt {
		return 0, fmt.Errorf("%w: %v of %s", ErrShapeOverflow, shape, t)
	}
	return int(size), nil
}
