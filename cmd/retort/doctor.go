package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"retort/kernels"
	"retort/kernels/cpu/features"
	"retort/kernels/cuda"
)

var doctorCommand = command{
	name:    "doctor",
	summary: "CPU features, threads, GPU and driver, and what to do about each",
	example: "retort doctor",
	run: func(_ context.Context, c *cli, args []string) error {
		if err := c.parse(args); err != nil {
			return err
		}
		report := struct {
			Go        string      `json:"go"`
			Platform  string      `json:"platform"`
			Threads   int         `json:"threads"`
			CPU       string      `json:"cpu"`
			Available []string    `json:"cpu_variants"`
			GPU       cuda.Report `json:"gpu"`
			Advice    []string    `json:"advice"`
		}{
			Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Threads: runtime.GOMAXPROCS(0),
			Available: features.Available(), GPU: cuda.Probe(),
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
		report.Advice = append(report.Advice, report.GPU.Advice...)
		report.Advice = append(report.Advice, "retort has no CUDA backend yet: it computes on the CPU, with or without a GPU")
		if c.common.JSON {
			return c.printJSON(report)
		}
		fmt.Fprintf(c.stdout, "retort on %s, %s\ncpu: %s; available: %s\n", report.Platform, report.Go, report.CPU, strings.Join(report.Available, ", "))
		fmt.Fprintf(c.stdout, "gpu: %s\ncuda headers: %s\n", report.GPU.Summary(), cmp.Or(report.GPU.Headers, "not found"))
		for _, a := range report.Advice {
			fmt.Fprintln(c.stdout, "- "+a)
		}
		return nil
	},
}
