package gguf

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/model/mapped"
)

// The pretrained student, and what gguf-py reads from it, beside the repository.
const (
	smolLM2 = "../../../shared/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf"
	golden  = "../../../shared/golden/smollm2.json"
)

// openSmolLM2 opens the pretrained student or skips the test.
func openSmolLM2(tb testing.TB) *File {
	tb.Helper()
	if _, err := os.Stat(smolLM2); err != nil {
		tb.Skipf("no pretrained student: %v", err)
	}
	f, err := Open(smolLM2)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, f.Close()) })
	return f
}

func TestDequantizedValuesAreThoseOfTheReference(t *testing.T) {
	f := openSmolLM2(t)
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Skipf("no golden data: %v", err)
	}
	var reference struct {
		Tensors map[string]struct {
			Type        string
			Shape       []int
			First, Last []float64
			Sum         float64
			SumAbs      float64 `json:"sum_abs"`
		}
	}
	require.NoError(t, json.Unmarshal(text, &reference))
	require.NotEmpty(t, reference.Tensors)
	for name, want := range reference.Tensors {
		t.Run(name, func(t *testing.T) {
			info, ok := f.Info(name)
			require.True(t, ok)
			require.Equal(t, want.Type, info.Type.String())
			require.Equal(t, want.Shape, info.Shape)
			values := make([]float32, info.Elements())
			require.NoError(t, f.ReadFloat32(name, values))
			for i, v := range want.First {
				require.Equal(t, v, float64(values[i]), "value %d", i)
			}
			for i, v := range want.Last {
				at := len(values) - len(want.Last) + i
				require.Equal(t, v, float64(values[at]), "value %d", at)
			}
			var sum, sumAbs float64
			for _, v := range values {
				sum += float64(v)
				sumAbs += math.Abs(float64(v))
			}
			require.InEpsilon(t, want.SumAbs, sumAbs, 1e-12)
			require.InDelta(t, want.Sum, sum, 1e-12*want.SumAbs)
		})
	}
}

// TestRequantizingGivesTheSameBytes: each block's largest value decides its scale,
// and survives the round trip, so the file's own bytes come back.
func TestRequantizingGivesTheSameBytes(t *testing.T) {
	f := openSmolLM2(t)
	for _, name := range []string{"token_embd.weight", "blk.0.attn_q.weight", "blk.29.ffn_down.weight", "output_norm.weight"} {
		info, ok := f.Info(name)
		require.True(t, ok)
		values := make([]float32, info.Elements())
		require.NoError(t, f.ReadFloat32(name, values))
		again, err := quantize(nil, values, info.Type)
		require.NoError(t, err)
		require.NoError(t, f.view(name, func(_ Info, raw []byte) error {
			require.True(t, bytes.Equal(raw, again), name)
			return nil
		}))
	}
}

func TestMetadataOfThePretrainedStudent(t *testing.T) {
	f := openSmolLM2(t)
	require.Len(t, f.Names(), 272)
	require.Len(t, f.Keys(), 33)
	require.Equal(t, "general.architecture", f.Keys()[0])
	architecture, ok := f.String("general.architecture")
	require.True(t, ok)
	require.Equal(t, "llama", architecture)
	layers, ok := f.Uint("llama.block_count")
	require.True(t, ok)
	require.Equal(t, uint64(30), layers)
	base, ok := f.Float("llama.rope.freq_base")
	require.True(t, ok)
	require.Equal(t, 100000.0, base)
	tokens, ok := f.Strings("tokenizer.ggml.tokens")
	require.True(t, ok)
	require.Len(t, tokens, 49152)
	require.Equal(t, []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"}, tokens[:3])
	require.Equal(t, "ectable", tokens[49151])
	types, ok := f.Ints("tokenizer.ggml.token_type")
	require.True(t, ok)
	require.Len(t, types, 49152)
	require.Equal(t, int64(3), types[0])
}

// TestTensorsAreReadAtOnce reads all tensors from many goroutines and compares
// with reading them one by one.
func TestTensorsAreReadAtOnce(t *testing.T) {
	f := openSmolLM2(t)
	sum := func(name string) (total float64) {
		info, _ := f.Info(name)
		values := make([]float32, info.Elements())
		require.NoError(t, f.ReadFloat32(name, values))
		for _, v := range values {
			total += float64(v)
		}
		return total
	}
	names := f.Names()[1:40]
	got := make([]float64, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { got[i] = sum(name) })
	}
	wg.Wait()
	for i, name := range names {
		require.Equal(t, sum(name), got[i], name)
	}
}

// BenchmarkReadWholeFile dequantizes the 134.5 million values of the student.
func BenchmarkReadWholeFile(b *testing.B) {
	f := openSmolLM2(b)
	largest, total := 0, 0
	for _, name := range f.Names() {
		info, _ := f.Info(name)
		largest, total = max(largest, info.Elements()), total+info.Elements()
	}
	values := make([]float32, largest)
	b.SetBytes(int64(4 * total))
	for b.Loop() {
		for _, name := range f.Names() {
			info, _ := f.Info(name)
			require.NoError(b, f.ReadFloat32(name, values[:info.Elements()]))
		}
	}
}

func TestBlocksDequantizeByTheFormula(t *testing.T) {
	// d = 0.5 (F16 0x3800), m = -1 (0xbc00)
	nibbles := make([]byte, 16)
	for i := range nibbles {
		nibbles[i] = byte(i | (15-i)<<4) // q[i] = i, q[i+16] = 15-i
	}
	bytesQ8 := []byte{0x00, 0x38}
	for i := range blockValues {
		bytesQ8 = append(bytesQ8, byte(int8(8*i-128)))
	}
	tests := []struct {
		typ  Type
		raw  []byte
		want func(i int) float32
	}{
		{Q8_0, bytesQ8, func(i int) float32 { return float32(8*i-128) * 0.5 }},
		{Q4_0, append([]byte{0x00, 0x38}, nibbles...), func(i int) float32 {
			if i < 16 {
				return float32(i-8) * 0.5
			}
			return float32(15-(i-16)-8) * 0.5
		}},
		{Q4_1, append([]byte{0x00, 0x38, 0x00, 0xbc}, nibbles...), func(i int) float32 {
			if i < 16 {
				return float32(i)*0.5 - 1
			}
			return float32(15-(i-16))*0.5 - 1
		}},
	}
	for _, tt := range tests {
		t.Run(tt.typ.String(), func(t *testing.T) {
			require.Len(t, tt.raw, layouts[tt.typ].bytes)
			got := make([]float32, 2*blockValues)
			dequantize(got, bytes.Repeat(tt.raw, 2), tt.typ)
			for i, v := range got {
				require.Equal(t, tt.want(i%blockValues), v, "value %d", i)
			}
		})
	}
}

func TestWrongRequestsAreErrors(t *testing.T) {
	data := tensors(4, 352,
		"a", u32(2), u64(3), u64(2), u32(F32), u64(0),
		"k", u32(1), u64(256), u32(15), u64(32),
		"u", u32(1), u64(256), u32(77), u64(352),
		"e", u32(1), u64(0), u32(F32), u64(352))
	f, err := newFile("memory", mapped.FromBytes(data))
	require.NoError(t, err)
	info, ok := f.Info("a")
	require.True(t, ok)
	require.Equal(t, []int{2, 3}, info.Shape, "outermost first")
	require.Equal(t, 24, info.Bytes())

	err = f.ReadFloat32("a", make([]float32, 5))
	require.ErrorIs(t, err, ErrLength)
	require.ErrorContains(t, err, `gguf: memory: tensor "a": wrong length: [2 3] has 6 values, the destination 5`)
	err = f.ReadFloat32("k", make([]float32, 256))
	require.ErrorIs(t, err, ErrUnsupportedType)
	require.ErrorContains(t, err, `tensor "k": unsupported tensor type Q8_K`)
	err = f.ReadFloat32("u", nil)
	require.ErrorIs(t, err, ErrUnsupportedType)
	require.ErrorContains(t, err, "type 77")
	require.ErrorIs(t, f.ReadFloat32("x", nil), ErrNoTensor)
	_, err = f.Tensor("e")
	require.ErrorIs(t, err, ErrEmpty)
	_, err = f.Tensor("k")
	require.ErrorIs(t, err, ErrUnsupportedType)
	_, ok = f.Info("x")
	require.False(t, ok)

	require.NoError(t, f.Close())
	err = f.ReadFloat32("a", make([]float32, 6))
	require.True(t, errors.Is(err, mapped.ErrClosed), "%v", err)
}
