// Package cuda is retort's way to NVIDIA GPUs: its kernels in src, their compiled PTX in
// ptxfiles, the driver interface below driver. Probe tells what this build finds on this
// machine; engine and the doctor command call it.
package cuda

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Report is what this build finds on this machine.
type Report struct {
	Built   bool     `json:"built"`             // compiled with the tag cuda
	Driver  string   `json:"driver"`            // newest CUDA version that the driver knows, "12.4"; "" without one
	Devices []string `json:"devices"`           // name, compute capability and memory of each
	Headers string   `json:"headers"`           // folder of cuda.h; "" when none of the usual places has it
	Problem string   `json:"problem,omitempty"` // why there is no device to use
	Advice  []string `json:"-"`                 // what to do, a sentence each
}

// Probe looks for driver, devices and headers.
func Probe() Report {
	r := Report{Devices: []string{}, Headers: findHeaders()}
	query(&r)
	return r
}

// Summary is the finding in half a line: the problem, or driver and devices.
func (r Report) Summary() string {
	if r.Problem != "" {
		return r.Problem
	}
	return fmt.Sprintf("driver of CUDA %s, %s", r.Driver, strings.Join(r.Devices, "; "))
}

// Usable tells whether there is a device that Open can open.
func (r Report) Usable() bool { return r.Problem == "" && len(r.Devices) > 0 }

// findHeaders seeks cuda.h where headers.sh does, except in the build's cache.
func findHeaders() string {
	homes := []string{os.Getenv("CUDA_HOME"), os.Getenv("CUDA_PATH"), "/usr/local/cuda", "/opt/cuda", "/usr/lib/cuda", "/usr"}
	if more, err := filepath.Glob("/usr/local/cuda-12*"); err == nil {
		homes = append(homes, more...)
	}
	for _, home := range homes {
		folder := filepath.Join(home, "include")
		if _, err := os.Stat(filepath.Join(folder, "cuda.h")); home != "" && err == nil {
			return folder
		}
	}
	return ""
}
