#!/usr/bin/env bash
# wanted.sh tells 'make build' whether to put CUDA into the binary: on Linux with a C
# compiler, when the headers are here, or a driver is and the headers can be fetched.
set -euo pipefail
here=$(dirname "$0")
[ "$(uname -s)" = Linux ] || exit 1
case $(uname -m) in x86_64 | aarch64) ;; *) exit 1 ;; esac
command -v "${CC:-cc}" >/dev/null || exit 1
if bash "$here/headers.sh" >/dev/null; then
	exit 0
fi
# The driver, where the loader would find it.
for folder in $(tr : " " <<<"${LD_LIBRARY_PATH:-}") /usr/lib/*-linux-gnu /usr/lib64 /usr/lib /usr/local/nvidia/lib64 /usr/lib/wsl/lib; do
	if [ -e "$folder/libcuda.so.1" ]; then
		bash "$here/headers.sh" --fetch >/dev/null && exit 0
		echo "a driver is here, but no CUDA headers: building for the CPU" >&2
		exit 1
	fi
done
exit 1
