package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"retort/data"
	"retort/data/collect"
	"retort/engine"
	"retort/kernels"
)

// generatorKeys are the knobs of the teacher generator; its seed is the run's.
type generatorKeys struct {
	Preset      string  `key:"preset" help:"teacher generator: default or demo"`
	Split       string  `key:"split" help:"teacher generator: train, valid or test"`
	WrongStep   float64 `key:"wrong_step" help:"teacher generator: share of solutions with a wrong step"`
	WrongAnswer float64 `key:"wrong_answer" help:"teacher generator: share of solutions whose final number alone is wrong"`
	CutOff      float64 `key:"cut_off" help:"teacher generator: share of solutions that stop in the middle"`
}

var collectCommand = command{
	name:    "collect",
	summary: "ask a teacher for answers and rationales, journaled",
	example: "retort collect --dataset train.jsonl --output pairs.jsonl --model gpt-4o-mini --num_samples 4 \\\n    --prompt_price 0.15 --completion_price 0.6 --max_cost 5 --dry-run\n" +
		"retort collect --dataset train.jsonl --output pairs.jsonl --teacher student --model_name_or_path SmolLM2-135M-Instruct.gguf",
	graceful: true,
	run: func(ctx context.Context, c *cli, args []string) error {
		o := engine.DefaultCollectOptions()
		g := generatorKeys{Preset: "default", Split: "train"}
		if err := c.parse(args, &o, &g); err != nil {
			return err
		}
		p := defaultProblemKeys()
		p.Preset, p.Split, p.WrongStep, p.WrongAnswer, p.CutOff = g.Preset, g.Split, g.WrongStep, g.WrongAnswer, g.CutOff
		var err error
		if o.Problems, err = p.config(); err != nil {
			return err
		}
		if err := resolve(ctx, &o.Student, &o.Dataset); err != nil {
			return err
		}
		run, err := engine.OpenCollection(o, func() (kernels.Backend, error) {
			return engine.OpenDevice(engine.DeviceOptions{Device: c.common.Device, BF16: c.common.BF16})
		})
		if err != nil {
			return err
		}
		defer run.Close()
		if o.DryRun {
			estimate, err := run.DryRun()
			if err == nil && c.common.JSON {
				return c.printJSON(estimate)
			}
			if err == nil {
				fmt.Fprintln(c.stdout, estimate)
			}
			return err
		}
		return c.collect(ctx, run, o.Output)
	},
}

// collect runs a collection and writes its pairs. The output appears once it is whole.
func (c *cli) collect(ctx context.Context, run *engine.Collection, output string) error {
	if err := writable(output); err != nil { // before the work, so that a bad name costs none
		return err
	}
	var w *rowWriter
	written := 0
	report, err := run.Run(ctx, c.collectHooks(), func(p data.Pair) (err error) {
		if w == nil {
			if w, err = newRowWriter(c, output); err != nil {
				return err
			}
		}
		written++
		return w.write(p)
	})
	c.endProgress()
	if w != nil {
		kept := err
		if errors.Is(err, engine.ErrTeacher) { // answers are missing: those that are there are written
			kept = nil
		}
		if closed := w.close(kept); closed != nil {
			return closed
		}
	}
	if c.common.JSON {
		return firstError(err, c.printJSON(struct {
			collect.Report
			Written int    `json:"written"`
			Output  string `json:"output"`
		}{report, written, output}))
	}
	if written > 0 || err == nil {
		fmt.Fprintf(c.stdout, "%d pairs in %s: %d answers of this run, %d from the journal, %d missing; %d retries, %d+%d tokens, %.4f spent\n",
			written, output, report.Answered, report.Found, report.Missing, report.Retries, report.PromptTokens, report.CompletionTokens, report.Spent)
	}
	return err
}

// writable tries to make the output's file and takes it away again.
func writable(output string) error {
	f, final, err := createOutput(output)
	if err != nil {
		return fmt.Errorf("%w: output: %w", engine.ErrBadInput, err)
	}
	f.Close()
	if final != "" {
		os.Remove(f.Name())
	}
	return nil
}

// collectHooks shows a run: a bar on a terminal, elsewhere a line every ten seconds, with
// --json as objects.
func (c *cli) collectHooks() collect.Hooks {
	shown := time.Now()
	return collect.Hooks{
		Note: c.note,
		Progress: func(p collect.Progress) {
			text := fmt.Sprintf("%d answer tokens, %s spent", p.Tokens, p.Spent)
			if c.interactive() {
				c.progress(p.Done, p.Total, text)
				return
			}
			if c.common.Quiet || time.Since(shown) < 10*time.Second {
				return
			}
			shown = time.Now()
			if c.common.JSON {
				writeJSONLine(c.stderr, map[string]any{"done": p.Done, "total": p.Total, "tokens": p.Tokens, "spent": p.Spent.Float()})
				return
			}
			fmt.Fprintf(c.stderr, "%d of %d answers, %s\n", p.Done, p.Total, text)
		},
	}
}
