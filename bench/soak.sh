#!/usr/bin/env bash
# Runs the fuzz targets of the repository for a number of executions: soak.sh [COUNT [PATTERN]].
# PATTERN, an extended regular expression, picks targets by name; without it all run.
set -euo pipefail
count=${1:-1000000}
pattern=${2:-.}
go=${GO:-go}
grep -rlE '^func Fuzz' --include='*_test.go' . | sort | while read -r file; do
	package=./$(dirname "${file#./}")
	{ grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$file" | sed 's/^func //' | grep -E "$pattern" || true; } | while read -r target; do
		echo "== $package $target, $count executions"
		# Shrinking what is merely interesting takes a minute each unless it is bounded.
		$go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "${count}x" -fuzzminimizetime 100x
	done
done
