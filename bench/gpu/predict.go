package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"retort/kernels"
	"retort/kernels/cuda"
	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/driver/emu"
)

// Prediction is a case on every card.
type Prediction struct {
	Suite string           `json:"suite"`
	Name  string           `json:"name"`
	Owed  string           `json:"owed,omitempty"`
	Cards []CardPrediction `json:"cards,omitempty"`
}

// CardPrediction is a case on one card: the sum of its kernels' times, and the time that
// its least traffic or its products need.
type CardPrediction struct {
	Card              string             `json:"card"`
	Microseconds      float64            `json:"microseconds"`
	IdealMicroseconds float64            `json:"ideal_microseconds"`
	Kernels           []KernelPrediction `json:"kernels"`
}

// KernelPrediction is what a kernel's launches did, and how long which resource needs.
type KernelPrediction struct {
	Kernel            string             `json:"kernel"`
	Launches          int64              `json:"launches"`
	Blocks            int64              `json:"blocks"`
	WarpInstructions  int64              `json:"warp_instructions"`
	LaneInstructions  int64              `json:"lane_instructions"`
	ByKind            map[string]int64   `json:"lane_instructions_by_kind"`
	MatrixShare       float64            `json:"mma_share"`             // of the warp instructions
	SectorRatio       float64            `json:"transactions_of_ideal"` // sectors of 32 bytes touched, of the fewest possible
	SectorsPerRequest float64            `json:"transactions_per_request"`
	BankConflicts     float64            `json:"bank_conflicts"` // extra passes of each ideal pass over shared memory
	FootprintBytes    int64              `json:"footprint_bytes"`
	MatrixFLOPs       int64              `json:"matrix_flops"`
	Microseconds      float64            `json:"microseconds"`
	Bound             string             `json:"bound"`
	Bounds            map[string]float64 `json:"bounds_microseconds"`
}

// sampleBlocks is how many blocks of a launch are run for a prediction.
const sampleBlocks = 8

// counter counts cases on the PTX machine in the guise of a card.
type counter struct {
	driver   *emu.Driver
	backends [2]*cuda.Backend // by activation type
}

func newCounter(a driver.Attributes, sample int) *counter {
	return &counter{driver: emu.New(emu.Options{Attributes: a, MemoryBytes: 64 << 30, Sample: sample})}
}

// backend is the one for an activation type.
func (k *counter) backend(dtype kernels.DType) (b *cuda.Backend, err error) {
	if k.backends[dtype] == nil {
		k.backends[dtype], err = cuda.New(k.driver, 0, cuda.Options{Activation: dtype})
	}
	return k.backends[dtype], err
}

// count runs a case once and returns what each kernel did.
func (k *counter) count(c benchCase) (map[string]emu.KernelCounts, error) {
	b, err := k.backend(c.Type)
	if err != nil {
		return nil, err
	}
	s := &set{b: b, rand: rand.New(rand.NewPCG(1, 7)), blank: true}
	defer s.free()
	call := operations[c.Op].build(s, c.Dims)
	if s.err != nil {
		return nil, s.err
	}
	if err := s.b.Sync(); err != nil {
		return nil, err
	}
	k.driver.ResetCounts()
	call()
	if err := s.b.Sync(); err != nil {
		return nil, err
	}
	return k.driver.Counts(), nil
}

func (k *counter) close() {
	for _, b := range k.backends {
		if b != nil {
			_ = b.Close() // nothing but counts was asked of it
		}
	}
}

// predictAll writes gpu-predicted.json and gpu-predicted.md, and says what the kernels did.
func predictAll(o options, progress io.Writer) error {
	var all []Prediction
	counters := make([]*counter, len(cards))
	for i, card := range cards {
		counters[i] = newCounter(card.attributes, sampleBlocks)
		defer counters[i].close()
	}
	for _, s := range suites {
		if !listed(o.suites, s.name) {
			continue
		}
		for _, c := range s.cases(predicted) {
			if !strings.Contains(c.name(), o.only) {
				continue
			}
			p := Prediction{Suite: c.Suite, Name: c.name(), Owed: operations[c.Op].owed(cuda.Owed)}
			for i, card := range cards {
				if p.Owed != "" {
					break
				}
				counts, err := counters[i].count(c)
				if err != nil {
					return fmt.Errorf("%s on %s: %w", c.name(), card.name, err)
				}
				p.Cards = append(p.Cards, card.predict(c, counts))
			}
			fmt.Fprintln(progress, p.line())
			all = append(all, p)
		}
	}
	var lines [][]byte // a line a case
	for _, p := range all {
		line, err := json.Marshal(p)
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}
	raw := slices.Concat([]byte("[\n"), bytes.Join(lines, []byte(",\n")), []byte("\n]\n"))
	if err := os.MkdirAll(o.output, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.output, "gpu-predicted.json"), raw, 0o644); err != nil {
		return err
	}
	fmt.Fprint(progress, kernelTable(all))
	return os.WriteFile(filepath.Join(o.output, "gpu-predicted.md"), []byte(predictionTable(all)), 0o644)
}

// predict is the case on the card.
func (c cardModel) predict(b benchCase, counts map[string]emu.KernelCounts) CardPrediction {
	p := CardPrediction{Card: c.name, IdealMicroseconds: 1e6 * c.ideal(b)}
	for name, k := range counts {
		bounds := c.bounds(k)
		bound, seconds := slowest(bounds)
		q := KernelPrediction{
			Kernel: name, Launches: k.Launches, Blocks: k.Blocks,
			WarpInstructions: k.Executed.Warp, LaneInstructions: k.Executed.Lane,
			MatrixShare: float64(k.MMA) / max(1, float64(k.Executed.Warp)), SectorRatio: sectorRatio(k),
			SectorsPerRequest: float64(k.GlobalLoad.Units+k.GlobalStore.Units) / max(1, float64(k.GlobalLoad.Requests+k.GlobalStore.Requests)),
			BankConflicts:     float64(k.SharedLoad.Conflicts()+k.SharedStore.Conflicts()) / max(1, float64(k.SharedLoad.Ideal+k.SharedStore.Ideal)),
			FootprintBytes:    k.Footprint, MatrixFLOPs: k.MatrixFLOPs,
			Microseconds: 1e6 * seconds, Bound: bound, Bounds: map[string]float64{}, ByKind: map[string]int64{},
		}
		for resource, s := range bounds {
			q.Bounds[resource] = 1e6 * s
		}
		for kind, e := range k.ByKind {
			if e.Lane > 0 {
				q.ByKind[kindName(kind)] = e.Lane
			}
		}
		p.Microseconds += q.Microseconds
		p.Kernels = append(p.Kernels, q)
	}
	slices.SortFunc(p.Kernels, func(a, b KernelPrediction) int {
		if a.Microseconds != b.Microseconds {
			return int(max(-1, min(1, 1e6*(b.Microseconds-a.Microseconds))))
		}
		return strings.Compare(a.Kernel, b.Kernel)
	})
	return p
}

// sectorRatio is the sectors that a kernel's accesses touched, of the fewest that could hold
// the same bytes.
func sectorRatio(k emu.KernelCounts) float64 {
	return float64(k.GlobalLoad.Units+k.GlobalStore.Units) / max(1, float64(k.GlobalLoad.Ideal+k.GlobalStore.Ideal))
}

// line is the prediction for people who watch.
func (p Prediction) line() string {
	if p.Owed != "" {
		return p.Name + ": owed"
	}
	var parts []string
	for _, c := range p.Cards {
		parts = append(parts, fmt.Sprintf("%s %.1f µs", c.Card, c.Microseconds))
	}
	return p.Name + ": " + strings.Join(parts, ", ")
}
