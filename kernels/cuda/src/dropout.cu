// Dropout (Srivastava et al., JMLR 2014) with a mask that nobody stores: Philox 4x32-10
// (Salmon et al., SC 2011) turns a counter of row, column and stream into random bits, so that
// the backward pass, and every other device, finds the same elements again. One block of its
// 128 bits decides eight neighbouring elements, 16 bits each. Without a mask it scales.
#include "common.cuh"

struct Words { unsigned v[4]; };

// philox is ten rounds of multiplication over the counter, the key growing from round to round.
__device__ inline Words philox(Words c, unsigned long long key) {
	unsigned k0 = (unsigned)key, k1 = (unsigned)(key >> 32);
#pragma unroll
	for (int round = 0; round < 10; round++) {
		unsigned high0 = __umulhi(0xd2511f53u, c.v[0]), low0 = 0xd2511f53u * c.v[0];
		unsigned high1 = __umulhi(0xcd9e8d57u, c.v[2]), low1 = 0xcd9e8d57u * c.v[2];
		c = {high1 ^ c.v[1] ^ k0, low1, high0 ^ c.v[3] ^ k1, low0};
		k0 += 0x9e3779b9u;
		k1 += 0xbb67ae85u;
	}
	return c;
}

// y = factor·x, or y += factor·x, where an element's 16 bits reach the threshold; 0 elsewhere.
// y may be x, in place.
//   y, x (rows, width)
// Launch: by rows; none
template <typename T>
__device__ void dropout_rows(T *y, const T *x, float factor, int rows, int width, int y_stride, int x_stride,
                             int threshold, unsigned long long seed, unsigned long long stream, int accumulate) {
	int i = own_row();
	if (i >= rows) return;
	y = row(y, i, y_stride);
	x = row(x, i, x_stride);
	walk<per_pack<T>>(width, [&](auto size, int c) { // size divides 8: the elements share a block
		float v[size.value], sum[size.value];
		Words words = {};
		if (threshold) words = philox({(unsigned)c / 8, (unsigned)i, (unsigned)stream, (unsigned)(stream >> 32)}, seed);
		load(v, x + c);
		if (accumulate) load(sum, y + c);
		for (int k = 0; k < size.value; k++) {
			int e = (c + k) % 8;
			unsigned pair = e < 4 ? (e < 2 ? words.v[0] : words.v[1]) : (e < 6 ? words.v[2] : words.v[3]);
			bool kept = (e % 2 ? pair >> 16 : pair & 0xffffu) >= threshold;
			v[k] = (kept ? factor * v[k] : 0) + (accumulate ? sum[k] : 0);
		}
		store(y + c, v);
	}, y, x);
}

// The entry points, for each element type.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void MEMORY_BOUND dropout_##suffix(                                                         \
	    T *y, const T *x, float factor, int rows, int width, int y_stride, int x_stride, int threshold,               \
	    unsigned long long seed, unsigned long long stream, int accumulate) {                                         \
		dropout_rows(y, x, factor, rows, width, y_stride, x_stride, threshold, seed, stream, accumulate);             \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
