#!/usr/bin/env bash
# Compiles kernels/cuda/src, unchanged, with NVIDIA's own nvcc from PyPI (13.0, a later
# compiler than the pinned one) to PTX for sm_80, all warnings being errors. Nothing is kept
# of it: the embedded PTX is that of 'make kernels'. A C++ compiler is needed for
# preprocessing. Exit code 3: pip could not fetch nvcc.
set -euo pipefail
cd "$(dirname "$0")/../../.."
toolkit=.cache/cuda/nvcc-13.0.88
for package in nvidia-cuda-nvcc:13.0.88 nvidia-nvvm:13.0.88 nvidia-cuda-crt:13.0.88 nvidia-cuda-runtime:13.0.96 nvidia-cuda-cccl:13.0.85; do
	folder=$(bash kernels/cuda/fetch.sh "${package%:*}" "${package#*:}")
	# nvcc looks for its parts around itself, so links to all packages make one folder.
	mkdir -p "$toolkit"
	cp -rsf "$folder/nvidia/cu13/." "$toolkit/"
	find "$folder" \( -path '*/bin/*' -o -name cicc \) -type f -exec chmod +x {} + # wheels unpacked as zip archives lose the mode
done
if ! command -v "${CXX:-g++}" >/dev/null; then
	echo "a C++ compiler is needed to preprocess: ${CXX:-g++} is not here" >&2
	exit 1
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
compile() {
	"$toolkit/bin/nvcc" -ccbin "${CXX:-g++}" -std=c++17 -Werror all-warnings -Xcompiler -Wall -lineinfo \
		-arch compute_80 -ptx -o "$2/$(basename "$1" .cu).ptx" "$1"
}
export -f compile
export toolkit CXX
printf '%s\0' kernels/cuda/src/*.cu | xargs -0 -P 2 -I{} bash -ec 'compile "$1" "$2"' - {} "$out"
echo "nvcc $("$toolkit/bin/nvcc" --version | sed -n 's/.*release \([^,]*\),.*/\1/p') compiles all $(ls kernels/cuda/src/*.cu | wc -l) sources without a warning"
