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

// Epilogue stores sums, four of a row at a time: out = Σ + bias, or out += Σ + bias. Block z
// writes the z-th matrix of out.
template <typename T> struct Epilogue {
	void *out;
	const T *bias;
	int m, n, stride, flags;
	bool vectors; // four elements of out may be stored at once

	__device__ Epilogue(void *base, const void *bias, int m, int n, int stride, int flags)
	    : bias((const T *)bias), m(m), n(n), stride(stride), flags(flags) {
		int size = flags & product_float_out ? 4 : (int)sizeof(T);
		out = (char *)base + (long long)blockIdx.z * m * stride * size;
		vectors = (((unsigned long long)out | (unsigned)(stride * size)) & (4 * size - 1)) == 0;
	}

	// bias_of reads the bias of columns [column, column+4).
	__device__ void bias_of(float (&b)[4], int column) const {
#pragma unroll
		for (int e = 0; e < 4; e++) b[e] = bias && column + e < n ? load(bias + column + e) : 0;
	}

	// store takes the sums of row i, columns [column, column+4).
	__device__ void store(int i, int column, float (&v)[4], const float (&b)[4]) const {
		if (i >= m) return;
#pragma unroll
		for (int e = 0; e < 4; e++) v[e] += b[e];
		if (sizeof(T) == 4 || flags & product_float_out) put(row((float *)out, i, stride), column, v);
		else put(row((T *)out, i, stride), column, v);
	}

	template <typename U> __device__ void put(U *line, int column, float (&v)[4]) const {
		U *to = line + column;
		if (vectors && column + 4 <= n) {
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
			if (column + e < n) ::store(to + e, flags & product_accumulate ? load(to + e) + v[e] : v[e]);
	}
};
