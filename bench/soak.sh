#!/usr/bin/env bash
# Runs every fuzz target of the repository for a number of executions: soak.sh COUNT
set -euo pipefail
count=${1:-1000000}
go=${GO:-go}
grep -rlE '^func Fuzz' --include='*_test.go' . | sort | while read -r file; do
	package=./$(dirname "${file#./}")
	grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$file" | sed 's/^func //' | while read -r target; do
		echo "== $package $target, $count executions"
		$go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "${count}x"
	done
done
