"""PyTorch's side of the students in bench/gpu: gpu_train.py [--eager] [--precision P] [--device D]

Says who it is in one JSON line, then answers each JSON line by one:
  train   training steps as one writes them for speed: torch.compile of the whole model with its
          loss (--eager: without), SDPA with flash attention, fused AdamW, clipping
  sft     fine-tuning as most loops do it: rows padded to the longest of a batch, not compiled
  decode  transformers' generate, or where it is not installed a loop with a KV cache (DynamicLoop
          below); the answer's "side" says which
--precision bf16 (default): bf16 parameters and gradients, fp32 masters in AdamW, which saves a cast
of every weight in every micro-batch; autocast: fp32 parameters under torch.autocast. Norms and
cross-entropy are in fp32 either way. Weights come from a safetensors file, tokens from a file of int32.
"""
import argparse, contextlib, json, struct, sys, time
import torch
import torch.nn as nn
import torch.nn.functional as F

flags = argparse.ArgumentParser()
flags.add_argument("--eager", action="store_true")
flags.add_argument("--precision", choices=["bf16", "autocast"], default="bf16")
flags.add_argument("--device", default="cuda")
flags = flags.parse_args()
CUDA = flags.device == "cuda"


class RMSNorm(nn.Module):
    def __init__(self, d, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.empty(d)), eps

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, h, k, size, gpt2 = c["hidden"], c["heads"], c["kv_heads"], c["head_dim"], c["family"] == "gpt2"
        norm = (lambda: nn.LayerNorm(d, c["norm_eps"])) if gpt2 else (lambda: RMSNorm(d, c["norm_eps"]))
        self.h, self.k, self.size, self.gpt2 = h, k, size, gpt2
        self.norm1, self.norm2 = norm(), norm()
        self.qkv = nn.Linear(d, (h + 2 * k) * size, bias=c["qkv_bias"])
        self.out = nn.Linear(h * size, d, bias=gpt2)
        self.up = nn.Linear(d, c["ffn"] * (1 if gpt2 else 2), bias=gpt2)
        self.down = nn.Linear(c["ffn"], d, bias=gpt2)

    def forward(self, x, cos, sin, cache=None):
        b, t, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, self.h + 2 * self.k, self.size).transpose(1, 2).split((self.h, self.k, self.k), dim=1)
        if cos is not None:
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        causal = True
        if cache is not None:
            if cache:
                k, v, causal = torch.cat((cache[0], k), 2), torch.cat((cache[1], v), 2), False
            cache[:] = k, v
        o = F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=self.h != self.k)
        x = x + self.out(o.transpose(1, 2).reshape(b, t, -1))
        up = self.up(self.norm2(x))
        if self.gpt2:
            return x + self.down(F.gelu(up, approximate="tanh"))
        gate, up = up.chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["hidden"]
        self.embed = nn.Embedding(c["vocab"], d)
        self.pos = nn.Embedding(c["context"], d) if c["learned_positions"] else None
        self.blocks = nn.ModuleList(Block(c) for _ in range(c["layers"]))
        self.norm = nn.LayerNorm(d, c["norm_eps"]) if c["family"] == "gpt2" else RMSNorm(d, c["norm_eps"])
        if self.pos is None:
            frequency = c["theta"] ** (-torch.arange(0, c["head_dim"], 2) / c["head_dim"])
            angles = torch.arange(c["context"])[:, None] * frequency
            self.register_buffer("cos", angles.cos()), self.register_buffer("sin", angles.sin())

    def forward(self, ids, start=0, caches=None):
        positions, cos, sin = slice(start, start + ids.shape[1]), None, None
        x = self.embed(ids)
        if self.pos is not None:
            x = x + self.pos.weight[positions]
        else:
            cos, sin = self.cos[positions].to(x.dtype), self.sin[positions].to(x.dtype)
        for i, block in enumerate(self.blocks):
            x = block(x, cos, sin, caches[i] if caches is not None else None)
        return self.norm(x)

    def loss(self, ids, targets):
        """Sum over the targets that are not -1; targets[t] is what follows ids[t]."""
        logits = F.linear(self(ids), self.embed.weight)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=-1, reduction="sum")


def read_safetensors(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        raw = bytearray(f.read())
    header.pop("__metadata__", None)
    kinds = dict(F32=torch.float32, BF16=torch.bfloat16)
    return {name: torch.frombuffer(raw, dtype=kinds[t["dtype"]], count=(t["data_offsets"][1] - t["data_offsets"][0]) // kinds[t["dtype"]].itemsize,
                                   offset=t["data_offsets"][0]).view(t["shape"]) for name, t in header.items()}


def load(c, folder):
    """The student with the weights that our side began with."""
    w = read_safetensors(folder + "/model.safetensors")
    state, gpt2 = {}, c["family"] == "gpt2"
    if gpt2:
        for name, t in w.items():
            for old, new in (("transformer.", ""), ("wte.", "embed."), ("wpe.", "pos."), ("h.", "blocks."), ("ln_1", "norm1"), ("ln_2", "norm2"), ("ln_f", "norm"),
                             ("attn.c_attn", "qkv"), ("attn.c_proj", "out"), ("mlp.c_fc", "up"), ("mlp.c_proj", "down")):
                name = name.replace(old, new, 1)
            conv = t.dim() == 2 and name.startswith("blocks.")
            state[name] = t.t().contiguous() if conv else t
    else:
        state["embed.weight"], state["norm.weight"] = w["model.embed_tokens.weight"], w["model.norm.weight"]
        for i in range(c["layers"]):
            old, new = f"model.layers.{i}.", f"blocks.{i}."
            state[new + "norm1.weight"], state[new + "norm2.weight"] = w[old + "input_layernorm.weight"], w[old + "post_attention_layernorm.weight"]
            for kind in ("weight", "bias") if c["qkv_bias"] else ("weight",):
                state[new + "qkv." + kind] = torch.cat([w[old + f"self_attn.{p}_proj.{kind}"] for p in "qkv"])
            state[new + "out.weight"], state[new + "down.weight"] = w[old + "self_attn.o_proj.weight"], w[old + "mlp.down_proj.weight"]
            state[new + "up.weight"] = torch.cat([w[old + "mlp.gate_proj.weight"], w[old + "mlp.up_proj.weight"]])
    model = Model(c)
    missing = model.load_state_dict(state, strict=False)
    assert set(missing.missing_keys) <= {"cos", "sin"} and not missing.unexpected_keys, missing
    return model.to(flags.device)


class Training:
    """Parameters, optimizer and one call for an optimizer step, in the precision asked for."""

    def __init__(self, model, o, compiled):
        self.o, self.model, self.pure = o, model, flags.precision == "bf16"
        if self.pure:
            rotary = {n: b for n, b in model.named_buffers()}
            self.masters = [p.detach().clone() for p in model.parameters()]
            model.to(torch.bfloat16)
            for name, b in rotary.items():  # angles stay fp32
                setattr(model, name, b)
        else:
            self.masters = list(model.parameters())
        self.params = list(model.parameters())
        groups = [dict(params=[m for m in self.masters if m.dim() > 1], weight_decay=o["weight_decay"]),
                  dict(params=[m for m in self.masters if m.dim() == 1], weight_decay=0.0)]
        self.optimizer = torch.optim.AdamW(groups, lr=o["learning_rate"], betas=(o["beta1"], o["beta2"]), eps=o["epsilon"], fused=True)
        self.loss = torch.compile(model.loss) if compiled else model.loss

    def precision(self):
        return contextlib.nullcontext() if self.pure else torch.autocast(flags.device, torch.bfloat16)

    def step(self, batches):
        """One optimizer step over micro-batches (ids, targets); returns the mean loss on the device."""
        for p in self.params:
            p.grad = None
        n = sum(count for _, _, count in batches)
        total = 0.0
        for ids, targets, _ in batches:
            with self.precision():
                loss = self.loss(ids, targets) / n
            loss.backward()
            total = total + loss.detach()
        if self.pure:
            for m, p in zip(self.masters, self.params):
                m.grad = p.grad.float()
                p.grad = None
        torch.nn.utils.clip_grad_norm_(self.masters, self.o["max_grad_norm"], foreach=True)
        self.optimizer.step()
        if self.pure:
            torch._foreach_copy_([p.data for p in self.params], self.masters)
        return total


def synchronize():
    if CUDA:
        torch.cuda.synchronize()


def milliseconds(call):
    synchronize()
    began = time.perf_counter()
    result = call()
    synchronize()
    return 1e3 * (time.perf_counter() - began), result


def read_tokens(path):
    return torch.frombuffer(bytearray(open(path, "rb").read()), dtype=torch.int32).long()


def train(q):
    rows, length = q["rows"], q["length"]
    tokens = read_tokens(q["tokens"]).view(-1, length).to(flags.device)
    targets = torch.cat((tokens[:, 1:], torch.full_like(tokens[:, :1], -1)), 1)
    micro = lambda i: (tokens[i * rows:(i + 1) * rows], targets[i * rows:(i + 1) * rows], rows * (length - 1))
    training = Training(load(q["config"], q["folder"]), q["optimizer"], not flags.eager)
    losses = [training.step([micro(i)]) for i in range(q["curve"])]
    batch = [micro(i) for i in range(q["accumulation"])]
    training.step(batch)
    times = [milliseconds(lambda: training.step(batch))[0] for _ in range(q["steps"])]
    peak = torch.cuda.max_memory_allocated() if CUDA else 0
    return dict(milliseconds=times, losses=[float(x) for x in losses], peak_bytes=peak)


def sft(q):
    tokens, rows, at = read_tokens(q["tokens"]), [], 0
    for prompt, completion in q["lengths"]:
        ids = tokens[at:at + prompt + completion]
        targets = torch.full_like(ids, -1)
        targets[prompt - 1:-1] = ids[prompt:]
        rows.append((ids, targets))
        at += prompt + completion
    training = Training(load(q["config"], q["folder"]), q["optimizer"], False)

    def epoch():
        for i in range(0, len(rows), q["rows"]):
            batch = rows[i:i + q["rows"]]
            pad = lambda j, value: nn.utils.rnn.pad_sequence([row[j] for row in batch], batch_first=True, padding_value=value)
            ids, targets = pad(0, 0), pad(1, -1)
            training.step([(ids.to(flags.device), targets.to(flags.device), int((targets >= 0).sum()))]).item()

    epoch()
    return dict(milliseconds=[milliseconds(epoch)[0] for _ in range(2)], side=f"padded loop, PyTorch {torch.__version__}")


class DynamicLoop:
    """Greedy decoding with a growing KV cache."""

    def __init__(self, model):
        self.model = model

    @torch.inference_mode()
    def generate(self, ids, new):
        caches, length = [[] for _ in self.model.blocks], 0
        for _ in range(new):
            hidden = self.model(ids, length, caches)[:, -1]
            length += ids.shape[1]
            ids = F.linear(hidden, self.model.embed.weight).argmax(-1, keepdim=True)


def decode(q):
    c = q["config"]
    ids = torch.randint(0, c["vocab"], (q["sequences"], q["prompt"]), device=flags.device)
    try:
        import transformers
        transformers.logging.set_verbosity_error()
        model = transformers.AutoModelForCausalLM.from_pretrained(q["folder"], torch_dtype=torch.bfloat16).to(flags.device).eval()
        side = f"transformers {transformers.__version__} generate"
        call = lambda: model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=q["new"], min_new_tokens=q["new"], pad_token_id=0)
    except ImportError:
        model = load(c, q["folder"])
        rotary = dict(model.named_buffers())
        model.to(torch.bfloat16)
        for name, b in rotary.items():
            setattr(model, name, b)
        side, loop = f"plain KV-cache loop, PyTorch {torch.__version__}", DynamicLoop(model.eval())
        call = lambda: loop.generate(ids, q["new"])
    call()
    return dict(milliseconds=[milliseconds(call)[0] for _ in range(q["repetitions"])], side=side)


def main():
    if CUDA and not torch.cuda.is_available():
        print(json.dumps(dict(error="PyTorch sees no card")), flush=True)
        return
    if CUDA:  # flash attention or nothing: cuDNN's is one, too
        torch.backends.cuda.enable_math_sdp(False)
        torch.backends.cuda.enable_mem_efficient_sdp(False)
    how = ("eager" if flags.eager else "torch.compile") + (", bf16 with fp32 masters" if flags.precision == "bf16" else ", autocast")
    print(json.dumps(dict(name=f"PyTorch {torch.__version__}, {how}")), flush=True)
    for line in sys.stdin:
        try:
            q = json.loads(line)
            answer = dict(train=train, sft=sft, decode=decode)[q["op"]](q)
        except Exception as e:  # out of memory, an operation that this PyTorch lacks: the row says so
            answer = dict(error=f"{type(e).__name__}: {e}".split("\n")[0][:200])
        torch.compiler.reset() if not flags.eager else None
        if CUDA:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        print(json.dumps(answer), flush=True)


main()
