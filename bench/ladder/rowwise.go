package main

import (
	_ "embed"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"retort/kernels"
	"retort/kernels/cuda"
	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/driver/emu"
	"retort/kernels/cuda/ptx"
)

//go:embed rowwise.sm_80.ptx
var rowwisePTX string

// The rowwise ladders count a few rows, of which there are many alike.
const (
	countedRows = 64
	wholeRows   = 16384
	epsilon     = 1e-5
)

// rowwise is one ladder: an operation from (rows, in) to (rows, n), some steps of
// rowwise.cu, and the kernel that trains.
type rowwise struct {
	title string
	n, in int
	steps []rowwiseStep
	// train runs the backend's own operation.
	train func(b kernels.Backend, y, x, w, stats kernels.Tensor)
	// exact is the mathematics of a row.
	exact func(y, x, w []float64)
	last  string // what the kernel that trains does
}

// rowwiseStep is a kernel of rowwise.cu; blocks are those of the counted rows.
type rowwiseStep struct {
	name, what      string
	blocks, threads int
	weighted        bool // takes a weight and ε
}

var rowwiseLadders = []rowwise{
	{
		title: "RMS norm, 16384 × 768", n: 768, in: 768,
		steps: []rowwiseStep{
			{"norm_thread_a_row", "a thread a row", countedRows / 32, 32, true},
			{"norm_block_a_row", "a block a row, a tree over shared memory", countedRows, 256, true},
		},
		last: "`norm`: the row is read once and kept, sums by shuffles",
		train: func(b kernels.Backend, y, x, w, stats kernels.Tensor) {
			b.Norm(y, stats, x, kernels.Norm{Kind: kernels.RMSNorm, Weight: w, Eps: epsilon})
		},
		exact: func(y, x, w []float64) {
			squares := 0.0
			for _, v := range x {
				squares += v * v
			}
			for c, v := range x {
				y[c] = v / math.Sqrt(squares/float64(len(x))+epsilon) * w[c]
			}
		},
	},
	{
		title: "SwiGLU, 16384 × 1536", n: 1536, in: 3072,
		steps: []rowwiseStep{
			{"swiglu_element_a_thread", "an element a thread, indices by division", countedRows * 1536 / 256, 256, false},
			{"swiglu_block_a_row", "a block a row, two bytes an access", countedRows, 256, false},
		},
		last:  "`swiglu`: as it trains",
		train: func(b kernels.Backend, y, x, _, _ kernels.Tensor) { b.SwiGLU(y, x) },
		exact: func(y, x, _ []float64) {
			n := len(y)
			for c := range y {
				y[c] = x[c] / (1 + math.Exp(-x[c])) * x[n+c]
			}
		},
	},
}

// counted is what a step did over the counted rows, and its result.
type counted struct {
	ptx.Counts
	y []float32
}

// operands are x (countedRows, in) and w (n) in values that bf16 holds.
func (r rowwise) operands() (x, w []float32) {
	random := rand.New(rand.NewPCG(3, 4))
	draw := func(n int) []float32 {
		list := make([]float32, n)
		for i := range list {
			list[i] = math.Float32frombits(math.Float32bits(float32(random.NormFloat64())) &^ 0xffff)
		}
		return list
	}
	return draw(countedRows * r.in), draw(r.n)
}

// run executes step i, or the kernel that trains where there is none.
func (r rowwise) run(i int) (c counted, err error) {
	values, weights := r.operands()
	if i < len(r.steps) {
		return r.runStep(r.steps[i], values, weights)
	}
	machine := emu.New(emu.Options{})
	b, err := cuda.New(machine, 0, cuda.Options{Activation: kernels.BFloat16})
	if err != nil {
		return c, err
	}
	var tensors []kernels.Tensor
	for _, shape := range []struct {
		dtype      kernels.DType
		rows, cols int
	}{{kernels.BFloat16, countedRows, r.n}, {kernels.BFloat16, countedRows, r.in}, {kernels.BFloat16, 1, r.n}, {kernels.Float32, countedRows, 2}} {
		t, err := b.Alloc(shape.dtype, kernels.Activations, shape.rows, shape.cols)
		if err != nil {
			return c, err
		}
		tensors = append(tensors, t)
	}
	y, x, w, stats := tensors[0], tensors[1], tensors[2], tensors[3]
	b.Upload(x, values)
	b.Upload(w, weights)
	r.train(b, y, x, w, stats)
	c.y = make([]float32, y.Len())
	if err := b.Download(c.y, y); err != nil {
		return c, err
	}
	for _, k := range machine.Counts() {
		c.Add(k.Counts)
	}
	for _, t := range tensors {
		b.Free(t)
	}
	return c, b.Close()
}

// runStep executes a kernel of rowwise.cu on the bare machine.
func (r rowwise) runStep(s rowwiseStep, x, w []float32) (c counted, err error) {
	module, err := ptx.Load("rowwise.sm_80.ptx", rowwisePTX)
	if err != nil {
		return c, err
	}
	kernel, err := module.Kernel(s.name)
	if err != nil {
		return c, err
	}
	memory := ptx.NewMemory()
	place := func(values []float32) (at uint64) {
		raw := make([]byte, 0, 2*len(values))
		for _, v := range values {
			bits := math.Float32bits(v)
			raw = append(raw, byte(bits>>16), byte(bits>>24))
		}
		if err == nil {
			if at, err = memory.Alloc(len(raw)); err == nil {
				err = memory.Write(at, raw)
			}
		}
		return at
	}
	y := make([]float32, countedRows*r.n)
	at := place(y)
	var args driver.Args
	args.Ptr(driver.Ptr(at)).Ptr(driver.Ptr(place(x)))
	if s.weighted {
		args.Ptr(driver.Ptr(place(w)))
	}
	args.Int32(countedRows).Int32(r.n)
	if s.weighted {
		args.Float32(epsilon)
	}
	if err != nil {
		return c, err
	}
	c.Counts, err = ptx.Run(memory, ptx.Launch{Kernel: kernel, Grid: [3]int{s.blocks}, Block: [3]int{s.threads}, Args: args.Bytes()})
	if err != nil {
		return c, err
	}
	raw := make([]byte, 2*len(y))
	if err := memory.Read(at, raw); err != nil {
		return c, err
	}
	for i := range y {
		y[i] = math.Float32frombits(uint32(raw[2*i])<<16 | uint32(raw[2*i+1])<<24)
	}
	c.y = y
	return c, nil
}

// reportRowwise makes the table of all rowwise ladders.
func reportRowwise() (string, error) {
	var b strings.Builder
	b.WriteString(rowwiseHeader)
	for _, r := range rowwiseLadders {
		fmt.Fprintf(&b, "\n## %s\n\n| step | lane instructions, 10⁶ | sectors / ideal | barriers a row | ", r.title)
		for _, c := range cards {
			fmt.Fprintf(&b, "%s | ", c.Name)
		}
		b.WriteString("\n|---|--:|--:|--:|" + strings.Repeat("---|", len(cards)) + "\n")
		whole := float64(wholeRows / countedRows)
		for i := range len(r.steps) + 1 {
			c, err := r.run(i)
			if err != nil {
				return "", err
			}
			what := r.last
			if i < len(r.steps) {
				what = "`" + r.steps[i].name + "`: " + r.steps[i].what
			}
			sectors, ideal := c.GlobalLoad.Units+c.GlobalStore.Units, c.GlobalLoad.Ideal+c.GlobalStore.Ideal
			fmt.Fprintf(&b, "| %d. %s | %.0f | %.2f | %.1f |", i+1, what, float64(c.Executed.Lane)*whole/1e6,
				float64(sectors)/float64(ideal), float64(c.Barriers)/countedRows)
			for _, card := range cards {
				seconds, by := card.longest(2*float64(wholeRows)*float64(r.in+r.n), c.Counts, whole)
				fmt.Fprintf(&b, " %.0f µs (%s) |", seconds*1e6, by)
			}
			b.WriteString("\n")
		}
	}
	return b.String(), nil
}

const rowwiseHeader = `# Operations that move memory, step by step

Predicted, not measured: what the PTX machine counted, and the longest that any part of a card needs
for it, as in [the ladder of the matrix product](ladder-gemm.md). ` + "`go run ./bench/ladder -output bench/results`" + `
The last step of each is the kernel of kernels/cuda/src. Barriers are counted once a warp.
`
