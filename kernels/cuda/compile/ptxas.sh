#!/usr/bin/env bash
# Assembles the embedded PTX for every card with NVIDIA's ptxas from PyPI and writes the
# table docs/kernels-ptxas.md; fails when a kernel does not assemble or spills registers.
set -euo pipefail
cd "$(dirname "$0")/../../.."
folder=$(bash kernels/cuda/fetch.sh nvidia-cuda-nvcc-cu12 12.9.86)/nvidia/cuda_nvcc
chmod +x "$folder/bin/ptxas" # a wheel unpacked as a zip archive loses the mode
"${GO:-go}" run ./kernels/cuda/compile/ptxas -ptxas "$folder/bin/ptxas" "$@"
