// SwiGLU (Shazeer, arXiv 2002.05202): h = silu(gate)·up, with silu(x) = x·σ(x). gate and up
// are the two halves of one row, as one matrix product wrote them.
//
// Memory alone bounds it, so backward recomputes σ from the gate instead of reading it.
// One block a row; neighbouring threads take neighbouring columns.
#include "common.cuh"

// sigmoid is 1/(1+e^−x). For very negative x the exponential is infinite and the result 0.
__device__ inline float sigmoid(float x) { return 1 / (1 + expf(-x)); }

// h = silu(gate)·up.
//   h (rows, width)   gate_up (rows, 2·width)
// Launch: rows × 256; none
template <typename T>
__device__ void swiglu_row(T *RESTRICT h, const T *RESTRICT gate_up, int width, int h_stride, int gate_up_stride) {
	h = row(h, blockIdx.x, h_stride);
	gate_up = row(gate_up, blockIdx.x, gate_up_stride);
	for (int c = threadIdx.x; c < width; c += blockDim.x) {
		float gate = load(gate_up + c), up = load(gate_up + width + c);
		store(h + c, gate * sigmoid(gate) * up);
	}
}

// silu'(x) = σ(x)·(1 + x·(1 − σ(x))).
// The gradients of both halves.
//   dgate_up, gate_up (rows, 2·width)   dh (rows, width)
// Launch: rows × 256; none
template <typename T>
__device__ void swiglu_backward_row(T *RESTRICT dgate_up, const T *RESTRICT dh, const T *RESTRICT gate_up, int width,
                                    int dgate_up_stride, int dh_stride, int gate_up_stride) {
	dgate_up = row(dgate_up, blockIdx.x, dgate_up_stride);
	dh = row(dh, blockIdx.x, dh_stride);
	gate_up = row(gate_up, blockIdx.x, gate_up_stride);
	for (int c = threadIdx.x; c < width; c += blockDim.x) {
		float gate = load(gate_up + c), up = load(gate_up + width + c), d = load(dh + c);
		float s = sigmoid(gate);
		store(dgate_up + c, d * up * (s * (1 + gate * (1 - s))));
		store(dgate_up + width + c, d * (gate * s));
	}
}

// The entry points, for each element type.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void __launch_bounds__(256) swiglu_##suffix(                                                \
	    T *RESTRICT h, const T *RESTRICT gate_up, int width, int h_stride, int gate_up_stride) {                      \
		swiglu_row(h, gate_up, width, h_stride, gate_up_stride);                                                      \
	}                                                                                                                 \
	extern "C" __global__ void __launch_bounds__(256) swiglu_backward_##suffix(                                       \
	    T *RESTRICT dgate_up, const T *RESTRICT dh, const T *RESTRICT gate_up, int width, int dgate_up_stride,        \
	    int dh_stride, int gate_up_stride) {                                                                          \
		swiglu_backward_row(dgate_up, dh, gate_up, width, dgate_up_stride, dh_stride, gate_up_stride);                \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
