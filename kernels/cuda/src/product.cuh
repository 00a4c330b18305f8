// The matrix product's frame, for every element type and layout: which tile a block makes,
// how operands reach shared memory, and the pipelined loop over k. What happens inside a
// tile is the Math class of product_mma.cuh (bf16 on tensor cores) or product_fma.cuh
// (float); what becomes of the result is product_epilogue.cuh.
//
//   rows × rows         out (M, N) = left (M, K) · right (N, K)ᵀ
//   rows × columns      out (M, N) = left (M, K) · right (K, N)
//   columns × columns   out (M, N) = left (K, M)ᵀ · right (K, N)
//
// Every sum is one chain of float additions in ascending k, and all tiles of a type step
// through k alike: a row of the result has the same bits whatever tile it lies in.
#pragma once
#include "product_epilogue.cuh"
#include "tensor.cuh"

// opaque hides how an address was made. Constants that are then added to it become part of
// the instructions that use it; the compiler would rather compute each address anew.
__device__ inline unsigned opaque(unsigned v) {
	asm("" : "+r"(v));
	return v;
}
template <typename T> __device__ inline T *opaque(T *p) {
	asm("" : "+l"(p));
	return p;
}

// copy_by_element does what copy_async does for 16 bytes of bf16 at any address, at once.
__device__ inline void copy_by_element(unsigned to, const void *from, int valid) {
	const unsigned short *element = (const unsigned short *)from;
	unsigned word[4] = {};
#pragma unroll
	for (int i = 0; i < 8; i++)
		if (2 * i < valid) word[i / 2] |= (unsigned)element[i] << (i % 2 * 16);
	asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};\n" ::"r"(to), "r"(word[0]), "r"(word[1]), "r"(word[2]),
	             "r"(word[3])
	             : "memory");
}

// Loader is a thread's share in bringing an operand's tiles to shared memory. A line is a row
// of the operand as it lies in global memory: Tile::k_inner says whether k runs along it
// or across. A Tile has `lines` lines of `pieces` copies of `piece` elements each.
template <class Tile, int THREADS, bool ALIGNED> struct Loader {
	typedef typename Tile::element T;
	static const int piece = Tile::piece, piece_bytes = piece * (int)sizeof(T);
	static const int line_step = THREADS / Tile::pieces;     // lines between a thread's copies
	static const int copies = Tile::lines / line_step;       // of a thread, for one tile
	static_assert(line_step % Tile::period == 0 && copies * line_step == Tile::lines, "the threads fill the tile evenly");

	const T *from;     // what the thread's next first copy reads
	unsigned to;       // its place in the tile
	int stride;        // of the operand
	int lines_left;    // lines of the operand from the thread's first line on
	int elements_left; // elements of the line from the thread's piece on

	// first is the tile's first row of left or column of right, of `count` in all; k runs
	// over [k_first, k_last).
	__device__ Loader(const void *operand, int stride, int first, int count, int k_first, int k_last) : stride(stride) {
		int line = threadIdx.x / Tile::pieces, inner = threadIdx.x % Tile::pieces;
		to = Tile::offset(line, inner);
		int line_first = Tile::k_inner ? first : k_first, inner_first = Tile::k_inner ? k_first : first;
		lines_left = (Tile::k_inner ? count : k_last) - line_first - line;
		elements_left = (Tile::k_inner ? k_last : count) - inner_first - inner * piece;
		from = row((const T *)operand, line_first + line, stride) + inner_first + inner * piece;
	}

	// load starts the copies of the next tile to the stage; what lies outside the operand is zero.
	__device__ void load(unsigned stage) {
		int valid = min(max(elements_left, 0), piece) * (int)sizeof(T);
		const T *source = from;
		unsigned target = opaque(stage + to);
#pragma unroll
		for (int j = 0; j < copies; j++, source = opaque(source + (long long)line_step * stride)) {
			int bytes = j * line_step < lines_left ? valid : 0;
			if (ALIGNED) copy_async<piece_bytes>(target + j * line_step * Tile::line_bytes, source, bytes);
			else copy_by_element(target + j * line_step * Tile::line_bytes, source, bytes);
		}
		if (Tile::k_inner) {
			from += Tile::depth;
			elements_left -= Tile::depth;
		} else {
			from = source;
			lines_left -= Tile::depth;
		}
	}
};

// place_of_block deals tiles out so that blocks that run at the same time share operands
// in the L2 cache: bands of 8 tiles of rows, within a band column by column.
__device__ inline void place_of_block(int tile_rows, int tile_columns, int m, int n, int *first_row, int *first_column) {
	const int band = 8;
	int down = (m + tile_rows - 1) / tile_rows, across = (n + tile_columns - 1) / tile_columns;
	int start = blockIdx.x / (band * across) * band, within = blockIdx.x % (band * across);
	int height = min(band, down - start);
	*first_row = (start + within % height) * tile_rows;
	*first_column = within / height * tile_columns;
}

// turned is the place of an element of the sums in shared memory: columns are turned by the
// row, against bank conflicts.
__device__ inline int turned(int r, int column, int columns) { return r * columns + (column ^ r % 4 * 8); }

// store_sums passes the sums through shared memory, so that a warp stores whole stretches of
// rows: one row of warps after the other, all threads taking part in the stores.
template <class Math, class E>
__device__ void store_sums(const Math &math, E &epilogue, float *shared, int first_row, int first_column) {
	const int height = Math::rows / Math::warps_down;
	static_assert(height * Math::columns * 4 <= Math::stages * (Math::Left::bytes + Math::Right::bytes), "the stages are reused");
	const int row_step = Math::threads * 4 / Math::columns;
	int first = threadIdx.x * 4 / Math::columns, column = threadIdx.x * 4 % Math::columns;
	epilogue.begin(first_row + first, first_column + column);
	for (int pass = 0; pass < Math::warps_down; pass++) {
		if (threadIdx.x / 32 / Math::warps_across == pass) math.spread(shared);
		__syncthreads();
		for (int r = first; r < height; r += row_step) {
			float v[4];
			load_four(v, shared + turned(r, column, Math::columns));
			epilogue.store(v, row_step);
		}
		__syncthreads();
	}
}

// product_tile makes one tile of the result. Copies run STAGES − 1 tiles ahead of the
// arithmetic, fragments one step ahead; the one barrier a tile does both its duties: the
// copies of all threads have landed, and all warps have left the stage that is filled next.
// Tiles beyond the last are zeros, so that neither start nor end is a special case.
// Launch: (⌈M/rows⌉·⌈N/columns⌉, 1, parts) × Math::threads; Math::shared_bytes
template <class Math, bool ALIGNED, bool ACTIVATES> __device__ void product_tile(const Product &p) {
	extern __shared__ __align__(128) unsigned char shared[];
	const int stage_bytes = Math::Left::bytes + Math::Right::bytes;
	int first_row, first_column;
	place_of_block(Math::rows, Math::columns, p.m, p.n, &first_row, &first_column);
	int k_first = blockIdx.z * p.k_per_part, k_last = min(p.k, k_first + p.k_per_part);
	Loader<typename Math::Left, Math::threads, ALIGNED> left(p.left, p.left_stride, first_row, p.m, k_first, k_last);
	Loader<typename Math::Right, Math::threads, ALIGNED> right(p.right, p.right_stride, first_column, p.n, k_first, k_last);

	const unsigned base = shared_address(shared), end = base + Math::stages * stage_bytes;
	unsigned filled = base; // the stage to be filled next
	auto fill = [&]() {
		left.load(filled);
		right.load(filled + Math::Left::bytes);
		close_copies();
		filled = filled + stage_bytes == end ? base : filled + stage_bytes;
	};
	for (int s = 0; s < Math::stages - 1; s++) fill();
	await_copies<Math::stages - 2>();
	__syncthreads();

	Math math;
	unsigned stage = base; // the stage to be read next
	math.load(0, stage, 0);
	for (int k = k_first; k < k_last; k += Math::Left::depth) {
#pragma unroll
		for (int step = 0; step < Math::steps; step++) {
			if (step == Math::steps - 1) {
				await_copies<Math::stages - 2>();
				__syncthreads();
				stage = stage + stage_bytes == end ? base : stage + stage_bytes;
			}
			math.load((step + 1) % 2, stage, (step + 1) % Math::steps);
			if (step == 0) fill();
			math.multiply(step % 2);
		}
	}
	await_copies<0>();
	__syncthreads();

	Epilogue<typename Math::Left::element, ACTIVATES> epilogue(p);
	store_sums(math, epilogue, (float *)shared, first_row, first_column);
}
