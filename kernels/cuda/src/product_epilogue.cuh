// What becomes of a matrix product before it is stored: bias, residual, rounding.
#pragma once
#include "common.cuh"

const int product_accumulate = 1; // out += instead of out =
const int product_float_out = 2;  // out is float, whatever the operands are

// Four consecutive elements, aligned to their size.
__device__ inline void load_four(float (&v)[4], const float *p) {
	float4 four = *(const float4 *)p;
	v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
}
__device__ inline void load_four(float (&v)[4], const bf16 *p) {
	uint2 four = *(const uint2 *)p;
	v[0] = __uint_as_float(four.x << 16), v[1] = __uint_as_float(four.x & 0xffff0000u);
	v[2] = __uint_as_float(four.y << 16), v[3] = __uint_as_float(four.y & 0xffff0000u);
}
__device__ inline void store_four(float *p, const float (&v)[4]) { // of a float4 the compiler makes four stores here
	asm volatile("st.global.v4.f32 [%0], {%1, %2, %3, %4};\n" ::"l"(p), "f"(v[0]), "f"(v[1]), "f"(v[2]), "f"(v[3]) : "memory");
}
__device__ inline void store_four(bf16 *p, const float (&v)[4]) {
	__nv_bfloat162 low = __floats2bfloat162_rn(v[0], v[1]), high = __floats2bfloat162_rn(v[2], v[3]);
	*(uint2 *)p = make_uint2(*(unsigned *)&low, *(unsigned *)&high);
}

// Epilogue stores sums, four of a row at a time and row after row: out = Σ + bias, or
// out += Σ + bias. Block z writes the z-th matrix of out.
template <typename T> struct Epilogue {
	char *out; // where the next four go
	const T *bias;
	float added[4];              // the bias of the four columns
	int rows_left, columns_left; // of the result, from there on
	int stride, flags;
	bool vectors; // four elements may be stored at once

	__device__ Epilogue(void *base, const void *bias, int m, int n, int stride, int flags)
	    : bias((const T *)bias), rows_left(m), columns_left(n), stride(stride), flags(flags) {
		out = (char *)base + (long long)blockIdx.z * m * stride * size();
		vectors = (((unsigned long long)out | (unsigned)(stride * size())) & (4 * size() - 1)) == 0;
	}

	__device__ bool float_out() const { return sizeof(T) == 4 || flags & product_float_out; }
	__device__ int size() const { return float_out() ? 4 : (int)sizeof(T); }

	// begin goes to row i, columns [column, column+4), column being a multiple of 4.
	__device__ void begin(int i, int column) {
		out += ((long long)i * stride + column) * size();
		rows_left -= i;
		columns_left -= column;
		vectors = vectors && columns_left >= 4;
#pragma unroll
		for (int e = 0; e < 4; e++) added[e] = bias && e < columns_left ? load(bias + column + e) : 0;
	}

	// store stores four sums and goes on by `step` rows.
	__device__ void store(float (&v)[4], int step) {
		if (rows_left > 0) {
#pragma unroll
			for (int e = 0; e < 4; e++) v[e] += added[e];
			if (float_out()) put((float *)out, v);
			else put((T *)out, v);
		}
		out += (long long)step * stride * size();
		rows_left -= step;
	}

	template <typename U> __device__ void put(U *to, float (&v)[4]) const {
		if (vectors) {
			if (flags & product_accumulate) {
				float old[4];
				load_four(old, to);
#pragma unroll
				for (int e = 0; e < 4; e++) v[e] += old[e];
			}
			store_four(to, v);
			return;
		}
#pragma unroll
		for (int e = 0; e < 4; e++)
			if (e < columns_left) ::store(to + e, flags & product_accumulate ? load(to + e) + v[e] : v[e]);
	}
};
