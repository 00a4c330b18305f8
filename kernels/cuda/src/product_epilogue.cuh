// What becomes of a matrix product before it is stored: bias, residual, GELU, rounding.
#pragma once
#include "gelu.cuh"

const int product_accumulate = 1; // out += instead of out =
const int product_float_out = 2;  // out is float, whatever the operands are

// Product is an entry point's one argument; the host lays it out as C does.
struct Product {
	void *out;         // (M, N) of T or float
	const void *left;  // (M, K) or (K, M) of T
	const void *right; // (N, K) or (K, N) of T
	const void *bias;  // (N) of T, or 0
	void *activation;  // (M, N) of T: gelu(out), rows × rows only; or 0
	int m, n, k;
	int out_stride, left_stride, right_stride;
	int k_per_part; // block z multiplies k in [z·k_per_part, (z+1)·k_per_part) and writes matrix z of out
	int flags;      // product_accumulate, product_float_out
	int activation_stride, erf; // erf: 1 for that form of GELU, 0 for tanh
};

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
// out += Σ + bias; with ACTIVATES also gelu(out), where it is wanted. Block z writes the z-th
// matrix of out.
template <typename T, bool ACTIVATES> struct Epilogue {
	const Product &p;
	char *out;                   // where the next four go
	T *activation;               // and their gelu, 0 for none
	float added[4];              // the bias of the four columns
	int rows_left, columns_left; // of the result, from there on
	bool vectors;                // four elements may be stored at once

	__device__ Epilogue(const Product &p) : p(p), rows_left(p.m), columns_left(p.n) {
		out = (char *)p.out + (long long)blockIdx.z * p.m * p.out_stride * size();
		activation = ACTIVATES ? (T *)p.activation : nullptr;
		vectors = aligned(out, p.out_stride, size()) && (!activation || aligned(activation, p.activation_stride, sizeof(T)));
	}

	static __device__ bool aligned(const void *base, int stride, int size) {
		return (((unsigned long long)base | (unsigned)(stride * size)) & (4 * size - 1)) == 0;
	}

	__device__ bool float_out() const { return sizeof(T) == 4 || p.flags & product_float_out; }
	__device__ int size() const { return float_out() ? 4 : (int)sizeof(T); }

	// begin goes to row i, columns [column, column+4), column being a multiple of 4.
	__device__ void begin(int i, int column) {
		out += ((long long)i * p.out_stride + column) * size();
		if (activation) activation += (long long)i * p.activation_stride + column;
		rows_left -= i;
		columns_left -= column;
		vectors = vectors && columns_left >= 4;
		const T *bias = (const T *)p.bias + column;
#pragma unroll
		for (int e = 0; e < 4; e++) added[e] = p.bias && e < columns_left ? load(bias + e) : 0;
	}

	// store stores four sums and goes on by `step` rows.
	__device__ void store(float (&v)[4], int step) {
		if (rows_left > 0) {
#pragma unroll
			for (int e = 0; e < 4; e++) v[e] += added[e];
			if (float_out()) put((float *)out, v, p.flags & product_accumulate);
			else put((T *)out, v, p.flags & product_accumulate);
			if (activation) {
#pragma unroll
				for (int e = 0; e < 4; e++) {
					float x = rounded<T>(v[e]); // as backward will read it
					v[e] = x * (p.erf ? erf_gate(x, nullptr) : tanh_gate(x, nullptr));
				}
				put(activation, v, false);
				activation += (long long)step * p.activation_stride;
			}
		}
		out += (long long)step * p.out_stride * size();
		rows_left -= step;
	}

	template <typename U> __device__ void put(U *to, float (&v)[4], bool accumulate) const {
		if (vectors) {
			if (accumulate) {
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
			if (e < columns_left) ::store(to + e, accumulate ? load(to + e) + v[e] : v[e]);
	}
};
