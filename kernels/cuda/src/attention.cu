// Causal attention inside documents, forward, bf16, in the manner of FlashAttention-2 (Dao,
// arXiv 2307.08691) on the tensor cores: o = softmax(scale·q·kᵀ)·v without ever storing the
// scores. attention_any.cu has the other element type and head sizes.
//
// A block owns a tile of queries of one head, a warp 16 or 32 rows of it, with the queries in
// registers as operands. Tiles of 64 keys and values pass through shared memory, the next
// one being copied while this one is worked on. A row keeps the largest score so far, the sum
// of exponentials and the sum of values; when a larger score comes, both sums are scaled
// down. Scores are raised to 2^x with log₂e folded into the scale. Tiles after the
// diagonal are never touched, and only those on it are masked.
//
// A row meets its keys in ascending order in tiles that start at the document's first token,
// so its bits depend on nothing but its own document up to itself. A warp whose last row lies
// before a tile of keys skips it; one that holds such a row beside others multiplies by 1 and
// adds 0 for it, which changes no bit.
#include "attention.cuh"

const int key_rows = 64;

// forward computes the block's tile of 64·M queries.
//   o, q (T, heads·D)   k, v (T, heads/group·D)   lse (T, heads)   starts (documents + 1)
// Launch: (tiles of 64·M tokens of all documents, heads) × 128; 512·D bytes
template <int D, int M>
__device__ inline void forward(bf16 *RESTRICT o, float *RESTRICT lse, const bf16 *RESTRICT q, const bf16 *RESTRICT k,
                               const bf16 *RESTRICT v, const int *RESTRICT starts, int documents, int group,
                               int o_stride, int q_stride, int k_stride, int v_stride, float scale, int aligned) {
	extern __shared__ __align__(128) bf16 tiles[]; // keys, values, keys, values: (64, D) each
	const int size = key_rows * D, query_rows = 64 * M, pair = 2 * size;
	Tile t = find_tile(starts, documents, blockIdx.x, query_rows, false);
	int head = blockIdx.y, own = threadIdx.x / 32 * 16 * M; // the warp's first row in the tile
	int first = t.first + own;                              // and in the document
	q = row(q, t.start, q_stride) + head * D;
	k = row(k, t.start, k_stride) + head / group * D;
	v = row(v, t.start, v_stride) + head / group * D;

	// The queries come by way of what will be the second pair of tiles.
	load_tile<query_rows, D>(tiles + pair, q, t.first, t.length, q_stride, aligned);
	close_copies();
	load_tile<key_rows, D>(tiles, k, 0, t.length, k_stride, aligned);
	load_tile<key_rows, D>(tiles + size, v, 0, t.length, v_stride, aligned);
	close_copies();
	await_copies<1>();
	__syncthreads();
	const Pointer<D> rows = by_rows<D>(), columns = by_columns<D>();
	Fragment queries[M][D / 16];
	float sums[M][D / 8][4] = {};
	Softmax<M> s = {};
#pragma unroll
	for (int m = 0; m < M; m++) {
#pragma unroll
		for (int c = 0; c < D / 16; c++) rows.read(queries[m][c], tiles + pair, own + 16 * m, 2 * c, false);
		s.largest[m][0] = s.largest[m][1] = -INFINITY;
	}

	const float factor = scale * log2e;
	int end = min(t.first + query_rows, t.length);
	for (int from = 0, stage = 0; from < end; from += key_rows, stage ^= 1) {
		await_copies<0>();
		__syncthreads(); // these keys are there for all, and nobody reads those before them any more
		if (from + key_rows < end) {
			bf16 *next = tiles + (stage ^ 1) * pair;
			load_tile<key_rows, D>(next, k, from + key_rows, t.length, k_stride, aligned);
			load_tile<key_rows, D>(next + size, v, from + key_rows, t.length, v_stride, aligned);
			close_copies();
		}
		if (first >= t.length || from >= first + 16 * M) continue;
		const bf16 *keys = tiles + stage * pair, *values = keys + size;
		float scores[M][key_rows / 8][4] = {};
		add_products<D, M, key_rows>(scores, queries, columns, keys, 0);
		if (from + key_rows > first + 1) hide_later<M, key_rows>(scores, first - from);
		exponentiate<D, M, key_rows>(scores, sums, s, factor);
		add_weighted<D, M, key_rows>(sums, scores, rows, values, 0);
	}

	__syncthreads(); // the tiles become room for the results
	if (first >= t.length) return;
#pragma unroll
	for (int m = 0; m < M; m++) {
		float inverse[2];
		finish(inverse, s, m, factor, lse, t, first + 16 * m);
		store_rows<D>(row(o, t.start, o_stride) + head * D, sums[m], inverse[0], inverse[1],
		              tiles + (own + 16 * m) * D, first + 16 * m, t.length, o_stride, aligned);
	}
}

// The entry points, one for each head size.
#define ENTRY(D, M)                                                                                                    \
	extern "C" __global__ void __launch_bounds__(128) attention_##D(                                                  \
	    bf16 *RESTRICT o, float *RESTRICT lse, const bf16 *RESTRICT q, const bf16 *RESTRICT k,                        \
	    const bf16 *RESTRICT v, const int *RESTRICT starts, int documents, int group, int o_stride, int q_stride,     \
	    int k_stride, int v_stride, float scale, int aligned) {                                                       \
		forward<D, M>(o, lse, q, k, v, starts, documents, group, o_stride, q_stride, k_stride, v_stride, scale,       \
		              aligned);                                                                                       \
	}

ENTRY(16, 2)
ENTRY(32, 2)
ENTRY(64, 2)
ENTRY(96, 1)
ENTRY(128, 1)
