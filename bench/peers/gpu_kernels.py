"""PyTorch's side of bench/gpu: the same operations on the same card, in turns.

Says who it is in one JSON line, then answers each JSON line with a case (op, type, sets,
repetitions and sizes in the letters of package kernels) by one with the milliseconds of
every repetition, by device events, or with an error. As on our side every repetition takes
the next of several sets of arguments, and work that keeps the device busy goes first.
Operations that PyTorch writes as several are compiled (torch.compile) where that works.
"""
import json, sys
import torch
import torch.nn.functional as F

torch.manual_seed(1)
CUDA = "cuda"


def normal(dtype, *shape, grad=False):
    return torch.randn(*shape, device=CUDA, dtype=dtype).requires_grad_(grad)


def backward(output, inputs, dy):
    """Returns a call that computes the gradients alone; what it needs is kept."""
    return lambda: torch.autograd.grad(output, inputs, dy, retain_graph=True)


@torch.compile(dynamic=False)
def add_rms_norm(x, delta, w):
    total = x + delta
    return total, F.rms_norm(total, (total.shape[1],), w, 1e-5)


@torch.compile(dynamic=False)
def linear_gelu(x, w, b):
    pre = F.linear(x, w, b)
    return pre, F.gelu(pre, approximate="tanh")


@torch.compile(dynamic=False)
def swiglu(gate_up):
    gate, up = gate_up.chunk(2, dim=1)
    return F.silu(gate) * up


@torch.compile(dynamic=False)
def rope(x, cos, sin):
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


def build(q):
    """Allocates one set of arguments and returns the call to be timed."""
    op, dtype = q["op"], getattr(torch, q["type"])
    t, d, out, v = (q.get(k, 0) for k in ("T", "d", "out", "V"))
    if op == "Copy":
        x, y = normal(dtype, t, d), torch.empty(t, d, device=CUDA, dtype=dtype)
        return lambda: y.copy_(x)
    if op in ("LayerNorm", "RMSNorm", "LayerNormBackward", "RMSNormBackward"):
        grad = op.endswith("Backward")
        x, w, b = normal(dtype, t, d, grad=grad), normal(dtype, d, grad=grad), normal(dtype, d, grad=grad)
        layer = op.startswith("Layer")
        call = lambda: F.layer_norm(x, (d,), w, b, 1e-5) if layer else F.rms_norm(x, (d,), w, 1e-5)
        return backward(call(), (x, w, b) if layer else (x, w), normal(dtype, t, d)) if grad else call
    if op == "AddRMSNorm":
        x, delta, w = normal(dtype, t, d), normal(dtype, t, d), normal(dtype, d)
        return lambda: add_rms_norm(x, delta, w)
    if op in ("GELU", "GELUBackward"):
        x = normal(dtype, t, d, grad=op != "GELU")
        call = lambda: F.gelu(x, approximate="tanh")
        return call if op == "GELU" else backward(call(), (x,), normal(dtype, t, d))
    if op in ("SwiGLU", "SwiGLUBackward"):
        x = normal(dtype, t, 2 * d, grad=op != "SwiGLU")
        return (lambda: swiglu(x)) if op == "SwiGLU" else backward(swiglu(x), (x,), normal(dtype, t, d))
    if op == "RoPE":
        heads, size = q["H"], q["D"]
        x, angles = normal(dtype, t, heads, size), torch.randn(t, 1, size // 2, device=CUDA)
        cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
        return lambda: rope(x, cos, sin)
    if op in ("Embed", "EmbedBackward"):
        ids, table = torch.randint(0, v, (t,), device=CUDA), normal(dtype, v, d, grad=op != "Embed")
        call = lambda: F.embedding(ids, table)
        return call if op == "Embed" else backward(call(), (table,), normal(dtype, t, d))
    if op == "GatherRows":
        x, rows = normal(dtype, t, d), torch.randint(0, t, (t,), device=CUDA)
        return lambda: x.index_select(0, rows)
    if op in ("GlobalNorm", "AdamW"):
        shapes = [(v, d), (1, d)] + [(3 * d, d), (d, d), (4 * d, d), (d, 4 * d), (1, d), (1, d)] * q["layers"]
        params = [torch.nn.Parameter(torch.randn(s, device=CUDA) * 0.02) for s in shapes]
        for p in params:
            p.grad = torch.randn_like(p) * 1e-3
        if op == "GlobalNorm":
            return lambda: torch.nn.utils.get_total_norm([p.grad for p in params], foreach=True)
        optimizer = torch.optim.AdamW(params, lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
        return optimizer.step
    if op == "Linear":
        x, w = normal(dtype, t, d), normal(dtype, out, d)
        return lambda: F.linear(x, w)
    if op == "LinearGELU":
        x, w, b = normal(dtype, t, d), normal(dtype, out, d), normal(dtype, out)
        return lambda: linear_gelu(x, w, b)
    if op == "LinearBackwardInput":
        dy, w = normal(dtype, t, out), normal(dtype, out, d)
        return lambda: dy @ w
    if op == "LinearBackwardWeight":
        dy, x = normal(dtype, t, out), normal(dtype, t, d)
        return lambda: dy.t() @ x
    if op in ("Attention", "AttentionBackward"):
        doc, grad = q["doc"], op != "Attention"
        shape = lambda heads: (t // doc, heads, doc, q["D"])
        query, key, value = (normal(dtype, *shape(h), grad=grad) for h in (q["H"], q["K"], q["K"]))
        call = lambda: F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=q["H"] != q["K"])
        return backward(call(), (query, key, value), normal(dtype, *shape(q["H"]))) if grad else call
    if op == "HeadCrossEntropy":
        x, w = normal(dtype, t, d, grad=True), normal(dtype, v, d, grad=True)
        targets = torch.randint(0, v, (t,), device=CUDA)
        return lambda: torch.autograd.grad(F.cross_entropy(F.linear(x, w).float(), targets), (x, w))
    if op == "HeadDistill":
        k, temperature, weight = q["k"], 2.0, 0.5
        x, w = normal(dtype, t, d, grad=True), normal(dtype, v, d, grad=True)
        targets, ids = torch.randint(0, v, (t,), device=CUDA), torch.randint(0, v, (t, k), device=CUDA)
        teacher = F.softmax(torch.randn(t, k, device=CUDA) * 2 / temperature, dim=1)

        def loss():
            logits = F.linear(x, w).float()
            student = F.log_softmax(logits / temperature, dim=1).gather(1, ids)
            kl = F.kl_div(student, teacher, reduction="batchmean")
            return (1 - weight) * F.cross_entropy(logits, targets) + weight * temperature**2 * kl
        return lambda: torch.autograd.grad(loss(), (x, w))
    raise ValueError("PyTorch's side has no " + op)


def measure(q):
    calls = [build(q) for _ in range(q["sets"])]
    n = q["repetitions"]
    for i in range(max(3, min(n, len(calls)))):
        calls[i % len(calls)]()
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(n + 1)]
    torch.cuda._sleep(4_000_000)  # some 2 ms: the host is ahead of the device
    marks[0].record()
    for i in range(n):
        calls[i % len(calls)]()
        marks[i + 1].record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) for a, b in zip(marks, marks[1:])]


def main():
    if not torch.cuda.is_available():
        print(json.dumps(dict(error="PyTorch sees no card")), flush=True)
        return
    torch.backends.cuda.matmul.allow_tf32 = False  # float32 means float32 on both sides
    print(json.dumps(dict(name=f"PyTorch {torch.__version__}")), flush=True)
    for line in sys.stdin:
        try:
            answer = dict(milliseconds=measure(json.loads(line)))
        except Exception as e:  # out of memory, an operation that this PyTorch lacks: the row says so
            answer = dict(error=f"{type(e).__name__}: {e}".split("\n")[0][:200])
        torch.cuda.empty_cache()
        print(json.dumps(answer), flush=True)


main()
