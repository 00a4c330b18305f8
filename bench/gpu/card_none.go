//go:build !cuda || !linux || !(amd64 || arm64)

package main

import (
	"fmt"

	"retort/kernels/cuda/driver"
)

// card fails: this build has no CUDA in it.
func card() (driver.Driver, error) {
	return nil, fmt.Errorf("%w: this build has no CUDA in it; bench/gpu/build.sh makes one that has", driver.ErrNoDriver)
}
