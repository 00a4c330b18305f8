// Package schedule computes the learning rate of every optimizer step, with
// the names and the arithmetic of transformers' schedulers (optimization.py),
// so that a run here and a run there take the same steps.
//
// It is a leaf: it owns no state, imports nothing of ours, and is called by
// the training loop and by whoever draws or tests a schedule.
package schedule

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Errors that a caller may want to tell apart.
var (
	// ErrUnknownName is returned when lr_scheduler_type names no schedule.
	ErrUnknownName = errors.New("unknown lr_scheduler_type")
	// ErrBadValue is returned when a number of the schedule is out of range.
	ErrBadValue = errors.New("learning-rate schedule out of range")
)

// Schedule gives the learning rate by step. It is a pure function: resuming
// at any step needs nothing but the step.
type Schedule func(step int) float64

// At returns the learning rate after step completed optimizer steps, which is
// the rate that optimizer step number step+1 uses.
func (s Schedule) At(step int) float64 { return s(step) }

// shape is a schedule's factor on the base rate.
//
//	step    completed optimizer steps, from 0
//	warmup  steps of linear warm-up
//	total   optimizer steps of the whole run
//	floor   least factor after warm-up (min_lr_rate)
type shape func(step, warmup, total int, floor float64) float64

// shapes in the order in which an error message lists them.
var shapes = []struct {
	name  string
	shape shape
}{
	{"linear", linear},
	{"cosine", cosine},
	{"constant", constant},
	{"constant_with_warmup", constantWithWarmup},
	{minRateName, cosine},
}

// minRateName is the one schedule that takes min_lr_rate.
const minRateName = "cosine_with_min_lr"

// Names returns the lr_scheduler_type values that New knows.
func Names() []string {
	names := make([]string, len(shapes))
	for i, s := range shapes {
		names[i] = s.name
	}
	return names
}

// New returns the schedule called name (lr_scheduler_type).
// base is the learning rate at the top of the schedule; warmupSteps and
// totalSteps count optimizer steps; minRate is min_lr_rate, the fraction of
// base at which cosine_with_min_lr ends, and must be 0 for all others.
func New(name string, base float64, warmupSteps, totalSteps int, minRate float64) (Schedule, error) {
	factor, err := find(name)
	if err != nil {
		return nil, err
	}
	switch {
	case !(base >= 0) || math.IsInf(base, 0):
		return nil, fmt.Errorf("%w: learning_rate is %g; give a finite number of at least 0", ErrBadValue, base)
	case warmupSteps < 0:
		return nil, fmt.Errorf("%w: warmup_steps is %d; give 0 or more", ErrBadValue, warmupSteps)
	case totalSteps < 0:
		return nil, fmt.Errorf("%w: the run has %d steps; give 0 or more", ErrBadValue, totalSteps)
	case !(minRate >= 0 && minRate <= 1):
		return nil, fmt.Errorf("%w: min_lr_rate is %g; give a fraction from 0 to 1", ErrBadValue, minRate)
	case minRate != 0 && name != minRateName:
		return nil, fmt.Errorf("%w: min_lr_rate is %g but lr_scheduler_type %q has no floor; use %q or leave it out",
			ErrBadValue, minRate, name, minRateName)
	}
	return func(step int) float64 {
		return base * factor(step, warmupSteps, totalSteps, minRate)
	}, nil
}

func find(name string) (shape, error) {
	for _, s := range shapes {
		if s.name == name {
			return s.shape, nil
		}
	}
	return nil, fmt.Errorf("%w %q; known: %s", ErrUnknownName, name, strings.Join(Names(), ", "))
}

// WarmupSteps resolves warmup_steps and warmup_ratio as transformers does:
// steps win when there are any, else the ratio of the whole run, rounded up.
func WarmupSteps(steps int, ratio float64, totalSteps int) (int, error) {
	if steps < 0 {
		return 0, fmt.Errorf("%w: warmup_steps is %d; give 0 or more", ErrBadValue, steps)
	}
	if !(ratio >= 0 && ratio <= 1) {
		return 0, fmt.Errorf("%w: warmup_ratio is %g; give a fraction from 0 to 1", ErrBadValue, ratio)
	}
	if steps > 0 {
		return steps, nil
	}
	return int(math.Ceil(float64(totalSteps) * ratio)), nil
}

func constant(_, _, _ int, _ float64) float64 { return 1 }

func constantWithWarmup(step, warmup, _ int, _ float64) float64 {
	if step < warmup {
		return float64(step) / float64(warmup)
	}
	return 1
}

// linear falls from 1 after warm-up to 0 at total.
func linear(step, warmup, total int, _ float64) float64 {
	if step < warmup {
		return float64(step) / float64(warmup)
	}
	return max(0, float64(total-step)/float64(max(1, total-warmup)))
}

// cosine falls along half a cosine from 1 after warm-up to floor at total.
// Past total it rises again, as transformers' does; no run goes there.
func cosine(step, warmup, total int, floor float64) float64 {
	if step < warmup {
		return float64(step) / float64(warmup)
	}
	progress := float64(step-warmup) / float64(max(1, total-warmup))
	factor := 0.5 * (1 + math.Cos(math.Pi*progress))
	return max(0, factor*(1-floor)+floor)
}
