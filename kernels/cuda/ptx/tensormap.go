package ptx

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// TensorMap describes a tensor in device memory to the bulk copies of sm_90, as the
// driver's cuTensorMapEncodeTiled does. Dimensions come innermost first.
type TensorMap struct {
	Address      uint64 // of element 0
	ElementBytes int    // 1, 2, 4 or 8
	Dims         []int  // elements
	Strides      []int  // bytes from one element to the next of dimensions 1 and up; one fewer than Dims
	Box          []int  // elements of the tile that one instruction copies
	Swizzle      int    // 0, 32, 64 or 128 bytes
}

// TensorMapBytes is the size of an encoded map; kernels take it as a parameter that
// is aligned to 64 bytes.
const TensorMapBytes = 128

const tensorMapMagic = 0x70616d746c616d65

// EncodeTensorMap returns m as this package's kernels read it. The form is its own:
// a card's differs, and neither is meant to be read.
func EncodeTensorMap(m TensorMap) (out [TensorMapBytes]byte, err error) {
	if err := m.check(); err != nil {
		return out, fmt.Errorf("ptx: tensor map: %w", err)
	}
	b := binary.LittleEndian
	b.PutUint64(out[0:], tensorMapMagic)
	b.PutUint64(out[8:], m.Address)
	out[16], out[17], out[18] = byte(len(m.Dims)), byte(m.ElementBytes), byte(m.Swizzle)
	for i := range m.Dims {
		b.PutUint64(out[24+8*i:], uint64(m.Dims[i]))
		b.PutUint16(out[104+2*i:], uint16(m.Box[i]))
	}
	for i, s := range m.Strides {
		b.PutUint64(out[64+8*i:], uint64(s))
	}
	return out, nil
}

// decodeTensorMap is the inverse; ok is false for bytes that are no tensor map.
func decodeTensorMap(p *[TensorMapBytes]byte) (m TensorMap, ok bool) {
	b := binary.LittleEndian
	if b.Uint64(p[:]) != tensorMapMagic {
		return m, false
	}
	m = TensorMap{Address: b.Uint64(p[8:]), ElementBytes: int(p[17]), Swizzle: int(p[18])}
	for i := range int(p[16]) {
		m.Dims = append(m.Dims, int(b.Uint64(p[24+8*i:])))
		m.Box = append(m.Box, int(b.Uint16(p[104+2*i:])))
		if i > 0 {
			m.Strides = append(m.Strides, int(b.Uint64(p[64+8*i-8:])))
		}
	}
	return m, true
}

func (m *TensorMap) check() error {
	rank := len(m.Dims)
	switch {
	case rank < 1 || rank > 5 || len(m.Box) != rank || len(m.Strides) != rank-1:
		return fmt.Errorf("%d dimensions, %d of the box, %d strides", rank, len(m.Box), len(m.Strides))
	case m.ElementBytes != 1 && m.ElementBytes != 2 && m.ElementBytes != 4 && m.ElementBytes != 8:
		return fmt.Errorf("elements of %d bytes", m.ElementBytes)
	case m.Address%16 != 0:
		return fmt.Errorf("address %#x is no multiple of 16", m.Address)
	case m.Swizzle != 0 && m.Swizzle != 32 && m.Swizzle != 64 && m.Swizzle != 128:
		return fmt.Errorf("swizzle of %d bytes", m.Swizzle)
	}
	inner := m.Box[0] * m.ElementBytes
	if inner%16 != 0 || m.Swizzle > 0 && inner > m.Swizzle {
		return fmt.Errorf("%d bytes in the box's innermost dimension with a swizzle of %d", inner, m.Swizzle)
	}
	for i, n := range m.Dims {
		if n < 1 || n > 1<<32 || m.Box[i] < 1 || m.Box[i] > 256 {
			return fmt.Errorf("dimension %d has %d elements, its box %d", i, n, m.Box[i])
		}
	}
	for _, s := range m.Strides {
		if s%16 != 0 || s < 0 || s >= 1<<40 {
			return fmt.Errorf("stride of %d bytes", s)
		}
	}
	return nil
}

// swizzled returns where the bytes of address at lie in a layout swizzled over rows
// of width bytes: the 16-byte pieces of a row change places with the row's number.
func swizzled(at int, width int) int {
	switch width {
	case 32:
		return at ^ at>>7&1<<4
	case 64:
		return at ^ at>>7&3<<4
	case 128:
		return at ^ at>>7&7<<4
	}
	return at
}

var errTensorMap = errors.New("the 128 bytes are no tensor map of EncodeTensorMap")
