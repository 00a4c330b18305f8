package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// file is a safetensors file with that header text and that many bytes of data.
func file(header string, dataBytes int) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	out = append(out, header...)
	return append(out, make([]byte, dataBytes)...)
}

// one is a header with one tensor "a" of that dtype, shape and offsets.
func one(dtype, shape, offsets string) string {
	return fmt.Sprintf(`{"a":{"dtype":%s,"shape":%s,"data_offsets":%s}}`, dtype, shape, offsets)
}

// two is a header with float32 vectors "a" and "b" of those lengths and offsets.
func two(lengthA int, offsetsA string, lengthB int, offsetsB string) string {
	return fmt.Sprintf(`{"a":{"dtype":"F32","shape":[%d],"data_offsets":%s},"b":{"dtype":"F32","shape":[%d],"data_offsets":%s}}`,
		lengthA, offsetsA, lengthB, offsetsB)
}

// withLength replaces the header's length.
func withLength(length uint64, data []byte) []byte {
	binary.LittleEndian.PutUint64(data, length)
	return data
}

const good = `"dtype":"F32","shape":[1],"data_offsets":[0,4]`

var malformed = []struct {
	name string
	data []byte
	want error
}{
	{"empty file", nil, ErrFileTooShort},
	{"seven bytes", make([]byte, 7), ErrFileTooShort},
	{"header length beyond the file", withLength(3, file("{}", 0)), ErrHeaderTooShort},
	{"header length beyond the cap", withLength(MaxHeaderBytes+1, file("{}", 0)), ErrHeaderTooLong},
	{"header length of 2^64-1", withLength(1<<64-1, file("{}", 0)), ErrHeaderTooLong},
	{"empty header", file("", 0), ErrHeaderStart},
	{"header begins with a space", file(" {}", 0), ErrHeaderStart},
	{"header is an array", file("[]", 0), ErrHeaderStart},
	{"bad UTF-8 in a name", file("{\"\xff\":{"+good+"}}", 4), ErrUTF8},
	{"truncated JSON", file(`{"a":{`, 0), ErrJSON},
	{"missing comma", file(`{"a":{"dtype":"F32" "shape":[1]}}`, 0), ErrJSON},
	{"comma before the closing brace", file(`{"a":{`+good+`},}`, 4), ErrJSON},
	{"comma before the closing bracket", file(one(`"F32"`, `[1,]`, `[0,4]`), 4), ErrJSON},
	{"key that is a number", file(`{1:{`+good+`}}`, 4), ErrJSON},
	{"number with a leading zero", file(one(`"F32"`, `[01]`, `[0,4]`), 4), ErrJSON},
	{"text after the object", file(`{"a":{`+good+`}} x`, 4), ErrTrailing},
	{"second object after the first", file(`{"a":{`+good+`}}{}`, 4), ErrTrailing},
	{"zero bytes after the object", file("{}\x00\x00", 0), ErrTrailing},
	{"tensor twice", file(`{"a":{`+good+`},"a":{`+good+`}}`, 4), ErrDuplicateKey},
	{"tensor twice, once escaped", file(`{"a":{`+good+`},"\u0061":{`+good+`}}`, 4), ErrDuplicateKey},
	{"dtype twice", file(`{"a":{"dtype":"F32",`+good+`}}`, 4), ErrDuplicateKey},
	{"metadata twice", file(`{"__metadata__":{},"__metadata__":{}}`, 0), ErrDuplicateKey},
	{"metadata key twice", file(`{"__metadata__":{"k":"1","k":"2"}}`, 0), ErrDuplicateKey},
	{"dtype in capitals", file(`{"a":{"DTYPE":"F32","shape":[1],"data_offsets":[0,4]}}`, 4), ErrKeyCase},
	{"shape beside Shape", file(`{"a":{"Shape":[2],`+good+`}}`, 4), ErrKeyCase},
	{"data_Offsets", file(`{"a":{"dtype":"F32","shape":[1],"data_Offsets":[0,4]}}`, 4), ErrKeyCase},
	{"shape with the long s that folds to s", file(`{"a":{"ſhape":[2],`+good+`}}`, 4), ErrKeyCase},
	{"metadata in capitals", file(`{"__METADATA__":{}}`, 0), ErrKeyCase},
	{"unknown field", file(`{"a":{"stride":[1],`+good+`}}`, 4), ErrUnknownKey},
	{"no dtype", file(`{"a":{"shape":[1],"data_offsets":[0,4]}}`, 4), ErrMissingKey},
	{"no shape", file(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4), ErrMissingKey},
	{"no data_offsets", file(`{"a":{"dtype":"F32","shape":[1]}}`, 4), ErrMissingKey},
	{"tensor that is null", file(`{"a":null}`, 0), ErrValueType},
	{"tensor that is a list", file(`{"a":[]}`, 0), ErrValueType},
	{"dtype that is a number", file(one(`1`, `[1]`, `[0,4]`), 4), ErrValueType},
	{"dtype that is null", file(one(`null`, `[1]`, `[0,4]`), 4), ErrValueType},
	{"shape that is null", file(one(`"F32"`, `null`, `[0,4]`), 4), ErrValueType},
	{"shape that is a number", file(one(`"F32"`, `1`, `[0,4]`), 4), ErrValueType},
	{"offsets that are null", file(one(`"F32"`, `[1]`, `null`), 4), ErrValueType},
	{"metadata that is a list", file(`{"__metadata__":[]}`, 0), ErrValueType},
	{"metadata value that is a number", file(`{"__metadata__":{"k":1}}`, 0), ErrValueType},
	{"null in the shape", file(one(`"F32"`, `[null]`, `[0,4]`), 4), ErrNumber},
	{"fraction in the shape", file(one(`"F32"`, `[1.0]`, `[0,4]`), 4), ErrNumber},
	{"exponent in the shape", file(one(`"F32"`, `[1e0]`, `[0,4]`), 4), ErrNumber},
	{"negative size in the shape", file(one(`"F32"`, `[-1]`, `[0,4]`), 4), ErrNumber},
	{"minus zero in the shape", file(one(`"F32"`, `[-0]`, `[0,0]`), 0), ErrNumber},
	{"string in the shape", file(one(`"F32"`, `["1"]`, `[0,4]`), 4), ErrNumber},
	{"list in the shape", file(one(`"F32"`, `[[1]]`, `[0,4]`), 4), ErrNumber},
	{"size of 2^64 in the shape", file(one(`"F32"`, `[18446744073709551616]`, `[0,4]`), 4), ErrNumber},
	{"null in the offsets", file(one(`"F32"`, `[1]`, `[null,4]`), 4), ErrNumber},
	{"fraction in the offsets", file(one(`"F32"`, `[1]`, `[0,4.5]`), 4), ErrNumber},
	{"negative offset", file(one(`"F32"`, `[1]`, `[-4,0]`), 4), ErrNumber},
	{"offset of 2^63", file(one(`"F32"`, `[1]`, `[0,9223372036854775808]`), 4), ErrNumber},
	{"shape of 65 sizes", file(one(`"F32"`, "["+strings.Repeat("1,", 64)+"1]", `[0,4]`), 4), ErrListTooLong},
	{"unknown dtype", file(one(`"F31"`, `[1]`, `[0,4]`), 4), ErrDType},
	{"dtype in the wrong case", file(one(`"f32"`, `[1]`, `[0,4]`), 4), ErrDType},
	{"no offsets", file(one(`"F32"`, `[1]`, `[]`), 4), ErrOffsetsCount},
	{"one offset", file(one(`"F32"`, `[1]`, `[0]`), 4), ErrOffsetsCount},
	{"three offsets", file(one(`"F32"`, `[1]`, `[0,4,4]`), 4), ErrOffsetsCount},
	{"offsets reversed", file(one(`"F32"`, `[1]`, `[4,0]`), 4), ErrOffsetsReversed},
	{"end beyond the file", file(one(`"F32"`, `[2]`, `[0,8]`), 4), ErrOutOfRange},
	{"end of 2^63-1", file(one(`"F32"`, `[1]`, `[0,9223372036854775807]`), 4), ErrOutOfRange},
	{"shape whose product overflows", file(one(`"F32"`, `[4611686018427387904,4,1]`, `[0,4]`), 4), ErrShapeOverflow},
	{"shape whose product wraps to the size", file(one(`"U8"`, `[4294967296,4294967296,0]`, `[0,0]`), 0), ErrShapeOverflow},
	{"shape of 2^63-1 times four bytes", file(one(`"F32"`, `[9223372036854775807]`, `[0,4]`), 4), ErrShapeOverflow},
	{"size smaller than the shape", file(one(`"F32"`, `[2]`, `[0,4]`), 4), ErrSize},
	{"size larger than the shape", file(one(`"F16"`, `[1]`, `[0,4]`), 4), ErrSize},
	{"hole before the first tensor", file(one(`"F32"`, `[1]`, `[4,8]`), 8), ErrHole},
	{"hole between tensors", file(two(1, "[0,4]", 1, "[8,12]"), 12), ErrHole},
	{"overlapping tensors", file(two(2, "[0,8]", 2, "[4,12]"), 12), ErrOverlap},
	{"two tensors at one place", file(two(1, "[0,4]", 1, "[0,4]"), 4), ErrOverlap},
	{"bytes after the last tensor", file(one(`"F32"`, `[1]`, `[0,4]`), 5), ErrUnusedData},
	{"data without tensors", file(`{}`, 1), ErrUnusedData},
}

var sentinels = []error{ErrFileTooShort, ErrHeaderTooShort, ErrHeaderTooLong, ErrHeaderStart, ErrUTF8, ErrJSON,
	ErrTrailing, ErrDuplicateKey, ErrKeyCase, ErrUnknownKey, ErrMissingKey, ErrValueType, ErrNumber, ErrListTooLong, ErrDType,
	ErrOffsetsCount, ErrOffsetsReversed, ErrOutOfRange, ErrShapeOverflow, ErrSize, ErrHole, ErrOverlap, ErrUnusedData}

func TestMalformedFileIsRefusedWithItsOwnError(t *testing.T) {
	for _, tt := range malformed {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(tt.data)
			for _, sentinel := range sentinels {
				require.Equal(t, sentinel == tt.want, errors.Is(err, sentinel), "%v: is it %q", err, sentinel)
			}
		})
	}
}

func TestErrorNamesFileAndTensor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	long := strings.Repeat("n", 100_000)
	header := `{"a":{` + good + `},"` + long + `":{"dtype":"F32","shape":[2],"data_offsets":[4,8]}}`
	require.NoError(t, os.WriteFile(path, file(header, 8), 0o600))
	_, err := Open(path)
	require.ErrorIs(t, err, ErrSize)
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, `tensor "nnn`)
	require.Less(t, len(err.Error()), 600, "a long name is cut")
}

func TestUnusualButValidFilesAreRead(t *testing.T) {
	tests := []struct {
		name   string
		data   []byte
		shapes map[string][]int
	}{
		{"no tensors", file(`{}`, 0), map[string][]int{}},
		{"padding of spaces and newlines", file("{} \n\t ", 0), map[string][]int{}},
		{"scalar", file(one(`"F32"`, `[]`, `[0,4]`), 4), map[string][]int{"a": {}}},
		{"empty tensor", file(one(`"F32"`, `[3,0]`, `[0,0]`), 0), map[string][]int{"a": {3, 0}}},
		{"empty tensors at one place", file(two(0, "[0,0]", 0, "[0,0]"), 0), map[string][]int{"a": {0}, "b": {0}}},
		{"later tensor listed first", file(two(1, "[4,8]", 1, "[0,4]"), 8), map[string][]int{"a": {1}, "b": {1}}},
		{"names that differ in case", file(`{"A":{`+good+`},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8),
			map[string][]int{"A": {1}, "a": {1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := parse(tt.data)
			require.NoError(t, err)
			shapes := map[string][]int{}
			for name, info := range h.tensors {
				shapes[name] = info.Shape
			}
			require.Equal(t, tt.shapes, shapes)
		})
	}
}

// FuzzOpen holds that any bytes either are refused or describe tensors that all
// lie within the file and fill it.
func FuzzOpen(f *testing.F) {
	for _, tt := range malformed {
		f.Add(tt.data)
	}
	f.Add(file(two(1, "[4,8]", 1, "[0,4]"), 8))
	f.Fuzz(func(t *testing.T, data []byte) {
		opened, err := fromBytes(data)
		if err != nil {
			return
		}
		total := 0
		for _, name := range opened.Names() {
			info, ok := opened.Info(name)
			require.True(t, ok)
			raw, err := opened.Raw(name)
			require.NoError(t, err)
			require.Len(t, raw, info.Elements()*info.DType.Size())
			total += len(raw)
			err = opened.ReadFloat32(name, make([]float32, info.Elements()))
			require.True(t, err == nil || errors.Is(err, ErrNotFloat), "%v", err)
		}
		header := int(binary.LittleEndian.Uint64(data))
		require.Equal(t, len(data), prefixBytes+header+total)
	})
}
