package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"retort/engine"
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
			Device    string      `json:"device"` // what --device chooses
			Advice    []string    `json:"advice"`
		}{
			Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Threads: runtime.GOMAXPROCS(0),
			Available: features.Available(), GPU: cuda.Probe(),
		}
		host, err := engine.OpenDevice(engine.DeviceOptions{Device: "cpu"})
		if err != nil {
			return err
		}
		report.CPU = host.Name()
		host.Close()
		report.Device = "nothing"
		unusable := c.withDevice(func(k kernels.Backend) error {
			report.Device = k.Name()
			return nil
		})
		if len(report.Available) == 1 {
			report.Advice = append(report.Advice, "this processor has no AVX2: the portable loops run, several times slower")
		}
		if os.Getenv(features.Variable) != "" {
			report.Advice = append(report.Advice, fmt.Sprintf("%s=%s forces the instruction set; unset it for the fastest", features.Variable, os.Getenv(features.Variable)))
		}
		report.Advice = append(report.Advice, report.GPU.Advice...)
		if c.common.JSON {
			return errors.Join(c.printJSON(report), unusable)
		}
		fmt.Fprintf(c.stdout, "retort on %s, %s\ncpu: %s; available: %s\n", report.Platform, report.Go, report.CPU, strings.Join(report.Available, ", "))
		fmt.Fprintf(c.stdout, "gpu: %s\ncuda headers: %s\n--device %s computes on: %s\n", report.GPU.Summary(), cmp.Or(report.GPU.Headers, "not found"), c.common.Device, report.Device)
		for _, a := range report.Advice {
			fmt.Fprintln(c.stdout, "- "+a)
		}
		return unusable
	},
}
