// rms_norm: one block a row. x, out (rows, d) bf16, weight (d) bf16.
//   out = x / sqrt(mean(x²) + eps) · weight, sums in float32.
#include <cuda_bf16.h>

__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
  for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
  return v;
}

union Pack {  // eight bf16 in one 16-byte access
  uint4 q;
  __nv_bfloat162 h[4];
};

extern "C" __global__ void __launch_bounds__(256)
rms_norm(__nv_bfloat16 *__restrict__ out, const __nv_bfloat16 *__restrict__ x,
         const __nv_bfloat16 *__restrict__ weight, int d, float eps) {
  __shared__ float partial[32];
  const uint4 *row = reinterpret_cast<const uint4 *>(x + (size_t)blockIdx.x * d);
  uint4 *dst = reinterpret_cast<uint4 *>(out + (size_t)blockIdx.x * d);
  const uint4 *w = reinterpret_cast<const uint4 *>(weight);
  float sum = 0.f;
  for (int i = threadIdx.x; i < d / 8; i += blockDim.x) {
    Pack p;
    p.q = row[i];
#pragma unroll
    for (int k = 0; k < 4; k++) {
      float2 f = __bfloat1622float2(p.h[k]);
      sum += f.x * f.x + f.y * f.y;
    }
  }
  sum = warp_sum(sum);
  int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  if (lane == 0) partial[warp] = sum;
  __syncthreads();
  sum = warp_sum(lane < (blockDim.x >> 5) ? partial[lane] : 0.f);
  float r = rsqrtf(sum / d + eps);
  for (int i = threadIdx.x; i < d / 8; i += blockDim.x) {
    Pack p, g, o;
    p.q = row[i];
    g.q = w[i];
#pragma unroll
    for (int k = 0; k < 4; k++) {
      float2 f = __bfloat1622float2(p.h[k]), s = __bfloat1622float2(g.h[k]);
      o.h[k] = __floats2bfloat162_rn(f.x * r * s.x, f.y * r * s.y);
    }
    dst[i] = o.q;
  }
}
