"""OpenBLAS sgemm through numpy: the peer of bench/cpu.

Reads lines "m n k transA transB repetitions" (booleans as 0 and 1), multiplies
random float32 matrices, C (m, n) = A (m, k) B (k, n), and answers each line with
the seconds that the repetitions took. OPENBLAS_NUM_THREADS is the number of threads.
"""
import sys
import time

import numpy as np


def matrix(rng, rows, cols, transposed):
    """Returns a (rows, cols) matrix, stored the other way round if transposed."""
    if transposed:
        return rng.random((cols, rows), dtype=np.float32).T - np.float32(0.5)
    return rng.random((rows, cols), dtype=np.float32) - np.float32(0.5)


rng = np.random.default_rng(0)
for line in sys.stdin:
    m, n, k, trans_a, trans_b, repetitions = map(int, line.split())
    a, b = matrix(rng, m, k, trans_a), matrix(rng, k, n, trans_b)
    c = np.empty((m, n), np.float32)
    np.matmul(a, b, out=c)  # touch all memory
    start = time.perf_counter()
    for _ in range(repetitions):
        np.matmul(a, b, out=c)
    print(time.perf_counter() - start, flush=True)
