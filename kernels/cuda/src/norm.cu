// Layer norm and RMS norm, forward and backward, with the residual addition fused in.
//
// A row holds one group of n values, or several that are normalised each for itself (the
// norm of every query and key head of Qwen3). One block handles one group: it reads the
// group once, keeps it in shared memory as floats, and makes two passes there: one for
// the mean, one for the squared distances from it, which does not cancel as the
// difference of two large sums would. RMS norm skips the first.
//
// Backward has two parts, to be launched in this order because dx may lie where dy lies:
// the parameters' gradients, as partial sums over ranges of rows that a second kernel
// adds up in order; then the input's gradient, one block a group.
#include "common.cuh"

// norm_group normalises one group; sum = x + delta comes first when delta is given. What
// is normalised is the sum as it is stored, so that backward, which reads it, agrees.
// y = norm(x), or with delta: sum = x + delta, y = norm(sum).
//   y, sum, x, delta (rows, groups·n)   stats (rows·groups, 2)   weight, bias (n); bias, sum, delta may be 0
// Launch: rows·groups × 32, 64, 128 or 256 (the largest that is ≤ n, at least 32); 4·n bytes
template <typename T>
__device__ void norm_group(T *RESTRICT y, float *RESTRICT stats, T *RESTRICT sum, const T *RESTRICT x,
                           const T *RESTRICT delta, const T *RESTRICT weight, const T *RESTRICT bias, int n,
                           int groups, int y_stride, int sum_stride, int x_stride, int delta_stride, float eps,
                           int layer_norm) {
	extern __shared__ float values[]; // (n)
	__shared__ float scratch[32];
	long long i = blockIdx.x / groups;
	int column = blockIdx.x % groups * n;
	x = row(x, i, x_stride) + column;
	y = row(y, i, y_stride) + column;
	if (delta) {
		delta = row(delta, i, delta_stride) + column;
		sum = row(sum, i, sum_stride) + column;
	}
	float total = 0;
	for (int c = threadIdx.x; c < n; c += blockDim.x) { // each thread reads back only what it wrote
		float v = load(x + c);
		if (delta) {
			v = rounded<T>(v + load(delta + c));
			store(sum + c, v);
		}
		values[c] = v;
		total += v;
	}
	float mean = layer_norm ? block_sum(total, scratch) / n : 0;
	float squares = 0;
	for (int c = threadIdx.x; c < n; c += blockDim.x) {
		float distance = values[c] - mean;
		squares += distance * distance;
	}
	float rstd = 1 / sqrtf(block_sum(squares, scratch) / n + eps);
	for (int c = threadIdx.x; c < n; c += blockDim.x) {
		float v = (values[c] - mean) * rstd * load(weight + c);
		store(y + c, bias ? v + load(bias + c) : v);
	}
	if (threadIdx.x == 0) {
		stats[2ll * blockIdx.x] = mean;
		stats[2ll * blockIdx.x + 1] = rstd;
	}
}

// norm_input_group carries dy to the group's input. With x̂ = (x−mean)·rstd and g = dy·w:
// dx = rstd·(g − mean(g) − x̂·mean(g·x̂)), without the term mean(g) for RMS norm.
// dx = …, or with accumulate dx += …; dx may be dy, in place.
//   dx, dy, x (rows, groups·n)   stats (rows·groups, 2)   weight (n)
// Launch: rows·groups × as norm; 8·n bytes
template <typename T>
__device__ void norm_input_group(T *dx, const T *dy, const T *RESTRICT x, const float *RESTRICT stats,
                                 const T *RESTRICT weight, int n, int groups, int dx_stride, int dy_stride,
                                 int x_stride, int layer_norm, int accumulate) {
	extern __shared__ float values[]; // g (n), then x̂ (n)
	__shared__ float scratch[32];
	float *g = values, *normalized = values + n;
	long long i = blockIdx.x / groups;
	int column = blockIdx.x % groups * n;
	x = row(x, i, x_stride) + column;
	dy = row(dy, i, dy_stride) + column;
	dx = row(dx, i, dx_stride) + column;
	float mean = stats[2ll * blockIdx.x], rstd = stats[2ll * blockIdx.x + 1];
	float sum_g = 0, sum_gx = 0;
	for (int c = threadIdx.x; c < n; c += blockDim.x) {
		g[c] = load(dy + c) * load(weight + c);
		normalized[c] = (load(x + c) - mean) * rstd;
		sum_g += g[c];
		sum_gx += g[c] * normalized[c];
	}
	float mean_g = layer_norm ? block_sum(sum_g, scratch) / n : 0;
	float mean_gx = block_sum(sum_gx, scratch) / n;
	for (int c = threadIdx.x; c < n; c += blockDim.x) {
		float v = rstd * (g[c] - mean_g - normalized[c] * mean_gx);
		store(dx + c, accumulate ? load(dx + c) + v : v);
	}
}

// norm_parameter_part sums dy·x̂ and dy over the block's range of groups, a thread column
// for every weight; the block's rows of threads take turns and are added in order.
// Sums of dy·x̂ and dy over each of P ranges of the count = rows·groups groups; P follows from the shape alone.
//   partials (P, 2, n)   dy, x (rows, groups·n)   stats (rows·groups, 2)
// Launch: (⌈n/32⌉, P) × (32, 8); none
template <typename T>
__device__ void norm_parameter_part(float *RESTRICT partials, const T *RESTRICT dy, const T *RESTRICT x,
                                    const float *RESTRICT stats, int n, int groups, int count, int dy_stride,
                                    int x_stride) {
	__shared__ float shared_w[8][32], shared_b[8][32];
	int c = blockIdx.x * 32 + threadIdx.x;
	int per_part = (count + gridDim.y - 1) / gridDim.y;
	int first = blockIdx.y * per_part, last = min(count, first + per_part);
	float dw = 0, db = 0;
	if (c < n) {
		for (int u = first + threadIdx.y; u < last; u += 8) {
			long long i = u / groups;
			int column = u % groups * n + c;
			float mean = stats[2ll * u], rstd = stats[2ll * u + 1];
			float d = load(row(dy, i, dy_stride) + column);
			dw += d * ((load(row(x, i, x_stride) + column) - mean) * rstd);
			db += d;
		}
	}
	shared_w[threadIdx.y][threadIdx.x] = dw;
	shared_b[threadIdx.y][threadIdx.x] = db;
	__syncthreads();
	if (threadIdx.y > 0 || c >= n) return;
	for (int k = 1; k < 8; k++) {
		dw += shared_w[k][threadIdx.x];
		db += shared_b[k][threadIdx.x];
	}
	partials[(2ll * blockIdx.y) * n + c] = dw;
	partials[(2ll * blockIdx.y + 1) * n + c] = db;
}

// Adds the parts, in order, to the gradients that are wanted:
// dw += Σ parts, db += Σ parts; either may be 0.
//   dw, db (n)   partials (parts, 2, n)
// Launch: ⌈n/256⌉ × 256; none
extern "C" __global__ void __launch_bounds__(256)
    norm_parameters_total(float *RESTRICT dw, float *RESTRICT db, const float *RESTRICT partials, int n, int parts) {
	int c = blockIdx.x * blockDim.x + threadIdx.x;
	if (c >= n) return;
	float w = 0, b = 0;
	for (int p = 0; p < parts; p++) {
		w += partials[2ll * p * n + c];
		b += partials[(2ll * p + 1) * n + c];
	}
	if (dw) dw[c] += w;
	if (db) db[c] += b;
}

// The entry points, for each element type.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void __launch_bounds__(256) norm_##suffix(                                                  \
	    T *RESTRICT y, float *RESTRICT stats, T *RESTRICT sum, const T *RESTRICT x, const T *RESTRICT delta,          \
	    const T *RESTRICT weight, const T *RESTRICT bias, int n, int groups, int y_stride, int sum_stride,            \
	    int x_stride, int delta_stride, float eps, int layer_norm) {                                                  \
		norm_group(y, stats, sum, x, delta, weight, bias, n, groups, y_stride, sum_stride, x_stride, delta_stride,    \
		           eps, layer_norm);                                                                                  \
	}                                                                                                                 \
	extern "C" __global__ void __launch_bounds__(256) norm_input_##suffix(                                            \
	    T *dx, const T *dy, const T *RESTRICT x, const float *RESTRICT stats, const T *RESTRICT weight, int n,        \
	    int groups, int dx_stride, int dy_stride, int x_stride, int layer_norm, int accumulate) {                     \
		norm_input_group(dx, dy, x, stats, weight, n, groups, dx_stride, dy_stride, x_stride, layer_norm, accumulate); \
	}                                                                                                                 \
	extern "C" __global__ void __launch_bounds__(256) norm_parameters_##suffix(                                       \
	    float *RESTRICT partials, const T *RESTRICT dy, const T *RESTRICT x, const float *RESTRICT stats, int n,      \
	    int groups, int count, int dy_stride, int x_stride) {                                                         \
		norm_parameter_part(partials, dy, x, stats, n, groups, count, dy_stride, x_stride);                           \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
