package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"retort/data"
	"retort/engine"
	"retort/model"
)

// trainCase is a student trained on documents of one length: a curve of single micro-batches
// first, then the steps that are timed.
type trainCase struct {
	namedConfig
	length       int // tokens of a document
	rows         int // documents of a micro-batch
	accumulation int // micro-batches of a timed step
	curve, steps int // optimizer steps of each
}

// trainCases are half a million tokens a step on a card. The micro-batches suit 80 GB.
func trainCases(emu bool) (list []trainCase) {
	for _, c := range pretrained {
		t := trainCase{c, 1024, 32, 16, 20, 3}
		if c.Vocab > 1e5 {
			t.rows, t.accumulation, t.steps = 16, 32, 2
		}
		if emu {
			t = trainCase{miniature(c), 24, 2, 2, 2, 1}
		}
		list = append(list, t)
	}
	return list
}

func (t trainCase) title() string {
	return fmt.Sprintf("%s T=%d bfloat16, %d×%d rows a step", t.name, t.length, t.accumulation, t.rows)
}

// tokens are those of an optimizer step that is timed.
func (t trainCase) tokens() int { return t.length * t.rows * t.accumulation }

// flopsPerToken is what training needs: 6N for the products with parameters, forward and
// backward, and 12·L·d·T for attention. N leaves out embeddings that are only looked up: the
// positions, and the vocabulary's where the head is not tied to it.
func flopsPerToken(c model.Config, length int) float64 {
	n := c.Parameters()
	if c.LearnedPositions {
		n -= c.Context * c.Hidden
	}
	if !c.Tied {
		n -= c.Vocab * c.Hidden
	}
	return 6*float64(n) + 12*float64(c.Layers)*float64(c.Heads*c.HeadDim)*float64(length)
}

// adamW are the hyperparameters of both sides.
type adamW struct {
	LearningRate float64 `json:"learning_rate"`
	Beta1        float64 `json:"beta1"`
	Beta2        float64 `json:"beta2"`
	Epsilon      float64 `json:"epsilon"`
	WeightDecay  float64 `json:"weight_decay"`
	MaxGradNorm  float64 `json:"max_grad_norm"`
}

var recipe = adamW{6e-4, 0.9, 0.95, 1e-8, 0.1, 1}

// trainQuestion is a trainCase as the peer gets it. tokens is a file of rows·length int32.
type trainQuestion struct {
	Op           string    `json:"op"`
	Config       contender `json:"config"`
	Folder       string    `json:"folder"`
	Tokens       string    `json:"tokens"`
	Length       int       `json:"length"`
	Rows         int       `json:"rows"`
	Accumulation int       `json:"accumulation"`
	Curve        int       `json:"curve"`
	Steps        int       `json:"steps"`
	Optimizer    adamW     `json:"optimizer"`
}

// peerTraining is how long the peer may take, compiling included.
const peerTraining = 4 * time.Minute

// trainSuite measures full training steps, each student ours, the peer's and ours again.
func (r *runner) trainSuite(s *studentBench) error {
	for _, c := range trainCases(s.m.emu) {
		switch {
		case !strings.Contains(c.title(), r.only):
		case time.Now().After(s.until):
			r.skip("train", c.title(), timeSpent)
		default:
			if err := attempt(func() error { return r.trainOne(s, c) }); err != nil {
				r.skip("train", c.title(), err.Error())
			}
		}
	}
	return nil
}

func (r *runner) trainOne(s *studentBench, c trainCase) (err error) {
	b, student, err := s.student(c.Config)
	if err != nil {
		return err
	}
	defer func() {
		student.Close()
		if e := b.Close(); err == nil {
			err = e
		}
	}()
	folder, err := s.folder(student, c.name)
	if err != nil {
		return err
	}
	examples := c.examples()
	tokens := filepath.Join(s.dir, c.name+".tokens")
	if err := writeTokens(tokens, examples); err != nil {
		return err
	}
	_, curve, err := trainSteps(student, examples[:c.curve*c.rows], c.options(1, c.curve))
	if err != nil {
		return err
	}
	batch := examples[:c.rows*c.accumulation]
	first, _, err := trainSteps(student, batch, c.options(c.accumulation, c.steps+1))
	if err != nil {
		return err
	}
	peak := b.Peak()
	theirs, status := s.p.ask(trainQuestion{
		"train", contenderOf(c.Config), folder, tokens, c.length, c.rows, c.accumulation, c.curve, c.steps, recipe,
	}, c.title(), peerTraining)
	again, _, err := trainSteps(student, batch, c.options(c.accumulation, 2)) // enough to see the noise
	if err != nil {
		return err
	}
	r.trainRows(c, first[1:], again[1:], curve, peak, theirs, status, s.p.name())
	return nil
}

// trainRows adds what was measured: speed, shares of the card's peaks, memory, the curves.
func (r *runner) trainRows(c trainCase, first, again, curve []float64, peak int64, theirs answer, status, peer string) {
	add := func(name, unit string, ours, other float64, better func(ours, other float64) float64) *Row {
		row := Row{Suite: "train", Name: name, Status: statusOK, Ours: ours, Unit: unit, PeerStatus: status}
		if other > 0 {
			row.Peer, row.PeerName = other, peer
			if better != nil {
				row.Ratio = better(ours, other)
			}
		}
		r.report.Rows = append(r.report.Rows, row)
		return &r.report.Rows[len(r.report.Rows)-1]
	}
	more := func(ours, other float64) float64 { return ours / other }
	less := func(ours, other float64) float64 { return other / ours }

	speed := speedRow("train", c.title(), float64(c.tokens()), first, again, theirs.Milliseconds, peer, status)
	r.report.Rows = append(r.report.Rows, speed)
	flops := flopsPerToken(c.Config, c.length)
	sheet, measured := r.peaks()
	for _, ceiling := range []struct {
		name   string
		tflops float64
	}{{"data sheet", sheet}, {"measured product", measured}} {
		if ceiling.tflops > 0 {
			share := 100 * flops / 1e12 / ceiling.tflops
			add(fmt.Sprintf("MFU of the %s's %.0f TFLOP/s, %s", ceiling.name, ceiling.tflops, c.name), "%", share*speed.Ours, share*speed.Peer, more)
		}
	}
	add("peak device memory, "+c.name, "GiB", float64(peak)/(1<<30), theirs.PeakBytes/(1<<30), less)
	last := add(fmt.Sprintf("loss after %d steps of %d rows, %s", c.curve, c.rows, c.name), "nats", curve[len(curve)-1], 0, nil)
	last.Curve, last.PeerCurve = curve, theirs.Losses
	if len(theirs.Losses) == len(curve) {
		last.Peer, last.PeerName = theirs.Losses[len(curve)-1], peer
		widest := 0.0
		for i, loss := range curve {
			widest = max(widest, math.Abs(loss-theirs.Losses[i]))
		}
		last.PeerStatus = fmt.Sprintf("the curves differ by %.4f at most", widest)
	}
}

// speedRow is a row of tokens a second, from the milliseconds of steps of so many tokens.
func speedRow(suite, name string, tokens float64, first, again, theirs []float64, peer, status string) Row {
	row := Row{Suite: suite, Name: name, Status: statusOK, Unit: "tokens/s", PeerStatus: status,
		Milliseconds: median(first), MillisecondsAgain: median(again), Raw: fmt.Sprintf("ours %.4g; peer %.4g; again %.4g", first, theirs, again)}
	best := min(row.Milliseconds, row.MillisecondsAgain)
	row.Noise = max(row.Milliseconds, row.MillisecondsAgain)/best - 1
	row.Ours = 1e3 * tokens / best
	if len(theirs) > 0 {
		row.PeerMilliseconds = median(theirs)
		row.Peer, row.PeerName = 1e3*tokens/row.PeerMilliseconds, peer
		row.Ratio = row.Ours / row.Peer
	}
	return row
}

// examples are documents of random tokens, every token trained, for curve and timed steps.
func (t trainCase) examples() []data.Example {
	n := t.rows * max(t.curve, t.accumulation)
	ids := drawTokens(n*t.length, t.Vocab, 1)
	examples := make([]data.Example, n)
	for i := range examples {
		examples[i] = data.Example{Index: i, IDs: ids[i*t.length : (i+1)*t.length], Weights: slices.Repeat([]float32{1}, t.length)}
	}
	return examples
}

// writeTokens writes the ids of all examples, one after the other, as little-endian int32.
func writeTokens(path string, examples []data.Example) error {
	var raw []byte
	for _, e := range examples {
		for _, id := range e.IDs {
			raw = binary.LittleEndian.AppendUint32(raw, uint32(id))
		}
	}
	return os.WriteFile(path, raw, 0o644)
}

// options are those of `retort train` for steps of so many micro-batches.
func (t trainCase) options(accumulation, steps int) engine.TrainOptions {
	o := engine.DefaultTrainOptions()
	o.PerDeviceTrainBatchSize, o.GradientAccumulationSteps, o.MaxSteps, o.Shuffle = t.rows, accumulation, steps, false
	o.MaxLength, o.LRSchedulerType = t.length, "constant"
	recipe.set(&o)
	return o
}

func (h adamW) set(o *engine.TrainOptions) {
	o.LearningRate, o.AdamBeta1, o.AdamBeta2, o.AdamEpsilon = h.LearningRate, h.Beta1, h.Beta2, h.Epsilon
	o.WeightDecay, o.MaxGradNorm = h.WeightDecay, h.MaxGradNorm
}

// trainSteps trains as `retort train` does, and returns the milliseconds and the loss of
// every step.
func trainSteps(m *model.Student, examples []data.Example, o engine.TrainOptions) (milliseconds, losses []float64, err error) {
	var began time.Time
	trainer, err := engine.NewTrainer(&engine.Student{Student: m}, examples, nil, o, engine.Hooks{Progress: func(engine.Progress) {
		milliseconds = append(milliseconds, 1e3*time.Since(began).Seconds())
		began = time.Now()
	}})
	if err != nil {
		return nil, nil, err
	}
	defer trainer.Close()
	began = time.Now()
	_, err = trainer.Run(context.Background())
	return milliseconds, trainer.Curve(), err
}

// sheets are the dense bf16 peaks of NVIDIA's data sheets, in TFLOP/s.
var sheets = []struct {
	card   string
	tflops float64
}{{"A100", 312}, {"H100", 989.4}, {"H200", 989.4}, {"RTX 4090", 165.2}}

// peaks are the ceilings that a training speed is a share of, in TFLOP/s, 0 where unknown:
// the data sheet's, and the fastest square product of this run, ours or the peer's.
func (r *runner) peaks() (sheet, measured float64) {
	for _, s := range sheets {
		if strings.Contains(r.report.Device, s.card) && !strings.HasPrefix(r.report.Device, "PTX machine") {
			sheet = s.tflops
		}
	}
	for _, row := range r.report.Rows {
		if row.Suite == "gemm" && row.Unit == "TFLOP/s" && strings.HasSuffix(row.Name, "T=4096 d=4096 out=4096 bfloat16") {
			measured = max(measured, row.Ours, row.Peer)
		}
	}
	if measured == 0 && strings.Contains(r.report.Device, "H200") {
		measured = 798 // the largest that was seen on an H200 with random data
	}
	return sheet, measured
}
