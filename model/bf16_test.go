package model

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/conformance/plain"
	"retort/kernels/cuda"
	"retort/kernels/cuda/driver/emu"
	"retort/model/safetensors"
)

// deviation is how far a backend's tensors are from PyTorch's float32, each tensor scaled
// by its root mean square: over all elements, and the largest.
type deviation struct {
	squares, worst float64
	count          int
}

func (d *deviation) add(t *testing.T, have, want []float32) {
	require.Len(t, have, len(want))
	scale := 0.0
	for _, v := range want {
		scale += float64(v) * float64(v)
	}
	scale = math.Sqrt(scale / float64(len(want)))
	if scale < 1e-6 { // the bias of a key has no gradient but rounding
		return
	}
	for i, v := range want {
		off := (float64(have[i]) - float64(v)) / scale
		require.False(t, math.IsNaN(off))
		d.squares += off * off
		d.worst = max(d.worst, math.Abs(off))
		d.count++
	}
}

func (d *deviation) rms() float64 { return math.Sqrt(d.squares / float64(d.count)) }

// deviations runs the first rows of a golden family forward and backward on k.
func deviations(t *testing.T, k kernels.Backend, family string) (logits, gradients deviation) {
	rows, _, _ := readGolden(t, family)
	s, _, err := Load(k, filepath.Join(golden, family))
	require.NoError(t, err)
	defer s.Close()
	want, err := safetensors.Open(filepath.Join(golden, family, "forward_backward.safetensors"))
	require.NoError(t, err)
	defer want.Close()
	b := pairBatch(rows[:3])
	p, err := NewPass(s, PassOptions{Tokens: len(b.IDs), Rows: len(b.IDs), Training: true})
	require.NoError(t, err)
	defer p.Close()
	p.Forward(b)
	p.LossBackward()
	for _, g := range p.Gradients() {
		have, err := g.Host(k)
		require.NoError(t, err)
		dense, err := want.Tensor("grad." + g.Name)
		require.NoError(t, err)
		gradients.add(t, have, dense.Float32s())
	}
	all := everyRow(b)
	out, err := k.Alloc(kernels.Float32, kernels.Scratch, len(all.IDs), s.Vocab)
	require.NoError(t, err)
	defer k.Free(out)
	p.Forward(all)
	p.Logits(out)
	for doc := 1; doc < len(b.Starts); doc++ {
		lo, hi := int(b.Starts[doc-1]), int(b.Starts[doc])
		have := make([]float32, (hi-lo)*s.Vocab)
		require.NoError(t, k.Download(have, out.RowRange(lo, hi)))
		dense, err := want.Tensor(fmt.Sprintf("logits.%d", doc-1))
		require.NoError(t, err)
		logits.add(t, have, dense.Float32s())
	}
	return logits, gradients
}

// TestBF16ErrsAtMostTwiceAsMuchAsAPlainBF16: a whole student in bf16 on the PTX machine
// against PyTorch in float32. What bf16 costs is measured on the plain backend, which rounds
// at the same places and sums in float32 in the plainest order; the kernels may err twice as
// much, over all elements and at the worst one.
func TestBF16ErrsAtMostTwiceAsMuchAsAPlainBF16(t *testing.T) {
	for _, family := range families {
		t.Run(family, func(t *testing.T) {
			device, err := cuda.New(emu.New(emu.Options{}), 0, cuda.Options{Activation: kernels.BFloat16})
			require.NoError(t, err)
			defer device.Close()
			logits, gradients := deviations(t, device, family)
			plainLogits, plainGradients := deviations(t, plain.NewBF16(), family)
			t.Logf("logits: rms %.2g (plain %.2g), worst %.2g (%.2g); gradients: rms %.2g (%.2g), worst %.2g (%.2g)",
				logits.rms(), plainLogits.rms(), logits.worst, plainLogits.worst, gradients.rms(), plainGradients.rms(), gradients.worst, plainGradients.worst)
			require.Less(t, 1e-4, plainLogits.rms(), "bf16 has eight digits: less error would be none of its")
			require.LessOrEqual(t, logits.rms(), 2*plainLogits.rms())
			require.LessOrEqual(t, logits.worst, 2*plainLogits.worst)
			require.LessOrEqual(t, gradients.rms(), 2*plainGradients.rms())
			require.LessOrEqual(t, gradients.worst, 2*plainGradients.worst)
		})
	}
}
