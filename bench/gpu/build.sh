#!/usr/bin/env bash
# Builds what bench/gpu/run.sh runs into the git-ignored bench/gpu/prebuilt: retort, gpubench
# and cuda.test, which need nothing beside them. With CUDA, or for DEVICE=emu without.
# Carry the folder to a machine with a card that has neither Go nor a compiler.
set -euo pipefail
cd "$(dirname "$0")/../.."
go=${GO:-go} out=bench/gpu/prebuilt
mkdir -p "$out"
tags=
if [ "${DEVICE:-cuda}" != emu ]; then
	CGO_CFLAGS="${CGO_CFLAGS:-} $(bash kernels/cuda/headers.sh --fetch)"
	export CGO_ENABLED=1 CGO_CFLAGS
	tags=cuda
fi
strip=(-trimpath -ldflags "-s -w")
"$go" build "${strip[@]}" -tags "$tags" -o "$out/retort" ./cmd/retort
"$go" build "${strip[@]}" -tags "$tags" -o "$out/gpubench" ./bench/gpu
"$go" test -c "${strip[@]}" -tags "$tags,cudadebug" -o "$out/cuda.test" ./kernels/cuda
git rev-parse --short HEAD >"$out/commit" 2>/dev/null || echo unknown >"$out/commit"
