// Fills and copies of matrices whose rows need not touch, and the casts between float and
// bf16, which are copies with two types. Contiguous fills with zero and copies of one type
// are the driver's own.
#include "common.cuh"

// The wider type decides how many elements make a Pack.
template <typename To, typename From>
__device__ void copy_rows(To *RESTRICT dst, const From *RESTRICT src, int rows, int width, int dst_stride,
                          int src_stride) {
	int i = own_row();
	if (i >= rows) return;
	dst = row(dst, i, dst_stride);
	src = row(src, i, src_stride);
	const int pack = sizeof(To) > sizeof(From) ? per_pack<To> : per_pack<From>;
	walk<pack>(width, [&](auto size, int c) {
		float v[size.value];
		load(v, src + c);
		store(dst + c, v);
	}, dst, src);
}

template <typename T> __device__ void fill_rows(T *RESTRICT dst, float value, int rows, int width, int dst_stride) {
	int i = own_row();
	if (i >= rows) return;
	dst = row(dst, i, dst_stride);
	walk<per_pack<T>>(width, [&](auto size, int c) {
		float v[size.value];
		for (int k = 0; k < size.value; k++) v[k] = value;
		store(dst + c, v);
	}, dst);
}

// dst = src, rounded to the nearest where the type is narrower.
//   dst, src (rows, width)
// Launch: by rows; none
#define COPY(name, To, From)                                                                                          \
	extern "C" __global__ void MEMORY_BOUND                                                                           \
	    name(To *RESTRICT dst, const From *RESTRICT src, int rows, int width, int dst_stride, int src_stride) {       \
		copy_rows(dst, src, rows, width, dst_stride, src_stride);                                                     \
	}

COPY(copy_f32, float, float)
COPY(copy_bf16, bf16, bf16)
COPY(cast_f32_bf16, bf16, float)
COPY(cast_bf16_f32, float, bf16)

// dst = value.
//   dst (rows, width)
// Launch: by rows; none
#define FILL(name, T)                                                                                                 \
	extern "C" __global__ void MEMORY_BOUND                                                                           \
	    name(T *RESTRICT dst, float value, int rows, int width, int dst_stride) {                                     \
		fill_rows(dst, value, rows, width, dst_stride);                                                               \
	}

FILL(fill_f32, float)
FILL(fill_bf16, bf16)
