package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"retort/kernels"
	"retort/model"
)

// ErrMemory: the run would not fit into the machine's memory.
var ErrMemory = fmt.Errorf("%w: not enough memory", ErrBadInput)

// Estimate is what a run will take, measured on two of its own steps.
type Estimate struct {
	Steps     int                       `json:"steps"`
	Tokens    int64                     `json:"tokens"` // of all steps, prompts included
	Seconds   float64                   `json:"seconds"`
	PeakBytes int64                     `json:"peak_memory_bytes"` // resident, the whole process
	Memory    map[kernels.Purpose]int64 `json:"memory_bytes"`      // of the plan, by purpose
}

// String is the estimate in one line.
func (e Estimate) String() string {
	return fmt.Sprintf("estimate: %d steps, %d tokens, %s of training; peak memory %.2f GiB (%s)",
		e.Steps, e.Tokens, time.Duration(e.Seconds*float64(time.Second)).Round(time.Second), float64(e.PeakBytes)/(1<<30), describeMemory(e.Memory))
}

func describeMemory(m map[kernels.Purpose]int64) string {
	var parts []string
	for purpose, n := range m {
		parts = append(parts, fmt.Sprintf("%s %.2f", purpose, float64(n)/(1<<30)))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// estimateTraining is the memory that training the student, or the adapter it uses, takes.
func estimateTraining(s *Student, o model.PassOptions) (map[kernels.Purpose]int64, error) {
	var lora *model.LoRA
	if a := s.Adapter(); a != nil {
		lora = &a.LoRA
	}
	return model.EstimateTraining(s.Backend(), s.Config, lora, o)
}

// checkMemory refuses a run that cannot fit, before anything is allocated for it.
func checkMemory(s *Student, o model.PassOptions) error {
	plan, err := estimateTraining(s, o)
	if err != nil {
		return err
	}
	need := int64(0)
	for purpose, n := range plan {
		if purpose != kernels.Parameters { // there already
			need += n
		}
	}
	available, known := s.Backend().Available()
	if !known || need <= available {
		return nil
	}
	return fmt.Errorf("%w: the run needs %.2f GiB more (%s), %.2f GiB are available; lower per_device_train_batch_size or max_length, or set gradient_checkpointing",
		ErrMemory, float64(need)/(1<<30), describeMemory(plan), float64(available)/(1<<30))
}

// checkParameters refuses a student whose parameters alone do not fit, before they are
// allocated: a configuration can ask for anything.
func checkParameters(k kernels.Backend, c model.Config) error {
	need := int64(c.Parameters()) * int64(k.ActivationType().Size())
	available, known := k.Available()
	if !known || need <= available {
		return nil
	}
	return fmt.Errorf("%w: the student's %d parameters take %.2f GiB, %.2f GiB are available",
		ErrMemory, c.Parameters(), float64(need)/(1<<30), float64(available)/(1<<30))
}

// rehearsalSteps are the steps that a rehearsal times, after one that warms up.
const rehearsalSteps = 2

// Rehearse takes a few of the run's own steps to measure what the whole will take. The
// student is spoilt by it: throw it away.
func (t *Trainer) Rehearse(ctx context.Context) (Estimate, error) {
	e := Estimate{Steps: t.steps}
	var err error
	if e.Memory, err = estimateTraining(t.student, t.passOptions(t.scheduler.largest())); err != nil {
		return e, err
	}
	perEpoch := 0
	for _, x := range t.scheduler.examples {
		perEpoch += len(x.IDs)
	}
	e.Tokens = int64(float64(perEpoch) / float64(t.scheduler.stepsPerEpoch()) * float64(t.steps))
	o := t.o
	defer func() { t.o = o }()
	t.o.LoggingSteps = t.steps + 1
	t.hooks.Progress = func(Progress) {}
	t.started = time.Now()
	var st Step
	tokens := 0
	var began time.Time
	for i := range 1 + min(rehearsalSteps, t.steps) {
		if i == 1 {
			began = time.Now()
		}
		if ctx.Err() != nil {
			return e, ErrInterrupted
		}
		t.scheduler.next(&st)
		if err := t.step(&st); err != nil {
			return e, err
		}
		if i > 0 {
			tokens += st.Tokens
		}
	}
	e.Seconds = time.Since(began).Seconds() / float64(tokens) * float64(e.Tokens)
	e.PeakBytes = t.student.Backend().Peak()
	return e, nil
}
