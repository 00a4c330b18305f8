// Causal attention inside documents for any head size up to 256, float32 arithmetic: the
// path of float32 activations, and of head sizes that the tensor cores' kernels
// (attention.cu, attention_backward.cu) are not compiled for. The structure is theirs with
// tiles of 16 queries and 16 keys and nothing overlapped.
#include "attention_any.cuh"

// delta[t, h] = Σ do·o over the head, a warp each. The tensor cores' backward uses it too.
//   delta (T, heads)   dout, o (T, heads·size)
// Launch: ⌈T·heads/4⌉ × 128; none
template <typename T>
__device__ inline void head_products(float *RESTRICT delta, const T *RESTRICT dout, const T *RESTRICT o, int tokens,
                                     int heads, int size, int dout_stride, int o_stride) {
	int i = blockIdx.x * 4 + threadIdx.x / 32;
	if (i >= tokens * heads) return;
	dout = row(dout, i / heads, dout_stride) + i % heads * size;
	o = row(o, i / heads, o_stride) + i % heads * size;
	float sum = 0;
#pragma unroll 1
	for (int c = threadIdx.x % 32; c < size; c += 32) sum += load(dout + c) * load(o + c);
	sum = warp_sum(sum);
	if (threadIdx.x % 32 == 0) delta[i] = sum;
}

// forward computes the block's 16 queries.
//   o, q (T, heads·size)   k, v (T, heads/group·size)   lse (T, heads)   starts (documents + 1)
// Launch: (tiles of 16 tokens of all documents, heads) × 128; 192·(size+1) + 1088 bytes
template <typename T>
__device__ inline void forward(T *RESTRICT o, float *RESTRICT lse, const T *RESTRICT q, const T *RESTRICT k,
                               const T *RESTRICT v, const int *RESTRICT starts, int documents, int group, int size,
                               int o_stride, int q_stride, int k_stride, int v_stride, float scale) {
	extern __shared__ float memory[];
	float *queries = memory, *keys = queries + any_rows * (size + 1), *values = keys + any_rows * (size + 1);
	float *scores = values + any_rows * (size + 1); // (16, 16)
	Tile t = find_tile(starts, documents, blockIdx.x, any_rows, false);
	int head = blockIdx.y, i = threadIdx.x / 16, j = threadIdx.x % 16;
	k = row(k, t.start, k_stride) + head / group * size;
	v = row(v, t.start, v_stride) + head / group * size;
	load_rows(queries, row(q, t.start, q_stride) + head * size, t.first, t.length, q_stride, size);
	float sums[4][any_slots] = {};
	PlainSoftmax s = {{-INFINITY, -INFINITY, -INFINITY, -INFINITY}, {}};
	for (int from = 0; from <= t.first; from += any_rows) {
		__syncthreads();
		load_rows(keys, k, from, t.length, k_stride, size);
		load_rows(values, v, from, t.length, v_stride, size);
		__syncthreads();
		float score[2];
		dot_rows(score, queries, keys, size);
		for (int half = 0; half < 2; half++)
			scores[(i + 8 * half) * weights_stride + j] =
			    from + j > t.first + i + 8 * half ? -INFINITY : score[half] * scale;
		__syncthreads();
		exponentiate_rows(scores, sums, s);
		weigh_rows(sums, scores, values, size);
	}
	float inverse[4];
	for (int r = 0; r < 4; r++) {
		int query = t.first + threadIdx.x / 32 * 4 + r;
		inverse[r] = 1 / s.total[r];
		if (threadIdx.x % 32 == 0 && query < t.length)
			lse[(long long)(t.start + query) * gridDim.y + head] = s.largest[r] + logf(s.total[r]);
	}
	write_rows(row(o, t.start, o_stride) + head * size, sums, inverse, t.first, t.length, o_stride, size);
}

// backward_keys computes dk and dv of the block's 16 keys of one head, over the query heads
// that read it and the queries from the diagonal on.
//   dk, dv, k, v (T, heads/group·size)   dout, q (T, heads·size)   lse, delta (T, heads)   starts (documents + 1)
// Launch: (tiles of 16 tokens of all documents, heads/group) × 128; 256·(size+1) + 2176 bytes
template <typename T>
__device__ inline void backward_keys(T *RESTRICT dk, T *RESTRICT dv, const float *RESTRICT delta, const T *RESTRICT dout,
                                     const float *RESTRICT lse, const T *RESTRICT q, const T *RESTRICT k,
                                     const T *RESTRICT v, const int *RESTRICT starts, int documents, int group, int size,
                                     int dk_stride, int dv_stride, int dout_stride, int q_stride, int k_stride,
                                     int v_stride, float scale) {
	extern __shared__ float memory[];
	const int tile = any_rows * (size + 1);
	float *keys = memory, *values = keys + tile, *queries = values + tile, *douts = queries + tile;
	float *p = douts + tile, *ds = p + any_rows * weights_stride; // (16, 16): a row is a key
	Tile t = find_tile(starts, documents, blockIdx.x, any_rows, true);
	int i = threadIdx.x / 16, j = threadIdx.x % 16, heads = gridDim.y * group;
	load_rows(keys, row(k, t.start, k_stride) + blockIdx.y * size, t.first, t.length, k_stride, size);
	load_rows(values, row(v, t.start, v_stride) + blockIdx.y * size, t.first, t.length, v_stride, size);
	float dkey[4][any_slots] = {}, dvalue[4][any_slots] = {};
	for (int head = blockIdx.y * group; head < (blockIdx.y + 1) * group; head++) {
		for (int from = t.first; from < t.length; from += any_rows) {
			__syncthreads();
			load_rows(queries, row(q, t.start, q_stride) + head * size, from, t.length, q_stride, size);
			load_rows(douts, row(dout, t.start, dout_stride) + head * size, from, t.length, dout_stride, size);
			__syncthreads();
			float score[2], dp[2];
			dot_rows(score, keys, queries, size);
			dot_rows(dp, values, douts, size);
			int query = from + j;
			long long at = (long long)(t.start + min(query, t.length - 1)) * heads + head;
			for (int half = 0; half < 2; half++) {
				bool seen = query < t.length && query >= t.first + i + 8 * half;
				float weight = seen ? expf(fmaf(score[half], scale, -lse[at])) : 0;
				p[(i + 8 * half) * weights_stride + j] = weight;
				ds[(i + 8 * half) * weights_stride + j] = weight * (dp[half] - delta[at]);
			}
			__syncthreads();
			weigh_rows(dvalue, p, douts, size);
			weigh_rows(dkey, ds, queries, size);
		}
	}
	write_rows(row(dk, t.start, dk_stride) + blockIdx.y * size, dkey, {scale, scale, scale, scale}, t.first, t.length,
	           dk_stride, size);
	write_rows(row(dv, t.start, dv_stride) + blockIdx.y * size, dvalue, {1, 1, 1, 1}, t.first, t.length, dv_stride, size);
}

// backward_queries computes dq of the block's 16 queries of one head, over the keys up to the
// diagonal.
//   dq, dout, q (T, heads·size)   k, v (T, heads/group·size)   lse, delta (T, heads)   starts (documents + 1)
// Launch: (tiles of 16 tokens of all documents, heads) × 128; 256·(size+1) + 1088 bytes
template <typename T>
__device__ inline void backward_queries(T *RESTRICT dq, const float *RESTRICT delta, const T *RESTRICT dout,
                                        const float *RESTRICT lse, const T *RESTRICT q, const T *RESTRICT k,
                                        const T *RESTRICT v, const int *RESTRICT starts, int documents, int group,
                                        int size, int dq_stride, int dout_stride, int q_stride, int k_stride,
                                        int v_stride, float scale) {
	extern __shared__ float memory[];
	const int tile = any_rows * (size + 1);
	float *queries = memory, *douts = queries + tile, *keys = douts + tile, *values = keys + tile;
	float *ds = values + tile; // (16, 16): a row is a query
	Tile t = find_tile(starts, documents, blockIdx.x, any_rows, false);
	int head = blockIdx.y, i = threadIdx.x / 16, j = threadIdx.x % 16;
	k = row(k, t.start, k_stride) + head / group * size;
	v = row(v, t.start, v_stride) + head / group * size;
	load_rows(queries, row(q, t.start, q_stride) + head * size, t.first, t.length, q_stride, size);
	load_rows(douts, row(dout, t.start, dout_stride) + head * size, t.first, t.length, dout_stride, size);
	float sums[4][any_slots] = {};
	for (int from = 0; from <= t.first; from += any_rows) {
		__syncthreads();
		load_rows(keys, k, from, t.length, k_stride, size);
		load_rows(values, v, from, t.length, v_stride, size);
		__syncthreads();
		float score[2], dp[2];
		dot_rows(score, queries, keys, size);
		dot_rows(dp, douts, values, size);
		for (int half = 0; half < 2; half++) {
			int query = t.first + i + 8 * half;
			bool seen = query < t.length && query >= from + j;
			long long at = (long long)(t.start + min(query, t.length - 1)) * gridDim.y + head;
			ds[(i + 8 * half) * weights_stride + j] =
			    seen ? expf(fmaf(score[half], scale, -lse[at])) * (dp[half] - delta[at]) : 0;
		}
		__syncthreads();
		weigh_rows(sums, ds, keys, size);
	}
	write_rows(row(dq, t.start, dq_stride) + head * size, sums, {scale, scale, scale, scale}, t.first, t.length,
	           dq_stride, size);
}

// The entry points, for each element type.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void __launch_bounds__(128) attention_delta_##suffix(                                       \
	    float *RESTRICT delta, const T *RESTRICT dout, const T *RESTRICT o, int tokens, int heads, int size,          \
	    int dout_stride, int o_stride) {                                                                              \
		head_products(delta, dout, o, tokens, heads, size, dout_stride, o_stride);                                    \
	}                                                                                                                 \
	extern "C" __global__ void __launch_bounds__(128, 4) attention_any_##suffix(                                      \
	    T *RESTRICT o, float *RESTRICT lse, const T *RESTRICT q, const T *RESTRICT k, const T *RESTRICT v,            \
	    const int *RESTRICT starts, int documents, int group, int size, int o_stride, int q_stride, int k_stride,     \
	    int v_stride, float scale) {                                                                                  \
		forward(o, lse, q, k, v, starts, documents, group, size, o_stride, q_stride, k_stride, v_stride, scale);      \
	}                                                                                                                 \
	extern "C" __global__ void __launch_bounds__(128) attention_keys_any_##suffix(                                    \
	    T *RESTRICT dk, T *RESTRICT dv, const float *RESTRICT delta, const T *RESTRICT dout,                          \
	    const float *RESTRICT lse, const T *RESTRICT q, const T *RESTRICT k, const T *RESTRICT v,                     \
	    const int *RESTRICT starts, int documents, int group, int size, int dk_stride, int dv_stride,                 \
	    int dout_stride, int q_stride, int k_stride, int v_stride, float scale) {                                     \
		backward_keys(dk, dv, delta, dout, lse, q, k, v, starts, documents, group, size, dk_stride, dv_stride,        \
		              dout_stride, q_stride, k_stride, v_stride, scale);                                              \
	}                                                                                                                 \
	extern "C" __global__ void __launch_bounds__(128) attention_queries_any_##suffix(                                 \
	    T *RESTRICT dq, const float *RESTRICT delta, const T *RESTRICT dout, const float *RESTRICT lse,               \
	    const T *RESTRICT q, const T *RESTRICT k, const T *RESTRICT v, const int *RESTRICT starts, int documents,     \
	    int group, int size, int dq_stride, int dout_stride, int q_stride, int k_stride, int v_stride, float scale) { \
		backward_queries(dq, delta, dout, lse, q, k, v, starts, documents, group, size, dq_stride, dout_stride,       \
		                 q_stride, k_stride, v_stride, scale);                                                        \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
