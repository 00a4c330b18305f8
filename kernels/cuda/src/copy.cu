// Fills and copies of matrices whose rows need not touch, and the casts between float and
// bf16, which are copies with two types. Contiguous fills with zero and copies of one type
// are the driver's own. One block a row.
#include "common.cuh"

template <typename To, typename From>
__device__ void copy_row(To *RESTRICT dst, const From *RESTRICT src, int width, int dst_stride, int src_stride) {
	dst = row(dst, blockIdx.x, dst_stride);
	src = row(src, blockIdx.x, src_stride);
	for (int c = threadIdx.x; c < width; c += blockDim.x) store(dst + c, load(src + c));
}

template <typename T> __device__ void fill_row(T *RESTRICT dst, float value, int width, int dst_stride) {
	dst = row(dst, blockIdx.x, dst_stride);
	for (int c = threadIdx.x; c < width; c += blockDim.x) store(dst + c, value);
}

// dst = src, rounded to the nearest where the type is narrower.
//   dst, src (rows, width)
// Launch: rows × 256; none
#define COPY(name, To, From)                                                                                  \
	extern "C" __global__ void __launch_bounds__(256)                                                         \
	    name(To *RESTRICT dst, const From *RESTRICT src, int width, int dst_stride, int src_stride) {         \
		copy_row(dst, src, width, dst_stride, src_stride);                                                    \
	}

COPY(copy_f32, float, float)
COPY(copy_bf16, bf16, bf16)
COPY(cast_f32_bf16, bf16, float)
COPY(cast_bf16_f32, float, bf16)

// dst = value.
//   dst (rows, width)
// Launch: rows × 256; none
#define FILL(name, T)                                                                                         \
	extern "C" __global__ void __launch_bounds__(256) name(T *RESTRICT dst, float value, int width, int dst_stride) { \
		fill_row(dst, value, width, dst_stride);                                                              \
	}

FILL(fill_f32, float)
FILL(fill_bf16, bf16)
