package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/model/half"
	"retort/model/mapped"
)

// golden is shared/golden beside the repository.
const golden = "../../../shared/golden"

// fromBytes opens a file that lies in memory.
func fromBytes(data []byte) (*File, error) {
	return newFile("memory", mapped.FromBytes(data))
}

// written is the file that Write makes, opened again.
func written(t *testing.T, entries []Entry, metadata map[string]string) (*File, []byte) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Write(&out, entries, metadata))
	f, err := fromBytes(out.Bytes())
	require.NoError(t, err)
	return f, out.Bytes()
}

// eachGoldenFile runs test on every safetensors file of shared/golden.
func eachGoldenFile(t *testing.T, test func(t *testing.T, path string)) {
	if _, err := os.Stat(golden); err != nil {
		t.Skipf("no golden data: %v", err)
	}
	files := 0
	require.NoError(t, filepath.WalkDir(golden, func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".safetensors" {
			files++
			t.Run(path[len(golden)+1:], func(t *testing.T) { test(t, path) })
		}
		return err
	}))
	require.NotZero(t, files)
}

func TestGoldenFilesSurviveReadAndWrite(t *testing.T) {
	eachGoldenFile(t, func(t *testing.T, path string) {
		f, err := Open(path)
		require.NoError(t, err)
		defer f.Close()
		require.NotEmpty(t, f.Names())
		var entries []Entry
		for _, name := range f.Names() {
			info, ok := f.Info(name)
			require.True(t, ok)
			e := Entry{Name: name, Shape: info.Shape, DType: info.DType}
			raw, err := f.Raw(name)
			require.NoError(t, err)
			if info.DType == I64 {
				e.Int64 = make([]int64, info.Elements())
				require.NoError(t, binary.Read(bytes.NewReader(raw), binary.LittleEndian, e.Int64))
				require.ErrorIs(t, f.ReadFloat32(name, make([]float32, info.Elements())), ErrNotFloat)
			} else {
				dense, err := f.Tensor(name)
				require.NoError(t, err)
				require.Equal(t, info.Shape, []int(dense.Shape()))
				e.Data = dense.Data().([]float32)
			}
			entries = append(entries, e)
		}
		again, _ := written(t, entries, f.Metadata())
		require.Equal(t, f.Names(), again.Names())
		for _, name := range f.Names() {
			want, _ := f.Raw(name)
			got, err := again.Raw(name)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "tensor %s: bytes differ", name)
		}
	})
}

// TestBF16ShardsAreTheRoundedWeights: PyTorch's rounding of the same weights.
func TestBF16ShardsAreTheRoundedWeights(t *testing.T) {
	if _, err := os.Stat(golden); err != nil {
		t.Skipf("no golden data: %v", err)
	}
	full, err := OpenFolder(filepath.Join(golden, "qwen2"))
	require.NoError(t, err)
	defer full.Close()
	sharded, err := OpenFolder(filepath.Join(golden, "qwen2", "bf16_sharded"))
	require.NoError(t, err)
	defer sharded.Close()
	require.Equal(t, full.Names(), sharded.Names())
	for _, name := range full.Names() {
		want, err := full.Tensor(name)
		require.NoError(t, err)
		raw, err := sharded.Raw(name)
		require.NoError(t, err)
		require.Equal(t, half.AppendBF16(nil, want.Data().([]float32)), raw, name)
	}
}

func TestWrittenBytes(t *testing.T) {
	_, data := written(t, []Entry{
		{Name: "b<>", Shape: []int{2}, DType: BF16, Data: []float32{1, -2}},
		{Name: "z", Shape: []int{}, DType: F32, Data: []float32{0.5}},
		{Name: "a", Shape: []int{1, 1}, DType: F32, Data: []float32{1}},
		{Name: "i", Shape: []int{1}, DType: I64, Int64: []int64{-1}},
	}, nil)
	header := `{"__metadata__":{"format":"pt"}` +
		`,"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}` +
		`,"a":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]}` +
		`,"z":{"dtype":"F32","shape":[],"data_offsets":[12,16]}` +
		`,"b<>":{"dtype":"BF16","shape":[2],"data_offsets":[16,20]}}`
	header += strings.Repeat(" ", 7-(len(header)+7)%8)
	require.Zero(t, len(header)%8)
	want := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	want = append(want, header...)
	want = append(want, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x3f, 0x80, 0x3f, 0, 0xc0)
	require.Equal(t, want, data)
}

func TestOrderOfEntriesDoesNotChangeTheFile(t *testing.T) {
	entries := []Entry{
		{Name: "c", Shape: []int{3}, DType: BF16, Data: []float32{1, 2, 3}},
		{Name: "a", Shape: []int{1}, DType: F32, Data: []float32{4}},
		{Name: "b", Shape: []int{2}, DType: F32, Data: []float32{5, 6}},
	}
	metadata := map[string]string{"format": "np", "x": "1", "a": "2", "m": "3"}
	f, want := written(t, entries, metadata)
	require.Equal(t, metadata, f.Metadata())
	for range 20 {
		rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		_, got := written(t, entries, metadata)
		require.Equal(t, want, got)
	}
}

func TestTensorsLongerThanAChunkAreWrittenWhole(t *testing.T) {
	values := make([]float32, 2*chunkValues+3)
	for i := range values {
		values[i] = float32(i)
	}
	f, _ := written(t, []Entry{{Name: "a", Shape: []int{len(values)}, DType: F32, Data: values}}, nil)
	got := make([]float32, len(values))
	require.NoError(t, f.ReadFloat32("a", got))
	require.Equal(t, values, got)
}

func TestEveryFloatDTypeConverts(t *testing.T) {
	values := []float32{0, 1, -0.5, 1.5, 1024}
	raw := map[DType][]byte{F16: half.AppendF16(nil, values), BF16: half.AppendBF16(nil, values)}
	for _, v := range values {
		raw[F32] = binary.LittleEndian.AppendUint32(raw[F32], math.Float32bits(v))
		raw[F64] = binary.LittleEndian.AppendUint64(raw[F64], math.Float64bits(float64(v)))
	}
	for dtype, bytes := range raw {
		got := make([]float32, len(values))
		require.NoError(t, decode(got, bytes, dtype))
		require.Equal(t, values, got, dtype)
	}
	require.ErrorIs(t, decode(nil, nil, "U8"), ErrNotFloat)
}

func TestWrongRequestsAreErrors(t *testing.T) {
	f, _ := written(t, []Entry{
		{Name: "a", Shape: []int{2, 3}, DType: F32, Data: make([]float32, 6)},
		{Name: "empty", Shape: []int{0, 3}, DType: F32},
		{Name: "i", Shape: []int{1}, DType: I64, Int64: []int64{7}},
	}, nil)
	err := f.ReadFloat32("a", make([]float32, 5))
	require.ErrorIs(t, err, ErrLength)
	require.ErrorContains(t, err, `memory: tensor "a": wrong length: [2 3] has 6 values, the destination 5`)
	require.ErrorIs(t, f.ReadFloat32("x", nil), ErrNoTensor)
	require.ErrorIs(t, f.ReadFloat32("i", make([]float32, 1)), ErrNotFloat)
	require.NoError(t, f.ReadFloat32("empty", nil))
	_, err = f.Tensor("empty")
	require.ErrorIs(t, err, ErrEmpty)
	_, ok := f.Info("x")
	require.False(t, ok)

	require.NoError(t, f.Close())
	require.ErrorIs(t, f.ReadFloat32("a", make([]float32, 6)), mapped.ErrClosed)
	_, err = f.Raw("a")
	require.ErrorIs(t, err, mapped.ErrClosed)
}

func TestWriteRefusesBadEntries(t *testing.T) {
	ok := Entry{Name: "a", Shape: []int{1}, DType: F32, Data: []float32{1}}
	tests := []struct {
		name    string
		entries []Entry
		meta    map[string]string
		want    error
	}{
		{"name twice", []Entry{ok, ok}, nil, ErrName},
		{"name of the metadata", []Entry{{Name: "__Metadata__", Shape: []int{0}, DType: F32}}, nil, ErrName},
		{"name that is no UTF-8", []Entry{{Name: "\xff", Shape: []int{0}, DType: F32}}, nil, ErrName},
		{"metadata that is no UTF-8", nil, map[string]string{"k": "\xff"}, ErrUTF8},
		{"dtype that cannot be written", []Entry{{Name: "a", Shape: []int{0}, DType: "U8"}}, nil, ErrDType},
		{"too few values", []Entry{{Name: "a", Shape: []int{2}, DType: F32, Data: []float32{1}}}, nil, ErrLength},
		{"float values for I64", []Entry{{Name: "a", Shape: []int{1}, DType: I64, Data: []float32{1}}}, nil, ErrLength},
		{"negative size", []Entry{{Name: "a", Shape: []int{-1, -1}, DType: F32, Data: []float32{1}}}, nil, ErrNumber},
		{"shape that overflows", []Entry{{Name: "a", Shape: []int{math.MaxInt, 4}, DType: F32}}, nil, ErrShapeOverflow},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			require.ErrorIs(t, Write(&out, tt.entries, tt.meta), tt.want)
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
	entries := []Entry{{Name: "a", Shape: []int{1}, DType: F32, Data: []float32{1}}}
	_, data := written(t, entries, nil)
	require.NoError(t, Write(&failing{len(data)}, entries, nil))
	require.ErrorIs(t, Write(&failing{4}, entries, nil), errDisk)
	err := Write(&failing{len(data) - 1}, entries, nil)
	require.ErrorIs(t, err, errDisk)
	require.ErrorContains(t, err, `tensor "a"`)
}

func TestConcurrentReadsSeeTheSameValues(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.safetensors")
	writeShard(t, path, 3, "a", "b")
	f, err := Open(path)
	require.NoError(t, err)
	defer f.Close()
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "a", "b"} {
		wg.Go(func() {
			values := make([]float32, 2)
			for range 200 {
				if err := f.ReadFloat32(name, values); err != nil || values[1] != 3 {
					t.Errorf("tensor %s: %v %v", name, values, err)
				}
			}
		})
	}
	wg.Wait()
}
