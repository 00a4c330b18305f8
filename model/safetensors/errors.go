package safetensors

import (
	"errors"
	"fmt"
)

// Malformed files: what the header as a whole may be refused for.
var (
	// ErrFileTooShort is returned when a file has fewer than the 8 bytes of the header's length.
	ErrFileTooShort = errors.New("file is shorter than 8 bytes, no safetensors file")
	// ErrHeaderTooShort is returned when the header's length reaches beyond the file.
	ErrHeaderTooShort = errors.New("header is longer than the file")
	// ErrHeaderTooLong is returned when the header's length is over MaxHeaderBytes.
	ErrHeaderTooLong = errors.New("header is longer than allowed")
	// ErrHeaderStart is returned when the header does not begin with '{'.
	ErrHeaderStart = errors.New("header does not begin with '{'")
	// ErrUTF8 is returned when the header or the index is not UTF-8.
	ErrUTF8 = errors.New("text is not UTF-8")
	// ErrJSON is returned when the header is not well-formed JSON.
	ErrJSON = errors.New("malformed JSON")
	// ErrTrailing is returned when something other than white space follows the JSON object.
	ErrTrailing = errors.New("bytes after the end of the JSON object")
	// ErrDuplicateKey is returned when an object has a key twice.
	ErrDuplicateKey = errors.New("duplicate key")
	// ErrKeyCase is returned when a key differs from a field's name in case only.
	ErrKeyCase = errors.New("key in the wrong case")
	// ErrUnknownKey is returned when a tensor has a field that the format does not know.
	ErrUnknownKey = errors.New("unknown key")
	// ErrMissingKey is returned when a tensor lacks dtype, shape or data_offsets.
	ErrMissingKey = errors.New("missing key")
	// ErrValueType is returned when a value is not of its field's type.
	ErrValueType = errors.New("value of the wrong type")
	// ErrNumber is returned when a number is null, fractional, negative or too large.
	ErrNumber = errors.New("not a whole number of zero or more")
	// ErrListTooLong is returned when a shape has absurdly many sizes.
	ErrListTooLong = errors.New("list is longer than allowed")
	// ErrTooDeep is returned when the metadata of an index is nested absurdly deep.
	ErrTooDeep = errors.New("value is nested deeper than allowed")
)

// Malformed files: what a tensor may be refused for.
var (
	// ErrDType is returned when a dtype is unknown.
	ErrDType = errors.New("unknown dtype")
	// ErrOffsetsCount is returned when data_offsets does not have two entries.
	ErrOffsetsCount = errors.New("data_offsets does not have two entries")
	// ErrOffsetsReversed is returned when a tensor ends before it begins.
	ErrOffsetsReversed = errors.New("data_offsets end before they begin")
	// ErrOutOfRange is returned when a tensor's bytes reach beyond the file.
	ErrOutOfRange = errors.New("data_offsets reach beyond the file")
	// ErrShapeOverflow is returned when a shape's number of bytes does not fit an int.
	ErrShapeOverflow = errors.New("shape overflows")
	// ErrSize is returned when the offsets span another size than shape and dtype need.
	ErrSize = errors.New("size differs from shape times dtype")
	// ErrHole is returned when bytes lie between two tensors or before the first.
	ErrHole = errors.New("hole in the data")
	// ErrOverlap is returned when two tensors share bytes.
	ErrOverlap = errors.New("tensors overlap")
	// ErrUnusedData is returned when bytes follow the last tensor.
	ErrUnusedData = errors.New("bytes after the last tensor")
)

// Folders: what OpenFolder may refuse.
var (
	// ErrNoWeights is returned when a folder has neither SingleFile nor IndexFile.
	ErrNoWeights = errors.New("no " + SingleFile + " or " + IndexFile + " in the folder")
	// ErrIndex is returned when the index is malformed JSON or lacks a weight_map of strings.
	ErrIndex = errors.New("malformed index")
	// ErrIndexTooLong is returned when the index is over MaxHeaderBytes.
	ErrIndexTooLong = errors.New("index is longer than allowed")
	// ErrShardPath is returned when the index or a symbolic link leads out of the folder.
	ErrShardPath = errors.New("shard path leaves the folder")
	// ErrMissingShard is returned when the index names a shard that is not there.
	ErrMissingShard = errors.New("shard is missing")
	// ErrMissingTensor is returned when the index names a tensor that its shard does not have.
	ErrMissingTensor = errors.New("tensor is missing from shard")
	// ErrTensorTwice is returned when two shards hold a tensor of one name.
	ErrTensorTwice = errors.New("tensor is in two shards")
)

// Requests that a well-formed file cannot answer.
var (
	// ErrNoTensor is returned when no tensor has the name asked for.
	ErrNoTensor = errors.New("no such tensor")
	// ErrLength is returned when a destination's or an entry's length is not its shape's.
	ErrLength = errors.New("wrong length")
	// ErrNotFloat is returned when a tensor of integers is read as float32.
	ErrNotFloat = errors.New("dtype does not convert to float32")
	// ErrEmpty is returned by Tensor for a shape with a zero, which tensor.Dense cannot hold.
	ErrEmpty = errors.New("tensor has no values")
	// ErrName is returned by Write for a name that is used twice, reserved, or not UTF-8.
	ErrName = errors.New("bad tensor name")
)

// inTensor puts a tensor's name before err, cut when it is absurdly long.
func inTensor(name string, err error) error {
	return fmt.Errorf("tensor %.120q: %w", name, err)
}
