// The inside of a bf16 product: mma.sync on fragments that ldmatrix takes from swizzled
// tiles in shared memory, sums in float.
#pragma once
#include "product.cuh"

// BrainTile is one operand's tile of SPAN rows (of left) or columns (of right) by 32 of k,
// as lines of 16-byte pieces. ldmatrix reads the same piece of eight successive lines; a
// piece's place within its line is turned by the line's number, so that these eight lie in
// eight different groups of banks, and so do the eight pieces that cp.async writes together.
template <int SPAN, bool K_INNER> struct BrainTile {
	typedef bf16 element;
	static const bool k_inner = K_INNER;
	static const int depth = 32, piece = 8;
	static const int lines = K_INNER ? SPAN : depth, pieces = (K_INNER ? depth : SPAN) / piece;
	static const int line_bytes = pieces * 16, bytes = lines * line_bytes;
	static const int period = 8; // lines after which the turning repeats

	static __device__ int offset(int line, int inner) {
		int turn = pieces >= 8 ? line % 8 : line / (8 / pieces) % pieces;
		return line * line_bytes + (inner ^ turn) * 16;
	}
};

// fragment_offset is where in its tile the lane's row of a fragment lies, for the 16 rows of
// left or columns of right that begin at first, k from 0. An x4 of ldmatrix takes four 8×8
// matrices, lanes 8j to 8j+7 pointing to the lines of the j-th: for left the second lies 8
// rows on and the third 8 of k on, for right the other way round.
template <class Tile, bool LEFT> __device__ inline int fragment_offset(int first) {
	int lane = threadIdx.x % 32;
	bool lines_first = LEFT == Tile::k_inner; // the second matrix lies 8 lines on, not one piece
	int line = lines_first ? lane % 16 : lane % 8 + lane / 16 * 8;
	int inner = lines_first ? lane / 16 : lane / 8 % 2;
	return Tile::k_inner ? Tile::offset(first + line, inner) : Tile::offset(line, first / 8 + inner);
}

// load_fragments reads 16 rows or columns after the other at step s of 16 of k. Offsets
// change by constants: whole lines are added, pieces exchanged by xor, as the turning is.
template <class Tile, int COUNT>
__device__ inline void load_fragments(unsigned (&r)[COUNT][4], unsigned stage, int offset, int s) {
	unsigned at = opaque(stage + (offset ^ s * 32));
#pragma unroll
	for (int i = 0; i < COUNT; i++)
		if (Tile::k_inner) load_matrices(r[i], at + i * 16 * Tile::line_bytes, false);
		else load_matrices(r[i], stage + (offset ^ i * 32) + s * 16 * Tile::line_bytes, true);
}

// BrainMath multiplies ROWS × COLUMNS tiles; each warp holds WARP_ROWS × WARP_COLUMNS of
// the sums in registers.
template <int ROWS, int COLUMNS, int WARP_ROWS, int WARP_COLUMNS, int STAGES, bool LEFT_K_INNER, bool RIGHT_K_INNER>
struct BrainMath {
	typedef BrainTile<ROWS, LEFT_K_INNER> Left;
	typedef BrainTile<COLUMNS, RIGHT_K_INNER> Right;
	static const bool rows_by_rows = LEFT_K_INNER && RIGHT_K_INNER;
	static const int rows = ROWS, columns = COLUMNS, stages = STAGES, steps = Left::depth / 16;
	static const int warps_down = ROWS / WARP_ROWS, warps_across = COLUMNS / WARP_COLUMNS;
	static const int threads = 32 * warps_down * warps_across;
	static const int high = WARP_ROWS / 16, wide = WARP_COLUMNS / 16; // fragments of a warp

	int warp_column, left_offset, right_offset;
	unsigned a[2][high][4], b[2][wide][4];
	float sums[high][2 * wide][4] = {};

	__device__ BrainMath() {
		int warp = threadIdx.x / 32;
		warp_column = warp % warps_across * WARP_COLUMNS;
		left_offset = fragment_offset<Left, true>(warp / warps_across * WARP_ROWS);
		right_offset = Left::bytes + fragment_offset<Right, false>(warp_column);
	}

	__device__ void load(int buffer, unsigned stage, int step) {
		load_fragments<Left>(a[buffer], stage, left_offset, step);
		load_fragments<Right>(b[buffer], stage, right_offset, step);
	}

	__device__ void multiply(int buffer) {
#pragma unroll
		for (int i = 0; i < high; i++)
#pragma unroll
			for (int j = 0; j < 2 * wide; j++)
				mma(sums[i][j], a[buffer][i], b[buffer][j / 2][j % 2 * 2], b[buffer][j / 2][j % 2 * 2 + 1]);
	}

	// spread writes the warp's sums to a row of warps in shared memory.
	__device__ void spread(float *shared) const {
		int lane = threadIdx.x % 32;
#pragma unroll
		for (int i = 0; i < high; i++)
#pragma unroll
			for (int j = 0; j < 2 * wide; j++)
#pragma unroll
				for (int half = 0; half < 2; half++)
					*(float2 *)(shared + turned(i * 16 + half * 8 + lane / 4, warp_column + j * 8 + lane % 4 * 2, COLUMNS)) =
					    make_float2(sums[i][j][2 * half], sums[i][j][2 * half + 1]);
	}
};
