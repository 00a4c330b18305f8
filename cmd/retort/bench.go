package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"retort/bench"
	"retort/engine"
)

var benchCommand = command{
	name:     "bench",
	summary:  "the benchmarks, beside their peers where Python has them",
	example:  "retort bench --suite step --python python3",
	graceful: true,
	run: func(ctx context.Context, c *cli, args []string) error {
		o := bench.Options{Suite: "all", Rounds: 2, Python: os.Getenv("PYTHON")}
		if err := c.parse(args, &o); err != nil {
			return err
		}
		if o.Worker != "" {
			return bench.Worker(o.Worker, c.stdout)
		}
		if o.Rounds < 1 {
			return fmt.Errorf("%w: rounds must be at least 1", engine.ErrUsage)
		}
		o.Log = c.note
		o.Command = "retort bench " + strings.Join(publicArgs(args), " ")
		rows, err := bench.Run(ctx, o)
		if err != nil {
			return err
		}
		if c.common.JSON {
			return c.printJSON(rows)
		}
		fmt.Fprint(c.stdout, bench.Table("bench "+o.Suite, rows))
		return nil
	},
}

// publicArgs are the arguments as they may be kept: of a path only its last element.
func publicArgs(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		if name, value, found := strings.Cut(a, "="); found && strings.Contains(value, "/") {
			out[i] = name + "=" + value[strings.LastIndexByte(value, '/')+1:]
		} else if strings.HasPrefix(a, "/") || strings.HasPrefix(a, "../") {
			out[i] = a[strings.LastIndexByte(strings.TrimRight(a, "/"), '/')+1:]
		} else {
			out[i] = a
		}
	}
	return out
}
