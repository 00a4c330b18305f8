//go:build cuda && linux && (amd64 || arm64)

package main

import (
	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/driver/cu"
)

// card is this machine's CUDA driver.
func card() (driver.Driver, error) { return cu.New() }
