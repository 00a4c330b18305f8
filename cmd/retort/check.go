package main

import (
	"context"
	"errors"
	"fmt"

	"retort/engine"
	"retort/engine/check"
)

var checkCommand = command{
	name:    "check",
	summary: "what a data file holds: rejects by reason, duplicates, contamination, wrong answers; and its rows in another format",
	example: "retort check --dataset train.jsonl --model_name_or_path SmolLM2-135M-Instruct.gguf --eval_dataset gsm8k/test.jsonl --dedup --card card\n" +
		"retort check --dataset answers.jsonl --gold questions.jsonl --keep shortest --output train.jsonl.zst\n" +
		"retort check --dataset sharegpt.json --output train.parquet --format messages",
	run: func(ctx context.Context, c *cli, args []string) error {
		o := check.Default()
		if err := c.parse(args, &o); err != nil {
			return err
		}
		if err := o.Validate(); err != nil {
			return err
		}
		if err := resolve(ctx, &o.Model, &o.Dataset); err != nil {
			return err
		}
		for i := range o.EvalDataset {
			var err error
			if o.EvalDataset[i], err = engine.ResolveDataset(ctx, o.EvalDataset[i]); err != nil {
				return err
			}
		}
		r, err := check.Run(o)
		if err != nil && r.Refused == "" {
			return err
		}
		if c.common.JSON {
			return errors.Join(c.printJSON(r), err)
		}
		c.previewer(!c.common.Quiet)(r.Previews)
		fmt.Fprintln(c.stdout, r)
		return err
	},
}
