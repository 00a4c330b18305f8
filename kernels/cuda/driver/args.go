package driver

import (
	"encoding/binary"
	"math"
)

// Args is the argument block of a launch, laid out as PTX lays out a kernel's
// parameters: one after the other, each aligned to its size. One Args serves all
// launches of a backend, so that a launch allocates nothing:
//
//	c.Launch(f, g, args.Reset().Ptr(y).Ptr(x).Int32(n).Float32(eps), s)
//
// The calls follow the order of the kernel's parameters.
type Args struct {
	block    []byte
	pointers []int // offsets of the addresses in block
}

// Reset empties the block and keeps its memory.
func (a *Args) Reset() *Args {
	a.block, a.pointers = a.block[:0], a.pointers[:0]
	return a
}

// Bytes is the block; it is overwritten after the next Reset.
func (a *Args) Bytes() []byte { return a.block }

// Ptr appends an address in device memory; 0 is a null pointer.
func (a *Args) Ptr(p Ptr) *Args {
	a.align(8)
	a.pointers = append(a.pointers, len(a.block))
	a.block = binary.LittleEndian.AppendUint64(a.block, uint64(p))
	return a
}

// Int64 appends a 64-bit integer.
func (a *Args) Int64(v int64) *Args {
	a.align(8)
	a.block = binary.LittleEndian.AppendUint64(a.block, uint64(v))
	return a
}

// Int32 appends a 32-bit integer; a value that does not fit is our bug and panics.
func (a *Args) Int32(v int) *Args {
	if int(int32(v)) != v {
		panic("driver: a kernel's int argument does not fit 32 bits")
	}
	a.align(4)
	a.block = binary.LittleEndian.AppendUint32(a.block, uint32(v))
	return a
}

// Float32 appends a float.
func (a *Args) Float32(v float32) *Args {
	a.align(4)
	a.block = binary.LittleEndian.AppendUint32(a.block, math.Float32bits(v))
	return a
}

// Float64 appends a double.
func (a *Args) Float64(v float64) *Args {
	a.align(8)
	a.block = binary.LittleEndian.AppendUint64(a.block, math.Float64bits(v))
	return a
}

// TensorMap appends an encoded tensor map.
func (a *Args) TensorMap(m *[TensorMapBytes]byte) *Args {
	a.align(64)
	a.block = append(a.block, m[:]...)
	return a
}

// align pads the block with zeros to a multiple of n bytes.
func (a *Args) align(n int) {
	for len(a.block)%n != 0 {
		a.block = append(a.block, 0)
	}
}
