// Sums over rows in a fixed order: the columns of a matrix (the gradient of a bias), and the
// parts of a matrix product whose k was split.
#include "common.cuh"

// column_part sums each column over the block's range of rows, a thread column for each;
// the block's rows of threads take turns and are added in order. P follows from the shape alone.
//   partials (P, width)   x (rows, width)
// Launch: (⌈width/32⌉, P) × (32, 8); none
template <typename T>
__device__ void column_part(float *RESTRICT partials, const T *RESTRICT x, int rows, int width, int x_stride) {
	__shared__ float shared[8][32];
	int c = blockIdx.x * 32 + threadIdx.x;
	int per_part = (rows + gridDim.y - 1) / gridDim.y;
	int first = blockIdx.y * per_part, last = min(rows, first + per_part);
	float sum = 0;
	if (c < width)
		for (int i = first + threadIdx.y; i < last; i += 8) sum += load(row(x, i, x_stride) + c);
	shared[threadIdx.y][threadIdx.x] = sum;
	__syncthreads();
	if (threadIdx.y > 0 || c >= width) return;
	for (int k = 1; k < 8; k++) sum += shared[k][threadIdx.x];
	partials[(long long)blockIdx.y * width + c] = sum;
}

// Adds the parts, in order: out += Σ parts.
//   out (rows, width)   partials (parts, rows, width)
// Launch: (⌈width/256⌉, rows or less) × 256; none
extern "C" __global__ void __launch_bounds__(256)
    add_parts(float *RESTRICT out, const float *RESTRICT partials, int parts, int rows, int width, int out_stride) {
	int c = blockIdx.x * blockDim.x + threadIdx.x;
	if (c >= width) return;
	for (int i = blockIdx.y; i < rows; i += gridDim.y) {
		float sum = 0;
		for (int p = 0; p < parts; p++) sum += partials[((long long)p * rows + i) * width + c];
		row(out, i, out_stride)[c] += sum;
	}
}

// The entry points, for each element type.
#define ENTRIES(T, suffix)                                                                                     \
	extern "C" __global__ void __launch_bounds__(256) column_parts_##suffix(                                   \
	    float *RESTRICT partials, const T *RESTRICT x, int rows, int width, int x_stride) {                    \
		column_part(partials, x, rows, width, x_stride);                                                       \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
