"""PyTorch's side of the step suite: train_step.py STUDENT ROWS TOKENS STEPS
A plain training loop in float32 on the CPU: transformers' model, SDPA attention, AdamW (fused
where the CPU has it), clipping. Prints one JSON line: tokens a second of the median step, peak
resident bytes, last loss. A STUDENT ending in -lora trains PEFT's adapter on all linear layers."""
import json, resource, statistics, sys, time
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

name, rows, tokens, steps = sys.argv[1], *map(int, sys.argv[2:5])
torch.manual_seed(1)
torch.set_num_threads(2)
if name == "gpt2-124m":
    model = GPT2LMHeadModel(GPT2Config(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0))
else:
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=49152, hidden_size=576, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
        intermediate_size=1536, max_position_embeddings=1024, tie_word_embeddings=True, rms_norm_eps=1e-5,
        rope_parameters=dict(rope_theta=100000.0, rope_type="default")))
if name.endswith("-lora"):
    from peft import LoraConfig, get_peft_model
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM"))
model.train()
trained = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
ids = torch.randint(0, model.config.vocab_size, (rows, tokens))
times = []
for _ in range(steps + 1):
    began = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    times.append(time.perf_counter() - began)
print(json.dumps(dict(tokens_per_second=rows * tokens / statistics.median(times[1:]),
                      peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, loss=float(loss.detach()))))
