// The inside of a float product: fused multiply-adds in true float, each thread holding
// blocks of 4×4 sums in registers.
#pragma once
#include "product.cuh"

// FloatTile is one operand's tile of SPAN rows (of left) or columns (of right) by 8 of k,
// kept with k outside, so that a thread reads four neighbours at once. Where k runs along
// the operand's lines the copies transpose. The padding of 4 keeps the eight k of four
// neighbours in 32 different banks. Copies are of one element: any address will do.
template <int SPAN, bool K_INNER> struct FloatTile {
	typedef float element;
	static const bool k_inner = K_INNER;
	static const int depth = 8, piece = 1;
	static const int lines = K_INNER ? SPAN : depth, pieces = K_INNER ? depth : SPAN;
	static const int k_bytes = (SPAN + 4) * 4, bytes = depth * k_bytes;
	static const int line_bytes = K_INNER ? 4 : k_bytes;
	static const int period = 1;

	static __device__ int offset(int line, int inner) { return K_INNER ? inner * k_bytes + line * 4 : line * k_bytes + inner * 4; }
};

// FloatMath multiplies ROWS × COLUMNS tiles. A warp's lanes are 4 × 8; a lane holds HIGH ×
// WIDE blocks of 4×4 sums, the blocks of the lanes beside each other.
template <int ROWS, int COLUMNS, int HIGH, int WIDE, int STAGES, bool LEFT_K_INNER, bool RIGHT_K_INNER> struct FloatMath {
	typedef FloatTile<ROWS, LEFT_K_INNER> Left;
	typedef FloatTile<COLUMNS, RIGHT_K_INNER> Right;
	static const bool rows_by_rows = LEFT_K_INNER && RIGHT_K_INNER;
	static const int rows = ROWS, columns = COLUMNS, stages = STAGES, steps = Left::depth;
	static const int warps_down = ROWS / (16 * HIGH), warps_across = COLUMNS / (32 * WIDE);
	static const int threads = 32 * warps_down * warps_across;

	int first_row, first_column; // of the lane within the tile
	float a[2][HIGH][4], b[2][WIDE][4];
	float sums[HIGH * 4][WIDE][4] = {};

	__device__ FloatMath() {
		int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
		first_row = warp / warps_across * 16 * HIGH + lane / 8 * 4;
		first_column = warp % warps_across * 32 * WIDE + lane % 8 * 4;
	}

	static __device__ void load_shared(float (&v)[4], unsigned at) {
		asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];\n"
		             : "=f"(v[0]), "=f"(v[1]), "=f"(v[2]), "=f"(v[3]) : "r"(at) : "memory");
	}

	__device__ void load(int buffer, unsigned stage, int step) {
		unsigned left = opaque(stage + first_row * 4), right = opaque(stage + first_column * 4) + Left::bytes;
#pragma unroll
		for (int i = 0; i < HIGH; i++) load_shared(a[buffer][i], left + step * Left::k_bytes + i * 64);
#pragma unroll
		for (int j = 0; j < WIDE; j++) load_shared(b[buffer][j], right + step * Right::k_bytes + j * 128);
	}

	__device__ void multiply(int buffer) {
#pragma unroll
		for (int i = 0; i < HIGH * 4; i++)
#pragma unroll
			for (int j = 0; j < WIDE * 4; j++)
				sums[i][j / 4][j % 4] = fmaf(a[buffer][i / 4][i % 4], b[buffer][j / 4][j % 4], sums[i][j / 4][j % 4]);
	}

	// spread writes the warp's sums to a row of warps in shared memory.
	__device__ void spread(float *shared) const {
		int lane_row = threadIdx.x % 32 / 8 * 4;
#pragma unroll
		for (int i = 0; i < HIGH * 4; i++)
#pragma unroll
			for (int j = 0; j < WIDE; j++)
				*(float4 *)(shared + turned(i / 4 * 16 + lane_row + i % 4, first_column + j * 32, COLUMNS)) =
				    make_float4(sums[i][j][0], sums[i][j][1], sums[i][j][2], sums[i][j][3]);
	}
};
