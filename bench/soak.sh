#!/usr/bin/env bash
# Runs the fuzz targets of the repository for a number of executions: soak.sh [COUNT [PATTERN]].
# PATTERN, an extended regular expression, picks from lines such as "./model/gguf FuzzOpen".
set -euo pipefail
count=${1:-1000000}
pattern=${2:-.}
go=${GO:-go}
grep -rE '^func Fuzz[A-Za-z0-9_]*' --include='*_test.go' -o . | sort |
	sed -E 's#^(.*)/[^/]*:func (.*)$#\1 \2#' | { grep -E "$pattern" || true; } | while read -r package target; do
	echo "== $package $target, $count executions"
	# Shrinking what is merely interesting takes a minute each unless it is bounded.
	$go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "${count}x" -fuzzminimizetime 100x </dev/null
done
