package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/model/mapped"
)

// join is a file made of numbers (by their Go type), raw bytes and, for a Go
// string, its length and its bytes.
func join(parts ...any) []byte {
	var out []byte
	for _, part := range parts {
		switch v := part.(type) {
		case string:
			out = appendText(out, v)
		case []byte:
			out = append(out, v...)
		default:
			var err error
			if out, err = binary.Append(out, binary.LittleEndian, v); err != nil {
				panic(err)
			}
		}
	}
	return out
}

type (
	u8  = uint8
	u32 = uint32
	u64 = uint64
)

// keys is a file without tensors and with that many keys.
func keys(count u64, parts ...any) []byte {
	return join([]byte(magic), u32(3), u64(0), count, join(parts...))
}

// tensors is a file with that many tensors, no keys, and dataBytes of aligned data.
func tensors(count u64, dataBytes int, parts ...any) []byte {
	head := join([]byte(magic), u32(3), count, u64(0), join(parts...))
	padded := alignUp(u64(len(head)), defaultAlignment)
	return append(head, make([]byte, int(padded)-len(head)+dataBytes)...)
}

// nested is an array of arrays, depth deep, the innermost with no elements.
func nested(depth int) []byte {
	out := join(u32(kindArray))
	for range depth - 1 {
		out = join(out, u32(kindArray), u64(1))
	}
	return join(out, u32(kindUint8), u64(0))
}

var malformed = []struct {
	name string
	data []byte
	want error
}{
	{"empty file", nil, ErrTooShort},
	{"three bytes", []byte("GGU"), ErrTooShort},
	{"magic only", []byte(magic), ErrTooShort},
	{"header cut off", keys(0)[:23], ErrTooShort},
	{"another magic", append([]byte("GGML"), make([]byte, 20)...), ErrMagic},
	{"version 1", join([]byte(magic), u32(1), u64(0), u64(0)), ErrVersion},
	{"version 4", join([]byte(magic), u32(4), u64(0), u64(0)), ErrVersion},
	{"big-endian", join([]byte(magic), u32(3<<24), u64(0), u64(0)), ErrVersion},
	{"absurd number of keys", keys(1<<63, "a", u32(kindUint8), u8(1)), ErrCount},
	{"one key more than fits", keys(2, "ab", u32(kindUint8), u8(1)), ErrCount},
	{"absurd number of tensors", tensors(1<<62, 64), ErrCount},
	{"absurd number of array elements", keys(1, "a", u32(kindArray), u32(kindFloat64), u64(1<<61)), ErrCount},
	{"absurd number of strings", keys(1, "a", u32(kindArray), u32(kindString), u64(2), "b"), ErrCount},
	{"key longer than the file", keys(1, u64(1<<40), make([]byte, 40)), ErrStringLength},
	{"key length of 2^64-1", keys(1, ^u64(0), make([]byte, 40)), ErrStringLength},
	{"key longer than the format allows", keys(1, strings.Repeat("k", 1<<16), u32(kindUint8), u8(1)), ErrStringLength},
	{"string longer than the file", keys(1, "a", u32(kindString), u64(9), make([]byte, 8)), ErrStringLength},
	{"string in an array longer than the file", keys(1, "a", u32(kindArray), u32(kindString), u64(1), u64(9), make([]byte, 8)), ErrStringLength},
	{"name longer than the file", tensors(1, 0, u64(1<<32), make([]byte, 32)), ErrStringLength},
	{"key that is no UTF-8", keys(1, "\xff", u32(kindUint8), u8(1)), ErrUTF8},
	{"name that is no UTF-8", tensors(1, 32, "\xff", u32(0), u32(F32), u64(0)), ErrUTF8},
	{"file ends in a value", keys(1, "key", u32(kindUint64), u32(1)), ErrTruncated},
	{"file ends before a value", keys(1, "longer key", make([]byte, 3)), ErrTruncated},
	{"file ends in a tensor", join(tensors(1, 0)[:24], "long enough for one", u32(2), u64(1), u32(1)), ErrTruncated},
	{"unknown type of value", keys(1, "a", u32(13), u64(0)), ErrValueKind},
	{"unknown type of array element", keys(1, "a", u32(kindArray), u32(13), u64(0)), ErrValueKind},
	{"boolean of 2", keys(1, "a", u32(kindBool), u8(2)), ErrBool},
	{"boolean of 2 in an array", keys(1, "a", u32(kindArray), u32(kindBool), u64(3), u8(0), u8(1), u8(2)), ErrBool},
	{"arrays five deep", keys(1, "a", nested(maxArrayDepth+1)), ErrTooDeep},
	{"arrays a thousand deep", keys(1, "a", nested(1000)), ErrTooDeep},
	{"key twice", keys(2, "a", u32(kindUint8), u8(1), "a", u32(kindUint8), u8(1)), ErrDuplicateKey},
	{"alignment of zero", keys(1, alignmentKey, u32(kindUint32), u32(0)), ErrAlignment},
	{"alignment of 48", keys(1, alignmentKey, u32(kindUint32), u32(48)), ErrAlignment},
	{"alignment of type uint64", keys(1, alignmentKey, u32(kindUint64), u64(32)), ErrAlignment},
	{"tensor twice", tensors(2, 64, "a", u32(0), u32(F32), u64(0), "a", u32(0), u32(F32), u64(32)), ErrDuplicateTensor},
	{"five dimensions", tensors(1, 32, "a", u32(5), make([]byte, 40), u32(F32), u64(0)), ErrRank},
	{"2^32-1 dimensions", tensors(1, 32, "a", ^u32(0), u32(F32), u64(0)), ErrRank},
	{"size of 2^63", tensors(1, 32, "a", u32(1), u64(1<<63), u32(F32), u64(0)), ErrShapeOverflow},
	{"sizes whose product overflows", tensors(1, 32, "a", u32(2), u64(1<<32), u64(1<<32), u32(F32), u64(0)), ErrShapeOverflow},
	{"bytes that overflow", tensors(1, 32, "a", u32(1), u64(1<<62), u32(F32), u64(0)), ErrShapeOverflow},
	{"row that is no multiple of the block", tensors(1, 64, "a", u32(2), u64(16), u64(2), u32(Q8_0), u64(0)), ErrRowLength},
	{"quantized scalar", tensors(1, 64, "a", u32(0), u32(Q4_0), u64(0)), ErrRowLength},
	{"offset misaligned", tensors(1, 64, "a", u32(1), u64(2), u32(F32), u64(4)), ErrMisaligned},
	{"offset of 2^64-32", tensors(1, 64, "a", u32(1), u64(8), u32(F32), u64(1<<64-32)), ErrOutOfRange},
	{"offset beyond the file", tensors(1, 32, "a", u32(1), u64(8), u32(F32), u64(64)), ErrOutOfRange},
	{"data beyond the file", tensors(1, 32, "a", u32(1), u64(9), u32(F32), u64(0)), ErrOutOfRange},
	{"quantized data beyond the file", tensors(1, 33, "a", u32(1), u64(32), u32(Q8_0), u64(0)), ErrOutOfRange},
	{"data of a type that is not read beyond the file", tensors(1, 291, "a", u32(1), u64(256), u32(15), u64(0)), ErrOutOfRange},
	{"data that begins beyond the file", join([]byte(magic), u32(3), u64(1), u64(0), "a", u32(1), u64(0), u32(F32), u64(0)), ErrOutOfRange},
	{"overlapping tensors", tensors(2, 96, "a", u32(1), u64(9), u32(F32), u64(0), "b", u32(1), u64(8), u32(F32), u64(32)), ErrOverlap},
	{"two tensors at one place", tensors(2, 32, "a", u32(0), u32(F32), u64(0), "b", u32(0), u32(F32), u64(0)), ErrOverlap},
}

var sentinels = []error{ErrTooShort, ErrMagic, ErrVersion, ErrTruncated, ErrCount, ErrStringLength, ErrUTF8, ErrValueKind,
	ErrBool, ErrTooDeep, ErrDuplicateKey, ErrAlignment, ErrDuplicateTensor, ErrRank, ErrShapeOverflow, ErrRowLength,
	ErrMisaligned, ErrOutOfRange, ErrOverlap}

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
	path := filepath.Join(t.TempDir(), "weights.gguf")
	require.NoError(t, os.WriteFile(path, tensors(1, 32, "blk.0", u32(1), u64(9), u32(F32), u64(0)), 0o600))
	_, err := Open(path)
	require.ErrorIs(t, err, ErrOutOfRange)
	require.ErrorContains(t, err, "gguf: "+path+`: tensor "blk.0": `)
}

func TestAbsentFileIsAnError(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "absent.gguf"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestUnusualButValidFilesAreRead(t *testing.T) {
	tests := []struct {
		name string
		data []byte
	}{
		{"nothing at all", keys(0)},
		{"version 2", join([]byte(magic), u32(2), u64(0), u64(0))},
		{"arrays four deep", keys(1, "a", nested(maxArrayDepth))},
		{"alignment of 1", keys(1, alignmentKey, u32(kindUint32), u32(1))},
		{"tensor without values", tensors(1, 0, "a", u32(2), u64(32), u64(0), u32(Q8_0), u64(0))},
		{"unknown tensor type", tensors(1, 0, "a", u32(1), u64(32), u32(1000), u64(0))},
		{"later tensor listed first", tensors(2, 64, "a", u32(0), u32(F32), u64(32), "b", u32(0), u32(F32), u64(0))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(tt.data)
			require.NoError(t, err)
		})
	}
}

// FuzzOpen holds that any bytes either are refused or can be listed and read to
// the end without reaching beyond them.
func FuzzOpen(f *testing.F) {
	for _, tt := range malformed {
		f.Add(tt.data)
	}
	var whole bytes.Buffer
	require.NoError(f, Write(&whole, sampleMetadata(), sampleTensors()))
	f.Add(whole.Bytes())
	for _, typ := range slices.Sorted(maps.Keys(layouts)) { // one block each
		f.Add(tensors(1, layouts[typ].bytes, "a", u32(1), u64(layouts[typ].values), u32(typ), u64(0)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		opened, err := newFile("memory", mapped.FromBytes(data))
		if err != nil {
			return
		}
		for _, key := range opened.Keys() {
			opened.String(key)
			opened.Bool(key)
			opened.Uint(key)
			opened.Int(key)
			opened.Float(key)
			opened.Strings(key)
			opened.Ints(key)
			opened.Floats(key)
		}
		for _, name := range opened.Names() {
			info, ok := opened.Info(name)
			require.True(t, ok)
			if !info.Type.Supported() {
				require.ErrorIs(t, opened.ReadFloat32(name, nil), ErrUnsupportedType)
				continue
			}
			require.NoError(t, opened.ReadFloat32(name, make([]float32, info.Elements())))
		}
	})
}
