package gguf

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// referenceBlocks are stored blocks and what gguf-py reads from them; see
// testdata/README.md.
func referenceBlocks(t *testing.T, path string) map[string]struct{ Raw, Values []byte } {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var blocks map[string]struct{ Raw, Values []byte }
	require.NoError(t, json.Unmarshal(text, &blocks))
	return blocks
}

func TestEveryQuantizedTypeIsReadAsByTheReference(t *testing.T) {
	blocks := referenceBlocks(t, "testdata/blocks.json")
	for typ, l := range layouts {
		if !typ.Supported() || l.values == 1 {
			continue
		}
		t.Run(typ.String(), func(t *testing.T) {
			reference, ok := blocks[typ.String()]
			require.True(t, ok, "no reference")
			require.Len(t, reference.Values, 4*l.values*len(reference.Raw)/l.bytes)
			got := make([]float32, len(reference.Values)/4)
			dequantize(got, reference.Raw, typ)
			for i, v := range got {
				want := binary.LittleEndian.Uint32(reference.Values[4*i:])
				require.Equal(t, want, math.Float32bits(v), "value %d: %g, not %g", i, v, math.Float32frombits(want))
			}
		})
	}
}

func TestTypesWithoutAWriterAreReadOnly(t *testing.T) {
	for _, typ := range []Type{Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K} {
		require.True(t, typ.Supported(), "%s is read", typ)
		entry := Entry{Name: "a", Shape: []int{superValues}, Type: typ, Data: make([]float32, superValues)}
		_, err := entry.check()
		require.ErrorIs(t, err, ErrUnsupportedType)
		require.ErrorContains(t, err, "for writing: "+typ.String())
	}
}

// BenchmarkDequantize expands a million values of each quantized type.
func BenchmarkDequantize(b *testing.B) {
	values := make([]float32, 1<<20)
	for _, typ := range []Type{Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K} {
		b.Run(typ.String(), func(b *testing.B) {
			raw := make([]byte, len(values)/layouts[typ].values*layouts[typ].bytes)
			b.SetBytes(int64(4 * len(values)))
			for b.Loop() {
				dequantize(values, raw, typ)
			}
		})
	}
}
