package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

func main() {
	var o options
	predict := flag.Bool("predict", false, "no measuring: count on the PTX machine and write gpu-predicted.{json,md} to -output")
	predictStep := flag.Bool("predict-step", false, "no measuring: predict training steps, and write gpu-predicted-step.{json,md} to -output")
	flag.StringVar(&o.device, "device", "cuda", "cuda: this machine's card; emu: the PTX machine, at tiny shapes")
	flag.StringVar(&o.suites, "suites", "all", "suites, by comma; of kernels: rowwise, optimizer, gemm, attention, loss; of students: train, decode, sft")
	flag.StringVar(&o.parts, "parts", "all", "parts to run, by comma: doctor, conformance, kernels, students, sanitizers")
	flag.StringVar(&o.only, "only", "", "only cases whose name contains this")
	flag.StringVar(&o.python, "python", os.Getenv("PYTHON"), "Python interpreter with PyTorch, the peer; none when empty")
	flag.StringVar(&o.bin, "bin", "bench/gpu/prebuilt", "folder of retort and cuda.test")
	flag.StringVar(&o.commit, "commit", "", "what was built, for the report")
	flag.StringVar(&o.output, "output", "bench/gpu/out", "folder for the report and the logs")
	flag.DurationVar(&o.budget, "budget", 9*time.Minute, "what the whole run may take")
	peer := flag.String("peer", "", "flags of bench/peers/gpu_train.py, by space: --eager, --precision autocast")
	flag.Parse()
	o.peerFlags = strings.Fields(*peer)
	o.command = "gpubench " + strings.Join(withoutFolders(os.Args[1:]), " ")
	var err error
	switch {
	case *predict:
		err = predictAll(o, os.Stdout)
	case *predictStep:
		err = predictSteps(o, os.Stdout)
	default:
		err = run(o, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gpu:", err)
		os.Exit(1)
	}
}
