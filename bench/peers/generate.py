"""transformers' side of the decode suite: generate.py FOLDER SEQUENCES PROMPT NEW
Greedy, float32, all sequences side by side, every one to its last token. Prints one JSON line."""
import json, statistics, sys, time
import torch
import transformers

folder, (sequences, prompt, new) = sys.argv[1], map(int, sys.argv[2:5])
transformers.logging.set_verbosity_error()
torch.set_num_threads(2)
model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
ids = torch.tensor([[1000 + (i * 37 + j * 101) % 20000 for j in range(prompt)] for i in range(sequences)])
speeds = []
for _ in range(3):
    began = time.perf_counter()
    out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=new, min_new_tokens=new, pad_token_id=0)
    speeds.append((out.shape[1] - prompt) * sequences / (time.perf_counter() - began))
print(json.dumps(dict(tokens_per_second=statistics.median(speeds))))
