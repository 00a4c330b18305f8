// Causal attention inside documents, forward, bf16, on Hopper, in the manner of FlashAttention-3
// (Shah et al., arXiv 2407.08608): what attention.cu computes, with copies by tensor maps and
// wgmma (see hopper.cuh).
//
// A block owns 128 queries of one head, each of its two groups of consumers 64 of them; the
// producer brings tiles of 128 keys and values. A group begins two products at once, the scores of
// a tile and the sum of values of the tile before, weighs the new scores as soon as they are
// there, and only then needs the sums. The groups take turns at beginning products, so
// that the tensor cores work for one while the other weighs. Weights stay in registers, where
// they are an operand as they lie.
//
// A row meets its keys in ascending order in tiles that start at the document's first token, and
// is multiplied alike wherever its tile lies in the batch: its bits depend on its own document
// up to itself alone. Tensor maps know no documents: rows after a document's end are those of the next
// one. Causality hides such keys; but a weight of 0 does not hide a value that is infinite, so
// the producer overwrites the values after the end with zeros.
#include "attention.cuh"
#include "hopper.cuh"

const int groups = 2, query_rows = 64 * groups, key_rows = 128, stages = 2;
const int producer_registers = 40, consumer_registers = 232;
static_assert(producer_registers + groups * consumer_registers <= block_registers, "the last group would wait for ever");
const int ends_barrier = 4 * stages, query_barrier = ends_barrier + 1, barrier_count = query_barrier + 1;

// Tiles of a head in shared memory: for each 64 elements of it, all rows' 128 bytes.
template <int D> struct Layout {
	static const int query_bytes = 64 * D * 2; // of a group
	static const int tile_bytes = key_rows * D * 2;
	static const int keys = groups * query_bytes, values = keys + stages * tile_bytes, barriers = values + stages * tile_bytes;
	static const int shared_bytes = barriers + 8 * barrier_count;
};

// Barriers says where the barriers lie.
struct Barriers {
	unsigned base;
	__device__ unsigned full_keys(int stage) const { return base + 8 * stage; }
	__device__ unsigned empty_keys(int stage) const { return base + 8 * (stages + stage); }
	__device__ unsigned full_values(int stage) const { return base + 8 * (2 * stages + stage); }
	__device__ unsigned empty_values(int stage) const { return base + 8 * (3 * stages + stage); }
	__device__ unsigned ends() const { return base + 8 * ends_barrier; } // values that need zeros after the document's end
	__device__ unsigned queries() const { return base + 8 * query_barrier; }
};

// copy_rows starts the copy of ROWS rows of a head that begins at element `column`.
template <int D, int ROWS>
__device__ inline void copy_rows(unsigned to, const TensorMap &map, int column, int line, unsigned barrier) {
#pragma unroll
	for (int part = 0; part < D; part += box_elements)
#pragma unroll
		for (int r = 0; r < ROWS; r += box_lines)
			copy_box(to + (part / box_elements * ROWS + r) * line_bytes, map, column + part, line + r, barrier);
}

// clear_rows overwrites rows [first, key_rows) of a tile. A warp calls it.
template <int D> __device__ inline void clear_rows(unsigned tile, int first) {
#pragma unroll 1
	for (int part = 0; part < D; part += box_elements)
#pragma unroll 1
		for (int at = first * line_bytes + threadIdx.x % 32 * 16; at < key_rows * line_bytes; at += 32 * 16)
			asm volatile("st.shared.v4.b32 [%0], {%1, %1, %1, %1};\n" ::
			                 "r"(tile + part / box_elements * key_rows * line_bytes + at), "r"(0) : "memory");
}

// produce brings the queries, and all keys and values that they see.
template <int D>
__device__ inline void produce(const TensorMap &q, const TensorMap &k, const TensorMap &v, const Tile &t, int end, int group,
                               unsigned shared, const Barriers &b) {
	typedef Layout<D> L;
	bool leader = threadIdx.x % 32 == 0;
	int head = blockIdx.y * D, shared_head = blockIdx.y / group * D;
	if (leader) {
		arrive_expecting(b.queries(), groups * L::query_bytes);
		for (int g = 0; g < groups; g++)
			copy_rows<D, 64>(shared + g * L::query_bytes, q, head, t.start + t.first + 64 * g, b.queries());
	}
	Ring<stages> at;
#pragma unroll 1
	for (int from = 0; from < end; from += key_rows, at.next()) {
		await(b.empty_keys(at.stage), at.parity ^ 1);
		if (leader) {
			arrive_expecting(b.full_keys(at.stage), L::tile_bytes);
			copy_rows<D, key_rows>(shared + L::keys + at.stage * L::tile_bytes, k, shared_head, t.start + from, b.full_keys(at.stage));
		}
		await(b.empty_values(at.stage), at.parity ^ 1);
		bool ends = from + key_rows > t.length;
		unsigned landed = ends ? b.ends() : b.full_values(at.stage), tile = shared + L::values + at.stage * L::tile_bytes;
		if (leader) {
			arrive_expecting(landed, L::tile_bytes);
			copy_rows<D, key_rows>(tile, v, shared_head, t.start + from, landed);
		}
		if (!ends) continue;
		await(landed, 0); // a document ends once
		clear_rows<D>(tile, t.length - from);
		writes_done();
		__syncwarp();
		if (leader) arrive(b.full_values(at.stage));
	}
}

// hide hides keys after the query of their row. first is the group's first row.
__device__ inline void hide(float (&scores)[1][key_rows / 8][4], int first, int from) {
	if (from + key_rows > first + 1) hide_later<1, key_rows>(scores, first + threadIdx.x % group_threads / 32 * 16 - from);
}

// begin_scores begins scores = queries · keysᵀ.
template <int D> __device__ inline void begin_scores(float (&scores)[key_rows / 8][4], unsigned queries, unsigned keys) {
	products_begin();
#pragma unroll
	for (int s = 0; s < D / 16; s++)
		multiply<true, true>(scores, descriptor(queries + s / 4 * box_bytes + s % 4 * 32, box_bytes),
		                     descriptor(keys + s / 4 * key_rows * line_bytes + s % 4 * 32, box_bytes), s > 0);
	products_commit();
}

// begin_values begins sums += weights · values.
template <int D>
__device__ inline void begin_values(float (&sums)[D / 8][4], const Fragment (&weights)[key_rows / 16], unsigned values) {
	products_begin();
#pragma unroll
	for (int s = 0; s < key_rows / 16; s++)
		multiply(sums, weights[s], descriptor(values + s * 16 * line_bytes, key_rows * line_bytes));
	products_commit();
}

// take_turn waits until the other group has begun its products, and pass_turn says that this one
// has. The first group has the first turn: the second passes it one beforehand.
__device__ inline void take_turn(int own) {
	if (own == 0) sync_groups<first_free_barrier, groups>();
	else sync_groups<first_free_barrier + 1, groups>();
}
__device__ inline void pass_turn(int own) {
	if (own == 0) notify_groups<first_free_barrier + 1, groups>();
	else notify_groups<first_free_barrier, groups>();
}

__device__ inline void give_back(unsigned barrier) {
	if (threadIdx.x % 32 == 0) arrive(barrier);
}

// as_weights rounds a tile's weights to bf16.
__device__ inline void as_weights(Fragment (&weights)[key_rows / 16], const float (&scores)[key_rows / 8][4]) {
#pragma unroll
	for (int n = 0; n < key_rows / 16; n++) as_fragment(weights[n], scores[2 * n], scores[2 * n + 1]);
}

// consume computes sums and softmax of group own's 64 rows, the first being row `first`, from
// the keys before `end`.
template <int D>
__device__ inline void consume(float (&sums)[1][D / 8][4], Softmax<1> &s, int own, int first, int end, float factor,
                               unsigned shared, const Barriers &b) {
	typedef Layout<D> L;
	const unsigned queries = shared + own * L::query_bytes;
	float scores[1][key_rows / 8][4] = {}, down[1][2];
	Fragment weights[key_rows / 16];
	Ring<stages> keys, values;
	await(b.queries(), 0);
	await(b.full_keys(0), 0);
	settle(scores[0]);
	if (own == 1) pass_turn(own);
	take_turn(own);
	begin_scores<D>(scores[0], queries, shared + L::keys);
	pass_turn(own);
	products_wait<0>();
	settle(scores[0]);
	give_back(b.empty_keys(0));
	keys.next();
	hide(scores, first, 0);
	weigh<1, key_rows>(scores, down, s, factor);
	as_weights(weights, scores[0]);
	settle(sums[0]);
#pragma unroll 1
	for (int from = key_rows; from < end; from += key_rows) {
		await(b.full_keys(keys.stage), keys.parity);
		take_turn(own);
		begin_scores<D>(scores[0], queries, shared + L::keys + keys.stage * L::tile_bytes);
		await(b.full_values(values.stage), values.parity); // those of the tile before
		begin_values<D>(sums[0], weights, shared + L::values + values.stage * L::tile_bytes);
		pass_turn(own);
		products_wait<1>();
		settle(scores[0]);
		give_back(b.empty_keys(keys.stage));
		keys.next();
		hide(scores, first, from);
		weigh<1, key_rows>(scores, down, s, factor);
		products_wait<0>();
		settle(sums[0]);
		give_back(b.empty_values(values.stage));
		values.next();
		scale_down<D, 1>(sums, down);
		as_weights(weights, scores[0]);
	}
	if (own == 0) take_turn(own); // what the second group passed last
	await(b.full_values(values.stage), values.parity);
	settle(sums[0]);
	begin_values<D>(sums[0], weights, shared + L::values + values.stage * L::tile_bytes);
	products_wait<0>();
	settle(sums[0]);
}

// forward computes the block's tile of 128 queries.
//   o (T, heads·D)   lse (T, heads)   starts (documents + 1)
//   q (T, heads·D), k and v (T, heads/group·D) by their tensor maps
// Launch: (tiles of 128 tokens of all documents, heads) × 384; Layout<D>::shared_bytes
template <int D>
__device__ inline void forward(const TensorMap &q, const TensorMap &k, const TensorMap &v, bf16 *RESTRICT o,
                               float *RESTRICT lse, const int *RESTRICT starts, int documents, int group, int o_stride, float scale) {
	extern __shared__ __align__(1024) unsigned char memory[];
	typedef Layout<D> L;
	const unsigned shared = shared_address(memory);
	const Barriers b = {shared + L::barriers};
	if (threadIdx.x == 0) {
		for (int s = 0; s < stages; s++) {
			barrier_init(b.full_keys(s), 1);
			barrier_init(b.full_values(s), 1);
			barrier_init(b.empty_keys(s), 4 * groups);
			barrier_init(b.empty_values(s), 4 * groups);
		}
		barrier_init(b.ends(), 1);
		barrier_init(b.queries(), 1);
		barriers_made();
	}
	__syncthreads();
	Tile t = find_tile(starts, documents, blockIdx.x, query_rows, false);
	int end = min(t.first + query_rows, t.length), own = threadIdx.x / group_threads;
	if (own == groups) {
		set_registers<producer_registers, false>();
		if (threadIdx.x % group_threads < 32) produce<D>(q, k, v, t, end, group, shared, b);
		return;
	}
	set_registers<consumer_registers, true>();
	const float factor = scale * log2e;
	int first = t.first + 64 * own;
	float sums[1][D / 8][4] = {}, inverse[2];
	Softmax<1> s = {{{-INFINITY, -INFINITY}}};
	consume<D>(sums, s, own, first, end, factor, shared, b);
	first += threadIdx.x % group_threads / 32 * 16; // the warp's
	finish(inverse, s, 0, factor, lse, t, first);
	sync_group(own); // the queries become room for the results
	bf16 *part = (bf16 *)(memory + own * L::query_bytes) + threadIdx.x % group_threads / 32 * 16 * D;
	store_rows<D>(row(o, t.start, o_stride) + blockIdx.y * D, sums[0], inverse[0], inverse[1], part, first, t.length, o_stride, 1);
}

#define ENTRY(D)                                                                                                        \
	extern "C" __global__ void __launch_bounds__((groups + 1) * group_threads) attention_##D(                            \
	    const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap v, \
	    bf16 *RESTRICT o, float *RESTRICT lse, const int *RESTRICT starts, int documents, int group, int o_stride,     \
	    float scale) {                                                                                                 \
		forward<D>(q, k, v, o, lse, starts, documents, group, o_stride, scale);                                        \
	}

ENTRY(64)
ENTRY(128)
