#!/usr/bin/env bash
# Compiles kernels/cuda/src with NVRTC 12.4 from PyPI; needs Go, Python with pip and a C
# compiler, but neither a card nor a driver.
set -euo pipefail
cd "$(dirname "$0")/../../.."
fetch() { bash kernels/cuda/fetch.sh "$@"; }
nvrtc=$(fetch nvidia-cuda-nvrtc-cu12 12.4.127)/nvidia/cuda_nvrtc
headers=$(fetch nvidia-cuda-runtime-cu12 12.4.127)/nvidia/cuda_runtime/include
ln -sf libnvrtc.so.12 "$nvrtc/lib/libnvrtc.so" # the name that the linker looks for
export CGO_ENABLED=1 CGO_CFLAGS="-I$nvrtc/include" CGO_LDFLAGS="-L$nvrtc/lib" LD_LIBRARY_PATH="$nvrtc/lib"
"${GO:-go}" run -tags nvrtc ./kernels/cuda/compile -include "$headers" "$@"
