package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"retort/data"
	"retort/engine/checkpoint"
	"retort/engine/runlog"
	"retort/engine/schedule"
	"retort/kernels"
	"retort/model"
)

// badStepLimit is how many steps in a row may be non-finite before the run stops.
const badStepLimit = 5

// Progress is what a run tells its user after every optimizer step.
type Progress struct {
	Step, TotalSteps int
	Epoch            float64
	Loss             float64 // of this step
	GradNorm         float64
	LearningRate     float64
	TokensPerSecond  float64 // of this step, prompts included
	Remaining        time.Duration
}

// TrainResult is what a finished run reports.
type TrainResult struct {
	Steps           int           `json:"steps"`
	Epoch           float64       `json:"epoch"`
	TrainLoss       float64       `json:"train_loss"` // mean over the steps of this run
	LastLoss        float64       `json:"last_loss"`  // mean over the last tenth of the steps
	TrainedTokens   int64         `json:"trained_tokens"`
	Tokens          int64         `json:"tokens"`
	Runtime         time.Duration `json:"-"`
	TokensPerSecond float64       `json:"tokens_per_second"`
	EvalLoss        *float64      `json:"eval_loss,omitempty"`
	PeakMemoryBytes int64         `json:"peak_memory_bytes"`
	Rejects         data.Rejects  `json:"rejects"`
	Estimate        *Estimate     `json:"estimate,omitempty"` // of a dry run
}

// Hooks let a caller watch a run. Both may be nil.
type Hooks struct {
	Note     func(line string) // something the user should read
	Progress func(Progress)
}

// Trainer is one training run over examples that are encoded already. It owns the
// student's gradients and optimizer; the student outlives it.
type Trainer struct {
	student *Student
	o       TrainOptions
	hooks   Hooks

	scheduler *scheduler
	pass      *model.Pass
	optimizer *optimizer
	rate      schedule.Schedule
	steps     int // of the whole run

	state    *runlog.State
	position Position
	curve    []float64 // loss of every step of this process

	evaluation []data.Example
	dataSHA    string
	records    *records // nil for a run without a folder

	logprobs        []float32
	badInARow       int
	window          window
	started         time.Time
	startStep       int
	tokens, trained int64
}

// NewTrainer plans a run. evaluation may be nil. With an empty output_dir nothing is
// written: the demo and tests train in memory.
func NewTrainer(s *Student, examples, evaluation []data.Example, o TrainOptions, hooks Hooks) (*Trainer, error) {
	if hooks.Note == nil {
		hooks.Note = func(string) {}
	}
	if hooks.Progress == nil {
		hooks.Progress = func(Progress) {}
	}
	t := &Trainer{student: s, o: o, hooks: hooks, evaluation: evaluation, state: runlog.NewState()}
	t.dataSHA = fingerprint(examples)
	resume, err := t.findResume()
	if err != nil {
		return nil, err
	}
	if resume != "" {
		if err := t.readResume(resume); err != nil {
			return nil, err
		}
	}
	t.scheduler = newScheduler(examples, schedulerOptions{
		batchSize: o.PerDeviceTrainBatchSize, accumulation: o.GradientAccumulationSteps, maxLength: o.MaxLength,
		packing: o.Packing, shuffle: o.Shuffle, seed: uint64(o.Seed),
	}, t.position)
	if err := t.planSteps(); err != nil {
		return nil, err
	}
	plan := t.passOptions(t.scheduler.largest())
	if err := checkMemory(s, plan); err != nil {
		return nil, err
	}
	if t.pass, err = model.NewPass(s.Student, plan); err != nil {
		return nil, err
	}
	if t.optimizer, err = newOptimizer(s.Student, t.pass); err != nil {
		t.Close()
		return nil, err
	}
	if resume != "" {
		if err := t.loadResume(resume); err != nil {
			t.Close()
			return nil, err
		}
	}
	return t, nil
}

// passOptions is the training pass over batches of the given size.
func (t *Trainer) passOptions(tokens, trained int) model.PassOptions {
	return model.PassOptions{Tokens: tokens, Rows: trained, Training: true, Checkpointing: t.o.GradientCheckpointing}
}

// planSteps fixes the number of steps and the learning rates.
func (t *Trainer) planSteps() error {
	t.steps = t.o.MaxSteps
	if t.steps <= 0 {
		t.steps = max(1, int(math.Ceil(t.o.NumTrainEpochs*float64(t.scheduler.stepsPerEpoch()))))
	}
	warmup, err := schedule.WarmupSteps(t.o.WarmupSteps, t.o.WarmupRatio, t.steps)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if t.rate, err = schedule.New(t.o.LRSchedulerType, t.o.LearningRate, warmup, t.steps, t.o.minLRRate()); err != nil {
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	t.state.MaxSteps, t.state.NumTrainEpochs = t.steps, int(math.Ceil(float64(t.steps)/float64(t.scheduler.stepsPerEpoch())))
	t.state.LoggingSteps, t.state.SaveSteps, t.state.EvalSteps = t.o.LoggingSteps, t.o.SaveSteps, t.o.EvalSteps
	t.state.TrainBatchSize = t.o.PerDeviceTrainBatchSize
	return nil
}

// Close frees gradients, activations and optimizer.
func (t *Trainer) Close() {
	if t.pass != nil {
		t.pass.Close()
	}
	if t.optimizer != nil {
		t.optimizer.close()
	}
}

// Run trains to the last step, or until ctx ends: then the step in hand is finished, a
// checkpoint is written, and the error is ErrInterrupted.
func (t *Trainer) Run(ctx context.Context) (TrainResult, error) {
	if err := t.openRecords(); err != nil {
		return TrainResult{}, err
	}
	defer t.records.close()
	t.started, t.startStep = time.Now(), t.state.GlobalStep
	feed := prefetch(t.scheduler, t.steps-t.state.GlobalStep)
	defer feed.stop()
	for st := range feed.ready {
		if err := t.step(st); err != nil {
			return t.result(), err
		}
		feed.used <- st
		if err := t.afterStep(ctx); err != nil {
			return t.result(), err
		}
	}
	return t.finish()
}

// step trains one optimizer step and logs it.
func (t *Trainer) step(st *Step) error {
	began := time.Now()
	t.pass.ZeroGradients()
	loss := 0.0
	for i := range st.Micro {
		m := &st.Micro[i]
		t.pass.Forward(&m.Batch)
		t.pass.LossBackward()
		var err error
		if t.logprobs, err = t.pass.LogProbs(t.logprobs); err != nil {
			return fmt.Errorf("%w: %w", ErrDevice, err)
		}
		for j, lp := range t.logprobs {
			loss -= float64(m.Weights[j]) * float64(lp)
		}
	}
	rate := t.rate.At(t.state.GlobalStep)
	t.optimizer.step(kernels.AdamW{
		LearningRate: rate, Beta1: t.o.AdamBeta1, Beta2: t.o.AdamBeta2,
		Epsilon: t.o.AdamEpsilon, WeightDecay: t.o.WeightDecay,
	}, t.o.MaxGradNorm)
	norm, finite, err := t.optimizer.outcome()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDevice, err)
	}
	t.state.GlobalStep++
	t.state.Epoch, t.position = st.Epoch, st.After
	t.state.NumInputTokensSeen += int64(st.Tokens)
	t.state.TotalFlos += 6 * float64(t.student.Parameters()) * float64(st.Tokens)
	t.tokens, t.trained = t.tokens+int64(st.Tokens), t.trained+int64(st.Trained)
	if err := t.guard(st, finite); err != nil {
		return err
	}
	elapsed := time.Since(began).Seconds()
	t.curve = append(t.curve, loss)
	t.window.add(loss, finite)
	t.hooks.Progress(Progress{
		Step: t.state.GlobalStep, TotalSteps: t.steps, Epoch: t.state.Epoch, Loss: loss, GradNorm: norm,
		LearningRate: rate, TokensPerSecond: float64(st.Tokens) / elapsed, Remaining: t.remaining(),
	})
	if t.state.GlobalStep%t.o.LoggingSteps == 0 || t.state.GlobalStep == t.steps {
		return t.log(norm, rate)
	}
	return nil
}

// guard counts steps whose gradients were not finite. The optimizer has left the weights
// untouched; the rows are named, and too many such steps in a row end the run.
func (t *Trainer) guard(st *Step, finite bool) error {
	if finite {
		t.badInARow = 0
		return nil
	}
	t.badInARow++
	var rows []int
	for i := range st.Micro {
		for _, e := range st.Micro[i].Examples {
			rows = append(rows, e+1)
		}
	}
	t.hooks.Note(fmt.Sprintf("step %d: the gradient is not finite; the weights were left as they were. Rows of the batch: %v", t.state.GlobalStep, rows))
	if t.badInARow >= badStepLimit {
		return fmt.Errorf("%w: %d steps in a row; the weights are those of before them. Lower learning_rate, or look at the rows named above", ErrNonFinite, t.badInARow)
	}
	return nil
}

// afterStep evaluates, saves and stops as asked.
func (t *Trainer) afterStep(ctx context.Context) error {
	step := t.state.GlobalStep
	if t.o.EvalSteps > 0 && step%t.o.EvalSteps == 0 && step < t.steps {
		if _, err := t.evaluate(); err != nil {
			return err
		}
	}
	interrupted := ctx.Err() != nil && step < t.steps
	if t.records != nil && (interrupted || t.o.SaveSteps > 0 && step%t.o.SaveSteps == 0) {
		if err := t.save(); err != nil {
			return err
		}
	}
	if interrupted {
		return fmt.Errorf("%w after step %d of %d", ErrInterrupted, step, t.steps)
	}
	return nil
}

// evaluate measures the loss of the evaluation examples and logs it.
func (t *Trainer) evaluate() (*float64, error) {
	if len(t.evaluation) == 0 {
		return nil, nil
	}
	total, n := 0.0, 0
	err := scoreExamples(t.student, t.evaluation, func(_ int, logprobs []float32) error {
		for _, lp := range logprobs {
			total -= float64(lp)
		}
		n += len(logprobs)
		return nil
	})
	if err != nil {
		return nil, err
	}
	loss := total / float64(n)
	return &loss, t.logEval(loss)
}

// finish writes the student and the records of the whole run.
func (t *Trainer) finish() (TrainResult, error) {
	eval, err := t.evaluate()
	if err != nil {
		return t.result(), err
	}
	r := t.result()
	r.EvalLoss = eval
	if t.records == nil {
		return r, nil
	}
	return r, t.writeFinal(r)
}

// result sums up what the run has done so far.
func (t *Trainer) result() TrainResult {
	r := TrainResult{
		Steps: t.state.GlobalStep, Epoch: t.state.Epoch, Tokens: t.tokens, TrainedTokens: t.trained,
		Runtime: time.Since(t.started), PeakMemoryBytes: peakMemoryBytes(),
	}
	if seconds := r.Runtime.Seconds(); seconds > 0 {
		r.TokensPerSecond = float64(t.tokens) / seconds
	}
	r.TrainLoss = mean(t.curve)
	r.LastLoss = mean(t.curve[len(t.curve)-(len(t.curve)+9)/10:])
	return r
}

// Curve is the loss of every step that this trainer has taken.
func (t *Trainer) Curve() []float64 { return t.curve }

func (t *Trainer) remaining() time.Duration {
	done := t.state.GlobalStep - t.startStep
	if done == 0 {
		return 0
	}
	return time.Since(t.started) / time.Duration(done) * time.Duration(t.steps-t.state.GlobalStep)
}

// window is the mean loss since the last log line; steps that were not finite are left
// out, so that one of them does not blind the log.
type window struct {
	sum float64
	n   int
}

func (w *window) add(loss float64, finite bool) {
	if finite {
		w.sum += loss
		w.n++
	}
}

func (w *window) take() float64 {
	defer func() { *w = window{} }()
	if w.n == 0 {
		return math.NaN()
	}
	return w.sum / float64(w.n)
}

// mean of the values that are finite; 0 when none is.
func mean(values []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			sum += v
			n++
		}
	}
	return sum / float64(max(1, n))
}

// findResume returns the checkpoint to continue from, "" for none.
func (t *Trainer) findResume() (string, error) {
	switch t.o.ResumeFromCheckpoint {
	case "":
		return "", nil
	case "auto":
		path, _, skipped, err := checkpoint.Latest(t.o.OutputDir)
		for _, s := range skipped {
			t.hooks.Note(fmt.Sprintf("WARNING: a damaged checkpoint is not used: %v", s))
		}
		if errors.Is(err, checkpoint.ErrNotFound) {
			return "", nil
		}
		return path, err
	}
	path := filepath.Clean(t.o.ResumeFromCheckpoint)
	if _, err := checkpoint.Verify(path); err != nil {
		return "", fmt.Errorf("%w: resume_from_checkpoint: %w", ErrBadInput, err)
	}
	return path, nil
}
