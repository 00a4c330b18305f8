"""The Rust tokenizers' side of the tokenize suite: encode.py FOLDER FILE
One thread, all lines in one call. Prints one JSON line: megabytes a second of the best of three, tokens."""
import json, os, sys, time
os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file(os.path.join(sys.argv[1], "tokenizer.json"))
raw = open(sys.argv[2], "rb").read()
lines = raw.decode().split("\n")
best, tokens = 0.0, 0
for _ in range(3):
    began = time.perf_counter()
    out = tokenizer.encode_batch_fast(lines, add_special_tokens=False)
    best = max(best, len(raw) / 1e6 / (time.perf_counter() - began))
    tokens = sum(len(e.ids) for e in out)
print(json.dumps(dict(megabytes_per_second=best, tokens=tokens)))
