package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
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

// Trainer is one training run over examples that are encoded already: of the adapter that the
// student uses, or of the student. It owns gradients and optimizer; the student outlives it.
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
	trained         time.Duration // how long training took, once it is over
	totals          totals
	hyperparameters map[string]string // that a resumed run should not change in silence
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
	o = o.settled(s.Adapter() != nil)
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
	t.compareHyperparameters()
	plan := t.passOptions(t.scheduler.largest())
	if err := checkMemory(s, plan); err != nil {
		return nil, err
	}
	if t.pass, err = model.NewPass(s.Student, plan); err != nil {
		return nil, err
	}
	if t.optimizer, err = newOptimizer(s.Backend(), s.Trained(), t.pass); err != nil {
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
	return model.PassOptions{Tokens: tokens, Rows: trained, Batches: t.o.GradientAccumulationSteps,
		Training: true, Checkpointing: t.o.GradientCheckpointing, Seed: uint64(t.o.Seed)}
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
	if t.state.GlobalStep > t.steps {
		return fmt.Errorf("%w: the checkpoint is after step %d, the run has %d: nothing is left to train; raise max_steps or num_train_epochs", ErrUsage, t.state.GlobalStep, t.steps)
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
			return t.result(), t.keepGoodWeights(err)
		}
		feed.used <- st
		if err := t.afterStep(ctx); err != nil {
			return t.result(), err
		}
	}
	return t.finish(ctx)
}

// step trains one optimizer step and logs it.
func (t *Trainer) step(st *Step) error {
	began := time.Now()
	t.pass.ZeroGradients()
	for i := range st.Micro {
		st.Micro[i].Draw = uint64(t.state.GlobalStep*t.o.GradientAccumulationSteps + i)
		t.pass.Forward(&st.Micro[i].Batch)
		t.pass.LossBackward()
	}
	rate := t.rate.At(t.state.GlobalStep)
	t.optimizer.step(kernels.AdamW{
		LearningRate: rate, Beta1: t.o.AdamBeta1, Beta2: t.o.AdamBeta2,
		Epsilon: t.o.AdamEpsilon, WeightDecay: t.o.WeightDecay,
	}, t.o.MaxGradNorm)
	norm, finite, err := t.optimizer.outcome() // the step's one wait for the device
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDevice, err)
	}
	loss, err := t.loss(st)
	if err != nil {
		return err
	}
	t.state.GlobalStep++
	t.state.Epoch, t.position = st.Epoch, st.After
	t.state.NumInputTokensSeen += int64(st.Tokens)
	t.state.TotalFlos += 6 * float64(t.student.Parameters()) * float64(st.Tokens)
	t.totals.Tokens, t.totals.Trained = t.totals.Tokens+int64(st.Tokens), t.totals.Trained+int64(st.Trained)
	if err := t.guard(st, finite); err != nil {
		return err
	}
	elapsed := time.Since(began).Seconds()
	t.curve = append(t.curve, loss)
	t.window.add(loss, finite)
	if finite {
		t.totals.Steps, t.totals.LossSum = t.totals.Steps+1, t.totals.LossSum+loss
	}
	t.hooks.Progress(Progress{
		Step: t.state.GlobalStep, TotalSteps: t.steps, Epoch: t.state.Epoch, Loss: loss, GradNorm: norm,
		LearningRate: rate, TokensPerSecond: float64(st.Tokens) / elapsed, Remaining: t.remaining(),
	})
	if t.state.GlobalStep%t.o.LoggingSteps == 0 || t.state.GlobalStep == t.steps {
		return t.log(norm, rate)
	}
	return nil
}

// loss is the step's loss, from the log-probabilities of its micro-batches.
func (t *Trainer) loss(st *Step) (loss float64, err error) {
	if t.logprobs, err = t.pass.LogProbs(t.logprobs); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrDevice, err)
	}
	rest := t.logprobs
	for i := range st.Micro {
		weights := st.Micro[i].Weights
		for j, w := range weights {
			loss -= float64(w) * float64(rest[j])
		}
		rest = rest[len(weights):]
	}
	return loss, nil
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
		if _, err := t.evaluate(ctx); err != nil {
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
		if t.records == nil {
			return fmt.Errorf("%w after step %d of %d", ErrInterrupted, step, t.steps)
		}
		return fmt.Errorf("%w after step %d of %d; %s is written, go on with --resume_from_checkpoint auto",
			ErrInterrupted, step, t.steps, checkpoint.Dir(t.o.OutputDir, step))
	}
	return nil
}

// keepGoodWeights writes a checkpoint when a run ends on numbers that are not finite: its
// weights are those from before them, and worth keeping.
func (t *Trainer) keepGoodWeights(failed error) error {
	if t.records == nil || !errors.Is(failed, ErrNonFinite) {
		return failed
	}
	if err := t.save(); err != nil {
		return errors.Join(failed, err)
	}
	return fmt.Errorf("%w; they are kept in %s", failed, checkpoint.Dir(t.o.OutputDir, t.state.GlobalStep))
}

// evaluate measures the loss of the evaluation examples and logs it. An interruption ends
// it without a result.
func (t *Trainer) evaluate(ctx context.Context) (*float64, error) {
	if len(t.evaluation) == 0 {
		return nil, nil
	}
	total, n := 0.0, 0
	err := scoreExamples(t.student, t.evaluation, func(_ int, logprobs []float32) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, lp := range logprobs {
			total -= float64(lp)
		}
		n += len(logprobs)
		return nil
	})
	if ctx.Err() != nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	loss := total / float64(n)
	return &loss, t.logEval(loss)
}

// finish writes the student, measures it, and writes the records of the whole run.
func (t *Trainer) finish(ctx context.Context) (TrainResult, error) {
	if t.totals.Steps == 0 && t.state.GlobalStep > 0 {
		return t.result(), fmt.Errorf("%w: no step of the run was finite; nothing is written", ErrNonFinite)
	}
	t.trained = t.elapsed()
	if t.records != nil {
		if err := t.writeStudent(); err != nil { // before anything that may take long or fail
			return t.result(), err
		}
	}
	eval, err := t.evaluate(ctx)
	if err != nil {
		return t.result(), err
	}
	r := t.result()
	r.EvalLoss = eval
	if t.records == nil {
		return r, nil
	}
	return r, t.writeRecords(r)
}

// totals is what the run has done since its very first step, over all resumes. A
// checkpoint keeps it.
type totals struct {
	Steps   int     `json:"steps"`    // finite ones
	LossSum float64 `json:"loss_sum"` // of them
	Tokens  int64   `json:"tokens"`
	Trained int64   `json:"trained_tokens"`
	Seconds float64 `json:"seconds"` // before this process
}

// result sums up what the run has done so far.
func (t *Trainer) result() TrainResult {
	r := TrainResult{
		Steps: t.state.GlobalStep, Epoch: t.state.Epoch, Tokens: t.totals.Tokens, TrainedTokens: t.totals.Trained,
		Runtime: t.trainingTime(), PeakMemoryBytes: t.student.Backend().Peak(),
	}
	if seconds := r.Runtime.Seconds(); seconds > 0 {
		r.TokensPerSecond = float64(t.totals.Tokens) / seconds
	}
	r.TrainLoss = t.totals.LossSum / float64(max(1, t.totals.Steps))
	r.LastLoss = t.lastLoss()
	return r
}

// trainingTime is how long training took: without writing the student, as transformers
// counts it, once that has begun.
func (t *Trainer) trainingTime() time.Duration {
	if t.trained != 0 {
		return t.trained
	}
	return t.elapsed()
}

// elapsed is how long the run has trained, over all resumes.
func (t *Trainer) elapsed() time.Duration {
	return time.Duration(t.totals.Seconds*float64(time.Second)) + time.Since(t.started)
}

// lastLoss is the mean of what was logged in the last tenth of the steps so far.
func (t *Trainer) lastLoss() float64 {
	sum, n := 0.0, 0
	for i, entry := range t.state.LogHistory {
		loss, ok := entry.Get("loss")
		recent := 10*entry.Step() > 9*t.state.GlobalStep || i == len(t.state.LogHistory)-1
		if ok && recent && loss-loss == 0 {
			sum, n = sum+loss, n+1
		}
	}
	return sum / float64(max(1, n))
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
