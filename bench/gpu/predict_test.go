package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda"
	"retort/kernels/cuda/driver/emu"
	"retort/kernels/cuda/ptx"
)

// aligned are shapes whose rows are multiples of 16 bytes, as all students' are.
var aligned = scale{
	students: []student{
		{d: 192, f: 512, h: 3, k: 1, size: 64, v: 256},
		{d: 256, f: 1024, h: 4, k: 4, size: 64, v: 256, gpt2: true},
	},
	tokens: []int{32}, layers: 1,
}

func TestKernelsThatMoveMemoryTouchOnlyTheSectorsTheyNeed(t *testing.T) {
	k := newCounter(emu.A100, 0)
	defer k.close()
	kernelsSeen := 0
	for _, c := range append(rowwiseCases(aligned), optimizerCases(aligned)...) {
		if operations[c.Op].owed(cuda.Owed) != "" {
			continue
		}
		counts, err := k.count(c)
		require.NoError(t, err, c.name())
		for name, n := range counts {
			kernelsSeen++
			if n.GlobalLoad.Requests+n.GlobalStore.Requests < 64 {
				continue // a launch of one block reads a handful of numbers
			}
			require.LessOrEqual(t, sectorRatio(n), coalesced, "%s of %s", name, c.name())
		}
	}
	require.Greater(t, kernelsSeen, 20)
}

func TestBoundsAreTheCountsOverTheCardsRates(t *testing.T) {
	card := cardModel{"card", emu.A100, 200, 0.5, 64}
	card.attributes.Multiprocessors, card.attributes.ClockKHz = 10, 1e6 // 10^10 clocks a second
	card.attributes.MemoryClockKHz, card.attributes.MemoryBusBits = 1e6, 8
	n := emu.KernelCounts{Launches: 2}
	n.Blocks = 40
	n.Executed.Warp, n.Footprint, n.MatrixFLOPs = 4e10, 2e9, 1e14
	n.ByKind[ptx.KindFloat].Warp, n.ByKind[ptx.KindInteger].Warp = 2e10, 1e10
	n.GlobalLoad.Units, n.SharedStore.Units = 2e10, 1e10
	bounds := card.bounds(n)
	for resource, seconds := range map[string]float64{
		"issue": 1, "memory": 1, "tensor cores": 1, "float": 1, "integer": 0.5, "cache": 1, "shared memory": 1, "special": 0,
	} {
		require.InDelta(t, seconds, bounds[resource], 1e-9, resource)
	}
	n.Blocks = 2 // a block a launch keeps one of ten multiprocessors busy
	require.InDelta(t, 10, card.bounds(n)["issue"], 1e-9)
	require.InDelta(t, 1, card.bounds(n)["memory"], 1e-9)
	bound, seconds := slowest(map[string]float64{"a": 1, "b": 3, "c": 2})
	require.Equal(t, "b", bound)
	require.EqualValues(t, 3, seconds)
}

func TestSampledCountsPredictWhatAllBlocksDo(t *testing.T) {
	c := benchCase{"rowwise", "RMSNorm", dims{T: 256, D: 192}, kernels.BFloat16}
	whole, part := newCounter(emu.A100, 0), newCounter(emu.A100, 5)
	defer whole.close()
	defer part.close()
	all, err := whole.count(c)
	require.NoError(t, err)
	some, err := part.count(c)
	require.NoError(t, err)
	require.Equal(t, all["norm_bf16"].Executed, some["norm_bf16"].Executed)
	require.Equal(t, all["norm_bf16"].Footprint, some["norm_bf16"].Footprint)
}

func TestPredictionsAreOneFileOfDataAndOneTable(t *testing.T) {
	defer func(at scale) { predicted = at }(predicted)
	predicted = aligned
	out := t.TempDir()
	require.NoError(t, predictAll(options{suites: "rowwise", only: "RMSNorm ", output: out}, io.Discard))
	table, err := os.ReadFile(filepath.Join(out, "gpu-predicted.md"))
	require.NoError(t, err)
	require.Contains(t, string(table), "| RMSNorm T=32 d=192 bfloat16 |")
	require.Contains(t, string(table), "| norm_bf16 | RMSNorm")
	require.NotContains(t, string(table), "SwiGLU")
	require.FileExists(t, filepath.Join(out, "gpu-predicted.json"))
}
