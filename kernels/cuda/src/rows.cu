// Rows moved by index: the tokens of the loss gathered from all tokens and scattered back,
// keys and values stored in the cache. One block a row; nothing is rounded.
#include "common.cuh"

// dst[i] = src[rows[i]].
//   dst (N, width)   src (T, width)   rows (N)
// Launch: N × 128; none
template <typename T>
__device__ void gather_row(T *RESTRICT dst, const T *RESTRICT src, const int *RESTRICT rows, int width, int dst_stride,
                           int src_stride) {
	dst = row(dst, blockIdx.x, dst_stride);
	src = row(src, rows[blockIdx.x], src_stride);
	for (int c = threadIdx.x; c < width; c += blockDim.x) dst[c] = src[c];
}

// dst[rows[i]] = src[i]; rows are distinct.
//   dst (T, width)   src (N, width)   rows (N)
// Launch: N × 128; none
template <typename T>
__device__ void scatter_row(T *RESTRICT dst, const T *RESTRICT src, const int *RESTRICT rows, int width,
                            int dst_stride, int src_stride) {
	dst = row(dst, rows[blockIdx.x], dst_stride);
	src = row(src, blockIdx.x, src_stride);
	for (int c = threadIdx.x; c < width; c += blockDim.x) dst[c] = src[c];
}

// The entry points, for each element type.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void __launch_bounds__(128) gather_rows_##suffix(                                           \
	    T *RESTRICT dst, const T *RESTRICT src, const int *RESTRICT rows, int width, int dst_stride,                  \
	    int src_stride) {                                                                                             \
		gather_row(dst, src, rows, width, dst_stride, src_stride);                                                    \
	}                                                                                                                 \
	extern "C" __global__ void __launch_bounds__(128) scatter_rows_##suffix(                                          \
	    T *RESTRICT dst, const T *RESTRICT src, const int *RESTRICT rows, int width, int dst_stride,                  \
	    int src_stride) {                                                                                             \
		scatter_row(dst, src, rows, width, dst_stride, src_stride);                                                   \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
