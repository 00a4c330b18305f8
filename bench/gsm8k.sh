#!/usr/bin/env bash
# The main job on real input, measured by retort's own commands before and after:
#   SMOLLM2=folder GSM8K=folder bash bench/gsm8k.sh RUN_FOLDER
# Loss on the first 100 test rows, strict and flexible accuracy on the first 60 test questions,
# training speed and peak memory. Leaves bench/results/gsm8k-smollm2.json and .md.
set -euo pipefail
: "${SMOLLM2:?folder of SmolLM2-135M-Instruct (GGUF or Hugging Face)}" "${GSM8K:?folder of gsm8k with train.jsonl and test.jsonl}"
run=${1:?run folder}
bin=${RETORT:-bin/retort}
mkdir -p "$run"
measure() { # NAME STUDENT
	"$bin" score --model_name_or_path "$2" --dataset "$GSM8K/test.jsonl" --limit 100 --json >"$run/$1-score.json"
	"$bin" eval --model_name_or_path "$2" --tasks gsm8k --dataset "$GSM8K/test.jsonl" --limit 60 --max_new_tokens 256 --json --output_path "$run/$1-eval" >"$run/$1-eval.json"
}
measure before "$SMOLLM2"
"$bin" train --config examples/gsm8k-smollm2.yaml --output_dir "$run/student" --json >"$run/train.json" 2>"$run/train.log"
measure after "$run/student"
python3 - "$run" <<'PY'
import datetime, json, os, sys
run = sys.argv[1]
read = lambda name: json.load(open(os.path.join(run, name)))
machine = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown") + f", {os.cpu_count()} threads"
date, command = datetime.date.today().isoformat(), "bash bench/gsm8k.sh RUN_FOLDER (examples/gsm8k-smollm2.yaml)"
rows, lines = [], []
def row(name, before, after, unit, more=""):
    rows.append(dict(name=name, ours=after, unit=unit, peer=before, peer_name="before training", ratio=None, machine=machine, date=date, command=command))
    lines.append(f"| {name} | {before:.4g} | {after:.4g} | {unit} {more}|")
sb, sa = read("before-score.json"), read("after-score.json")
row("loss per completion token, 100 test rows", sb["loss"], sa["loss"], "nats")
eb, ea = (read(f"{x}-eval.json")["results"]["gsm8k"] for x in ("before", "after"))
for rule in ("strict-match", "flexible-extract", "openai"):
    i = [f"{100*x[f'exact_match_interval95,{rule}'][0]:.1f}–{100*x[f'exact_match_interval95,{rule}'][1]:.1f}" for x in (eb, ea)]
    row(f"accuracy on 60 test questions, {rule}", 100 * eb[f"exact_match,{rule}"], 100 * ea[f"exact_match,{rule}"], "%", f"(95 %: {i[0]} before, {i[1]} after) ")
    row(f"answers that {rule} could not parse", 100 * eb[f"parse_failure_rate,{rule}"], 100 * ea[f"parse_failure_rate,{rule}"], "%")
row("answers cut off at 256 tokens", 100 * eb["cut_off_rate"], 100 * ea["cut_off_rate"], "%")
row("greedy answering, up to 32 at once, prompts included", eb["tokens_per_second"], ea["tokens_per_second"], "tokens/s")
t = read("train.json")
for name, value, unit in (("optimizer steps", t["steps"], ""), ("trained tokens", t["trained_tokens"], ""), ("training speed, prompts included", t["tokens_per_second"], "tokens/s"),
                          ("training time", t["train_runtime"], "s"), ("peak resident memory of training", t["peak_memory_bytes"] / 2**30, "GiB"), ("training loss, last tenth of the steps", t["last_loss"], "nats")):
    rows.append(dict(name=name, ours=value, unit=unit, machine=machine, date=date, command=command))
    lines.append(f"| {name} | | {value:.5g} | {unit} |")
json.dump(rows, open("bench/results/gsm8k-smollm2.json", "w"), indent=1)
open("bench/results/gsm8k-smollm2.md", "w").write(
    f"# SmolLM2-135M-Instruct on GSM8K, full fine-tuning on the CPU\n\n{machine}, {date}. `{command}`\n\n| what | before | after | |\n|---|---|---|---|\n" + "\n".join(lines) + "\n")
print(open("bench/results/gsm8k-smollm2.md").read())
PY
