package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"retort/kernels"
	"retort/kernels/cuda/driver/emu"
	"retort/model"
)

// StepPrediction is an optimizer step of a student on a card: the sum over its operations of
// how long the PTX machine's counts say that they take.
type StepPrediction struct {
	Student         string             `json:"student"`
	Card            string             `json:"card"`
	TokensPerStep   int                `json:"tokens_per_step"`
	Milliseconds    float64            `json:"milliseconds"`
	TokensPerSecond float64            `json:"tokens_per_second"`
	MFU             float64            `json:"mfu_of_data_sheet"`
	Launches        float64            `json:"launches"`
	MemoryBytes     int64              `json:"memory_bytes"`
	Share           map[string]float64 `json:"share_of_time"` // by group of operations
	Measured        string             `json:"measured,omitempty"`
}

// StepMemory is the device memory that training a student takes, by purpose.
type StepMemory struct {
	Student       string                    `json:"student"`
	Length        int                       `json:"length"`
	Rows          int                       `json:"rows"`
	Checkpointing bool                      `json:"gradient_checkpointing"`
	Bytes         map[kernels.Purpose]int64 `json:"bytes"`
	Total         int64                     `json:"total_bytes"`
}

// groups are what the shares of a step are told by.
var groups = []struct {
	name string
	ops  []string
}{
	{"products", []string{"Linear", "LinearGELU", "LinearBackwardInput", "LinearBackwardWeight"}},
	{"attention", []string{"Attention", "AttentionBackward"}},
	{"head and loss", []string{"HeadCrossEntropy", "GatherRows", "ScatterRows"}},
	{"norms", []string{"Norm", "AddNorm", "NormBackward", "NormBackward +="}},
	{"activations, RoPE", []string{"BiasGELU", "GELUBackward", "SwiGLU", "SwiGLUBackward", "RoPE"}},
	{"embedding", []string{"Embed", "EmbedBackward"}},
	{"optimizer, zeroing", []string{"GlobalNorm", "AdamW", "Copy", "Zero"}},
}

func groupOf(op string) string {
	for _, g := range groups {
		if slices.Contains(g.ops, op) {
			return g.name
		}
	}
	panic("operation " + op + " is in no group")
}

// phantomStudent is a student of a shape on a recorder.
func phantomStudent(c model.Config) (*recorder, *model.Student, error) {
	r := &recorder{}
	student, err := model.New(r, c, 1)
	return r, student, err
}

// record notes the operations of one optimizer step of the student.
func (t trainCase) record(r *recorder, student *model.Student, checkpointing bool) ([]*recorded, error) {
	t.curve = 0
	o := t.options(t.accumulation, 1)
	o.GradientCheckpointing = checkpointing
	r.calls, r.byShape = nil, map[string]*recorded{}
	_, _, err := trainSteps(student, t.examples(), o)
	return r.calls, err
}

// estimate is the memory of training the student in micro-batches of t.rows: what the plan
// allocates, and the workspace that the CUDA backend has after a step's operations.
func (t trainCase) estimate(workspace int64, checkpointing bool) (StepMemory, error) {
	m := StepMemory{Student: t.name, Length: t.length, Rows: t.rows, Checkpointing: checkpointing}
	tokens := t.length * t.rows
	var err error
	m.Bytes, err = model.EstimateTraining(&recorder{}, t.Config, nil, model.PassOptions{
		Tokens: tokens, Rows: tokens - t.rows, Batches: t.accumulation, Training: true, Checkpointing: checkpointing})
	if err != nil {
		return m, err
	}
	m.Bytes[kernels.Workspace] = workspace
	for _, n := range m.Bytes {
		m.Total += n
	}
	return m, nil
}

// predictStep sums a step's operations on a card.
func (c cardModel) predictStep(k *counter, t trainCase, calls []*recorded) (StepPrediction, error) {
	p := StepPrediction{Student: t.name, Card: c.name, TokensPerStep: t.tokens(), Share: map[string]float64{}}
	for _, call := range calls {
		seconds := call.bytes() / c.bandwidth() // of what is no kernel
		launches := 1.0
		if call.run != nil {
			counts, err := k.replay(call)
			if err != nil {
				return p, fmt.Errorf("%s of %s on %s: %w", call.op, t.name, c.name, err)
			}
			seconds, launches = 0, 0
			for _, n := range counts {
				_, s := slowest(c.bounds(n))
				seconds, launches = seconds+s, launches+float64(n.Launches)
			}
		}
		p.Milliseconds += 1e3 * call.times * seconds
		p.Launches += call.times * launches
		p.Share[groupOf(call.op)] += 1e3 * call.times * seconds
	}
	for name := range p.Share {
		p.Share[name] /= p.Milliseconds
	}
	p.TokensPerSecond = 1e3 * float64(p.TokensPerStep) / p.Milliseconds
	p.MFU = p.TokensPerSecond * flopsPerToken(t.Config, t.length) / (c.tensorTFLOPs * 1e12)
	return p, nil
}

// replay runs a recorded operation and returns what each kernel did.
func (k *counter) replay(c *recorded) (map[string]emu.KernelCounts, error) {
	b, err := k.backend(kernels.BFloat16)
	if err != nil {
		return nil, err
	}
	if err := c.on(b, k.driver.ResetCounts); err != nil {
		return nil, err
	}
	return k.driver.Counts(), nil
}

// workspace is what the backend keeps for itself after all that was replayed.
func (k *counter) workspace() int64 {
	if b := k.backends[kernels.BFloat16]; b != nil {
		return b.InUse()[kernels.Workspace]
	}
	return 0
}

// predictSteps writes gpu-predicted-step.json and .md.
func predictSteps(o options, progress io.Writer) error {
	var steps []StepPrediction
	var memory []StepMemory
	measured := readMeasured(o.output)
	for _, t := range trainCases(o.device == "emu") {
		if !strings.Contains(t.name, o.only) {
			continue
		}
		r, student, err := phantomStudent(t.Config)
		if err != nil {
			return err
		}
		calls, err := t.record(r, student, false)
		if err != nil {
			return err
		}
		for _, card := range cards {
			k := newCounter(card.attributes, sampleBlocks)
			p, err := card.predictStep(k, t, calls)
			if err != nil {
				return err
			}
			m, err := t.estimate(k.workspace(), false)
			if err != nil {
				return err
			}
			k.close()
			p.MemoryBytes, p.Measured = m.Total, measured.of(t, card)
			fmt.Fprintf(progress, "%s on %s: %.0f ms, %.0f tokens/s\n", p.Student, p.Card, p.Milliseconds, p.TokensPerSecond)
			steps = append(steps, p)
		}
		if strings.HasSuffix(t.name, "qwen2.5-0.5b") { // the largest
			if memory, err = fineTuningMemory(t, r, student); err != nil {
				return err
			}
		}
	}
	raw, err := json.MarshalIndent(map[string]any{"steps": steps, "memory": memory}, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.output, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.output, "gpu-predicted-step.json"), append(raw, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.output, "gpu-predicted-step.md"), []byte(stepTable(steps, memory)), 0o644)
}

// fineTuningMemory estimates the full fine-tuning of a student in small micro-batches.
func fineTuningMemory(t trainCase, r *recorder, student *model.Student) (list []StepMemory, err error) {
	t.accumulation = 1
	for _, t.rows = range []int{1, 4} {
		for _, checkpointing := range []bool{false, true} {
			calls, err := t.record(r, student, checkpointing)
			if err != nil {
				return nil, err
			}
			k := newCounter(emu.A100, 1)
			if _, err := cards[0].predictStep(k, t, calls); err != nil {
				return nil, err
			}
			m, err := t.estimate(k.workspace(), checkpointing)
			if err != nil {
				return nil, err
			}
			k.close()
			list = append(list, m)
		}
	}
	return list, nil
}

// measuredReport is a report of bench/gpu/run.sh beside which predictions are kept.
type measuredReport Report

// readMeasured reads gpu.json in dir; one without rows where there is none.
func readMeasured(dir string) (m measuredReport) {
	if raw, err := os.ReadFile(filepath.Join(dir, "gpu.json")); err == nil {
		_ = json.Unmarshal(raw, &m) // a file that is no report has no rows
	}
	return m
}

// of is what was measured of the student on the card, or on the H200 for the H100, which has
// its multiprocessors and other memory.
func (m measuredReport) of(t trainCase, card cardModel) string {
	device := card.name
	if card.name == "H100" && strings.Contains(m.Device, "H200") {
		device = "H200"
	}
	if !strings.Contains(m.Device, device) {
		return ""
	}
	for _, row := range m.Rows {
		if row.Suite == "train" && row.Name == t.title() && row.Status == statusOK {
			return fmt.Sprintf("%.0f ms on %s", min(row.Milliseconds, row.MillisecondsAgain), device)
		}
	}
	return ""
}

const stepHead = `# gpu-predicted-step

How long an optimizer step of each student should take on a card, and its memory:
` + "`go run ./bench/gpu -predict-step -output bench/results`" + `. The step is that of bench/gpu's suite train: bf16, T=1024, half
a million tokens, fused head and loss, clipping and AdamW, no recomputation of blocks. Its operations
are recorded in the student's real shapes as engine and model call them, each is replayed on the PTX
machine (a sample of blocks, as in [gpu-predicted](gpu-predicted.md)), and the times of its kernels'
slowest resources are added up. Launches, latency, imperfect overlap and the host come on top: these
are bounds. "measured" is filled from gpu.json of bench/gpu/run.sh once it lies beside this file.

| student | card | tokens a step | predicted ms | predicted tokens/s | MFU | launches | memory GiB | measured |
|---|---|--:|--:|--:|--:|--:|--:|---|
`

// stepTable is the Markdown of both.
func stepTable(steps []StepPrediction, memory []StepMemory) string {
	var b strings.Builder
	b.WriteString(stepHead)
	for _, p := range steps {
		fmt.Fprintf(&b, "| %s | %s | %d | %.0f | %.0f | %.0f %% | %.0f | %.1f | %s |\n", p.Student, p.Card, p.TokensPerStep,
			p.Milliseconds, p.TokensPerSecond, 100*p.MFU, p.Launches, float64(p.MemoryBytes)/(1<<30), p.Measured)
	}
	b.WriteString("\nMFU is of the data sheet's dense bf16 peak, with 6N + 12·L·d·T FLOPs a token.\n\n## share of the time\n\n| student | card |")
	for _, g := range groups {
		fmt.Fprintf(&b, " %s |", g.name)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("--:|", len(groups)) + "\n")
	for _, p := range steps {
		fmt.Fprintf(&b, "| %s | %s |", p.Student, p.Card)
		for _, g := range groups {
			fmt.Fprintf(&b, " %.1f %% |", 100*p.Share[g.name])
		}
		b.WriteString("\n")
	}
	b.WriteString("\n## memory of full fine-tuning\n\nbf16, all parameters trained, T=1024: the plan's own allocations, and the backend's workspace after a step.\n\n" +
		"| student | rows | gradient checkpointing |")
	var purposes []kernels.Purpose
	if len(memory) > 0 {
		purposes = slices.Sorted(maps.Keys(memory[0].Bytes))
	}
	for _, purpose := range purposes {
		fmt.Fprintf(&b, " %s GB |", purpose)
	}
	b.WriteString(" total GB |\n|---|--:|---|" + strings.Repeat("--:|", len(purposes)+1) + "\n")
	for _, m := range memory {
		fmt.Fprintf(&b, "| %s | %d | %v |", m.Student, m.Rows, m.Checkpointing)
		for _, purpose := range purposes {
			fmt.Fprintf(&b, " %.2f |", float64(m.Bytes[purpose])/1e9)
		}
		fmt.Fprintf(&b, " %.2f |\n", float64(m.Total)/1e9)
	}
	return b.String()
}
