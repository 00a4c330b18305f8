package reference

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
)

func TestFilteredKeepsWhatTransformersKeeps(t *testing.T) {
	logits := []float64{math.Log(1), math.Log(4), math.Log(2), math.Log(1), math.Log(2)} // 0.1 0.4 0.2 0.1 0.2
	for _, c := range []struct {
		name string
		s    kernels.Sampling
		want []float64
	}{
		{"all", kernels.Sampling{Temperature: 1, TopP: 1}, []float64{0.1, 0.4, 0.2, 0.1, 0.2}},
		{"greedy", kernels.Sampling{Temperature: 0, TopP: 1}, []float64{0, 1, 0, 0, 0}},
		{"top-k keeps equals", kernels.Sampling{Temperature: 1, TopK: 2, TopP: 1}, []float64{0, 0.5, 0.25, 0, 0.25}},
		{"top-p keeps the crossing token", kernels.Sampling{Temperature: 1, TopP: 0.5}, []float64{0, 2. / 3, 1. / 3, 0, 0}},
		{"top-p keeps one", kernels.Sampling{Temperature: 1, TopP: 0.01}, []float64{0, 1, 0, 0, 0}},
		{"temperature before top-p", kernels.Sampling{Temperature: 0.5, TopP: 0.6}, []float64{0, 1, 0, 0, 0}},
		{"top-k before top-p", kernels.Sampling{Temperature: 1, TopK: 1, TopP: 0.9}, []float64{0, 1, 0, 0, 0}},
	} {
		require.InDeltaSlice(t, c.want, Filtered(logits, c.s), 1e-12, c.name)
	}
}

func TestSampleTakesTheFirstIDAboveTheUniform(t *testing.T) {
	logits := Of(3, 3, []float64{0, 0, 0, 0, 0, 0, 0, 0, 0})
	ids, logprobs := make([]int32, 3), make([]float64, 3)
	Sample(ids, logprobs, logits, []float64{0, 0.34, 0.9999}, kernels.Sampling{Temperature: 2, TopP: 1})
	require.Equal(t, []int32{0, 1, 2}, ids)
	require.InDelta(t, -math.Log(3), logprobs[0], 1e-12)
}

// TestFilteredMatchesTransformers compares with the distributions that transformers'
// own warpers computed.
func TestFilteredMatchesTransformers(t *testing.T) {
	const folder = "../../../../shared/golden/"
	text, err := os.ReadFile(folder + "losses.json")
	if err != nil {
		t.Skip("no golden data beside the repository: ", err)
	}
	var golden struct {
		Sampling []struct {
			Temperature   float32   `json:"temperature"`
			TopK          int       `json:"top_k"`
			TopP          float32   `json:"top_p"`
			Probabilities []float64 `json:"probabilities"`
		} `json:"sampling"`
	}
	require.NoError(t, json.Unmarshal(text, &golden))
	require.NotEmpty(t, golden.Sampling)
	logits := goldenTensor(t, folder+"losses.safetensors", "sampling_logits")
	for _, g := range golden.Sampling {
		s := kernels.Sampling{Temperature: g.Temperature, TopK: g.TopK, TopP: g.TopP}
		require.InDeltaSlice(t, g.Probabilities, Filtered(logits, s), 2e-7, "%+v", s)
	}
}

// goldenTensor reads one float32 tensor of a safetensors file: the header's length in
// 8 bytes, the header in JSON, the values.
func goldenTensor(t *testing.T, path, name string) []float64 {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	body := 8 + binary.LittleEndian.Uint64(data)
	var header map[string]struct {
		Offsets [2]uint64 `json:"data_offsets"`
	}
	require.NoError(t, json.Unmarshal(data[8:body], &header))
	at := header[name].Offsets
	require.Less(t, at[0], at[1], "no tensor %s", name)
	var values []float64
	for b := data[body+at[0] : body+at[1]]; len(b) > 0; b = b[4:] {
		values = append(values, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
	}
	return values
}
