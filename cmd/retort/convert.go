package main

import (
	"context"
	"fmt"

	"retort/engine"
	"retort/kernels"
)

var convertCommand = command{
	name:    "convert",
	summary: "write a student as a Hugging Face folder, an adapter merged into it",
	example: "retort convert --model_name_or_path student/ --adapter_name_or_path runs/lora --output merged/",
	run: func(ctx context.Context, c *cli, args []string) error {
		var o struct {
			Model   string `key:"model_name_or_path" help:"student: folder or .gguf"`
			Adapter string `key:"adapter_name_or_path" help:"LoRA adapter to merge"`
			Output  string `key:"output" help:"folder to write"`
		}
		if err := c.parse(args, &o); err != nil {
			return err
		}
		if o.Model == "" || o.Output == "" {
			return fmt.Errorf("%w: give model_name_or_path and output", engine.ErrUsage)
		}
		var none string
		if err := resolve(ctx, &o.Model, &none); err != nil {
			return err
		}
		adapter, err := engine.ResolveAdapter(ctx, o.Adapter)
		if err != nil {
			return err
		}
		c.common.Device = "cpu" // nothing is computed, and its float32 holds every weight
		return c.withDevice(func(k kernels.Backend) error {
			if err := engine.Convert(k, o.Model, adapter, o.Output); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.stdout, "the student is in %s\n", o.Output)
			return err
		})
	},
}
