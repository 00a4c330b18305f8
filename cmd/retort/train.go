package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"retort/engine"
	"retort/kernels"
)

var trainCommand = command{
	name:     "train",
	summary:  "fine-tune a student on answer–rationale pairs",
	example:  "retort train --model_name_or_path SmolLM2-135M-Instruct.gguf --dataset train.jsonl --output_dir runs/first \\\n    --learning_rate 1e-4 --max_steps 100 --packing --max_length 512",
	graceful: true,
	run: func(ctx context.Context, c *cli, args []string) error {
		o := engine.DefaultTrainOptions()
		if err := c.parse(args, &o); err != nil {
			return err
		}
		o.Command = "retort train " + strings.Join(publicArgs(args), " ")
		var result engine.TrainResult
		err := c.withDevice(func(k kernels.Backend) (err error) {
			result, err = engine.Train(ctx, k, o, c.trainHooks(o.LoggingSteps), c.previewer(o.DryRun))
			return err
		})
		c.endProgress()
		if err != nil {
			return err
		}
		if o.DryRun {
			if c.common.JSON {
				return c.printJSON(result.Estimate)
			}
			fmt.Fprintln(c.stdout, result.Estimate)
			return nil
		}
		return c.reportTraining(o, result)
	},
}

// trainHooks shows a run: a bar on a terminal, elsewhere a line every so many steps, with
// --json as objects.
func (c *cli) trainHooks(every int) engine.Hooks {
	return engine.Hooks{
		Note: c.note,
		Progress: func(p engine.Progress) {
			text := fmt.Sprintf("loss %.4f  %.0f tokens/s", p.Loss, p.TokensPerSecond)
			last := p.Step == p.TotalSteps
			switch {
			case c.common.JSON && (p.Step%every == 0 || last):
				fmt.Fprintf(c.stderr, `{"step":%d,"total_steps":%d,"epoch":%.4f,"loss":%s,"grad_norm":%s,"learning_rate":%g,"tokens_per_second":%.1f}`+"\n",
					p.Step, p.TotalSteps, p.Epoch, jsonNumber(p.Loss), jsonNumber(p.GradNorm), p.LearningRate, p.TokensPerSecond)
			case c.interactive():
				c.progress(p.Step, p.TotalSteps, text)
			case !c.common.Quiet && !c.common.JSON && (p.Step%every == 0 || last):
				fmt.Fprintf(c.stderr, "step %d/%d  epoch %.2f  %s  norm %.3f  rate %.2e  %s left\n",
					p.Step, p.TotalSteps, p.Epoch, text, p.GradNorm, p.LearningRate, p.Remaining.Round(time.Second))
			}
		},
	}
}

// jsonNumber writes a number that may not be finite, which JSON has no way to write.
func jsonNumber(v float64) string {
	if v-v != 0 {
		return fmt.Sprintf("%q", fmt.Sprint(v))
	}
	return fmt.Sprint(v)
}

// reportTraining prints the outcome of a run.
func (c *cli) reportTraining(o engine.TrainOptions, r engine.TrainResult) error {
	if c.common.JSON {
		return c.printJSON(struct {
			engine.TrainResult
			OutputDir      string  `json:"output_dir"`
			RuntimeSeconds float64 `json:"train_runtime"`
		}{r, o.OutputDir, r.Runtime.Seconds()})
	}
	fmt.Fprintf(c.stdout, "%d steps in %s: loss %.4f, %d trained tokens, %.1f tokens/s, peak memory %.2f GiB\n",
		r.Steps, r.Runtime.Round(time.Second), r.LastLoss, r.TrainedTokens, r.TokensPerSecond, float64(r.PeakMemoryBytes)/(1<<30))
	if r.EvalLoss != nil {
		fmt.Fprintf(c.stdout, "evaluation loss %.4f\n", *r.EvalLoss)
	}
	what := "student"
	if o.UsePEFT || o.AdapterNameOrPath != "" {
		what = "adapter"
	}
	fmt.Fprintf(c.stdout, "%s, records and training_loss.png are in %s\n", what, o.OutputDir)
	return nil
}

// previewRunes is how much of a piece of a row a preview shows at either end.
const previewRunes = 1000

// shortened is a text without its middle, where it is very long.
func shortened(text string) string {
	runes := []rune(text)
	left := len(runes) - 2*previewRunes
	if left <= 0 {
		return text
	}
	return fmt.Sprintf("%s … %d characters … %s", string(runes[:previewRunes]), left, string(runes[len(runes)-previewRunes:]))
}

// previewer prints rendered rows with their masks for --dry-run: trained text in green on
// a terminal, in ⟦brackets⟧ elsewhere.
func (c *cli) previewer(show bool) func([]engine.Preview) {
	if !show || c.common.JSON {
		return func([]engine.Preview) {}
	}
	return func(rows []engine.Preview) {
		open, end := "⟦", "⟧"
		if term.IsTerminal(int(c.stdout.Fd())) && os.Getenv("NO_COLOR") == "" {
			open, end = "\x1b[32m", "\x1b[0m"
		}
		for _, row := range rows {
			fmt.Fprintf(c.stdout, "── row %d, %d tokens ──\n", row.Row, row.Tokens)
			for _, p := range row.Pieces {
				text := shortened(p.Text)
				if p.Trained {
					text = open + text + end
				}
				fmt.Fprint(c.stdout, text)
			}
			fmt.Fprintln(c.stdout)
		}
	}
}
