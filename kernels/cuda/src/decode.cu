// Attention of single queries over the cache of keys and values (decoding), split over the
// sequence as flash-decoding is: parts with partial sums, then a kernel that adds them up.
//
// The query heads that read one head of the cache are the rows of one product, so that keys
// and values are read once for all of them. Spans of 64 cache rows are dealt in turn to a
// fixed number of parts: part w of a query has spans w, w + parts, … of its own range.
// Where a span begins and who adds it up depends on the query's own range alone, not on how
// many queries there are nor on the longest. Parts without a span return at once.
//
// On the tensor cores a warp has 16 rows of each span, and the four warps' results are put
// together in shared memory. The plain kernel does float32 and other head sizes.
#include "attention_any.cuh"

const int span_rows = 64, parts = 16;

// Query is one block's work: lines query heads from head on, over count rows of the cache.
struct Query {
	int head, lines, count;
	long long first;
	int kv; // head of the cache
};

// find_query returns the work of block (query, 16 query heads of one cache head, part).
__device__ inline Query find_query(const int *first, const int *count, int group) {
	int blocks = (group + 15) / 16, kv = blockIdx.y / blocks, skipped = blockIdx.y % blocks * 16;
	return {kv * group + skipped, min(16, group - skipped), count[blockIdx.x], first[blockIdx.x], kv};
}

// partial_sums is where a part puts its results for a query head: Σ exp(score − largest)·v
// (size), then largest and Σ exp(score − largest).
//   partials (N, heads, parts, size + 2)
__device__ inline float *partial_sums(float *partials, int heads, int head, int part, int size) {
	return partials + (((long long)blockIdx.x * heads + head) * parts + part) * (size + 2);
}

// decode is one part of one query's heads on the tensor cores.
//   partials (N, heads, parts, D + 2)   q (N, heads·D)   kc, vc (S, heads/group·D)   first, count (N)
// Launch: (N, heads/group·⌈group/16⌉, parts) × 128; 288·D + 2560 bytes
template <int D>
__device__ inline void decode(float *RESTRICT partials, const bf16 *RESTRICT q, const bf16 *RESTRICT kc,
                              const bf16 *RESTRICT vc, const int *RESTRICT first, const int *RESTRICT count, int heads,
                              int group, int q_stride, int k_stride, int v_stride, float scale, int aligned) {
	extern __shared__ __align__(128) bf16 queries[];             // (16, D)
	bf16 *keys = queries + 16 * D, *values = keys + span_rows * D; // (64, D) each; later the warps' sums
	const int sums_stride = D + 8;                               // floats; the rows that a store meets lie in different banks
	float *gathered = (float *)keys, *largest = gathered + 64 * sums_stride, *totals = largest + 64;
	Query work = find_query(first, count, group);
	int n = work.count, own = threadIdx.x / 32 * 16;
	if (blockIdx.z * span_rows >= n) return;
	load_tile<16, D>(queries, row(q, blockIdx.x, q_stride) + work.head * D, 0, work.lines, D, aligned);
	kc = row(kc, work.first, k_stride) + work.kv * D;
	vc = row(vc, work.first, v_stride) + work.kv * D;
	const Pointer<D> rows = by_rows<D>(), columns = by_columns<D>();
	const float factor = scale * log2e;
	float sums[1][D / 8][4] = {};
	Softmax<1> s = {{{-INFINITY, -INFINITY}}, {}};
	for (int from = blockIdx.z * span_rows; from < n; from += parts * span_rows) {
		load_tile<span_rows, D>(keys, kc, from, n, k_stride, aligned);
		load_tile<span_rows, D>(values, vc, from, n, v_stride, aligned);
		close_copies();
		await_copies<0>();
		__syncthreads();
		if (from + own < n) {
			Fragment a[1][D / 16];
#pragma unroll
			for (int c = 0; c < D / 16; c++) rows.read(a[0][c], queries, 0, 2 * c, false);
			float scores[1][2][4] = {};
			add_products<D, 1, 16>(scores, a, columns, keys, own);
#pragma unroll
			for (int c = 0; c < 2; c++)
#pragma unroll
				for (int e = 0; e < 4; e++)
					if (from + own + column(c, e) >= n) scores[0][c][e] = -INFINITY;
			exponentiate<D, 1, 16>(scores, sums, s, factor);
			add_weighted<D, 1, 16>(sums, scores, rows, values, own);
		}
		__syncthreads();
	}

#pragma unroll
	for (int half = 0; half < 2; half++) {
		float total = s.total[0][half];
		total += __shfl_xor_sync(0xffffffffu, total, 1);
		total += __shfl_xor_sync(0xffffffffu, total, 2);
		largest[own + line(2 * half)] = s.largest[0][half] * factor;
		totals[own + line(2 * half)] = total;
#pragma unroll
		for (int c = 0; c < D / 8; c++)
			*(float2 *)(gathered + (own + line(2 * half)) * sums_stride + column(c, 0)) =
			    make_float2(sums[0][c][2 * half], sums[0][c][2 * half + 1]);
	}
	__syncthreads();
	for (int r = threadIdx.x / 32; r < work.lines; r += 4) {
		float top = -INFINITY, total = 0, down[4];
		for (int w = 0; w < 4; w++) top = fmaxf(top, largest[16 * w + r]);
		for (int w = 0; w < 4; w++) {
			down[w] = exp2_fast(largest[16 * w + r] - top); // 0 for a warp that had no rows
			total += down[w] * totals[16 * w + r];
		}
		float *to = partial_sums(partials, heads, work.head + r, blockIdx.z, D);
		for (int c = threadIdx.x % 32; c < D; c += 32) {
			float sum = 0;
			for (int w = 0; w < 4; w++) sum += down[w] * gathered[(16 * w + r) * sums_stride + c];
			to[c] = sum;
		}
		if (threadIdx.x % 32 == 0) {
			to[D] = top * ln2;
			to[D + 1] = total;
		}
	}
}

// decode_plain is decode in float32 for any head size up to 256.
// Launch: (N, heads/group·⌈group/16⌉, parts) × 128; 192·(size+1) + 1088 bytes
template <typename T>
__device__ inline void decode_plain(float *RESTRICT partials, const T *RESTRICT q, const T *RESTRICT kc,
                                    const T *RESTRICT vc, const int *RESTRICT first, const int *RESTRICT count, int heads,
                                    int group, int size, int q_stride, int k_stride, int v_stride, float scale) {
	extern __shared__ float memory[];
	float *queries = memory, *keys = queries + any_rows * (size + 1), *values = keys + any_rows * (size + 1);
	float *scores = values + any_rows * (size + 1); // (16, 16)
	Query work = find_query(first, count, group);
	int n = work.count, i = threadIdx.x / 16, j = threadIdx.x % 16;
	if (blockIdx.z * span_rows >= n) return;
	load_rows(queries, row(q, blockIdx.x, q_stride) + work.head * size, 0, work.lines, size, size);
	kc = row(kc, work.first, k_stride) + work.kv * size;
	vc = row(vc, work.first, v_stride) + work.kv * size;
	float sums[4][any_slots] = {};
	PlainSoftmax s = {{-INFINITY, -INFINITY, -INFINITY, -INFINITY}, {}};
	for (int span = blockIdx.z * span_rows; span < n; span += parts * span_rows) {
		for (int from = span; from < min(span + span_rows, n); from += any_rows) {
			__syncthreads();
			load_rows(keys, kc, from, n, k_stride, size);
			load_rows(values, vc, from, n, v_stride, size);
			__syncthreads();
			float score[2];
			dot_rows(score, queries, keys, size);
			for (int half = 0; half < 2; half++)
				scores[(i + 8 * half) * weights_stride + j] = from + j < n ? score[half] * scale : -INFINITY;
			__syncthreads();
			exponentiate_rows(scores, sums, s);
			weigh_rows(sums, scores, values, size);
		}
	}
#pragma unroll
	for (int r = 0; r < 4; r++) {
		int line = threadIdx.x / 32 * 4 + r, lane = threadIdx.x % 32;
		if (line >= work.lines) return;
		float *to = partial_sums(partials, heads, work.head + line, blockIdx.z, size);
#pragma unroll
		for (int slot = 0; slot < any_slots; slot++)
			if (slot * 32 + lane < size) to[slot * 32 + lane] = sums[r][slot];
		if (lane == 0) {
			to[size] = s.largest[r];
			to[size + 1] = s.total[r];
		}
	}
}

// combine puts the parts of a query's head together, in order.
//   o (N, heads·size)   partials (N, heads, parts, size + 2)   count (N)
// Launch: (N, heads) × 64; none
template <typename T>
__device__ inline void combine(T *RESTRICT o, float *RESTRICT partials, const int *RESTRICT count, int size, int o_stride) {
	int used = min(parts, (count[blockIdx.x] + span_rows - 1) / span_rows), head = blockIdx.y;
	const float *from = partial_sums(partials, gridDim.y, head, 0, size);
	float top = -INFINITY, total = 0;
	for (int w = 0; w < used; w++) top = fmaxf(top, from[w * (size + 2) + size]);
	for (int w = 0; w < used; w++) total += expf(from[w * (size + 2) + size] - top) * from[w * (size + 2) + size + 1];
	for (int c = threadIdx.x; c < size; c += blockDim.x) {
		float sum = 0;
		for (int w = 0; w < used; w++) sum += expf(from[w * (size + 2) + size] - top) * from[w * (size + 2) + c];
		store(row(o, blockIdx.x, o_stride) + head * size + c, sum / total);
	}
}

// The entry points: the tensor cores' for each head size, the others for each element type.
#define TENSOR(D)                                                                                                      \
	extern "C" __global__ void __launch_bounds__(128, 4) decode_##D(                                                     \
	    float *RESTRICT partials, const bf16 *RESTRICT q, const bf16 *RESTRICT kc, const bf16 *RESTRICT vc,           \
	    const int *RESTRICT first, const int *RESTRICT count, int heads, int group, int q_stride, int k_stride,       \
	    int v_stride, float scale, int aligned) {                                                                     \
		decode<D>(partials, q, kc, vc, first, count, heads, group, q_stride, k_stride, v_stride, scale, aligned);     \
	}
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void __launch_bounds__(128) decode_any_##suffix(                                            \
	    float *RESTRICT partials, const T *RESTRICT q, const T *RESTRICT kc, const T *RESTRICT vc,                    \
	    const int *RESTRICT first, const int *RESTRICT count, int heads, int group, int size, int q_stride,           \
	    int k_stride, int v_stride, float scale) {                                                                    \
		decode_plain(partials, q, kc, vc, first, count, heads, group, size, q_stride, k_stride, v_stride, scale);     \
	}                                                                                                                 \
	extern "C" __global__ void __launch_bounds__(64) decode_combine_##suffix(                                         \
	    T *RESTRICT o, float *RESTRICT partials, const int *RESTRICT count, int size, int o_stride) {                 \
		combine(o, partials, count, size, o_stride);                                                                  \
	}

TENSOR(16)
TENSOR(32)
TENSOR(64)
TENSOR(96)
TENSOR(128)
ENTRIES(float, f32)
ENTRIES(bf16, bf16)
