// GELU (Hendrycks & Gimpel, arXiv 1606.08415) with the bias of the matrix product before
// it, forward and backward, in both forms that students use:
//
//   tanh: x/2·(1 + tanh u), u = √(2/π)·(x + 0.044715·x³), which is x·σ(2u): no tanh needed
//   erf:  x·Φ(x), with Φ(x) = erfc(−x/√2)/2, which keeps its digits for negative x
//
// Memory alone bounds it, so backward recomputes everything from the biased input, which
// forward writes back in place. One block a row.
#include "gelu.cuh"

// pre += bias, in place, and h = gelu(pre).
//   h, pre (rows, width)   bias (width) or 0   erf: 1 for that form, 0 for tanh
// Launch: rows × 256; none
template <typename T>
__device__ void bias_gelu_row(T *RESTRICT h, T *RESTRICT pre, const T *RESTRICT bias, int width, int h_stride,
                              int pre_stride, int erf) {
	h = row(h, blockIdx.x, h_stride);
	pre = row(pre, blockIdx.x, pre_stride);
	for (int c = threadIdx.x; c < width; c += blockDim.x) {
		float x = load(pre + c);
		if (bias) {
			x = rounded<T>(x + load(bias + c)); // as backward will read it
			store(pre + c, x);
		}
		store(h + c, x * (erf ? erf_gate(x, nullptr) : tanh_gate(x, nullptr)));
	}
}

// With gelu(x) = x·p(x): gelu' = p + x·p'.
// dpre = dh·gelu'(pre); dpre may be dh, in place.
//   dpre, dh, pre (rows, width)
// Launch: rows × 256; none
template <typename T>
__device__ void gelu_backward_row(T *dpre, const T *dh, const T *RESTRICT pre, int width, int dpre_stride,
                                  int dh_stride, int pre_stride, int erf) {
	dpre = row(dpre, blockIdx.x, dpre_stride);
	dh = row(dh, blockIdx.x, dh_stride);
	pre = row(pre, blockIdx.x, pre_stride);
	for (int c = threadIdx.x; c < width; c += blockDim.x) {
		float x = load(pre + c), slope;
		float p = erf ? erf_gate(x, &slope) : tanh_gate(x, &slope);
		store(dpre + c, load(dh + c) * (p + x * slope));
	}
}

// The entry points, for each element type.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void __launch_bounds__(256) bias_gelu_##suffix(T *RESTRICT h, T *RESTRICT pre,              \
	                                                                     const T *RESTRICT bias, int width,           \
	                                                                     int h_stride, int pre_stride, int erf) {     \
		bias_gelu_row(h, pre, bias, width, h_stride, pre_stride, erf);                                                \
	}                                                                                                                 \
	extern "C" __global__ void __launch_bounds__(256) gelu_backward_##suffix(                                         \
	    T *dpre, const T *dh, const T *RESTRICT pre, int width, int dpre_stride, int dh_stride, int pre_stride,       \
	    int erf) {                                                                                                    \
		gelu_backward_row(dpre, dh, pre, width, dpre_stride, dh_stride, pre_stride, erf);                             \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
