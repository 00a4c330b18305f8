package main

import (
	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/driver/emu"
	"retort/kernels/cuda/ptx"
)

// cardModel is what a prediction knows of a card. The clocks, multiprocessors and memory are
// those of emu's presets, which name their sources.
type cardModel struct {
	name       string
	attributes driver.Attributes
	// tensorTFLOPs is the dense bf16 rate with float32 sums of NVIDIA's data sheet or
	// architecture paper: A100 312, H100 SXM5 989.4, RTX 4090 165.2. mmaShare is how much of
	// it mma.sync reaches: on Hopper only wgmma reaches it all (Luo et al., arXiv 2402.13499,
	// measured 62.9 % on an H800).
	tensorTFLOPs, mmaShare float64
	// floatLanes are float32 additions, multiplications or fma a clock and multiprocessor:
	// table "Throughput of Native Arithmetic Instructions" of the CUDA C++ programming guide
	// for compute capability 8.0, 9.0 and 8.9.
	floatLanes float64
}

var cards = []cardModel{
	{"A100", emu.A100, 312, 1, 64},
	{"H100", emu.H100, 989.4, 0.629, 128},
	{"RTX 4090", emu.RTX4090, 165.2, 1, 128},
}

// The rest of that table, and of what a multiprocessor does in a clock, is the same on all
// three: integer and logical operations, comparisons; rcp, rsqrt, sqrt, ex2 and the like;
// four warps scheduled; one pass of 32 banks over shared memory; and 64 bytes between it
// and the L2 cache (measured for Volta and Ampere by Jia et al., arXiv 1804.06826).
const (
	integerLanes  = 64
	specialLanes  = 16
	issuedWarps   = 4
	sharedPasses  = 1
	cacheBytes    = 64
	sectorOfCache = 32
)

// bandwidth is the memory's in bytes a second.
func (c cardModel) bandwidth() float64 {
	a := c.attributes
	return 2 * float64(a.MemoryClockKHz) * 1e3 * float64(a.MemoryBusBits) / 8
}

// bounds are the seconds that each resource of the card needs for what a kernel did. The
// slowest one is the prediction: latencies, launches and the imperfect overlap of the
// resources come on top.
func (c cardModel) bounds(k emu.KernelCounts) map[string]float64 {
	// A launch of few blocks leaves multiprocessors idle.
	busy := float64(c.attributes.Multiprocessors)
	if k.Launches > 0 {
		busy = min(busy, max(1, float64(k.Blocks)/float64(k.Launches)))
	}
	clocks := busy * float64(c.attributes.ClockKHz) * 1e3 // of all busy multiprocessors, a second
	lanes := func(kinds ...ptx.Kind) (n float64) {
		for _, kind := range kinds {
			n += 32 * float64(k.ByKind[kind].Warp)
		}
		return n
	}
	passes := float64(k.SharedLoad.Units + k.SharedStore.Units)
	sectors := float64(k.GlobalLoad.Units + k.GlobalStore.Units)
	share := busy / float64(c.attributes.Multiprocessors)
	return map[string]float64{
		"tensor cores":  float64(k.MatrixFLOPs) / (c.tensorTFLOPs * c.mmaShare * 1e12 * share),
		"memory":        float64(k.Footprint) / c.bandwidth(),
		"cache":         sectors * sectorOfCache / (cacheBytes * clocks),
		"shared memory": passes / (sharedPasses * clocks),
		"issue":         float64(k.Executed.Warp) / (issuedWarps * clocks),
		"float":         lanes(ptx.KindFloat) / (c.floatLanes * clocks),
		"integer":       lanes(ptx.KindInteger, ptx.KindCompare) / (integerLanes * clocks),
		"special":       lanes(ptx.KindSpecial) / (specialLanes * clocks),
	}
}

// slowest is the bound that takes longest.
func slowest(bounds map[string]float64) (name string, seconds float64) {
	for n, s := range bounds {
		if s > seconds || s == seconds && n < name {
			name, seconds = n, s
		}
	}
	return name, seconds
}

// ideal is the seconds that the least traffic or the products of a case take: its roofline.
func (c cardModel) ideal(b benchCase) float64 {
	op := operations[b.Op]
	seconds := op.bytes(b.Dims, sizeOf(b.Type)) / c.bandwidth()
	if op.flops != nil {
		peak := c.tensorTFLOPs * 1e12
		if sizeOf(b.Type) == 4 {
			peak = 2 * c.floatLanes * float64(c.attributes.Multiprocessors) * float64(c.attributes.ClockKHz) * 1e3
		}
		seconds = max(seconds, op.flops(b.Dims)/peak)
	}
	return seconds
}
