//go:build cuda && linux && (amd64 || arm64)

package cuda

import (
	"fmt"

	"retort/kernels/cuda/driver/cu"
)

// query asks the driver.
func query(r *Report) {
	r.Built = true
	d, err := cu.New()
	if err != nil {
		r.Problem = err.Error()
		r.Advice = append(r.Advice, "install NVIDIA's driver, or in a container pass the GPU through; without it everything runs on the CPU")
		return
	}
	r.Driver = fmt.Sprintf("%d.%d", d.Version()/1000, d.Version()%1000/10)
	if d.Version() < oldestDriver {
		r.Advice = append(r.Advice, fmt.Sprintf("the kernels need a driver of CUDA %d.%d or newer: update it", oldestDriver/1000, oldestDriver%1000/10))
	}
	devices, err := d.Devices()
	switch {
	case err != nil:
		r.Problem = err.Error()
	case len(devices) == 0:
		r.Problem = "the CUDA driver sees no device"
		r.Advice = append(r.Advice, "is CUDA_VISIBLE_DEVICES empty, or the card not passed through? nvidia-smi tells")
	}
	for _, a := range devices {
		r.Devices = append(r.Devices, fmt.Sprintf("%s (sm_%d%d, %.0f GiB, %d SMs)", a.Name, a.Major, a.Minor, float64(a.MemoryBytes)/(1<<30), a.Multiprocessors))
		if a.Major < 8 {
			r.Advice = append(r.Advice, a.Name+" is older than Ampere (sm_80), the oldest that the kernels run on")
		}
	}
}

// oldestDriver is the oldest CUDA version whose driver reads the embedded PTX.
const oldestDriver = 12040
