// GELU (Hendrycks & Gimpel, arXiv 1606.08415) with the bias of the matrix product before
// it, forward and backward, in both forms that students use:
//
//   tanh: x/2·(1 + tanh u), u = √(2/π)·(x + 0.044715·x³), which is x·σ(2u): no tanh needed
//   erf:  x·Φ(x), with Φ(x) = erfc(−x/√2)/2, which keeps its digits for negative x
//
// Memory alone bounds it, so backward recomputes everything from the biased input, which
// forward writes back in place.
#include "gelu.cuh"

// pre += bias, in place, and h = gelu(pre).
//   h, pre (rows, width)   bias (width) or 0   erf: 1 for that form, 0 for tanh
// Launch: by rows; none
template <typename T>
__device__ void bias_gelu_rows(T *RESTRICT h, T *RESTRICT pre, const T *RESTRICT bias, int rows, int width,
                               int h_stride, int pre_stride, int erf) {
	int i = own_row();
	if (i >= rows) return;
	h = row(h, i, h_stride);
	pre = row(pre, i, pre_stride);
	walk<per_pack<T>>(width, [&](auto size, int c) {
		float x[size.value], b[size.value];
		load(x, pre + c);
		if (bias) {
			load(b, bias + c);
			for (int k = 0; k < size.value; k++) x[k] = rounded<T>(x[k] + b[k]); // as backward will read it
			store(pre + c, x);
		}
		for (int k = 0; k < size.value; k++) x[k] *= erf ? erf_gate(x[k], nullptr) : tanh_gate(x[k], nullptr);
		store(h + c, x);
	}, h, pre, bias);
}

// With gelu(x) = x·p(x): gelu' = p + x·p'.
// dpre = dh·gelu'(pre); dpre may be dh, in place.
//   dpre, dh, pre (rows, width)
// Launch: by rows; none
template <typename T>
__device__ void gelu_backward_rows(T *dpre, const T *dh, const T *RESTRICT pre, int rows, int width, int dpre_stride,
                                   int dh_stride, int pre_stride, int erf) {
	int i = own_row();
	if (i >= rows) return;
	dpre = row(dpre, i, dpre_stride);
	dh = row(dh, i, dh_stride);
	pre = row(pre, i, pre_stride);
	walk<per_pack<T>>(width, [&](auto size, int c) {
		float x[size.value], d[size.value];
		load(x, pre + c);
		load(d, dh + c);
		for (int k = 0; k < size.value; k++) {
			float slope, p = erf ? erf_gate(x[k], &slope) : tanh_gate(x[k], &slope);
			d[k] *= p + x[k] * slope;
		}
		store(dpre + c, d);
	}, dpre, dh, pre);
}

// The entry points, for each element type.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void MEMORY_BOUND bias_gelu_##suffix(                                                       \
	    T *RESTRICT h, T *RESTRICT pre, const T *RESTRICT bias, int rows, int width, int h_stride, int pre_stride,    \
	    int erf) {                                                                                                    \
		bias_gelu_rows(h, pre, bias, rows, width, h_stride, pre_stride, erf);                                         \
	}                                                                                                                 \
	extern "C" __global__ void MEMORY_BOUND gelu_backward_##suffix(                                                   \
	    T *dpre, const T *dh, const T *RESTRICT pre, int rows, int width, int dpre_stride, int dh_stride,             \
	    int pre_stride, int erf) {                                                                                    \
		gelu_backward_rows(dpre, dh, pre, rows, width, dpre_stride, dh_stride, pre_stride, erf);                      \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
