// Layer norm and RMS norm, forward and backward, with the residual addition fused in.
//
// A row holds one group of n values, or several that are normalised each for itself (the
// norm of every query and key head of Qwen3). A row of threads handles one group: it reads
// the group once, keeps it in shared memory as floats, and makes two passes there: one for
// the mean, one for the squared distances from it, which does not cancel as the
// difference of two large sums would. RMS norm skips the first. A block has as many groups
// as fit 256 threads of 16 values each.
//
// Backward has two parts, to be launched in this order because dx may lie where dy lies:
// the parameters' gradients, as partial sums over ranges of rows that a second kernel
// adds up in order; then the input's gradient, one block a group.
#include "common.cuh"

const int pack = per_pack<float>; // each thread's share of shared memory is then free of bank conflicts

// norm_group normalises one group; sum = x + delta comes first when delta is given. What
// is normalised is the sum as it is stored, so that backward, which reads it, agrees.
// y = norm(x), or with delta: sum = x + delta, y = norm(sum).
//   y, sum, x, delta (rows, groups·n)   stats (rows·groups, 2)   weight, bias (n); bias, sum, delta may be 0
// Launch: by rows, of count = rows·groups groups; 4·n bytes for each row of threads
template <typename T>
__device__ void norm_group(T *RESTRICT y, float *RESTRICT stats, T *RESTRICT sum, const T *RESTRICT x,
                           const T *RESTRICT delta, const T *RESTRICT weight, const T *RESTRICT bias, int count,
                           int n, int groups, int y_stride, int sum_stride, int x_stride, int delta_stride, float eps,
                           int layer_norm) {
	extern __shared__ float4 shared[]; // (y, n)
	__shared__ float scratch[32];
	int u = own_row();
	float *values = (float *)shared + threadIdx.y * n;
	int width = u < count ? n : 0; // a row of threads without a group still meets the barriers
	int i = u / groups, column = u % groups * n;
	x = row(x, i, x_stride) + column;
	y = row(y, i, y_stride) + column;
	if (delta) {
		delta = row(delta, i, delta_stride) + column;
		sum = row(sum, i, sum_stride) + column;
	}
	float total = 0;
	// Each thread reads back only what it wrote.
	auto walk_group = [&](auto body) { walk<pack>(width, body, x, delta, sum, y, weight, bias, values); };
	walk_group([&](auto size, int c) {
		float v[size.value], d[size.value];
		load(v, x + c);
		if (delta) {
			load(d, delta + c);
			for (int k = 0; k < size.value; k++) v[k] = rounded<T>(v[k] + d[k]);
			store(sum + c, v);
		}
		store(values + c, v);
		for (int k = 0; k < size.value; k++) total += v[k];
	});
	float mean = layer_norm ? block_sum(total, scratch) / n : 0;
	float squares = 0;
	walk_group([&](auto size, int c) {
		float v[size.value];
		load(v, values + c);
		for (int k = 0; k < size.value; k++) squares += (v[k] - mean) * (v[k] - mean);
	});
	float rstd = 1 / sqrtf(block_sum(squares, scratch) / n + eps);
	walk_group([&](auto size, int c) {
		float v[size.value], w[size.value], b[size.value] = {};
		load(v, values + c);
		load(w, weight + c);
		if (bias) load(b, bias + c);
		for (int k = 0; k < size.value; k++) v[k] = (v[k] - mean) * rstd * w[k] + b[k];
		store(y + c, v);
	});
	if (threadIdx.x == 0 && u < count) {
		stats[2ll * u] = mean;
		stats[2ll * u + 1] = rstd;
	}
}

// norm_input_group carries dy to the group's input. With x̂ = (x−mean)·rstd and g = dy·w:
// dx = rstd·(g − mean(g) − x̂·mean(g·x̂)), without the term mean(g) for RMS norm.
// dx = …, or with accumulate dx += …; dx may be dy, in place.
//   dx, dy, x (rows, groups·n)   stats (rows·groups, 2)   weight (n)
// Launch: by rows, of count = rows·groups groups; 8·n bytes for each row of threads
template <typename T>
__device__ void norm_input_group(T *dx, const T *dy, const T *RESTRICT x, const float *RESTRICT stats,
                                 const T *RESTRICT weight, int count, int n, int groups, int dx_stride, int dy_stride,
                                 int x_stride, int layer_norm, int accumulate) {
	extern __shared__ float4 shared[]; // (y, 2, n): g and x̂
	__shared__ float scratch[32];
	int u = own_row();
	float *g = (float *)shared + threadIdx.y * 2 * n, *normalized = g + n;
	int width = u < count ? n : 0; // a row of threads without a group still meets the barriers
	int i = u / groups, column = u % groups * n;
	x = row(x, i, x_stride) + column;
	dy = row(dy, i, dy_stride) + column;
	dx = row(dx, i, dx_stride) + column;
	float mean = 0, rstd = 0, sum_g = 0, sum_gx = 0;
	if (u < count) {
		mean = stats[2ll * u];
		rstd = stats[2ll * u + 1];
	}
	auto walk_group = [&](auto body) { walk<pack>(width, body, dx, dy, x, weight, g, normalized); };
	walk_group([&](auto size, int c) {
		float d[size.value], w[size.value], v[size.value];
		load(d, dy + c);
		load(w, weight + c);
		load(v, x + c);
		for (int k = 0; k < size.value; k++) {
			d[k] *= w[k];
			v[k] = (v[k] - mean) * rstd;
			sum_g += d[k];
			sum_gx += d[k] * v[k];
		}
		store(g + c, d);
		store(normalized + c, v);
	});
	float mean_g = layer_norm ? block_sum(sum_g, scratch) / n : 0;
	float mean_gx = block_sum(sum_gx, scratch) / n;
	walk_group([&](auto size, int c) {
		float d[size.value], v[size.value], old[size.value] = {};
		load(d, g + c);
		load(v, normalized + c);
		if (accumulate) load(old, dx + c);
		for (int k = 0; k < size.value; k++) v[k] = old[k] + rstd * (d[k] - mean_g - v[k] * mean_gx);
		store(dx + c, v);
	});
}

// norm_parameter_part sums dy·x̂ and dy over the block's range of groups for N weights a
// thread; the block's rows of threads take turns and are added in order.
// Sums of dy·x̂ and dy over each of P ranges of the count = rows·groups groups; P follows from the shape alone.
//   partials (P, 2, n)   dy, x (rows, groups·n)   stats (rows·groups, 2)
// Launch: (⌈n/128⌉, P) × (32, 8); none
template <int N, typename T>
__device__ void norm_parameter_part(float *RESTRICT partials, const T *RESTRICT dy, const T *RESTRICT x,
                                    const float *RESTRICT stats, int c, int n, int groups, int count, int dy_stride,
                                    int x_stride) {
	__shared__ Pack<float, N> shared_w[8][32], shared_b[8][32];
	int per_part = (count + gridDim.y - 1) / gridDim.y;
	int first = blockIdx.y * per_part, last = min(count, first + per_part);
	float dw[N] = {}, db[N] = {}, w[N], b[N];
	if (c < n) {
		for (int u = first + threadIdx.y; u < last; u += 8) {
			int i = u / groups, column = u % groups * n + c;
			float mean = stats[2ll * u], rstd = stats[2ll * u + 1];
			load(b, row(dy, i, dy_stride) + column);
			load(w, row(x, i, x_stride) + column);
			for (int k = 0; k < N; k++) {
				dw[k] += b[k] * ((w[k] - mean) * rstd);
				db[k] += b[k];
			}
		}
	}
	store(shared_w[threadIdx.y][threadIdx.x].v, dw);
	store(shared_b[threadIdx.y][threadIdx.x].v, db);
	__syncthreads();
	if (threadIdx.y == 0 && c < n) {
		for (int other = 1; other < 8; other++) {
			load(w, shared_w[other][threadIdx.x].v);
			load(b, shared_b[other][threadIdx.x].v);
			for (int k = 0; k < N; k++) {
				dw[k] += w[k];
				db[k] += b[k];
			}
		}
		store(partials + (2ll * blockIdx.y) * n + c, dw);
		store(partials + (2ll * blockIdx.y + 1) * n + c, db);
	}
	__syncthreads();
}

// norm_parameter_parts does so for the block's 128 weights, by Packs where all groups are
// made of them: where the first is, and the strides are.
template <typename T>
__device__ void norm_parameter_parts(float *RESTRICT partials, const T *RESTRICT dy, const T *RESTRICT x,
                                     const float *RESTRICT stats, int n, int groups, int count, int dy_stride,
                                     int x_stride) {
	int c = blockIdx.x * 32 * pack;
	if (n % pack == 0 && aligned<pack>(dy, dy + dy_stride, x, x + x_stride))
		norm_parameter_part<pack>(partials, dy, x, stats, c + threadIdx.x * pack, n, groups, count, dy_stride, x_stride);
	else
		for (int k = 0; k < pack; k++)
			norm_parameter_part<1>(partials, dy, x, stats, c + k * 32 + threadIdx.x, n, groups, count, dy_stride, x_stride);
}

// Adds the parts to the gradients that are wanted: the block's rows of threads take turns
// and are added in order.
// dw += Σ parts, db += Σ parts; either may be 0.
//   dw, db (n)   partials (parts, 2, n)
// Launch: ⌈n/32⌉ × (32, 8); none
extern "C" __global__ void MEMORY_BOUND
    norm_parameters_total(float *RESTRICT dw, float *RESTRICT db, const float *RESTRICT partials, int n, int parts) {
	__shared__ float shared_w[8][32], shared_b[8][32];
	int c = blockIdx.x * 32 + threadIdx.x;
	float w = 0, b = 0;
	for (int p = threadIdx.y; p < parts && c < n; p += 8) {
		w += partials[2ll * p * n + c];
		b += partials[(2ll * p + 1) * n + c];
	}
	shared_w[threadIdx.y][threadIdx.x] = w;
	shared_b[threadIdx.y][threadIdx.x] = b;
	__syncthreads();
	if (threadIdx.y > 0 || c >= n) return;
	for (int other = 1; other < 8; other++) {
		w += shared_w[other][threadIdx.x];
		b += shared_b[other][threadIdx.x];
	}
	if (dw) dw[c] += w;
	if (db) db[c] += b;
}

// The entry points, for each element type.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void MEMORY_BOUND norm_##suffix(                                                            \
	    T *RESTRICT y, float *RESTRICT stats, T *RESTRICT sum, const T *RESTRICT x, const T *RESTRICT delta,          \
	    const T *RESTRICT weight, const T *RESTRICT bias, int count, int n, int groups, int y_stride, int sum_stride, \
	    int x_stride, int delta_stride, float eps, int layer_norm) {                                                  \
		norm_group(y, stats, sum, x, delta, weight, bias, count, n, groups, y_stride, sum_stride, x_stride,           \
		           delta_stride, eps, layer_norm);                                                                    \
	}                                                                                                                 \
	extern "C" __global__ void MEMORY_BOUND norm_input_##suffix(                                                      \
	    T *dx, const T *dy, const T *RESTRICT x, const float *RESTRICT stats, const T *RESTRICT weight, int count,    \
	    int n, int groups, int dx_stride, int dy_stride, int x_stride, int layer_norm, int accumulate) {              \
		norm_input_group(dx, dy, x, stats, weight, count, n, groups, dx_stride, dy_stride, x_stride, layer_norm,      \
		                 accumulate);                                                                                 \
	}                                                                                                                 \
	extern "C" __global__ void MEMORY_BOUND norm_parameters_##suffix(                                                 \
	    float *RESTRICT partials, const T *RESTRICT dy, const T *RESTRICT x, const float *RESTRICT stats, int n,      \
	    int groups, int count, int dy_stride, int x_stride) {                                                         \
		norm_parameter_parts(partials, dy, x, stats, n, groups, count, dy_stride, x_stride);                          \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
