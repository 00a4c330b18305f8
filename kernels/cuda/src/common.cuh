// What every kernel file shares: element types, sums over a warp and a block.
//
// Activations, parameters and gradients are float or bf16; arithmetic is float. A kernel
// is a template over the element type, and its entry points end in the type's name:
// norm_f32, norm_bf16. Matrices are row-major; a stride is the number of elements from
// one row to the next. No kernel uses float atomics: sums have one fixed order, so
// results are equal bit for bit from run to run.
//
// "Launch" in a kernel's comment is its geometry: grid × block, then dynamic shared
// memory. All counts are ints; products that may pass 2^31 are made in 64 bits.
#pragma once
#include <cuda_bf16.h>

typedef __nv_bfloat16 bf16;
#ifndef INFINITY // nvcc has math.h's, NVRTC has none
#define INFINITY __int_as_float(0x7f800000)
#endif
// An entry point sees no pointer twice as written and read, except where it says in place.
#define RESTRICT __restrict__

__device__ inline float load(const float *p) { return *p; }
__device__ inline float load(const bf16 *p) { return __bfloat162float(*p); }
__device__ inline void store(float *p, float v) { *p = v; }
__device__ inline void store(bf16 *p, float v) { *p = __float2bfloat16_rn(v); }

// rounded is v as an element of type T will hold it.
template <typename T> __device__ inline float rounded(float v);
template <> __device__ inline float rounded<float>(float v) { return v; }
template <> __device__ inline float rounded<bf16>(float v) { return __bfloat162float(__float2bfloat16_rn(v)); }

// Pack is N neighbouring elements, read or written by one instruction of at most 16 bytes.
template <typename T, int N> struct alignas(N * sizeof(T)) Pack { T v[N]; };

// load and store N elements at an address that is a multiple of their size.
template <int N, typename T> __device__ inline void load(float (&v)[N], const T *p) {
	Pack<T, N> pack = *(const Pack<T, N> *)p;
	for (int k = 0; k < N; k++) v[k] = load(pack.v + k);
}
template <int N, typename T> __device__ inline void store(T *p, const float (&v)[N]) {
	Pack<T, N> pack;
	for (int k = 0; k < N; k++) store(pack.v + k, v[k]);
	*(Pack<T, N> *)p = pack;
}

// row is the address of row i.
template <typename T> __device__ inline T *row(T *base, long long i, int stride) { return base + i * stride; }

// warp_sum returns Σ v over the warp's 32 lanes, to all of them.
template <typename V> __device__ inline V warp_sum(V v) {
	for (int offset = 16; offset > 0; offset /= 2) v += __shfl_xor_sync(0xffffffffu, v, offset);
	return v;
}

// block_sum returns Σ v over the block, to all threads. The block is one row of full
// warps. Every thread calls it; two barriers make scratch (32 values) reusable at once.
template <typename V> __device__ inline V block_sum(V v, V *scratch) {
	v = warp_sum(v);
	int warps = blockDim.x / 32;
	if (warps == 1) return v;
	if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = v;
	__syncthreads();
	V total = 0;
	for (int w = 0; w < warps; w++) total += scratch[w]; // broadcast reads, the same order in every thread
	__syncthreads();
	return total;
}
