package main

import (
	"context"
	"fmt"
	"strings"

	"retort/engine"
	"retort/engine/demo"
	"retort/engine/evaluate"
	"retort/kernels"
)

var demoCommand = command{
	name:    "demo",
	summary: "the main job on embedded defaults: two arms of a small student, and a table",
	example: "retort demo",
	run: func(ctx context.Context, c *cli, args []string) error {
		o := demo.Defaults()
		if err := c.parse(args, &o); err != nil {
			return err
		}
		var r demo.Result
		err := c.withDevice(func(k kernels.Backend) (err error) {
			c.note(fmt.Sprintf("training a small student twice, %d steps each, on %s", o.Steps, k.Name()))
			r, err = demo.Run(ctx, k, o, c.watchArm())
			return err
		})
		c.endProgress()
		if err != nil {
			return err
		}
		if c.common.JSON {
			return c.printJSON(r)
		}
		c.printDemo(r)
		return nil
	},
}

// watchArm shows each arm's progress: a bar on a terminal, elsewhere five lines an arm.
func (c *cli) watchArm() func(string, engine.Progress) {
	current := ""
	return func(arm string, p engine.Progress) {
		if arm != current {
			c.endProgress()
			current = arm
		}
		text := fmt.Sprintf("%s: loss %.3f  %.0f tokens/s", arm, p.Loss, p.TokensPerSecond)
		if c.interactive() {
			c.progress(p.Step, p.TotalSteps, text)
		} else if !c.common.Quiet && !c.common.JSON && p.Step%max(1, p.TotalSteps/5) == 0 {
			fmt.Fprintf(c.stderr, "  step %d/%d  %s\n", p.Step, p.TotalSteps, text)
		}
	}
}

// printDemo prints the table that ends the demo.
func (c *cli) printDemo(r demo.Result) {
	w := c.stdout
	fmt.Fprintf(w, "\nOne student (%s), trained from scratch on the same %s, in two arms.\nAccuracy on problems never trained on, by number of steps (95 %% interval):\n\n", r.Student, "problems")
	fmt.Fprintf(w, "  %-10s", "steps")
	for _, a := range r.Arms {
		fmt.Fprintf(w, "%26s", a.Name)
	}
	fmt.Fprintln(w)
	for i, row := range r.Arms[0].BySteps {
		fmt.Fprintf(w, "  %-10d", row.Steps)
		for _, a := range r.Arms {
			fmt.Fprintf(w, "%26s", percent(a.BySteps[i].Mean, a.BySteps[i].Interval))
		}
		fmt.Fprintf(w, "   (%d problems)\n", row.N)
	}
	line := func(name string, value func(a demo.Arm) string) {
		fmt.Fprintf(w, "  %-10s", name)
		for _, a := range r.Arms {
			fmt.Fprintf(w, "%26s", value(a))
		}
		fmt.Fprintln(w)
	}
	line("all", func(a demo.Arm) string { return percent(a.Total.Mean, a.Total.Interval) })
	line("loss", func(a demo.Arm) string { return fmt.Sprintf("%.3f", a.TrainLoss) })
	line("tokens/s", func(a demo.Arm) string { return fmt.Sprintf("%.0f", a.TokensPerSecond) })
	line("answer is", func(a demo.Arm) string { return fmt.Sprintf("%.0f tokens", a.MeanTokens) })
	line("seconds", func(a demo.Arm) string { return fmt.Sprintf("%.0f", a.TrainSeconds) })
	fmt.Fprintf(w, "\n(loss: per trained token; the arms train different tokens, so their losses do not compare)\n\nA problem: %s\nRight answer: %s\n", r.Example, r.Expected)
	for _, a := range r.Arms {
		fmt.Fprintf(w, "  %s:\n    %s\n", a.Name, strings.ReplaceAll(strings.TrimSpace(a.Example), "\n", "\n    "))
	}
	fmt.Fprintln(w)
	for _, f := range r.Findings {
		fmt.Fprintln(w, f)
	}
	fmt.Fprintf(w, "The losses are drawn in %s. %.0f seconds in all.\n", r.Picture, r.Seconds)
}

// percent writes a share with its interval.
func percent(mean float64, in evaluate.Interval) string {
	return fmt.Sprintf("%.0f %% (%.0f–%.0f)", 100*mean, 100*in.Low, 100*in.High)
}
