// softmax: one warp a row. x, out (rows, d) float32; the largest value is
// subtracted first, so that no exponential overflows.
extern "C" __global__ void softmax(float *__restrict__ out, const float *__restrict__ x, int rows, int d) {
  int row = blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5), lane = threadIdx.x & 31;
  if (row >= rows) return;
  const float *src = x + (size_t)row * d;
  float *dst = out + (size_t)row * d;
  float top = -__int_as_float(0x7f800000);
  for (int i = lane; i < d; i += 32) top = fmaxf(top, src[i]);
#pragma unroll
  for (int o = 16; o > 0; o >>= 1) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, o));
  float sum = 0.f;
  for (int i = lane; i < d; i += 32) sum += expf(src[i] - top);
#pragma unroll
  for (int o = 16; o > 0; o >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, o);
  sum = __shfl_sync(0xffffffffu, sum, 0);
  float scale = 1.f / sum;
  for (int i = lane; i < d; i += 32) dst[i] = expf(src[i] - top) * scale;
}

// gelu_tanh and the library functions that kernels of a transformer call.
extern "C" __global__ void library(float *out, const float *x, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float v = x[i];
  out[i] = 0.5f * v * (1.f + tanhf(0.7978845608f * (v + 0.044715f * v * v * v)));
  out[n + i] = logf(v * v + 1.f);
  out[2 * n + i] = v / (1.f + expf(-v));
  out[3 * n + i] = sqrtf(v * v + 2.f);
  out[4 * n + i] = powf(fabsf(v) + 0.5f, 1.5f);
  out[5 * n + i] = erff(v);
  out[6 * n + i] = sinf(v);
  out[7 * n + i] = cosf(v * 100000.f);
}
