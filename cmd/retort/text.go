package main

import (
	"context"
	"fmt"
	"math"

	"retort/data"
	"retort/data/problems"
	"retort/engine"
	"retort/kernels"
)

var tokenizeCommand = command{
	name:    "tokenize",
	summary: "turn text or messages into token ids",
	example: "retort tokenize --model_name_or_path SmolLM2-135M-Instruct.gguf --text 'Hello world'\nretort tokenize --model_name_or_path student/ --input rows.jsonl --output ids.jsonl",
	run: func(ctx context.Context, c *cli, args []string) error {
		var o struct {
			Model  string `key:"model_name_or_path" help:"student (or tokenizer folder) whose tokenizer is used"`
			Text   string `key:"text" help:"one text to encode"`
			Input  string `key:"input" help:"JSONL of {\"text\"} or {\"messages\", \"add_generation_prompt\"}"`
			Output string `key:"output" help:"JSONL file for the rows {index, text, ids}; standard output when empty"`
		}
		if err := c.parse(args, &o); err != nil {
			return err
		}
		if o.Model == "" || (o.Text == "") == (o.Input == "") {
			return fmt.Errorf("%w: give model_name_or_path, and text or input", engine.ErrUsage)
		}
		var none string
		if err := resolve(ctx, &o.Model, &none); err != nil {
			return err
		}
		t, err := engine.OpenText(o.Model)
		if err != nil {
			return fmt.Errorf("%w: %w", engine.ErrBadInput, err)
		}
		w, err := newRowWriter(c, o.Output)
		if err != nil {
			return err
		}
		if o.Text != "" {
			return w.close(w.write(engine.TokenizeText(t, o.Text)))
		}
		return w.close(engine.TokenizeRows(t, o.Input, func(row engine.Tokenized) error { return w.write(row) }))
	},
}

var scoreCommand = command{
	name:    "score",
	summary: "log-probability of every completion token, loss and perplexity",
	example: "retort score --model_name_or_path student/ --dataset test.jsonl --output scores.jsonl",
	run: func(ctx context.Context, c *cli, args []string) error {
		var o struct {
			Model   string `key:"model_name_or_path" help:"student: folder or .gguf"`
			Adapter string `key:"adapter_name_or_path" help:"LoRA adapter, merged into the student in memory"`
			Dataset string `key:"dataset" help:"JSONL file of rows"`
			Limit   int    `key:"limit" help:"score the first rows only; 0 is all"`
			Output  string `key:"output" help:"JSONL file for the rows {index, prompt_ids, completion_ids, logprobs, loss}"`
		}
		if err := c.parse(args, &o); err != nil {
			return err
		}
		if o.Model == "" || o.Dataset == "" {
			return fmt.Errorf("%w: give model_name_or_path and dataset", engine.ErrUsage)
		}
		if err := notNegative("limit", o.Limit); err != nil {
			return err
		}
		if err := resolve(ctx, &o.Model, &o.Dataset); err != nil {
			return err
		}
		return c.withDevice(func(k kernels.Backend) error {
			s, err := openStudent(ctx, k, o.Model, o.Adapter)
			if err != nil {
				return err
			}
			defer s.Close()
			return c.score(s, o.Dataset, o.Output, o.Limit)
		})
	},
}

// notNegative refuses a number that counts something and is below 0.
func notNegative(key string, n int) error {
	if n < 0 {
		return fmt.Errorf("%w: %s is %d, must be 0 or more", engine.ErrUsage, key, n)
	}
	return nil
}

// score writes the rows and prints their mean. Without --output only the summary is printed.
func (c *cli) score(s *engine.Student, dataset, output string, limit int) error {
	var w *rowWriter
	var err error
	if output != "" {
		if w, err = newRowWriter(c, output); err != nil {
			return err
		}
	}
	var rows, tokens int
	var sum float64
	rejects, err := engine.ScoreRows(s, dataset, limit, func(row engine.Score) error {
		rows, tokens = rows+1, tokens+len(row.LogProbs)
		sum += row.Loss * float64(len(row.LogProbs))
		if w == nil {
			return nil
		}
		return w.write(row)
	})
	if w != nil {
		err = w.close(err)
	}
	if err != nil {
		return err
	}
	loss := sum / float64(max(1, tokens))
	if c.common.JSON {
		return c.printJSON(map[string]any{
			"rows": rows, "tokens": tokens, "loss": loss, "perplexity": math.Exp(loss), "rejects": rejects.Lines,
		})
	}
	fmt.Fprintf(c.stdout, "%d rows, %d completion tokens: loss %.4f, perplexity %.3f\n", rows, tokens, loss, math.Exp(loss))
	if rejects.Total() > 0 {
		fmt.Fprintf(c.stdout, "%s\n", rejects)
	}
	return nil
}

// decodingKeys are the keys of sampling, under transformers' names.
type decodingKeys struct {
	MaxNewTokens int      `key:"max_new_tokens" help:"tokens to generate at most"`
	Temperature  float64  `key:"temperature" help:"0 takes the likeliest token"`
	TopK         int      `key:"top_k" help:"keep the k likeliest tokens; 0 keeps all"`
	TopP         float64  `key:"top_p" help:"keep the likeliest tokens of this mass"`
	Stop         []string `key:"stop" help:"text that ends an answer"`
	Seed         int      `key:"seed" help:"seed of the draws"`
	NumSamples   int      `key:"num_samples" help:"answers to each row"`
}

func (d decodingKeys) options() (engine.AnswerOptions, error) {
	for _, k := range []struct {
		ok    bool
		key   string
		value any
		want  string
	}{
		{d.MaxNewTokens >= 0, "max_new_tokens", d.MaxNewTokens, "0 or more"},
		{d.Temperature >= 0 && d.Temperature <= math.MaxFloat32, "temperature", d.Temperature, "0 or more"},
		{d.TopK >= 0, "top_k", d.TopK, "0 or more"},
		{d.TopP > 0 && d.TopP <= 1, "top_p", d.TopP, "above 0 and at most 1"},
		{d.NumSamples >= 1, "num_samples", d.NumSamples, "at least 1"},
	} {
		if !k.ok {
			return engine.AnswerOptions{}, fmt.Errorf("%w: %s is %v, must be %s", engine.ErrUsage, k.key, k.value, k.want)
		}
	}
	return engine.AnswerOptions{
		MaxNewTokens: d.MaxNewTokens, NumSamples: d.NumSamples, Seed: uint64(d.Seed), Stop: d.Stop,
		Sampling: kernels.Sampling{Temperature: float32(d.Temperature), TopK: d.TopK, TopP: float32(d.TopP)},
	}, nil
}

var generateCommand = command{
	name:    "generate",
	summary: "answer the rows of a file, or one prompt, with confidence",
	example: "retort generate --model_name_or_path SmolLM2-135M-Instruct.gguf --prompt 'What is 2+2?' --max_new_tokens 64",
	run: func(ctx context.Context, c *cli, args []string) error {
		o := struct {
			Model   string `key:"model_name_or_path" help:"student: folder or .gguf"`
			Adapter string `key:"adapter_name_or_path" help:"LoRA adapter, merged into the student in memory"`
			Prompt  string `key:"prompt" help:"one question; a student with a chat template gets it as the user's message"`
			Dataset string `key:"dataset" help:"JSONL file of rows to answer"`
			Limit   int    `key:"limit" help:"answer the first rows only; 0 is all"`
			Output  string `key:"output" help:"JSONL file for the rows {index, prompt_ids, completion_ids, text, finish_reason, logprobs, confidence}"`
		}{}
		d := decodingKeys{MaxNewTokens: 256, TopP: 1, NumSamples: 1, Seed: 42}
		if err := c.parse(args, &o, &d); err != nil {
			return err
		}
		if o.Model == "" || (o.Prompt == "") == (o.Dataset == "") {
			return fmt.Errorf("%w: give model_name_or_path, and prompt or dataset", engine.ErrUsage)
		}
		options, err := d.options()
		if err == nil {
			err = notNegative("limit", o.Limit)
		}
		if err != nil {
			return err
		}
		if err := resolve(ctx, &o.Model, &o.Dataset); err != nil {
			return err
		}
		return c.withDevice(func(k kernels.Backend) error {
			s, err := openStudent(ctx, k, o.Model, o.Adapter)
			if err != nil {
				return err
			}
			defer s.Close()
			rows, err := generateRows(s, o.Prompt, o.Dataset, o.Limit)
			if err != nil {
				return err
			}
			w, err := newRowWriter(c, o.Output) // before the work, so that a bad name costs none
			if err != nil {
				return err
			}
			answers, err := engine.AnswerRows(s, rows, options, func(done, tokens int) {
				c.progress(done, len(rows)*options.NumSamples, fmt.Sprintf("%d tokens", tokens))
			})
			c.endProgress()
			for _, a := range answers {
				if err != nil {
					break
				}
				if o.Prompt != "" && o.Output == "" && !c.common.JSON {
					_, err = fmt.Fprintf(w.out, "%s\n[%s, %d tokens, confidence %.2f]\n", a.Text, a.FinishReason, len(a.CompletionIDs), a.Confidence)
				} else {
					err = w.write(a)
				}
			}
			return w.close(err)
		})
	},
}

// generateRows are the rows to answer: one prompt, or those of a file.
func generateRows(s *engine.Student, prompt, dataset string, limit int) ([]data.Row, error) {
	if prompt != "" {
		row := data.Row{Line: 1, Kind: data.KindPrompt, Prompt: prompt}
		if s.Text.HasTemplate() {
			row.Messages = []data.Message{{Role: "user", Content: prompt}}
		}
		return []data.Row{row}, nil
	}
	rows, err := data.ReadRows(dataset)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", engine.ErrBadInput, err)
	}
	if limit > 0 {
		rows = rows[:min(limit, len(rows))]
	}
	return rows, nil
}

var generateDataCommand = command{
	name:    "generate-data",
	summary: "problems with stepwise solutions from the built-in generator",
	example: "retort generate-data --rows 1000 --min_steps 2 --max_steps 6 --output problems.jsonl",
	run: func(_ context.Context, c *cli, args []string) error {
		k := defaultProblemKeys()
		o := struct {
			Rows   int    `key:"rows" help:"problems to write"`
			Output string `key:"output" help:"JSONL file; standard output when empty"`
		}{Rows: 1000}
		if err := c.parse(args, &o, &k); err != nil {
			return err
		}
		config, err := k.config()
		if err != nil {
			return err
		}
		g, err := problems.New(config)
		if err != nil {
			return fmt.Errorf("%w: %w", engine.ErrUsage, err)
		}
		if o.Rows < 1 {
			return fmt.Errorf("%w: rows must be at least 1", engine.ErrUsage)
		}
		w, err := newRowWriter(c, o.Output)
		if err != nil {
			return err
		}
		for i := 0; i < o.Rows && err == nil; i++ {
			err = w.write(g.Problem(i))
		}
		return w.close(err)
	},
}

// problemKeys are the knobs of the problem generator that the command line shows.
type problemKeys struct {
	Preset      string  `key:"preset" help:"default (a broad mix in full sentences) or demo (short statements for a small student)"`
	Split       string  `key:"split" help:"train, valid or test: they share no problem"`
	Seed        int     `key:"seed" help:"seed; row i depends on seed, split and i alone"`
	MinSteps    int     `key:"min_steps" help:"operations of a solution at least; 0 is the preset's"`
	MaxSteps    int     `key:"max_steps" help:"operations of a solution at most; 0 is the preset's"`
	Distractors float64 `key:"distractors" help:"mean number of statements that the answer does not need; -1 is the preset's"`
	WrongStep   float64 `key:"wrong_step" help:"share of solutions with a wrong step that the rest follows from"`
	WrongAnswer float64 `key:"wrong_answer" help:"share of solutions whose final number alone is wrong"`
	CutOff      float64 `key:"cut_off" help:"share of solutions that stop in the middle"`
}

func defaultProblemKeys() problemKeys {
	return problemKeys{Preset: "default", Split: "train", Seed: 42, Distractors: -1}
}

func (p problemKeys) config() (problems.Config, error) {
	var c problems.Config
	switch p.Preset {
	case "default":
		c = problems.Default()
	case "demo":
		c = problems.Demo()
	default:
		return c, fmt.Errorf("%w: preset must be default or demo", engine.ErrUsage)
	}
	if p.Seed < 0 {
		return c, fmt.Errorf("%w: seed must be 0 or more", engine.ErrUsage)
	}
	if !(p.Distractors >= 0) && p.Distractors != -1 {
		return c, fmt.Errorf("%w: distractors is %v, must be 0 or more, or -1 for the preset's", engine.ErrUsage, p.Distractors)
	}
	c.Split, c.Seed = problems.Split(p.Split), uint64(p.Seed)
	if p.MinSteps > 0 {
		c.MinSteps = p.MinSteps
	}
	if p.MaxSteps > 0 {
		c.MaxSteps = p.MaxSteps
	}
	if p.Distractors >= 0 {
		c.Distractors = p.Distractors
	}
	c.WrongStep, c.WrongAnswer, c.CutOff = p.WrongStep, p.WrongAnswer, p.CutOff
	return c, nil
}
