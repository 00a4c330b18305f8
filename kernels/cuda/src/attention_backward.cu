// Causal attention inside documents, backward, bf16, on the tensor cores (FlashAttention-2,
// Dao, arXiv 2307.08691, algorithm 2). With s = scale·q·k, p = exp(s − lse), dp = do·v and
// delta = Σ do·o:
//
//   dv = Σ p·do   ds = p·(dp − delta)   dq = scale·Σ ds·k   dk = scale·Σ ds·q
//
// FlashAttention-2 computes all three in one pass and adds up dq with atomics, whose order
// changes from run to run. Here two kernels recompute p and ds, seven products instead of
// five: one owns keys and sums dk and dv over queries, one owns queries and sums dq over keys.
// Every sum stays in the registers of one warp and has one order.
//
// The kernel that owns keys computes the transposed scores k·qᵀ, so that p and ds are already
// the operands of the sums over queries and never pass through shared memory.
// attention_any.cu has delta, the other element type and other head sizes.
#include "attention.cuh"

// gradients turns scores into p and dp into ds.
//   p, ds (16·M, N): in scores and dp, out p and ds
template <int M, int N, typename Lse, typename Delta>
__device__ inline void gradients(float (&p)[M][N / 8][4], float (&ds)[M][N / 8][4], float factor, Lse lse2, Delta delta) {
#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int n = 0; n < N / 8; n++)
#pragma unroll
			for (int e = 0; e < 4; e++) {
				p[m][n][e] = exp2_fast(fmaf(p[m][n][e], factor, -lse2(m, n, e)));
				ds[m][n][e] = p[m][n][e] * (ds[m][n][e] - delta(m, n, e));
			}
}

// hide_earlier hides from each row, which is a key, the queries before it, row 0 being column
// own's.
//   scores (16, N)
template <int N> __device__ inline void hide_earlier(float (&scores)[1][N / 8][4], int own) {
	int hidden = own + line(0) - column(0, 0); // columns before it do not see this lane's first row
#pragma unroll
	for (int n = 0; n < N / 8; n++)
#pragma unroll
		for (int e = 0; e < 4; e++)
			if (n * 8 + e % 2 < hidden + e / 2 * 8) scores[0][n][e] = -INFINITY;
}

// backward_keys computes dk and dv of the block's 64 keys of one head: over the query heads
// that read it, and for each over the queries from the diagonal on, R at a time.
//   dk, dv, k, v (T, heads/group·D)   dout, q (T, heads·D)   lse, delta (T, heads)   starts (documents + 1)
// Launch: (tiles of 64 tokens of all documents, heads/group) × 128; 256·D + 8·R·D + 16·R bytes
template <int D, int R, bool RESIDENT>
__device__ inline void backward_keys(bf16 *RESTRICT dk, bf16 *RESTRICT dv, const float *RESTRICT delta,
                                     const bf16 *RESTRICT dout, const float *RESTRICT lse, const bf16 *RESTRICT q,
                                     const bf16 *RESTRICT k, const bf16 *RESTRICT v, const int *RESTRICT starts,
                                     int documents, int group, int dk_stride, int dv_stride, int dout_stride,
                                     int q_stride, int k_stride, int v_stride, float scale, int aligned) {
	extern __shared__ __align__(128) bf16 tiles[]; // keys and values (64, D), then twice queries and dout (R, D)
	const int chunk = 32; // queries whose scores a warp has in registers at a time
	const int size = 64 * D, pair = 2 * R * D, heads = gridDim.y * group;
	bf16 *moving = tiles + 2 * size;
	float *statistics = (float *)(moving + 2 * pair); // twice lse·log₂e and delta, (R) each
	Tile t = find_tile(starts, documents, blockIdx.x, 64, true);
	int own = threadIdx.x / 32 * 16, first = t.first + own; // the warp's first key, in the tile and in the document
	k = row(k, t.start, k_stride) + blockIdx.y * D;
	v = row(v, t.start, v_stride) + blockIdx.y * D;
	q = row(q, t.start, q_stride) + blockIdx.y * group * D;
	dout = row(dout, t.start, dout_stride) + blockIdx.y * group * D;
	lse += (long long)t.start * heads + blockIdx.y * group;
	delta += (long long)t.start * heads + blockIdx.y * group;

	// Steps go through the group's heads, and for each through the tiles of queries. A thread
	// fetches the statistics of one query into registers and puts them down a step later.
	int begin = t.first / R * R, per_head = (t.length - begin + R - 1) / R, steps = group * per_head;
	float next_lse = 0, next_delta = 0;
	auto fetch = [&](int step) {
		int head = step / per_head, from = begin + step % per_head * R, i = from + threadIdx.x;
		bf16 *to = moving + step % 2 * pair;
		load_tile<R, D>(to, q + head * D, from, t.length, q_stride, aligned);
		load_tile<R, D>(to + R * D, dout + head * D, from, t.length, dout_stride, aligned);
		close_copies();
		bool inside = threadIdx.x < R && i < t.length; // a query that is not there has p = 0
		next_lse = inside ? lse[(long long)i * heads + head] * log2e : INFINITY;
		next_delta = inside ? delta[(long long)i * heads + head] : 0;
	};
	auto put_down = [&](int step) {
		if (threadIdx.x >= R) return;
		statistics[step % 2 * 2 * R + threadIdx.x] = next_lse;
		statistics[step % 2 * 2 * R + R + threadIdx.x] = next_delta;
	};
	load_tile<64, D>(tiles, k, t.first, t.length, k_stride, aligned);
	load_tile<64, D>(tiles + size, v, t.first, t.length, v_stride, aligned);
	close_copies();
	fetch(0);
	put_down(0);
	const Pointer<D> rows = by_rows<D>(), columns = by_columns<D>();
	Fragment keys[1][D / 16], values[1][D / 16];
	auto read_own = [&]() {
#pragma unroll
		for (int c = 0; c < D / 16; c++) {
			rows.read(keys[0][c], tiles, own, 2 * c, false);
			rows.read(values[0][c], tiles + size, own, 2 * c, false);
		}
	};
	if (RESIDENT) {
		await_copies<1>();
		__syncthreads();
		read_own();
	}

	float dkey[1][D / 8][4] = {}, dvalue[1][D / 8][4] = {};
	const float factor = scale * log2e;
	for (int step = 0; step < steps; step++) {
		await_copies<0>();
		__syncthreads(); // this step's queries are there for all, and nobody reads those before them any more
		if (step + 1 < steps) fetch(step + 1);
		const bf16 *queries = moving + step % 2 * pair, *douts = queries + R * D;
		const float *lse2 = statistics + step % 2 * 2 * R, *deltas = lse2 + R;
		int from = begin + step % per_head * R;
#pragma unroll 1
		for (int c = 0; c < R; c += chunk) {
			if (first >= t.length || from + c + chunk <= first || from + c >= t.length) continue;
			float p[1][chunk / 8][4] = {}, ds[1][chunk / 8][4] = {};
			if (!RESIDENT) read_own();
			add_products<D, 1, chunk>(p, keys, columns, queries, c);
			add_products<D, 1, chunk>(ds, values, columns, douts, c);
			if (from + c < first + 15) hide_earlier<chunk>(p, first - from - c);
			gradients<1, chunk>(
			    p, ds, factor, [&](int, int n, int e) { return lse2[c + column(n, e)]; },
			    [&](int, int n, int e) { return deltas[c + column(n, e)]; });
			add_weighted<D, 1, chunk>(dvalue, p, rows, douts, c);
			add_weighted<D, 1, chunk>(dkey, ds, rows, queries, c);
		}
		if (step + 1 < steps) put_down(step + 1);
	}

	__syncthreads(); // the tiles become room for the results
	if (first >= t.length) return;
	store_rows<D>(row(dk, t.start, dk_stride) + blockIdx.y * D, dkey[0], scale, scale, tiles + own * D, first, t.length,
	              dk_stride, aligned);
	store_rows<D>(row(dv, t.start, dv_stride) + blockIdx.y * D, dvalue[0], 1, 1, tiles + size + own * D, first,
	              t.length, dv_stride, aligned);
}

// backward_queries computes dq of the block's 64·M queries of one head, over tiles of 64 keys
// up to the diagonal.
//   dq, dout, q (T, heads·D)   k, v (T, heads/group·D)   lse, delta (T, heads)   starts (documents + 1)
// Launch: (tiles of 64·M tokens of all documents, heads) × 128; 512·D bytes
template <int D, int M>
__device__ inline void backward_queries(bf16 *RESTRICT dq, const float *RESTRICT delta, const bf16 *RESTRICT dout,
                                        const float *RESTRICT lse, const bf16 *RESTRICT q, const bf16 *RESTRICT k,
                                        const bf16 *RESTRICT v, const int *RESTRICT starts, int documents, int group,
                                        int dq_stride, int dout_stride, int q_stride, int k_stride, int v_stride,
                                        float scale, int aligned) {
	extern __shared__ __align__(128) bf16 tiles[]; // keys, values, keys, values: (64, D) each
	const int chunk = M * D > 64 ? 16 : 32; // keys whose scores a warp has in registers at a time
	const int size = 64 * D, query_rows = 64 * M, pair = 2 * size;
	Tile t = find_tile(starts, documents, blockIdx.x, query_rows, false);
	int head = blockIdx.y, own = threadIdx.x / 32 * 16 * M, first = t.first + own; // as in attention.cu
	k = row(k, t.start, k_stride) + head / group * D;
	v = row(v, t.start, v_stride) + head / group * D;

	// Queries and dout stay in registers; they come by way of the room for keys and values.
	load_tile<query_rows, D>(tiles, row(q, t.start, q_stride) + head * D, t.first, t.length, q_stride, aligned);
	load_tile<query_rows, D>(tiles + query_rows * D, row(dout, t.start, dout_stride) + head * D, t.first, t.length,
	                         dout_stride, aligned);
	close_copies();
	float lse2[M][2], deltas[M][2];
#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int half = 0; half < 2; half++) {
			int i = first + 16 * m + line(2 * half);
			long long at = (long long)(t.start + i) * gridDim.y + head;
			lse2[m][half] = i < t.length ? lse[at] * log2e : INFINITY;
			deltas[m][half] = i < t.length ? delta[at] : 0;
		}
	await_copies<0>();
	__syncthreads();
	const Pointer<D> rows = by_rows<D>(), columns = by_columns<D>();
	Fragment queries[M][D / 16], douts[M][D / 16];
#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int c = 0; c < D / 16; c++) {
			rows.read(queries[m][c], tiles, own + 16 * m, 2 * c, false);
			rows.read(douts[m][c], tiles + query_rows * D, own + 16 * m, 2 * c, false);
		}
	__syncthreads();
	auto fetch = [&](int from, int stage) {
		load_tile<64, D>(tiles + stage * pair, k, from, t.length, k_stride, aligned);
		load_tile<64, D>(tiles + stage * pair + size, v, from, t.length, v_stride, aligned);
		close_copies();
	};
	fetch(0, 0);

	float sums[M][D / 8][4] = {};
	const float factor = scale * log2e;
	int end = min(t.first + query_rows, t.length);
	for (int from = 0, stage = 0; from < end; from += 64, stage ^= 1) {
		await_copies<0>();
		__syncthreads(); // these keys are there for all, and nobody reads those before them any more
		if (from + 64 < end) fetch(from + 64, stage ^ 1);
		const bf16 *keys = tiles + stage * pair, *values = keys + size;
#pragma unroll 1
		for (int c = 0; c < 64; c += chunk) {
			if (first >= t.length || from + c >= min(first + 16 * M, t.length)) continue;
			float p[M][chunk / 8][4] = {}, ds[M][chunk / 8][4] = {};
			add_products<D, M, chunk>(p, queries, columns, keys, c);
			add_products<D, M, chunk>(ds, douts, columns, values, c);
			if (from + c + chunk > first + 1) hide_later<M, chunk>(p, first - from - c);
			gradients<M, chunk>(
			    p, ds, factor, [&](int m, int, int e) { return lse2[m][e / 2]; },
			    [&](int m, int, int e) { return deltas[m][e / 2]; });
			add_weighted<D, M, chunk>(sums, ds, rows, keys, c);
		}
	}

	__syncthreads(); // the tiles become room for the results
	if (first >= t.length) return;
#pragma unroll
	for (int m = 0; m < M; m++)
		store_rows<D>(row(dq, t.start, dq_stride) + head * D, sums[m], scale, scale, tiles + (own + 16 * m) * D,
		              first + 16 * m, t.length, dq_stride, aligned);
}

// The entry points for each head size.
#define ENTRIES(D, R, RESIDENT, BLOCKS, M)                                                                                  \
	extern "C" __global__ void __launch_bounds__(128, BLOCKS) attention_keys_##D(                                             \
	    bf16 *RESTRICT dk, bf16 *RESTRICT dv, const float *RESTRICT delta, const bf16 *RESTRICT dout,                 \
	    const float *RESTRICT lse, const bf16 *RESTRICT q, const bf16 *RESTRICT k, const bf16 *RESTRICT v,            \
	    const int *RESTRICT starts, int documents, int group, int dk_stride, int dv_stride, int dout_stride,          \
	    int q_stride, int k_stride, int v_stride, float scale, int aligned) {                                         \
		backward_keys<D, R, RESIDENT>(dk, dv, delta, dout, lse, q, k, v, starts, documents, group, dk_stride,         \
		                              dv_stride, dout_stride, q_stride, k_stride, v_stride, scale, aligned);          \
	}                                                                                                                 \
	extern "C" __global__ void __launch_bounds__(128, 2) attention_queries_##D(                                          \
	    bf16 *RESTRICT dq, const float *RESTRICT delta, const bf16 *RESTRICT dout, const float *RESTRICT lse,         \
	    const bf16 *RESTRICT q, const bf16 *RESTRICT k, const bf16 *RESTRICT v, const int *RESTRICT starts,           \
	    int documents, int group, int dq_stride, int dout_stride, int q_stride, int k_stride, int v_stride,           \
	    float scale, int aligned) {                                                                                   \
		backward_queries<D, M>(dq, delta, dout, lse, q, k, v, starts, documents, group, dq_stride, dout_stride,       \
		                       q_stride, k_stride, v_stride, scale, aligned);                                         \
	}

ENTRIES(16, 64, true, 3, 2)
ENTRIES(32, 64, true, 3, 2)
ENTRIES(64, 64, true, 2, 2)
ENTRIES(96, 32, false, 2, 1)
ENTRIES(128, 32, false, 2, 1)
