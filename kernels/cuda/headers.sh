#!/usr/bin/env bash
# headers.sh prints the CGO_CFLAGS with which the build tag cuda compiles: the folder of
# cuda.h, sought in CUDA_HOME, in the usual places, and in the PyPI package that .cache/cuda
# keeps. With --fetch that package is downloaded when nothing else is there. Exit code 1:
# no headers; 3: pip could not fetch them.
set -euo pipefail
here=$(dirname "$0")
for home in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda /usr/local/cuda-12* /opt/cuda /usr/lib/cuda /usr; do
	include=$home/include/cuda.h
	# gorgonia.org/cu compiles against the headers of CUDA 11 and 12, not of 13.
	if [ -n "$home" ] && [ -e "$include" ] && grep -qE '#define CUDA_VERSION 1[12]' "$include"; then
		echo "-I$home/include"
		exit 0
	fi
done
fetch=no
if [ "${1:-}" = --fetch ]; then
	fetch=yes
fi
folder=$(FETCH=$fetch bash "$here/fetch.sh" nvidia-cuda-runtime-cu12 12.4.127)
echo "-I$folder/nvidia/cuda_runtime/include"
