#!/usr/bin/env bash
# Measures the kernels and whole students on this machine's card:
#   bash bench/gpu/run.sh [OUT] [flags of gpubench]
# Doctor, conformance on the card, kernels, then training, decoding and fine-tuning beside
# PyTorch (PYTHON, python3 by default), compute-sanitizer; OUT (bench/gpu/out) gets gpu.json,
# gpu.md, logs and gpu.tar.gz of them, within ten minutes, in which not everything has room:
# -budget 25m, or -parts students in a run of its own. It builds first where Go is here, and else runs
# what bench/gpu/build.sh made elsewhere. DEVICE=emu runs the same on the PTX machine, at
# tiny shapes.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=bench/gpu/out
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
	out=$1
	shift
fi
bin=bench/gpu/prebuilt
if command -v "${GO:-go}" >/dev/null && ! bash bench/gpu/build.sh; then
	echo "not built here" >&2
fi
if [ ! -x "$bin/gpubench" ]; then
	echo "no $bin/gpubench: run bench/gpu/build.sh on a machine with Go, and bring that folder" >&2
	exit 1
fi
python=${PYTHON-python3}
if [ -n "$python" ] && ! "$python" -c 'import torch' 2>/dev/null; then
	echo "$python has no PyTorch: no peer" >&2
	python=
fi
exec "$bin/gpubench" -device "${DEVICE:-cuda}" -bin "$bin" -python "$python" -commit "$(cat "$bin/commit")" -output "$out" "$@"
