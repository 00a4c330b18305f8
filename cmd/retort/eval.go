package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"retort/engine"
	"retort/engine/evaluate"
	"retort/kernels"
)

var evalCommand = command{
	name:    "eval",
	summary: "accuracy of a student on GSM8K or on generated problems",
	example: "retort eval --model_name_or_path student/ --tasks gsm8k --dataset gsm8k/test.jsonl --limit 200\nretort eval --model_name_or_path student/ --tasks generated --limit 500 --max_steps 5",
	run: func(ctx context.Context, c *cli, args []string) error {
		o := struct {
			Model      string   `key:"model_name_or_path" help:"student: folder or .gguf"`
			Adapters   []string `key:"adapter_name_or_path" help:"LoRA adapter, merged into the student in memory; given several times, each is measured beside the student"`
			Tasks      string   `key:"tasks" help:"gsm8k (give its file as dataset) or generated"`
			Dataset    string   `key:"dataset" help:"JSONL file of GSM8K rows"`
			Limit      int      `key:"limit" help:"questions at most; 0 is all of a file, 500 generated ones"`
			OutputPath string   `key:"output_path" help:"folder for results_<time>.json and samples_<task>_<time>.jsonl"`
		}{Tasks: "gsm8k"}
		d := decodingKeys{MaxNewTokens: 256, TopP: 1, NumSamples: 1, Seed: 42}
		p := defaultProblemKeys()
		p.Split = "test"
		var sampling struct {
			MaxNewTokens int     `key:"max_new_tokens" help:"tokens to generate at most"`
			Temperature  float64 `key:"temperature" help:"0 takes the likeliest token"`
			TopK         int     `key:"top_k" help:"keep the k likeliest tokens; 0 keeps all"`
			TopP         float64 `key:"top_p" help:"keep the likeliest tokens of this mass"`
		}
		sampling.MaxNewTokens, sampling.TopP = d.MaxNewTokens, d.TopP
		if err := c.parse(args, &o, &sampling, &p); err != nil {
			return err
		}
		d.MaxNewTokens, d.Temperature, d.TopK, d.TopP, d.Seed = sampling.MaxNewTokens, sampling.Temperature, sampling.TopK, sampling.TopP, p.Seed
		options, err := d.options()
		if err == nil {
			err = notNegative("limit", o.Limit)
		}
		if err != nil {
			return err
		}
		if o.Model == "" {
			return fmt.Errorf("%w: model_name_or_path is missing", engine.ErrUsage)
		}
		if err := resolve(ctx, &o.Model, &o.Dataset); err != nil {
			return err
		}
		task, err := openTask(o.Tasks, o.Dataset, o.Limit, p)
		if err != nil {
			return err
		}
		if o.OutputPath != "" { // before the work, so that a bad name costs none
			if err := os.MkdirAll(o.OutputPath, 0o755); err != nil {
				return fmt.Errorf("%w: output_path: %w", engine.ErrBadInput, err)
			}
		}
		return c.withDevice(func(k kernels.Backend) error {
			return c.eval(ctx, k, o.Model, o.Adapters, evalPlan{task, options, o.OutputPath, "retort eval " + strings.Join(publicArgs(args), " ")})
		})
	},
}

// evalPlan is what every student of a call is asked.
type evalPlan struct {
	task       evaluate.Task
	options    engine.AnswerOptions
	outputPath string
	command    string
}

// eval measures the student, alone or with one adapter merged; of several adapters each in
// turn beside the student, which is read once.
func (c *cli) eval(ctx context.Context, k kernels.Backend, model string, adapters []string, plan evalPlan) error {
	merged := ""
	if len(adapters) == 1 {
		merged = adapters[0]
	}
	s, err := openStudent(ctx, k, model, merged)
	if err != nil {
		return err
	}
	defer s.Close()
	if len(adapters) < 2 {
		r, err := c.measure(s, plan, model, plan.outputPath)
		if err == nil && c.common.JSON {
			err = c.printJSON(resultsOf(r))
		}
		return err
	}
	all := map[string]any{}
	for _, adapter := range adapters {
		path, err := engine.ResolveAdapter(ctx, adapter)
		if err == nil {
			err = s.UseAdapter(path)
		}
		if err != nil {
			return err
		}
		outputPath := plan.outputPath
		if outputPath != "" {
			outputPath = filepath.Join(outputPath, filepath.Base(path))
		}
		if !c.common.JSON {
			fmt.Fprintf(c.stdout, "%s\n", adapter)
		}
		r, err := c.measure(s, plan, adapter, outputPath)
		if err != nil {
			return err
		}
		all[adapter] = resultsOf(r)
	}
	if c.common.JSON {
		return c.printJSON(map[string]any{"adapters": all})
	}
	return nil
}

// measure lets one student answer the task, prints its table and writes its files.
func (c *cli) measure(s *engine.Student, plan evalPlan, name, outputPath string) (evaluate.Report, error) {
	r, err := evaluate.Run(s, plan.task, plan.options, func(done, total, tokens int) {
		c.progress(done, total, fmt.Sprintf("%d tokens", tokens))
	})
	c.endProgress()
	if err != nil {
		return r, err
	}
	return r, c.reportEval(r, name, outputPath, plan.command)
}

// resultsOf is a report as --json prints it.
func resultsOf(r evaluate.Report) map[string]any {
	return map[string]any{"results": map[string]any{r.Task: r.Metrics()}}
}

func openTask(name, dataset string, limit int, p problemKeys) (evaluate.Task, error) {
	switch name {
	case "gsm8k":
		if dataset == "" {
			return evaluate.Task{}, fmt.Errorf("%w: the task gsm8k needs its rows: --dataset gsm8k/test.jsonl", engine.ErrUsage)
		}
		return evaluate.GSM8K(dataset, limit)
	case "generated":
		config, err := p.config()
		if err != nil {
			return evaluate.Task{}, err
		}
		if config.WrongStep+config.WrongAnswer+config.CutOff > 0 {
			return evaluate.Task{}, fmt.Errorf("%w: problems to evaluate on are without teacher errors", engine.ErrUsage)
		}
		if limit <= 0 {
			limit = 500
		}
		return evaluate.Generated(config, limit)
	}
	return evaluate.Task{}, fmt.Errorf("%w: tasks must be gsm8k or generated, not %q", engine.ErrUsage, name)
}

// reportEval prints the table of a task, unless JSON is asked for, and writes its files.
func (c *cli) reportEval(r evaluate.Report, student, outputPath, command string) error {
	if outputPath != "" {
		if err := os.MkdirAll(outputPath, 0o755); err != nil {
			return fmt.Errorf("%w: output_path: %w", engine.ErrBadInput, err)
		}
		results, samples, err := r.Write(outputPath, student, command, time.Now())
		if err != nil {
			return err
		}
		defer c.note("written: " + results + ", " + samples)
	}
	if c.common.JSON {
		return nil
	}
	fmt.Fprintf(c.stdout, "%s: %d questions, %d answers cut off at max_new_tokens, %.0f tokens an answer, %.1f tokens/s\n",
		r.Task, len(r.Samples), r.CutOff, float64(r.Tokens)/float64(max(1, len(r.Samples))), r.TokensPerSecond())
	for i, rule := range r.Rules {
		t := r.Total[i]
		fmt.Fprintf(c.stdout, "  %-18s %-22s not parsed %.0f %%\n", rule.Name, percent1(t.Accuracy(), t.Interval()), 100*t.ParseFailureRate())
	}
	for _, steps := range r.Steps() {
		t := r.BySteps[0][steps]
		fmt.Fprintf(c.stdout, "  %d steps: %s of %d (strict)\n", steps, percent1(t.Accuracy(), t.Interval()), t.N)
	}
	return nil
}

// percent1 writes a share with one decimal and its interval.
func percent1(mean float64, in evaluate.Interval) string {
	return fmt.Sprintf("%.1f %% (%.1f–%.1f)", 100*mean, 100*in.Low, 100*in.High)
}
