package main

import (
	"context"
	"fmt"

	"retort/engine"
)

var checkCommand = command{
	name:    "check",
	summary: "validate a data file: counts, rejects by reason, ten rendered rows",
	example: "retort check --dataset train.jsonl --model_name_or_path SmolLM2-135M-Instruct.gguf",
	run: func(ctx context.Context, c *cli, args []string) error {
		o := struct {
			Dataset   string `key:"dataset" help:"JSONL file of rows"`
			Model     string `key:"model_name_or_path" help:"student whose tokenizer and template are used; the built-in tokenizer when empty"`
			MaxLength int    `key:"max_length" help:"longer rows are refused; 0 is no limit"`
		}{}
		if err := c.parse(args, &o); err != nil {
			return err
		}
		if o.Dataset == "" {
			return fmt.Errorf("%w: dataset is missing", engine.ErrUsage)
		}
		if err := notNegative("max_length", o.MaxLength); err != nil {
			return err
		}
		if err := resolve(ctx, &o.Model, &o.Dataset); err != nil {
			return err
		}
		r, err := engine.CheckData(o.Dataset, o.Model, o.MaxLength)
		if err != nil {
			return err
		}
		if c.common.JSON {
			return c.printJSON(r)
		}
		c.previewer(!c.common.Quiet)(r.Previews)
		fmt.Fprintln(c.stdout, r)
		return nil
	},
}
