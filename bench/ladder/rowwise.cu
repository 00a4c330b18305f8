// Steps of two operations that memory should bound, RMS norm and SwiGLU in bf16: what the
// kernels of kernels/cuda/src were before they became what they are. Rows are contiguous.
#include <cuda_bf16.h>

typedef __nv_bfloat16 bf16;

// y = x·w/√(mean(x²)+ε), a thread a row: neighbouring threads read elements a row apart.
//   y, x (rows, n)   w (n)
// Launch: ⌈rows/32⌉ × 32; none
extern "C" __global__ void __launch_bounds__(32)
    norm_thread_a_row(bf16 *y, const bf16 *x, const bf16 *w, int rows, int n, float eps) {
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i >= rows) return;
	float squares = 0;
	for (int c = 0; c < n; c++) {
		float v = __bfloat162float(x[i * n + c]);
		squares += v * v;
	}
	float rstd = rsqrtf(squares / n + eps);
	for (int c = 0; c < n; c++) y[i * n + c] = __float2bfloat16(__bfloat162float(x[i * n + c]) * rstd * __bfloat162float(w[c]));
}

// The same, a block a row: neighbouring threads read neighbouring elements, twice from
// global memory.
// Launch: rows × 256; none
extern "C" __global__ void __launch_bounds__(256)
    norm_block_a_row(bf16 *y, const bf16 *x, const bf16 *w, int rows, int n, float eps) {
	__shared__ float partial[256];
	x += (long long)blockIdx.x * n;
	y += (long long)blockIdx.x * n;
	float squares = 0;
	for (int c = threadIdx.x; c < n; c += 256) {
		float v = __bfloat162float(x[c]);
		squares += v * v;
	}
	partial[threadIdx.x] = squares;
	for (int half = 128; half > 0; half /= 2) { // a tree over shared memory: nine barriers
		__syncthreads();
		if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
	}
	__syncthreads();
	float rstd = rsqrtf(partial[0] / n + eps);
	for (int c = threadIdx.x; c < n; c += 256) y[c] = __float2bfloat16(__bfloat162float(x[c]) * rstd * __bfloat162float(w[c]));
}

// h = silu(gate)·up, an element a thread, indices from a division.
//   h (rows, n)   gate_up (rows, 2·n)
// Launch: ⌈rows·n/256⌉ × 256; none
extern "C" __global__ void __launch_bounds__(256) swiglu_element_a_thread(bf16 *h, const bf16 *gate_up, int rows, int n) {
	int i = blockIdx.x * 256 + threadIdx.x;
	if (i >= rows * n) return;
	int row = i / n, c = i % n;
	float gate = __bfloat162float(gate_up[row * 2 * n + c]), up = __bfloat162float(gate_up[row * 2 * n + n + c]);
	h[i] = __float2bfloat16(gate / (1 + expf(-gate)) * up);
}

// The same, a block a row: no division, one element of two bytes an access.
// Launch: rows × 256; none
extern "C" __global__ void __launch_bounds__(256) swiglu_block_a_row(bf16 *h, const bf16 *gate_up, int rows, int n) {
	h += (long long)blockIdx.x * n;
	gate_up += (long long)blockIdx.x * 2 * n;
	for (int c = threadIdx.x; c < n; c += 256) {
		float gate = __bfloat162float(gate_up[c]), up = __bfloat162float(gate_up[n + c]);
		h[c] = __float2bfloat16(gate / (1 + expf(-gate)) * up);
	}
}
