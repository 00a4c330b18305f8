package gguf

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/model/mapped"
)

// sampleMetadata has a value of every type.
func sampleMetadata() []KV {
	return []KV{
		{"general.architecture", "llama"},
		{"u8", uint8(200)}, {"i8", int8(-100)}, {"u16", uint16(60000)}, {"i16", int16(-30000)},
		{"u32", uint32(4e9)}, {"i32", int32(-2e9)}, {"u64", uint64(math.MaxUint64)}, {"i64", int64(math.MinInt64)},
		{"f32", float32(0.1)}, {"f64", 0.1}, {"yes", true}, {"no", false}, {"empty", ""},
		{"texts", []string{"a", "", "ü"}}, {"i32s", []int32{-1, 2}}, {"u8s", []uint8{255, 0}},
		{"u64s", []uint64{1, math.MaxUint64}}, {"f32s", []float32{-0.5, 0.1}}, {"f64s", []float64{0.25}},
		{"bools", []bool{true, false}}, {"none", []string{}},
		{alignmentKey, uint32(32)},
	}
}

// sampleTensors has a tensor of every type that is written, and odd shapes.
func sampleTensors() []Entry {
	random := rand.New(rand.NewPCG(1, 2))
	tensor := func(name string, typ Type, shape ...int) Entry {
		e := Entry{Name: name, Shape: shape, Type: typ}
		for range (Info{Shape: shape}).Elements() {
			e.Data = append(e.Data, float32(random.NormFloat64()))
		}
		return e
	}
	return []Entry{
		tensor("scalar", F32), tensor("f32", F32, 3, 5), tensor("empty", F32, 0, 4), tensor("f16", F16, 7),
		tensor("bf16", BF16, 2, 1, 3), tensor("q8_0", Q8_0, 2, 64), tensor("q4_0", Q4_0, 3, 32), tensor("q4_1", Q4_1, 1, 96),
		tensor("long", Q8_0, 3, chunkBlocks*blockValues),
	}
}

// written is the file that Write makes, opened again.
func written(t *testing.T, meta []KV, entries []Entry) *File {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Write(&out, meta, entries))
	require.Zero(t, out.Len()%defaultAlignment)
	f, err := newFile("memory", mapped.FromBytes(out.Bytes()))
	require.NoError(t, err)
	return f
}

// result is what an accessor returned.
type result struct {
	value any
	ok    bool
}

// got packs an accessor's results.
func got[T any](v T, ok bool) result { return result{v, ok} }

func TestMetadataSurvivesWriteAndRead(t *testing.T) {
	f := written(t, sampleMetadata(), nil)
	require.NoError(t, f.Close(), "metadata stays readable")
	var keys []string
	for _, kv := range sampleMetadata() {
		keys = append(keys, kv.Key)
	}
	require.Equal(t, keys, f.Keys())
	tests := []struct {
		name string
		got  result
		want result
	}{
		{"String", got(f.String("general.architecture")), result{"llama", true}},
		{"String, empty", got(f.String("empty")), result{"", true}},
		{"String of a number", got(f.String("u8")), result{"", false}},
		{"String of an absent key", got(f.String("absent")), result{"", false}},
		{"Uint of uint8", got(f.Uint("u8")), result{uint64(200), true}},
		{"Uint of uint16", got(f.Uint("u16")), result{uint64(60000), true}},
		{"Uint of uint32", got(f.Uint("u32")), result{uint64(4e9), true}},
		{"Uint of uint64", got(f.Uint("u64")), result{uint64(math.MaxUint64), true}},
		{"Uint of a negative number", got(f.Uint("i8")), result{uint64(0), false}},
		{"Uint of an absent key", got(f.Uint("absent")), result{uint64(0), false}},
		{"Int of int8", got(f.Int("i8")), result{int64(-100), true}},
		{"Int of int16", got(f.Int("i16")), result{int64(-30000), true}},
		{"Int of int32", got(f.Int("i32")), result{int64(-2e9), true}},
		{"Int of int64", got(f.Int("i64")), result{int64(math.MinInt64), true}},
		{"Int of uint32", got(f.Int("u32")), result{int64(4e9), true}},
		{"Int of a uint64 that does not fit", got(f.Int("u64")), result{int64(0), false}},
		{"Int of a float", got(f.Int("f32")), result{int64(0), false}},
		{"Int of an absent key", got(f.Int("absent")), result{int64(0), false}},
		{"Float of float32", got(f.Float("f32")), result{float64(float32(0.1)), true}},
		{"Float of float64", got(f.Float("f64")), result{0.1, true}},
		{"Float of an integer", got(f.Float("u8")), result{0.0, false}},
		{"Float of an absent key", got(f.Float("absent")), result{0.0, false}},
		{"Bool, true", got(f.Bool("yes")), result{true, true}},
		{"Bool, false", got(f.Bool("no")), result{false, true}},
		{"Bool of a number", got(f.Bool("u8")), result{false, false}},
		{"Strings", got(f.Strings("texts")), result{[]string{"a", "", "ü"}, true}},
		{"Strings, none", got(f.Strings("none")), result{[]string{}, true}},
		{"Strings of a string", got(f.Strings("empty")), result{[]string(nil), false}},
		{"Ints of int32", got(f.Ints("i32s")), result{[]int64{-1, 2}, true}},
		{"Ints of uint8", got(f.Ints("u8s")), result{[]int64{255, 0}, true}},
		{"Ints of a uint64 that does not fit", got(f.Ints("u64s")), result{[]int64(nil), false}},
		{"Ints of floats", got(f.Ints("f32s")), result{[]int64(nil), false}},
		{"Ints of strings", got(f.Ints("texts")), result{[]int64(nil), false}},
		{"Floats of float32", got(f.Floats("f32s")), result{[]float32{-0.5, 0.1}, true}},
		{"Floats of float64", got(f.Floats("f64s")), result{[]float32{0.25}, true}},
		{"Floats of booleans", got(f.Floats("bools")), result{[]float32(nil), false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, tt.got) })
	}
}

func TestTensorsSurviveWriteAndRead(t *testing.T) {
	entries := sampleTensors()
	f := written(t, sampleMetadata(), entries)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
		info, ok := f.Info(e.Name)
		require.True(t, ok)
		require.Equal(t, e.Type, info.Type)
		require.Equal(t, append([]int{}, e.Shape...), info.Shape)
		values := make([]float32, len(e.Data))
		require.NoError(t, f.ReadFloat32(e.Name, values))
		raw, err := quantize(nil, e.Data, e.Type)
		require.NoError(t, err)
		want := make([]float32, len(e.Data))
		dequantize(want, raw, e.Type)
		require.Equal(t, want, values, e.Name)
		if len(values) == 0 {
			continue
		}
		dense, err := f.Tensor(e.Name)
		require.NoError(t, err)
		require.Equal(t, info.Shape, append([]int{}, dense.Shape()...))
		if len(e.Shape) > 0 {
			require.Equal(t, want, dense.Data())
		}
	}
	require.Equal(t, names, f.Names())
}

// TestQuantizationErrorIsBounded: half a step of the block's scale, a whole one at
// the clipped end of Q4_0, plus the rounding of scale and minimum to F16.
func TestQuantizationErrorIsBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	tests := []struct {
		typ   Type
		bound func(low, high float64) float64
	}{
		{F32, func(low, high float64) float64 { return 0 }},
		{F16, func(low, high float64) float64 { return max(-low, high) * 0x1p-11 }},
		{BF16, func(low, high float64) float64 { return max(-low, high) * 0x1p-8 }},
		{Q8_0, func(low, high float64) float64 { m := max(-low, high); return m/127/2 + m*0x1p-10 }},
		{Q4_0, func(low, high float64) float64 { m := max(-low, high); return m/8 + m*0x1p-10 }},
		{Q4_1, func(low, high float64) float64 { return (high-low)/15/2 + (high-2*low)*0x1p-10 }},
	}
	for _, tt := range tests {
		t.Run(tt.typ.String(), func(t *testing.T) {
			for range 200 {
				block, back := make([]float32, blockValues), make([]float32, blockValues)
				low, high := 0.0, 0.0
				for i := range block {
					block[i] = float32(random.NormFloat64() * math.Exp(2*random.NormFloat64()))
					low, high = min(low, float64(block[i])), max(high, float64(block[i]))
				}
				raw, err := quantize(nil, block, tt.typ)
				require.NoError(t, err)
				require.Len(t, raw, blockValues/layouts[tt.typ].values*layouts[tt.typ].bytes)
				dequantize(back, raw, tt.typ)
				for i := range block {
					require.InDelta(t, block[i], back[i], tt.bound(low, high), "value %d", i)
				}
			}
		})
	}
}

func TestQuantizedZerosAndTinyValuesStayFinite(t *testing.T) {
	for _, typ := range []Type{Q8_0, Q4_0, Q4_1} {
		for _, v := range []float32{0, 1e-40, -1e-40, 1e-10} {
			block := make([]float32, blockValues)
			block[5] = v
			raw, err := quantize(nil, block, typ)
			require.NoError(t, err)
			dequantize(block, raw, typ)
			for _, b := range block {
				require.InDelta(t, 0, b, 1e-7, "%s of %g", typ, v)
			}
		}
	}
}

func TestValuesThatCannotBeQuantizedAreErrors(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, typ := range []Type{Q8_0, Q4_0, Q4_1} {
		for _, bad := range []float32{nan, inf, -inf, 1e30, -1e30} {
			for _, at := range []int{0, 7, 31} {
				values := make([]float32, 2*blockValues)
				values[blockValues] = 1
				values[blockValues+at] = bad
				err := Write(&bytes.Buffer{}, nil, []Entry{{"a", []int{64}, typ, values}})
				require.ErrorIs(t, err, ErrNotFinite, "%s of %g at %d", typ, bad, at)
				require.ErrorContains(t, err, `tensor "a"`)
			}
		}
	}
}

func TestWriteRefusesWhatCannotBeRead(t *testing.T) {
	one := Entry{"a", []int{1}, F32, []float32{1}}
	tests := []struct {
		name    string
		meta    []KV
		entries []Entry
		want    error
	}{
		{"key twice", []KV{{"k", true}, {"k", true}}, nil, ErrDuplicateKey},
		{"key that is no UTF-8", []KV{{"\xff", true}}, nil, ErrUTF8},
		{"key too long", []KV{{strings.Repeat("k", 1<<16), true}}, nil, ErrStringLength},
		{"value of type int", []KV{{"k", 1}}, nil, ErrValueKind},
		{"value that is nil", []KV{{"k", nil}}, nil, ErrValueKind},
		{"nested slices", []KV{{"k", [][]string{{"a"}}}}, nil, ErrValueKind},
		{"another alignment", []KV{{alignmentKey, uint32(64)}}, nil, ErrAlignment},
		{"tensor twice", nil, []Entry{one, one}, ErrDuplicateTensor},
		{"name that is no UTF-8", nil, []Entry{{"\xff", []int{0}, F32, nil}}, ErrUTF8},
		{"type that cannot be written", nil, []Entry{{"a", []int{256}, 14, make([]float32, 256)}}, ErrUnsupportedType},
		{"five dimensions", nil, []Entry{{"a", []int{1, 1, 1, 1, 1}, F32, []float32{1}}}, ErrRank},
		{"negative size", nil, []Entry{{"a", []int{-1, -1}, F32, []float32{1}}}, ErrShapeOverflow},
		{"too few values", nil, []Entry{{"a", []int{2}, F32, []float32{1}}}, ErrLength},
		{"row that is no multiple of the block", nil, []Entry{{"a", []int{2, 16}, Q8_0, make([]float32, 32)}}, ErrRowLength},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			require.ErrorIs(t, Write(&out, tt.meta, tt.entries), tt.want)
			require.Zero(t, out.Len(), "nothing is written")
		})
	}
}

// failing accepts a number of bytes and fails afterwards.
type failing struct{ left int }

var errDisk = errors.New("no space")

func (w *failing) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func TestFailedWriteIsReported(t *testing.T) {
	var whole bytes.Buffer
	require.NoError(t, Write(&whole, nil, sampleTensors()))
	require.NoError(t, Write(&failing{whole.Len()}, nil, sampleTensors()))
	for _, left := range []int{0, 100, whole.Len() / 2, whole.Len() - 1} {
		require.ErrorIs(t, Write(&failing{left}, nil, sampleTensors()), errDisk, "after %d bytes", left)
	}
}
