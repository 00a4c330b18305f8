package bench

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"retort/kernels/cpu/features"
)

// A step of one row: in portable Go one of four takes minutes.
const variantRows = 1

// variantWorker times a few steps with the instruction set of this process.
func variantWorker(student string) (profileResult, error) {
	steps := 6 // the first warms up
	if variant, _ := features.Selected(); variant == features.Generic {
		steps = 2
	}
	return profileWorker(student, variantRows, steps)
}

// variantSuite is a training step by operation on every instruction set of this machine,
// beside portable Go: what the assembly has brought, and where.
func variantSuite(ctx context.Context, o Options) ([]Row, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	variants := features.Available()
	slices.Reverse(variants) // portable Go first
	var rows []Row
	for _, name := range []string{"gpt2-124m", "smollm2-135m"} {
		profiles := map[string]profileResult{}
		for _, variant := range variants {
			began := time.Now()
			rounds := max(1, o.Rounds)
			if variant == features.Generic {
				rounds = 1 // it takes minutes
			}
			for range rounds {
				p, err := worker[profileResult](ctx, self, []string{"bench", "--worker", "variants:" + name}, features.Variable+"="+variant)
				if err != nil {
					return nil, err
				}
				if best, measured := profiles[variant]; !measured || p.Step < best.Step {
					profiles[variant] = p
				}
			}
			o.Log(fmt.Sprintf("%s, %s: %.0f s", name, variant, time.Since(began).Seconds()))
		}
		rows = append(rows, variantRowsOf(fmt.Sprintf("%s, %d×%d tokens", name, variantRows, stepTokens), variants, profiles)...)
	}
	return rows, nil
}

// variantRowsOf is a row for every operation and instruction set, in the order of the time
// that the operations take in portable Go.
func variantRowsOf(student string, variants []string, profiles map[string]profileResult) []Row {
	operations := append(profiles[features.Generic].Operations, operationShare{Name: wholeStep})
	var rows []Row
	for _, operation := range operations {
		before := profiles[features.Generic].milliseconds(operation.Name)
		for _, variant := range variants {
			now := profiles[variant].milliseconds(operation.Name)
			r := Row{Name: fmt.Sprintf("%s: %s, %s", student, operation.Name, variant), Ours: now, Unit: "ms"}
			if variant != features.Generic {
				r.Peer, r.PeerName, r.Ratio = before, "portable Go", before/now
			} else if len(variants) > 1 {
				continue // it stands beside the others
			}
			rows = append(rows, r)
		}
	}
	return rows
}

const wholeStep = "whole step"

// milliseconds is what an operation, or the whole step, takes in a step.
func (p profileResult) milliseconds(operation string) float64 {
	for _, o := range p.Operations {
		if o.Name == operation {
			return o.Milliseconds
		}
	}
	return p.Step
}
