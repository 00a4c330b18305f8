// Command ladder runs the steps from a naive matrix product to the one that trains
// (ladder.cu, then kernels/cuda/src/gemm_bf16.cu) on the PTX machine, and tells from what
// they executed how long a card must take at least:
//
//	go run ./bench/ladder -output bench/results
//
// The product is y (T, out) = x (T, d) · wᵀ in bf16, of GPT-2's size. All blocks of a step
// do the same, so that one tile of 128×128 is executed and counted as many times as there
// are. rowwise.go does the same for operations that move memory (rowwise.cu). Command ladder
// needs no card; the figures of one belong beside its predictions.
package main

import (
	_ "embed"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/ptx"
	"retort/kernels/cuda/ptxfiles"
)

//go:embed ladder.sm_80.ptx
var ladderPTX string

func main() {
	output := flag.String("output", "", "folder for ladder-gemm.md and ladder.md; none when empty")
	flag.Parse()
	for _, ladder := range []struct {
		file   string
		report func() (string, error)
	}{
		{"ladder-gemm.md", func() (string, error) { return report(gpt2) }},
		{"ladder.md", reportRowwise},
	} {
		text, err := ladder.report()
		if err == nil && *output != "" {
			err = os.WriteFile(filepath.Join(*output, ladder.file), []byte(text), 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench/ladder:", err)
			os.Exit(1)
		}
		fmt.Print(text)
	}
}

// shape is a product (m, n) with sums over k.
type shape struct{ m, n, k int }

func (s shape) flops() float64 { return 2 * float64(s.m) * float64(s.n) * float64(s.k) }

// bytes is what memory must move at least.
func (s shape) bytes() float64 { return 2 * float64(s.m*s.k+s.n*s.k+s.m*s.n) }

// gpt2 is the first product of the MLP for 8 rows of 1024 tokens.
var gpt2 = shape{8192, 3072, 768}

// tile is the side of what is executed; every step's blocks divide it.
const tile = 128

// step is one kernel of the ladder.
type step struct {
	name, what  string
	columns     int // of the block's part of the result
	rows        int
	block       [3]int
	sharedBytes int
}

var steps = []step{
	{name: "naive", what: "a thread an element, from global memory", columns: 32, rows: 8, block: [3]int{32, 8}},
	{name: "shared_tiles", what: "tiles of 64×64 in shared memory, 4×4 a thread", columns: 64, rows: 64, block: [3]int{256}},
	{name: "tensor_cores", what: "mma.sync, tiles of 128×128×32, warps of 64×64", columns: 128, rows: 128, block: [3]int{128}},
	{name: "pipelined", what: "three stages of cp.async", columns: 128, rows: 128, block: [3]int{128}},
	{name: last, what: "swizzle, fragments a step ahead, any shape, whole lines out", columns: 128, rows: 128, block: [3]int{128}, sharedBytes: 49152},
}

// last is the kernel that trains.
const last = "rows_by_rows_128x128"

// run executes a step on (tile, k) and (tile, k) operands and returns what it counted, and
// the result.
func (s step) run(k int) (ptx.Counts, []uint16, error) {
	text := ladderPTX
	if s.name == last {
		var err error
		if text, _, err = ptxfiles.For("gemm_bf16", 8, 0); err != nil {
			return ptx.Counts{}, nil, err
		}
	}
	module, err := ptx.Load(s.name, text)
	if err != nil {
		return ptx.Counts{}, nil, err
	}
	kernel, err := module.Kernel(s.name)
	if err != nil {
		return ptx.Counts{}, nil, err
	}
	memory := ptx.NewMemory()
	x, w := operands(k)
	var at [3]driver.Ptr // y, x, w
	for i, values := range [][]uint16{make([]uint16, tile*tile), x, w} {
		raw, _ := binary.Append(nil, binary.LittleEndian, values) // uint16 has a fixed size
		address, err := memory.Alloc(len(raw))
		if err == nil {
			err = memory.Write(address, raw)
		}
		if err != nil {
			return ptx.Counts{}, nil, err
		}
		at[i] = driver.Ptr(address)
	}
	var args driver.Args
	args.Ptr(at[0]).Ptr(at[1]).Ptr(at[2])
	if s.name == last { // struct Product: bias, activation, sizes, strides, k of a part, flags, …
		args.Ptr(0).Ptr(0).Int32(tile).Int32(tile).Int32(k).Int32(tile).Int32(k).Int32(k).Int32(k).Int32(0).Int32(0).Int32(0)
	} else {
		args.Int32(tile).Int32(k)
	}
	counts, err := ptx.Run(memory, ptx.Launch{Kernel: kernel, Grid: s.grid(), Block: s.block, SharedBytes: s.sharedBytes, Args: args.Bytes()})
	if err != nil {
		return counts, nil, err
	}
	raw := make([]byte, 2*tile*tile)
	if err := memory.Read(uint64(at[0]), raw); err != nil {
		return counts, nil, err
	}
	y := make([]uint16, tile*tile)
	_, err = binary.Decode(raw, binary.LittleEndian, y)
	return counts, y, err
}

// grid is the step's blocks for a result of (tile, tile); the last numbers them in one axis.
func (s step) grid() [3]int {
	if s.name == last {
		return [3]int{tile / s.columns * (tile / s.rows), 1, 1}
	}
	return [3]int{tile / s.columns, tile / s.rows, 1}
}

// operands are random bf16 values in (−1, 1).
func operands(k int) (x, w []uint16) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func() []uint16 {
		out := make([]uint16, tile*k)
		for i := range out {
			out[i] = uint16(math.Float32bits(r.Float32()*2-1) >> 16)
		}
		return out
	}
	return random(), random()
}

// report runs all steps and makes the table.
func report(s shape) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, header, s.m, s.n, s.k, s.flops()/1e9)
	for _, c := range cards {
		fmt.Fprintf(&b, " %s |", c.Name)
	}
	b.WriteString("\n|---|--:|--:|--:|--:|--:|--:|" + strings.Repeat("---|", len(cards)) + "\n")
	for i, step := range steps {
		c, _, err := step.run(s.k)
		if err != nil {
			return "", fmt.Errorf("%s: %w", step.name, err)
		}
		whole := float64(s.m/tile) * float64(s.n/tile)
		fmt.Fprintf(&b, "| %d. `%s`: %s | %.1f | %.2f | %.2f | %.2f | %s | %s |", i+1, step.name, step.what,
			float64(c.Executed.Lane)*whole/1e9, c.GlobalLoad.Ratio(), c.SharedLoad.Ratio(), c.SharedStore.Ratio(),
			share(c), perLoad(c))
		for _, card := range cards {
			fmt.Fprintf(&b, " %s |", card.predict(s, c, whole))
		}
		b.WriteString("\n")
	}
	b.WriteString(footer)
	return b.String(), nil
}

// share is the part of the executed instructions that multiply on tensor cores.
func share(c ptx.Counts) string {
	return fmt.Sprintf("%.0f%%", 100*float64(c.MMA)/float64(c.Executed.Warp))
}

// perLoad is how many mma a load from shared memory feeds.
func perLoad(c ptx.Counts) string {
	if c.MMA == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", float64(c.MMA)/float64(c.SharedLoad.Requests))
}
