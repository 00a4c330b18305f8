package gguf

import (
	"errors"
	"fmt"
)

// Malformed files: header and metadata.
var (
	// ErrTooShort is returned when a file is shorter than the fixed header.
	ErrTooShort = errors.New("file is shorter than the GGUF header")
	// ErrMagic is returned when a file does not begin with "GGUF".
	ErrMagic = errors.New(`file does not begin with "GGUF"`)
	// ErrVersion is returned for a version other than 2 and 3, and for big-endian files.
	ErrVersion = errors.New("unsupported GGUF version")
	// ErrTruncated is returned when the file ends within the metadata or the tensor list.
	ErrTruncated = errors.New("file ends within its header")
	// ErrCount is returned when the file is too short to hold the stated number of keys, tensors or array elements.
	ErrCount = errors.New("count is larger than the file can hold")
	// ErrStringLength is returned when a string is longer than the file, or a key than the format allows.
	ErrStringLength = errors.New("string is too long")
	// ErrUTF8 is returned when a key or a tensor's name is not UTF-8.
	ErrUTF8 = errors.New("name is not UTF-8")
	// ErrValueKind is returned when a metadata value has an unknown type.
	ErrValueKind = errors.New("unknown type of metadata value")
	// ErrBool is returned when a boolean is neither 0 nor 1.
	ErrBool = errors.New("boolean is neither 0 nor 1")
	// ErrTooDeep is returned when arrays are nested absurdly deep.
	ErrTooDeep = errors.New("arrays are nested deeper than allowed")
	// ErrDuplicateKey is returned when a metadata key appears twice.
	ErrDuplicateKey = errors.New("duplicate metadata key")
	// ErrAlignment is returned when general.alignment is not a power of two of type uint32.
	ErrAlignment = errors.New("alignment is not a power of two")
)

// Malformed files: tensors.
var (
	// ErrDuplicateTensor is returned when two tensors have one name.
	ErrDuplicateTensor = errors.New("duplicate tensor name")
	// ErrRank is returned when a tensor has more than four dimensions.
	ErrRank = errors.New("more than four dimensions")
	// ErrShapeOverflow is returned when a shape's number of bytes does not fit an int.
	ErrShapeOverflow = errors.New("shape overflows")
	// ErrRowLength is returned when a row is not a whole number of the type's blocks.
	ErrRowLength = errors.New("row length is not a multiple of the type's block")
	// ErrMisaligned is returned when a tensor's offset is not a multiple of the alignment.
	ErrMisaligned = errors.New("offset is not aligned")
	// ErrOutOfRange is returned when a tensor's bytes reach beyond the file.
	ErrOutOfRange = errors.New("tensor reaches beyond the file")
	// ErrOverlap is returned when two tensors share bytes.
	ErrOverlap = errors.New("tensors overlap")
)

// Requests that cannot be answered.
var (
	// ErrNoTensor is returned when no tensor has the name asked for.
	ErrNoTensor = errors.New("no such tensor")
	// ErrUnsupportedType is returned when a tensor's type can be neither dequantized nor written.
	ErrUnsupportedType = errors.New("unsupported tensor type")
	// ErrLength is returned when a destination's or an entry's length is not its shape's.
	ErrLength = errors.New("wrong length")
	// ErrEmpty is returned by Tensor for a shape with a zero, which tensor.Dense cannot hold.
	ErrEmpty = errors.New("tensor has no values")
	// ErrNotFinite is returned by Write when values to quantize, or their scale in F16, are not finite.
	ErrNotFinite = errors.New("values to quantize are not finite or beyond F16's range")
)

// inTensor puts a tensor's name before err, cut when it is absurdly long.
func inTensor(name string, err error) error {
	return fmt.Errorf("tensor %.120q: %w", name, err)
}

// inKey puts a metadata key before err, cut when it is absurdly long.
func inKey(key string, err error) error {
	return fmt.Errorf("key %.120q: %w", key, err)
}
