#!/usr/bin/env bash
# fetch.sh PACKAGE VERSION unpacks a wheel of PyPI into the git-ignored .cache/cuda and
# prints the folder. What is there already is used as it is; FETCH=no never downloads.
set -euo pipefail
package=$1 version=$2
cache=$(cd "$(dirname "$0")/../.." && pwd)/.cache/cuda
folder=$cache/$package-$version
if [ ! -e "$folder/done" ]; then
	[ "${FETCH:-yes}" = yes ] || exit 1
	python=$(command -v python3 || true)
	if [ -z "$python" ]; then
		echo "python3 is needed to fetch $package from PyPI" >&2
		exit 1
	fi
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/fetch.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	if ! "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
		--dest "$work" "$package==$version" >&2; then
		echo "pip could not fetch $package==$version" >&2
		exit 3
	fi
	"$python" -m zipfile -e "$work"/*.whl "$work/unpacked"
	touch "$work/unpacked/done"
	rm -rf "$folder"
	mv "$work/unpacked" "$folder"
fi
echo "$folder"
