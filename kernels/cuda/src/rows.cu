// Rows moved by index: the tokens of the loss gathered from all tokens and scattered back,
// keys and values stored in the cache. Nothing is rounded.
#include "common.cuh"

template <typename T> __device__ void move_row(T *RESTRICT dst, const T *RESTRICT src, int width) {
	walk<per_pack<T>>(width, [&](auto size, int c) {
		typedef Pack<T, size.value> Elements;
		*(Elements *)(dst + c) = *(const Elements *)(src + c);
	}, dst, src);
}

// The entry points, for each element type.
//
// gather: dst[i] = src[rows[i]].
//   dst (count, width)   src (T, width)   rows (count)
// Launch: by rows; none
//
// scatter: dst[rows[i]] = src[i]; rows are distinct.
//   dst (T, width)   src (count, width)   rows (count)
// Launch: by rows; none
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void MEMORY_BOUND gather_rows_##suffix(                                                     \
	    T *RESTRICT dst, const T *RESTRICT src, const int *RESTRICT rows, int count, int width, int dst_stride,       \
	    int src_stride) {                                                                                             \
		int i = own_row();                                                                                            \
		if (i < count) move_row(row(dst, i, dst_stride), row(src, rows[i], src_stride), width);                       \
	}                                                                                                                 \
	extern "C" __global__ void MEMORY_BOUND scatter_rows_##suffix(                                                    \
	    T *RESTRICT dst, const T *RESTRICT src, const int *RESTRICT rows, int count, int width, int dst_stride,       \
	    int src_stride) {                                                                                             \
		int i = own_row();                                                                                            \
		if (i < count) move_row(row(dst, rows[i], dst_stride), row(src, i, src_stride), width);                       \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
