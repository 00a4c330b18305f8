// Matrix products of bf16 with float sums on Hopper: the layouts and epilogues of
// gemm_bf16.cu, with copies by tensor maps and wgmma (see hopper.cuh).
//
// A block makes one tile: its producer walks through k a step of 64 at a time and keeps the
// ring of stages filled; each group of consumers multiplies its 64 rows of left with all
// columns of right. All tiles add up a row's products in one chain of wgmma in ascending k,
// 16 at a time: the bits of a row depend neither on the tile nor on the number of rows.
//
// Four tiles: 128×256, alone on its multiprocessor, where right is read from shared memory
// least often; 128×128, two at a time, so that one block's start and end hide behind the
// other's work; 64×64 for results with few tiles; 64×32 for the few rows of decoding,
// where reading the weights is all there is to do, by many blocks with deep rings.
#include "hopper.cuh"
#include "product.cuh"

// Operand is one operand's part of a stage: LINES rows (of left) or columns (of right) by 64 of
// k. Where lines of the matrix run along k, its lines are those of the tile; else a
// box has 64 of k as lines, and 64 rows or columns along them.
template <int SPAN, bool ALONG_K> struct Operand {
	static const int bytes = SPAN * line_bytes;
	static const int step = ALONG_K ? 32 : 16 * line_bytes; // from 16 of k to the next

	static __device__ void copy(unsigned to, const TensorMap &map, int first, int k, unsigned barrier) {
#pragma unroll
		for (int i = 0; i < SPAN; i += box_lines)
			copy_box(to + i * line_bytes, map, ALONG_K ? k : first + i, ALONG_K ? first + i : k, barrier);
	}
};

// Shape is a tile of 64·GROUPS rows and COLUMNS columns.
template <int GROUPS, int COLUMNS, int STAGES, bool LEFT_ALONG_K, bool RIGHT_ALONG_K> struct Shape {
	typedef Operand<64 * GROUPS, LEFT_ALONG_K> Left;
	typedef Operand<COLUMNS, RIGHT_ALONG_K> Right;
	static const bool left_along_k = LEFT_ALONG_K, right_along_k = RIGHT_ALONG_K;
	static const int groups = GROUPS, rows = 64 * GROUPS, columns = COLUMNS, stages = STAGES, depth = box_elements;
	static const int threads = GROUPS * group_threads + 32;
	static const int stage_bytes = Left::bytes + Right::bytes, ring_bytes = STAGES * stage_bytes;
	static_assert(rows * columns * 4 <= ring_bytes, "the ring is reused for the sums");
	static_assert(COLUMNS % box_lines == 0 || RIGHT_ALONG_K, "a box across k has 64 columns");
};

// Tile is where a block's tile lies and which k it sums up.
struct Tile {
	int first_row, first_column, k_first, k_last;
};

// produce keeps the ring filled. One thread runs it.
template <class S>
__device__ inline void produce(const TensorMap &left, const TensorMap &right, const Tile &t, unsigned ring,
                               unsigned full, unsigned empty) {
	Ring<S::stages> at;
#pragma unroll 1
	for (int k = t.k_first; k < t.k_last; k += S::depth, at.next()) {
		await(empty + 8 * at.stage, at.parity ^ 1);
		unsigned stage = ring + at.stage * S::stage_bytes, barrier = full + 8 * at.stage;
		arrive_expecting(barrier, S::stage_bytes);
		S::Left::copy(stage, left, t.first_row, k, barrier);
		S::Right::copy(stage + S::Left::bytes, right, t.first_column, k, barrier);
	}
}

// consume sums up the rows of group `group`. A stage is given back when the next one's
// products have been begun, so that the tensor cores never wait for the loop.
template <class S>
__device__ inline void consume(float (&sums)[S::columns / 8][4], int group, const Tile &t, unsigned ring,
                               unsigned full, unsigned empty) {
	Ring<S::stages> at;
	unsigned before = 0; // the empty barrier of the stage before
	const unsigned long long left = descriptor(ring + group * box_bytes, box_bytes);
	const unsigned long long right = descriptor(ring + S::Left::bytes, box_bytes);
	settle(sums);
#pragma unroll 1
	for (int k = t.k_first; k < t.k_last; k += S::depth, at.next()) {
		await(full + 8 * at.stage, at.parity);
		products_begin();
		unsigned stage = at.stage * S::stage_bytes;
#pragma unroll
		for (int step = 0; step < S::depth / 16; step++)
			multiply<S::left_along_k, S::right_along_k>(sums, left + ((stage + step * S::Left::step) >> 4),
			                                            right + ((stage + step * S::Right::step) >> 4), 1);
		products_commit();
		products_wait<1>();
		if (before && threadIdx.x % 32 == 0) arrive(before);
		before = empty + 8 * at.stage;
	}
	products_wait<0>();
	settle(sums);
}

// store_sums passes the group's sums through the ring, so that a warp stores whole stretches
// of rows.
template <class S>
__device__ inline void store_sums(const float (&sums)[S::columns / 8][4], int group, const Product &p, const Tile &t,
                                  float *ring) {
	const int row_step = group_threads * 4 / S::columns;
	Epilogue<bf16, S::left_along_k && S::right_along_k> epilogue(p);
	float *part = ring + group * 64 * S::columns;
	int thread = threadIdx.x % group_threads, warp = thread / 32, lane = thread % 32;
	sync_groups<first_free_barrier, S::groups>(); // nobody reads stages any more
#pragma unroll
	for (int j = 0; j < S::columns / 8; j++)
#pragma unroll
		for (int half = 0; half < 2; half++)
			*(float2 *)(part + turned(warp * 16 + half * 8 + lane / 4, j * 8 + lane % 4 * 2, S::columns)) =
			    make_float2(sums[j][2 * half], sums[j][2 * half + 1]);
	sync_group(group);
	int first = thread * 4 / S::columns, column = thread * 4 % S::columns;
	epilogue.begin(t.first_row + group * 64 + first, t.first_column + column);
#pragma unroll 2
	for (int r = first; r < 64; r += row_step) {
		float v[4];
		load_four(v, part + turned(r, column, S::columns));
		epilogue.store(v, row_step);
	}
}

// product_tile makes one tile of the result.
// Launch: (⌈M/rows⌉·⌈N/columns⌉, 1, parts) × S::threads; S::ring_bytes + 16·S::stages
template <class S> __device__ inline void product_tile(const TensorMap &left, const TensorMap &right, const Product &p) {
	extern __shared__ __align__(1024) unsigned char shared[];
	const unsigned ring = shared_address(shared), full = ring + S::ring_bytes, empty = full + 8 * S::stages;
	if (threadIdx.x == 0) {
#pragma unroll 1
		for (int s = 0; s < S::stages; s++) {
			barrier_init(full + 8 * s, 1);
			barrier_init(empty + 8 * s, 4 * S::groups);
		}
		barriers_made();
	}
	__syncthreads();
	Tile t;
	place_of_block(S::rows, S::columns, p.m, p.n, &t.first_row, &t.first_column);
	t.k_first = blockIdx.z * p.k_per_part;
	t.k_last = min(p.k, t.k_first + p.k_per_part);
	int group = threadIdx.x / group_threads;
	if (group == S::groups) {
		if (threadIdx.x % 32 == 0) produce<S>(left, right, t, ring, full, empty);
		return;
	}
	float sums[S::columns / 8][4] = {};
	consume<S>(sums, group, t, ring, full, empty);
	store_sums<S>(sums, group, p, t, (float *)shared);
}

#define ENTRY(name, MIN_BLOCKS, ...)                                                                        \
	extern "C" __global__ void __launch_bounds__((Shape<__VA_ARGS__>::threads), MIN_BLOCKS)                 \
	    name(const __grid_constant__ TensorMap left, const __grid_constant__ TensorMap right, Product p) { \
		product_tile<Shape<__VA_ARGS__>>(left, right, p);                                                   \
	}

#define LAYOUT(name, LEFT_ALONG_K, RIGHT_ALONG_K)                       \
	ENTRY(name##_128x256, 1, 2, 256, 4, LEFT_ALONG_K, RIGHT_ALONG_K)   \
	ENTRY(name##_128x128, 2, 2, 128, 3, LEFT_ALONG_K, RIGHT_ALONG_K)   \
	ENTRY(name##_64x64, 3, 1, 64, 4, LEFT_ALONG_K, RIGHT_ALONG_K)

LAYOUT(rows_by_rows, true, true)
LAYOUT(rows_by_columns, true, false)
LAYOUT(columns_by_columns, false, false)
ENTRY(rows_by_rows_64x32, 3, 1, 32, 6, true, true)
