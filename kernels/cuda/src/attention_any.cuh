// What the plain attention kernels share: tiles of 16 rows of a head of any size up to 256
// as floats in shared memory, and the two products of attention on them, in float32.
//
// 128 threads, four warps. Of a (16, 16) result a thread has column threadIdx.x % 16 of rows
// threadIdx.x / 16 and 8 more, and of a (16, size) sum a warp has four rows and a lane every
// 32nd column. Rows in shared memory are size + 1 floats apart, so that the 16 rows that
// neighbouring threads read lie in different banks.
#pragma once
#include "attention.cuh"

const int any_rows = 16, any_slots = 8, weights_stride = any_rows + 1;

// load_rows reads rows [first, first + 16) of a document's head, zeros beyond its end.
//   tile (16, size)   head (length, size)
template <typename T>
__device__ inline void load_rows(float *tile, const T *RESTRICT head, int first, int length, int stride, int size) {
	for (int r = threadIdx.x / 32; r < any_rows; r += 4)
		for (int c = threadIdx.x % 32; c < size; c += 32)
			tile[r * (size + 1) + c] = first + r < length ? load(row(head, first + r, stride) + c) : 0;
}

// dot_rows is this thread's two elements of a·bᵀ.
//   a, b (16, size)
__device__ inline void dot_rows(float (&s)[2], const float *a, const float *b, int size) {
	int width = size + 1;
	a += threadIdx.x / 16 * width;
	b += threadIdx.x % 16 * width;
	s[0] = s[1] = 0;
	for (int c = 0; c < size; c++) {
		s[0] += a[c] * b[c];
		s[1] += a[8 * width + c] * b[c];
	}
}

// weigh_rows adds w·tile to the warp's four rows of sums.
//   w (16, 16)   tile (16, size)
__device__ inline void weigh_rows(float (&sums)[4][any_slots], const float *w, const float *tile, int size) {
	w += threadIdx.x / 32 * 4 * weights_stride;
#pragma unroll
	for (int slot = 0; slot < any_slots; slot++) {
		int c = slot * 32 + threadIdx.x % 32;
		if (c >= size) break;
#pragma unroll 2
		for (int n = 0; n < any_rows; n++) {
			float v = tile[n * (size + 1) + c];
#pragma unroll
			for (int r = 0; r < 4; r++) sums[r][slot] += w[r * weights_stride + n] * v;
		}
	}
}

// PlainSoftmax is what a warp keeps of its four rows; every lane knows all of it.
struct PlainSoftmax {
	float largest[4], total[4];
};

// exponentiate_rows turns the warp's four rows of scores into weights, and scales the sums
// down where a row's largest score grew.
//   scores (16, 16)   sums (4, size)
__device__ inline void exponentiate_rows(float *scores, float (&sums)[4][any_slots], PlainSoftmax &s) {
	int lane = threadIdx.x % 32;
	scores += threadIdx.x / 32 * 4 * weights_stride;
#pragma unroll
	for (int r = 0; r < 4; r++) {
		float score = lane < any_rows ? scores[r * weights_stride + lane] : -INFINITY;
		float top = fmaxf(s.largest[r], score);
		for (int offset = 8; offset > 0; offset /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, offset));
		top = __shfl_sync(0xffffffffu, top, 0);
		float p = expf(score - top), down = expf(s.largest[r] - top);
		if (lane < any_rows) scores[r * weights_stride + lane] = p;
		s.total[r] = s.total[r] * down + warp_sum(p);
		s.largest[r] = top;
#pragma unroll
		for (int slot = 0; slot < any_slots; slot++) sums[r][slot] *= down;
	}
	__syncwarp();
}

// write_rows writes the warp's four rows of sums, times factor, to rows [first, first + 16) of
// a document's head.
template <typename T>
__device__ inline void write_rows(T *RESTRICT head, const float (&sums)[4][any_slots], const float (&factor)[4], int first,
                                  int length, int stride, int size) {
#pragma unroll
	for (int r = 0; r < 4; r++) {
		int i = first + threadIdx.x / 32 * 4 + r;
		if (i >= length) return;
#pragma unroll
		for (int slot = 0; slot < any_slots; slot++) {
			int c = slot * 32 + threadIdx.x % 32;
			if (c < size) store(row(head, i, stride) + c, sums[r][slot] * factor[r]);
		}
	}
}
