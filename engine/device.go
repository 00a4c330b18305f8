package engine

import (
	"fmt"

	"retort/kernels"
	"retort/kernels/cpu"
	"retort/kernels/cuda"
	"retort/kernels/cuda/driver/emu"
)

// DeviceOptions say what computes, and in which type.
type DeviceOptions struct {
	// Device is auto (a GPU when there is one to use, else the CPU), cpu, cuda, or emu:
	// the GPU's kernels on the PTX machine, for tests and the curious.
	Device string
	// BF16 chooses bf16 weights and activations with float32 sums and masters; nil is true
	// on cuda and false elsewhere.
	BF16 *bool
}

// OpenDevice returns the backend that the options ask for. The calling goroutine drives it
// until Close. Errors wrap ErrDevice, or ErrUsage for options that do not go together.
func OpenDevice(o DeviceOptions) (kernels.Backend, error) {
	device := o.Device
	if device == "auto" {
		device = "cpu"
		if cuda.Probe().Usable() {
			device = "cuda"
		}
	}
	activation := kernels.Float32
	if device == "cuda" && o.BF16 == nil || o.BF16 != nil && *o.BF16 {
		activation = kernels.BFloat16
	}
	var k kernels.Backend
	var err error
	switch device {
	case "cpu":
		if activation != kernels.Float32 {
			return nil, fmt.Errorf("%w: --bf16 needs a GPU: the CPU computes in float32", ErrUsage)
		}
		k, err = cpu.New(0)
	case "cuda":
		if report := cuda.Probe(); !report.Usable() {
			return nil, fmt.Errorf("%w: --device cuda: %s; retort doctor says more, --device cpu works everywhere", ErrDevice, report.Summary())
		}
		k, err = cuda.Open(0, cuda.Options{Activation: activation})
	case "emu":
		k, err = cuda.New(emu.New(emu.Options{}), 0, cuda.Options{Activation: activation})
	default:
		return nil, fmt.Errorf("%w: --device %q is unknown: use auto, cpu, cuda or emu", ErrUsage, o.Device)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: --device %s: %w", ErrDevice, device, err)
	}
	return k, nil
}
