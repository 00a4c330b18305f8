// collatz: steps[i] = number of Collatz steps from i+1 to 1: a loop whose trip
// count differs from lane to lane, with a branch that diverges inside it.
extern "C" __global__ void collatz(int *steps, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  unsigned long long v = i + 1;
  int c = 0;
  while (v != 1) {
    if (v & 1) {
      v = 3 * v + 1;
    } else {
      v >>= 1;
    }
    if (++c > 1000) break;
  }
  steps[i] = c;
}

// pick runs a switch (brx.idx or a tree of branches) and a device function that is not inlined.
__device__ __noinline__ int twist(int v, int by) {
  int r = v;
  for (int k = 0; k < by; k++) r = r * 1664525 + 1013904223;
  return r;
}

extern "C" __global__ void pick(int *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  int v;
  switch (i % 7) {
    case 0: v = twist(i, 1); break;
    case 1: v = i / 3; break;
    case 2: v = i * i - 5; break;
    case 3: v = twist(i, i % 5); break;
    case 4: v = __popc(i) + __clz(i); break;
    case 5: v = __brev(i); break;
    default: v = -i;
  }
  out[i] = v;
}
