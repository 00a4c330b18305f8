//go:build !cuda || !linux || !(amd64 || arm64)

package cuda

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"retort/kernels/cuda/driver"
)

// Open fails: this build has no CUDA in it.
func Open(int, Options) (*Backend, error) {
	return nil, fmt.Errorf("%w: this build has no CUDA in it; make build-cuda makes one that has", driver.ErrNoDriver)
}

// query looks for the driver's files: a build without the tag cuda cannot ask the driver.
func query(r *Report) {
	if library := findDriver(); library != "" {
		r.Problem = "an NVIDIA driver is here (" + library + "), but this build has no CUDA in it"
		r.Advice = append(r.Advice, "build with CUDA to see the GPU: make build-cuda")
		return
	}
	r.Problem = "no NVIDIA driver on this machine, and no CUDA in this build"
	r.Advice = append(r.Advice, "no GPU to use: everything runs on the CPU")
}

// findDriver returns the path of libcuda.so.1, or "".
func findDriver() string {
	folders := strings.Split(os.Getenv("LD_LIBRARY_PATH"), ":")
	folders = append(folders, "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib",
		"/usr/local/nvidia/lib64", "/usr/local/nvidia/lib", "/usr/lib/wsl/lib", "/run/opengl-driver/lib")
	for _, folder := range folders {
		path := filepath.Join(folder, "libcuda.so.1")
		if _, err := os.Stat(path); folder != "" && err == nil {
			return path
		}
	}
	return ""
}
