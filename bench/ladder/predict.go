package main

import (
	"fmt"

	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/driver/emu"
	"retort/kernels/cuda/ptx"
)

// card is what bounds a kernel on a device.
type card struct {
	driver.Attributes
	Name       string
	tensor     float64 // FLOP/s of mma.sync, bf16 with float sums
	floatLanes float64 // float instructions a multiprocessor completes each clock
}

// cards have the dense peaks of NVIDIA's data sheets. On Hopper only wgmma reaches the
// 989 TFLOP/s of the data sheet; mma.sync reaches 62.9% of it (Luo et al., arXiv
// 2402.13499, which measured an H800).
var cards = []card{
	{Attributes: emu.A100, Name: "A100", tensor: 312e12, floatLanes: 64},
	{Attributes: emu.H100, Name: "H100", tensor: 989e12 * 0.629, floatLanes: 128},
	{Attributes: emu.RTX4090, Name: "RTX 4090", tensor: 165.2e12, floatLanes: 128},
}

// predict is the time that the card cannot beat, and what takes it: the largest of what
// each of its parts needs when nothing waits. counts are of one tile, of which there are
// `whole`.
func (c card) predict(s shape, counts ptx.Counts, whole float64) string {
	seconds, by := c.longest(s.bytes(), counts, whole)
	return fmt.Sprintf("%.0f µs, %.0f TFLOP/s (%s)", seconds*1e6, s.flops()/seconds/1e12, by)
}

// longest is that time in seconds; bytes is what memory must move at least.
func (c card) longest(bytes float64, counts ptx.Counts, whole float64) (longest float64, by string) {
	clocks := float64(c.ClockKHz) * 1e3 * float64(c.Multiprocessors) // of all multiprocessors, a second
	bandwidth := float64(c.MemoryClockKHz) * 1e3 * 2 * float64(c.MemoryBusBits) / 8
	for _, part := range []struct {
		name    string
		seconds float64
	}{
		{"tensor cores", float64(counts.MatrixFLOPs) * whole / c.tensor},
		{"float units", float64(counts.ByKind[ptx.KindFloat].Lane) * whole / (c.floatLanes * clocks)},
		{"issue", float64(counts.Executed.Warp) * whole / (4 * clocks)},
		{"shared memory", float64(counts.SharedLoad.Units+counts.SharedStore.Units) * whole / clocks},
		{"global sectors", float64(counts.GlobalLoad.Units+counts.GlobalStore.Units) * whole / (4 * clocks)},
		{"memory", bytes / bandwidth},
	} {
		if part.seconds > longest {
			longest, by = part.seconds, part.name
		}
	}
	return longest, by
}

const header = `# The matrix product, step by step

Predicted, not measured: what the PTX machine counted for y (%d, %d) = x · wᵀ with k = %d in bf16,
%.0f GFLOP. ` + "`go run ./bench/ladder -output bench/results`" + `

| step | lane instructions, 10⁹ | sectors read / ideal | shared load passes / ideal | shared store passes / ideal | mma of all instructions | mma per shared load |`

const footer = `
The predicted time is the longest that any part of the card needs when nothing ever waits: tensor
cores (peak of mma.sync), float units, instruction issue (4 a clock and multiprocessor), passes over
shared memory (1), sectors of global memory through the first-level cache (4), and the least traffic of
device memory. Latency is not in it: steps 1 to 3 wait for memory in every turn of their loops, which
step 4 is there to hide, so that their measured times will be further from these than those of the last
two. Nor are tails of the grid, clocks under load, and instructions that ptxas folds away.
`
