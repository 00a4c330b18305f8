// What the attention kernels for the tensor cores share: where a block's tile of tokens
// lies, tiles of a head in shared memory, the products of attention, and the softmax.
//
// Attention works on tiles of tokens of one document and one head, (rows, D) in bf16. The
// tiles of a document start at its first token, so nothing that is computed depends on
// what lies before or behind it.
//
// In shared memory a row is D/8 chunks of 16 bytes, whose places are exchanged in a pattern
// of the row, so that the chunks of eight rows that ldmatrix reads at once lie in eight
// different groups of banks, and so do those that neighbouring threads write.
#pragma once
#include "tensor.cuh"

const int attention_threads = 128; // four warps, each with its own rows
const float log2e = 1.4426950408889634f, ln2 = 0.6931471805599453f;

// Tile is where the rows of a block lie: tokens [first, first + rows) of the document that
// starts at token start and has length tokens; it may hold fewer.
struct Tile {
	int start, length, first;
};

// find_tile returns tile index among all tiles of all documents, the last tile of a document
// first or, ascending, the first one: what has most to do should start first. A warp looks at
// 32 documents at once; the grid has as many blocks as there are tiles.
//   starts (documents + 1)
__device__ inline Tile find_tile(const int *starts, int documents, int index, int rows, bool ascending) {
	const unsigned all = 0xffffffffu;
	int lane = threadIdx.x % 32;
	for (int base = 0; base < documents; base += 32) {
		int d = min(base + lane, documents - 1), start = starts[d], length = starts[d + 1] - start;
		int tiles = base + lane < documents ? (length + rows - 1) / rows : 0;
		int through = tiles; // tiles of this and the lower lanes
		for (int offset = 1; offset < 32; offset *= 2) {
			int below = __shfl_up_sync(all, through, offset);
			if (lane >= offset) through += below;
		}
		unsigned beyond = __ballot_sync(all, index < through);
		if (beyond) {
			int owner = __ffs(beyond) - 1;
			int tile = ascending ? index - (through - tiles) : through - 1 - index;
			return {__shfl_sync(all, start, owner), __shfl_sync(all, length, owner), __shfl_sync(all, tile, owner) * rows};
		}
		index -= __shfl_sync(all, through, 31);
	}
	return {0, 0, 0};
}

// turn is the pattern by which the chunks of row r change places: chunk c lies at c ^ turn.
// It repeats every eight rows.
template <int D> __device__ inline int turn(int r) {
	const int chunks = D / 8;
	static_assert(chunks % 4 == 0 || chunks == 2, "no pattern without conflicts");
	return chunks % 8 == 0 ? r & 7 : chunks % 4 == 0 ? r >> 1 & 3 : r >> 2 & 1;
}

// place is where chunk c of row r of a (rows, D) tile lies, in elements.
template <int D> __device__ inline int place(int r, int c) { return r * D + ((c ^ turn<D>(r)) << 3); }

// load_tile starts the copy of rows [first, first + ROWS) of a document's head, zeros beyond
// its end. Where addresses are not multiples of 16 bytes, elements are copied one by one.
//   tile (ROWS, D)   head (length, D): the head's columns at the document's first token
template <int ROWS, int D>
__device__ inline void load_tile(bf16 *tile, const bf16 *RESTRICT head, int first, int length, int stride, int aligned) {
	if (!aligned) {
#pragma unroll 1
		for (int i = threadIdx.x; i < ROWS * D; i += attention_threads) {
			int r = i / D, c = i % D;
			tile[place<D>(r, c / 8) + c % 8] = first + r < length ? row(head, first + r, stride)[c] : bf16(0.f);
		}
		return;
	}
	// A pass is a power of two of rows, at least 8: so a thread keeps its place in the pattern.
	const int chunks = D / 8, pass = D == 96 ? 8 : attention_threads / chunks;
	int r = threadIdx.x / chunks, c = threadIdx.x % chunks;
	if (r >= min(pass, ROWS)) return;
	unsigned to = shared_address(tile) + 2 * place<D>(r, c);
	const bf16 *from = row(head, first + r, stride) + 8 * c;
	long long step = (long long)pass * stride;
#pragma unroll
	for (int p = 0; p < ROWS; p += pass, from += step) {
		bool inside = first + r + p < length;
		copy_async<16>(to + 2 * p * D, inside ? from : head, inside ? 16 : 0);
	}
}

// store_rows writes 16 rows of a warp's sums, times factor, to rows [first, first + 16) of a
// document's head, by way of the warp's own part of shared memory.
//   head (length, D)   sums: 16 × D as mma holds them   part (16, D)
template <int D>
__device__ inline void store_rows(bf16 *RESTRICT head, const float (&sums)[D / 8][4], float upper, float lower, bf16 *part,
                                  int first, int length, int stride, int aligned) {
	const int chunks = D / 8;
	int lane = threadIdx.x % 32;
#pragma unroll
	for (int c = 0; c < chunks; c++) {
		bf16 *at = part + place<D>(lane / 4, c) + lane % 4 * 2, *below = part + place<D>(lane / 4 + 8, c) + lane % 4 * 2;
		*(__nv_bfloat162 *)at = __floats2bfloat162_rn(sums[c][0] * upper, sums[c][1] * upper);
		*(__nv_bfloat162 *)below = __floats2bfloat162_rn(sums[c][2] * lower, sums[c][3] * lower);
	}
	__syncwarp();
	if (!aligned) {
#pragma unroll 1
		for (int i = lane; i < 16 * D; i += 32) {
			int r = i / D, c = i % D;
			if (first + r < length) row(head, first + r, stride)[c] = part[place<D>(r, c / 8) + c % 8];
		}
		return;
	}
#pragma unroll
	for (int i = lane; i < 16 * chunks; i += 32) {
		int r = i / chunks, c = i % chunks;
		if (first + r < length) *(uint4 *)(row(head, first + r, stride) + 8 * c) = *(const uint4 *)(part + place<D>(r, c));
	}
}

// Fragment is one operand of mma: a, or b twice for neighbouring columns of c.
typedef unsigned Fragment[4];

// Pointer is where this lane points ldmatrix to in a tile, made once for a kernel.
template <int D> struct Pointer {
	unsigned line, chunk; // in bytes

	// r and c are the lane's row below 16 and chunk below 2.
	__device__ Pointer(int r, int c) : line(2 * D * r), chunk(16 * (c ^ turn<D>(r))) {
		asm("" : "+r"(line), "+r"(chunk)); // else the compiler makes each address anew from the lane's number
	}

	// read reads rows [r, r + 16) and chunks c and c+1; r is a multiple of 8, c even.
	__device__ void read(Fragment &f, const bf16 *tile, int r, int c, bool transposed) const {
		load_matrices(f, shared_address(tile) + line + (chunk ^ 16 * c) + 2 * D * r, transposed);
	}
};

// by_rows is for the operand a, with rows r.. of a tile and elements of chunks c and c+1; and,
// transposed, for b twice in products with the tile itself: b's rows are rows r.. of the tile, its
// columns the elements of chunk c (0, 1) and of chunk c+1 (2, 3).
template <int D> __device__ inline Pointer<D> by_rows() { return {int(threadIdx.x % 16), int(threadIdx.x % 32 / 16)}; }

// by_columns is for b twice in products with the transposed tile: b's columns are rows r..r+7 of
// the tile (0, 1) and r+8..r+15 (2, 3), its rows the elements of chunks c and c+1.
template <int D> __device__ inline Pointer<D> by_columns() {
	return {int(threadIdx.x % 8 + threadIdx.x % 32 / 16 * 8), int(threadIdx.x / 8 % 2)};
}

__device__ inline unsigned pack(float low, float high) {
	__nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
	return *(unsigned *)&pair;
}

// as_fragment rounds two neighbouring (16, 8) results to bf16 as the operand a of a next
// product: the lanes hold what they need already.
__device__ inline void as_fragment(Fragment &f, const float (&left)[4], const float (&right)[4]) {
	f[0] = pack(left[0], left[1]);
	f[1] = pack(left[2], left[3]);
	f[2] = pack(right[0], right[1]);
	f[3] = pack(right[2], right[3]);
}

// add_products adds a·bᵀ to c, b being rows [r, r + N) of a tile: scores, for one.
//   c (16·M, N)   a (16·M, D)
template <int D, int M, int N>
__device__ inline void add_products(float (&c)[M][N / 8][4], const Fragment (&a)[M][D / 16], const Pointer<D> &by_columns,
                                    const bf16 *tile, int r) {
#pragma unroll
	for (int s = 0; s < D / 16; s++)
#pragma unroll
		for (int n = 0; n < N; n += 16) {
			Fragment b;
			by_columns.read(b, tile, r + n, 2 * s, false);
#pragma unroll
			for (int m = 0; m < M; m++) {
				mma(c[m][n / 8], a[m][s], b[0], b[1]);
				mma(c[m][n / 8 + 1], a[m][s], b[2], b[3]);
			}
		}
}

// add_weighted adds the sum of rows [r, r + N) of a tile to c, row n times the weight w[n],
// rounded to bf16.
//   c (16·M, D)   w (16·M, N)
template <int D, int M, int N>
__device__ inline void add_weighted(float (&c)[M][D / 8][4], const float (&w)[M][N / 8][4], const Pointer<D> &by_rows,
                                    const bf16 *tile, int r) {
#pragma unroll
	for (int n = 0; n < N; n += 16) {
		Fragment a[M];
#pragma unroll
		for (int m = 0; m < M; m++) as_fragment(a[m], w[m][n / 8], w[m][n / 8 + 1]);
#pragma unroll
		for (int s = 0; s < D / 8; s += 2) {
			Fragment b;
			by_rows.read(b, tile, r + n, s, true);
#pragma unroll
			for (int m = 0; m < M; m++) {
				mma(c[m][s], a[m], b[0], b[1]);
				mma(c[m][s + 1], a[m], b[2], b[3]);
			}
		}
	}
}

// column is the column of a (16, N) result that element e of its part n is, seen by this lane.
__device__ inline int column(int n, int e) { return n * 8 + threadIdx.x % 4 * 2 + e % 2; }
// line is the row of it.
__device__ inline int line(int e) { return threadIdx.x % 32 / 4 + e / 2 * 8; }

// hide_later hides from each row the columns after its own, row 0 being column own's.
//   scores (16·M, N)
template <int M, int N> __device__ inline void hide_later(float (&scores)[M][N / 8][4], int own) {
	int seen = own + line(0) - column(0, 0); // the last column that this lane's first row sees
#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int n = 0; n < N / 8; n++)
#pragma unroll
			for (int e = 0; e < 4; e++)
				if (n * 8 + e % 2 > seen + 16 * m + e / 2 * 8) scores[m][n][e] = -INFINITY;
}

// exp2_fast is 2^x within two units in the last place; very small results are 0.
__device__ inline float exp2_fast(float x) {
	float y;
	asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(y) : "f"(x));
	return y;
}

// Softmax is what a warp keeps of its rows lane/4 (0) and lane/4 + 8 (1) of each 16.
template <int M> struct Softmax {
	float largest[M][2]; // largest score so far
	float total[M][2];   // this lane's part of the sum of exponentials
};

// weigh turns the scores of a tile of keys into weights; down is by how much the sums of the
// tiles before must be scaled, since a row's largest score may have grown.
//   scores (16·M, N)
template <int M, int N>
__device__ inline void weigh(float (&scores)[M][N / 8][4], float (&down)[M][2], Softmax<M> &s, float factor) {
#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int half = 0; half < 2; half++) {
			float top = s.largest[m][half];
#pragma unroll
			for (int n = 0; n < N / 8; n++)
				top = fmaxf(top, fmaxf(scores[m][n][2 * half], scores[m][n][2 * half + 1]));
			top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
			top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
			float shift = top * factor;
			down[m][half] = exp2_fast(s.largest[m][half] * factor - shift);
			float sum = s.total[m][half] * down[m][half];
#pragma unroll
			for (int n = 0; n < N / 8; n++)
#pragma unroll
				for (int e = 2 * half; e < 2 * half + 2; e++) {
					scores[m][n][e] = exp2_fast(fmaf(scores[m][n][e], factor, -shift));
					sum += scores[m][n][e];
				}
			s.largest[m][half] = top;
			s.total[m][half] = sum;
		}
}

// scale_down scales the sums.
//   sums (16·M, D)
template <int D, int M> __device__ inline void scale_down(float (&sums)[M][D / 8][4], const float (&down)[M][2]) {
#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int c = 0; c < D / 8; c++)
#pragma unroll
			for (int e = 0; e < 4; e++) sums[m][c][e] *= down[m][e / 2];
}

// exponentiate does both where nothing of the sums is under way.
//   scores (16·M, N)   sums (16·M, D)
template <int D, int M, int N>
__device__ inline void exponentiate(float (&scores)[M][N / 8][4], float (&sums)[M][D / 8][4], Softmax<M> &s, float factor) {
	float down[M][2];
	weigh<M, N>(scores, down, s, factor);
	scale_down<D, M>(sums, down);
}

// finish ends the softmax of the m-th 16 rows, which begin at row first of the document: it
// writes their log-sum-exp and returns what their sums are to be multiplied by.
//   lse (T, heads)
template <int M>
__device__ inline void finish(float (&inverse)[2], const Softmax<M> &s, int m, float factor, float *RESTRICT lse,
                              const Tile &t, int first) {
#pragma unroll
	for (int half = 0; half < 2; half++) {
		float total = s.total[m][half];
		total += __shfl_xor_sync(0xffffffffu, total, 1);
		total += __shfl_xor_sync(0xffffffffu, total, 2);
		inverse[half] = 1 / total;
		int i = first + line(2 * half);
		if (threadIdx.x % 4 == 0 && i < t.length)
			lse[(long long)(t.start + i) * gridDim.y + blockIdx.y] = fmaf(s.largest[m][half] * factor, ln2, logf(total));
	}
}
