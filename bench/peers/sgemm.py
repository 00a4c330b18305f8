"""OpenBLAS sgemm through numpy, on the shapes of kernels/cpu/gemm's BenchmarkMul.

Usage: python bench/peers/sgemm.py THREADS
Prints one line a shape: name, m x n x k, median and best GFLOP/s of 9 runs.
Run it next to `go test -bench Mul ./kernels/cpu/gemm`, in turns, on an idle machine.
"""
import os
import statistics
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = sys.argv[1]  # before numpy is imported
import numpy as np

SHAPES = [  # name, m, n, k, A transposed, B transposed
    ("forward", 1024, 768, 768, False, True),
    ("forward", 2048, 576, 576, False, True),
    ("forward", 1024, 3072, 768, False, True),
    ("forward", 1024, 768, 3072, False, True),
    ("inputGrad", 1024, 768, 3072, False, False),
    ("weightGrad", 768, 3072, 1024, True, False),
    ("weightGrad", 576, 1536, 4096, True, False),
    ("head", 256, 49152, 768, False, True),
    ("square", 2048, 2048, 2048, False, False),
]


def matrix(rng, rows, cols, transposed):
    """Returns a (rows, cols) matrix, stored the other way round if transposed."""
    if transposed:
        return rng.standard_normal((cols, rows), dtype=np.float32).T
    return rng.standard_normal((rows, cols), dtype=np.float32)


rng = np.random.default_rng(0)
for name, m, n, k, ta, tb in SHAPES:
    a, b = matrix(rng, m, k, ta), matrix(rng, k, n, tb)
    c = np.empty((m, n), np.float32)
    np.matmul(a, b, out=c)  # warm up
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        np.matmul(a, b, out=c)
        seconds.append(time.perf_counter() - start)
    rate = [2 * m * n * k / s / 1e9 for s in seconds]
    print(f"{name}/{m}x{n}x{k}/threads={sys.argv[1]} median {statistics.median(rate):.1f} best {max(rate):.1f} GFLOP/s", flush=True)
