package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"retort/kernels"
	"retort/kernels/cpu/features"
)

var doctorCommand = command{
	name:    "doctor",
	summary: "CPU features, threads and devices, and what to do about each",
	example: "retort doctor",
	run: func(_ context.Context, c *cli, args []string) error {
		if err := c.parse(args); err != nil {
			return err
		}
		report := struct {
			Go        string   `json:"go"`
			Platform  string   `json:"platform"`
			Threads   int      `json:"threads"`
			CPU       string   `json:"cpu"`
			Available []string `json:"cpu_variants"`
			Advice    []string `json:"advice"`
		}{
			Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Threads: runtime.GOMAXPROCS(0),
			Available: features.Available(),
		}
		err := c.withDevice(func(k kernels.Backend) error {
			report.CPU = k.Name()
			return nil
		})
		if err != nil {
			return err
		}
		if len(report.Available) == 1 {
			report.Advice = append(report.Advice, "this processor has no AVX2: the portable loops run, several times slower")
		}
		if os.Getenv(features.Variable) != "" {
			report.Advice = append(report.Advice, fmt.Sprintf("%s=%s forces the instruction set; unset it for the fastest", features.Variable, os.Getenv(features.Variable)))
		}
		report.Advice = append(report.Advice, "this build computes on the CPU alone")
		if c.common.JSON {
			return c.printJSON(report)
		}
		fmt.Fprintf(c.stdout, "retort on %s, %s\ncpu: %s; available: %s\n", report.Platform, report.Go, report.CPU, strings.Join(report.Available, ", "))
		for _, a := range report.Advice {
			fmt.Fprintln(c.stdout, "- "+a)
		}
		return nil
	},
}
