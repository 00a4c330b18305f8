// What every kernel file shares: element types, sums over a warp and a block.
//
// Activations, parameters and gradients are float or bf16; arithmetic is float. A kernel
// is a template over the element type, and its entry points end in the type's name:
// norm_f32, norm_bf16. Matrices are row-major; a stride is the number of elements from
// one row to the next. No kernel uses float atomics: sums have one fixed order, so
// results are equal bit for bit from run to run.
//
// "Launch" in a kernel's comment is its geometry: grid × block, then dynamic shared
// memory. "by rows" is blocks of 256 threads that work on y rows with x threads each,
// ⌈rows/y⌉ × (x, y), where x = 32 to 256 follows from the width. All counts are ints;
// products that may pass 2^31 are made in 64 bits.
#pragma once
#include <cuda_bf16.h>

typedef __nv_bfloat16 bf16;
#ifndef INFINITY // nvcc has math.h's, NVRTC has none
#define INFINITY __int_as_float(0x7f800000)
#endif
// The bounds of a kernel that memory alone bounds, in blocks of 256 threads: at most 64
// registers, so that half of a multiprocessor's threads or more are there to wait for memory.
#define MEMORY_BOUND __launch_bounds__(256, 4)

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

// per_pack is how many elements 16 bytes hold.
template <typename T> constexpr int per_pack = 16 / sizeof(T);

// aligned tells whether Packs of N may begin at these addresses; 0 is an absent row's.
template <int N, typename... T> __device__ inline bool aligned(const T *...rows) {
	return (... && ((unsigned long long)rows % (N * sizeof(T)) == 0));
}

// Size carries a number of elements in its type.
template <int n> struct Size { static constexpr int value = n; };

// walk lets the threads of one row of the block take turns over a row's width elements:
// body(Size<N>, c) handles the N elements from column c. Where Packs may not begin at the
// rows' addresses it handles the same elements in the same order one by one, so that the
// bits of a sum do not depend on where a row lies; where N does not divide the width too.
template <int N, typename Body, typename... T> __device__ inline void walk(int width, Body body, const T *...rows) {
	if (width % N != 0)
		for (int c = threadIdx.x; c < width; c += blockDim.x) body(Size<1>{}, c);
	else if (aligned<N>(rows...))
		for (int c = threadIdx.x * N; c < width; c += blockDim.x * N) body(Size<N>{}, c);
	else
		for (int c = threadIdx.x * N; c < width; c += blockDim.x * N)
#pragma unroll 1
			for (int k = 0; k < N; k++) body(Size<1>{}, c + k);
}

// row is the address of row i.
template <typename T> __device__ inline T *row(T *base, long long i, int stride) { return base + i * stride; }

// own_row is the row that the caller's threads work on in a launch by rows; the last block
// may have rows beyond the matrix.
__device__ inline int own_row() { return blockIdx.x * blockDim.y + threadIdx.y; }

// warp_sum returns Σ v over the warp's 32 lanes, to all of them.
template <typename V> __device__ inline V warp_sum(V v) {
	for (int offset = 16; offset > 0; offset /= 2) v += __shfl_xor_sync(0xffffffffu, v, offset);
	return v;
}

// block_sum returns Σ v over the threads of one row of the block, which is full warps, to
// all of them. Every thread calls it; two barriers make scratch (32 values) reusable at once.
template <typename V> __device__ inline V block_sum(V v, V *scratch) {
	v = warp_sum(v);
	int warps = blockDim.x / 32;
	if (warps == 1) return v;
	V *own = scratch + threadIdx.y * warps;
	if (threadIdx.x % 32 == 0) own[threadIdx.x / 32] = v;
	__syncthreads();
	V total = 0;
	for (int w = 0; w < warps; w++) total += own[w]; // broadcast reads, the same order in every thread
	__syncthreads();
	return total;
}
