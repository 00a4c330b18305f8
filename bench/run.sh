#!/usr/bin/env bash
# Every benchmark that this machine can run; peers where PYTHON is an interpreter that has them.
#   PYTHON=python3 SMOLLM2=folder TOKENIZERS=folder GSM8K=folder bash bench/run.sh
set -euo pipefail
go build -trimpath -o bin/retort ./cmd/retort
common=(--output bench/results)
bin/retort bench --suite step "${common[@]}"
bin/retort bench --suite load --model_name_or_path "${SMOLLM2:-}" "${common[@]}"
if [ -n "${SMOLLM2:-}" ]; then bin/retort bench --suite decode --model_name_or_path "$SMOLLM2" "${common[@]}"; fi
if [ -n "${TOKENIZERS:-}" ] && [ -n "${GSM8K:-}" ]; then
	bin/retort bench --suite tokenize --model_name_or_path "$TOKENIZERS/smollm2" --dataset "$GSM8K/train.jsonl" "${common[@]}"
fi
