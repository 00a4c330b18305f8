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
	devices, err := d.Devices()
	switch {
	case err != nil:
		r.Problem = err.Error()
	case len(devices) == 0:
		r.Problem = "the CUDA driver sees no device"
		r.Advice = append(r.Advice, "is CUDA_VISIBLE_DEVICES empty, or the card not passed through? nvidia-smi tells")
	}
	if r.Problem == "" && d.Version() < oldestDriver {
		r.Problem = fmt.Sprintf("the driver knows CUDA %s, the kernels need %d.%d", r.Driver, oldestDriver/1000, oldestDriver%1000/10)
		r.Advice = append(r.Advice, "update NVIDIA's driver")
	}
	for i, a := range devices {
		r.Devices = append(r.Devices, fmt.Sprintf("%s (sm_%d%d, %.0f GiB, %d SMs)", a.Name, a.Major, a.Minor, float64(a.MemoryBytes)/(1<<30), a.Multiprocessors))
		if i == 0 && a.Major < 8 && r.Problem == "" {
			r.Problem = a.Name + " is older than Ampere (sm_80), the oldest that the kernels run on"
			r.Advice = append(r.Advice, "choose another device with CUDA_VISIBLE_DEVICES; otherwise everything runs on the CPU")
		}
	}
}

// Open opens a device of this machine; the calling goroutine stays locked to its thread
// until Close.
func Open(index int, o Options) (*Backend, error) {
	d, err := cu.New()
	if err != nil {
		return nil, err
	}
	return New(d, index, o)
}

// oldestDriver is the oldest CUDA version whose driver reads the embedded PTX.
const oldestDriver = 12040
