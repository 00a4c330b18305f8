package main

import (
	"fmt"
	"strings"

	"retort/kernels/cuda/ptx"
)

// kindName is the name of a kind of instructions.
func kindName(kind int) string { return ptx.Kind(kind).String() }

const predictionHead = `# gpu-predicted

What the kernels should take on a card, from what the PTX machine counted: ` + "`go run ./bench/gpu -predict -output bench/results`" + `.
No card was measured for this table; bench/gpu/run.sh measures one.

Of each launch, 8 blocks spread over the grid are run at the real shape, and their counts
scaled to the grid. A kernel's time is that of the resource it keeps busy longest: tensor
cores (mma FLOPs over the dense bf16 peak; mma.sync reaches 62.9 % of it on Hopper), memory (bytes of each buffer read and written
once, over the bandwidth), cache (all sectors touched, 64 bytes a clock and SM), shared memory
(passes, bank conflicts included, one a clock and SM), issue (four warp instructions a clock
and SM), and the float, integer and special units. An operation's time is the sum of its
kernels'. Latency, launches (some 3 µs each) and imperfect overlap come on top, and the
assembler turns PTX into somewhat different instructions: a prediction is a bound, not a
promise. "Of ideal" is the time of the least traffic, or of the products at the card's peak,
over the predicted time; above 100 % the sample missed that much (the optimizer's blocks differ).

| card | bf16 tensor cores | float32 | memory | source |
|---|--:|--:|--:|---|
`

// sources say where a card's peaks are from.
var sources = map[string]string{
	"A100":     "NVIDIA A100 data sheet, 80 GB SXM",
	"H100":     "NVIDIA H100 data sheet, SXM5, dense",
	"RTX 4090": "NVIDIA Ada GPU architecture paper, dense, float32 sums",
}

// predictionTable is the Markdown of all predictions: times by suite, then what each kernel
// did, and which kernels' accesses are not coalesced.
func predictionTable(all []Prediction) string {
	var b strings.Builder
	b.WriteString(predictionHead)
	for _, c := range cards {
		a := c.attributes
		float := 2 * c.floatLanes * float64(a.Multiprocessors) * float64(a.ClockKHz) * 1e3
		fmt.Fprintf(&b, "| %s | %.1f TFLOP/s | %.1f TFLOP/s | %.0f GB/s | %s |\n", c.name, c.tensorTFLOPs, float/1e12, c.bandwidth()/1e9, sources[c.name])
	}
	suite := ""
	for _, p := range all {
		if p.Suite != suite {
			suite = p.Suite
			fmt.Fprintf(&b, "\n## %s\n\n| what |", suite)
			for _, c := range cards {
				fmt.Fprintf(&b, " %s µs | of ideal | bound |", c.name)
			}
			b.WriteString("\n|---|" + strings.Repeat("--:|--:|---|", len(cards)) + "\n")
		}
		fmt.Fprintf(&b, "| %s |", p.Name)
		if p.Owed != "" {
			b.WriteString(strings.Repeat(" | |", len(cards)) + " owed |\n")
			continue
		}
		for _, c := range p.Cards {
			fmt.Fprintf(&b, " %.1f | %.0f %% | %s |", c.Microseconds, 100*c.IdealMicroseconds/c.Microseconds, c.Kernels[0].Bound)
		}
		b.WriteString("\n")
	}
	b.WriteString(kernelTable(all))
	return b.String()
}

// coalesced is the most sectors of ideal that a kernel should touch; one that only moves
// memory must not touch more, which a test holds it to.
const coalesced = 1.05

// kernelTable is what each kernel did at the first of the cases that launch it.
func kernelTable(all []Prediction) string {
	var b strings.Builder
	b.WriteString("\n## kernels\n\nEach kernel at the first case above that launches it, as counted for the A100. A transaction is a\n" +
		"sector of 32 bytes, a conflict a pass over shared memory beyond the fewest.\n\n" +
		"| kernel | case | lane instructions | transactions a request | of ideal | bank conflicts | mma of instructions | A100 µs | bound |\n" +
		"|---|---|--:|--:|--:|--:|--:|--:|---|\n")
	seen := map[string]bool{}
	var scattered []string
	for _, p := range all {
		if len(p.Cards) == 0 {
			continue
		}
		for _, k := range p.Cards[0].Kernels {
			if k.SectorRatio > coalesced {
				scattered = append(scattered, fmt.Sprintf("- %s of %s: %.2f ×\n", k.Kernel, p.Name, k.SectorRatio))
			}
			key := k.Kernel + p.Name[strings.LastIndex(p.Name, " "):] // products of both types have the same names
			if seen[key] {
				continue
			}
			seen[key] = true
			fmt.Fprintf(&b, "| %s | %s | %.3g M | %.2f | %.3f | %.1f %% | %.1f %% | %.1f | %s |\n", k.Kernel, p.Name,
				float64(k.LaneInstructions)/1e6, k.SectorsPerRequest, k.SectorRatio, 100*k.BankConflicts, 100*k.MatrixShare, k.Microseconds, k.Bound)
		}
	}
	fmt.Fprintf(&b, "\nKernels that touch more than %.2f × the fewest sectors: ", coalesced)
	if len(scattered) == 0 {
		b.WriteString("none.\n")
	} else {
		b.WriteString("\n\n" + strings.Join(scattered, ""))
	}
	return b.String()
}
