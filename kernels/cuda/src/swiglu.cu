// SwiGLU (Shazeer, arXiv 2002.05202): h = silu(gate)·up, with silu(x) = x·σ(x). gate and up
// are the two halves of one row, as one matrix product wrote them.
//
// Memory alone bounds it, so backward recomputes σ from the gate instead of reading it.
#include "common.cuh"

// sigmoid is 1/(1+e^−x). For very negative x the exponential is infinite and the result 0;
// the quick division is off by two units in the last place at most.
__device__ inline float sigmoid(float x) { return __fdividef(1, 1 + expf(-x)); }

// h = silu(gate)·up.
//   h (rows, width)   gate_up (rows, 2·width)
// Launch: by rows; none
template <typename T>
__device__ void swiglu_rows(T *RESTRICT h, const T *RESTRICT gate_up, int rows, int width, int h_stride,
                            int gate_up_stride) {
	int i = own_row();
	if (i >= rows) return;
	h = row(h, i, h_stride);
	gate_up = row(gate_up, i, gate_up_stride);
	walk<per_pack<T>>(width, [&](auto size, int c) {
		float gate[size.value], up[size.value];
		load(gate, gate_up + c);
		load(up, gate_up + width + c);
		for (int k = 0; k < size.value; k++) up[k] *= gate[k] * sigmoid(gate[k]);
		store(h + c, up);
	}, h, gate_up);
}

// silu'(x) = σ(x)·(1 + x·(1 − σ(x))).
// The gradients of both halves.
//   dgate_up, gate_up (rows, 2·width)   dh (rows, width)
// Launch: by rows; none
template <typename T>
__device__ void swiglu_backward_rows(T *RESTRICT dgate_up, const T *RESTRICT dh, const T *RESTRICT gate_up, int rows,
                                     int width, int dgate_up_stride, int dh_stride, int gate_up_stride) {
	int i = own_row();
	if (i >= rows) return;
	dgate_up = row(dgate_up, i, dgate_up_stride);
	dh = row(dh, i, dh_stride);
	gate_up = row(gate_up, i, gate_up_stride);
	walk<per_pack<T>>(width, [&](auto size, int c) {
		float gate[size.value], up[size.value], d[size.value];
		load(gate, gate_up + c);
		load(up, gate_up + width + c);
		load(d, dh + c);
		for (int k = 0; k < size.value; k++) {
			float s = sigmoid(gate[k]), dup = d[k] * (gate[k] * s);
			gate[k] = d[k] * up[k] * (s * (1 + gate[k] * (1 - s)));
			up[k] = dup;
		}
		store(dgate_up + c, gate);
		store(dgate_up + width + c, up);
	}, dgate_up, dh, gate_up);
}

// The entry points, for each element type.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void MEMORY_BOUND swiglu_##suffix(                                                          \
	    T *RESTRICT h, const T *RESTRICT gate_up, int rows, int width, int h_stride, int gate_up_stride) {            \
		swiglu_rows(h, gate_up, rows, width, h_stride, gate_up_stride);                                               \
	}                                                                                                                 \
	extern "C" __global__ void MEMORY_BOUND swiglu_backward_##suffix(                                                 \
	    T *RESTRICT dgate_up, const T *RESTRICT dh, const T *RESTRICT gate_up, int rows, int width,                   \
	    int dgate_up_stride, int dh_stride, int gate_up_stride) {                                                     \
		swiglu_backward_rows(dgate_up, dh, gate_up, rows, width, dgate_up_stride, dh_stride, gate_up_stride);         \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
