// Rotary position embedding (Su et al., arXiv 2104.09864), in place, in Hugging Face's
// order: element i of a head is rotated together with element i + D/2 by the angle of its
// token's position. Cosines and sines come from a table, so that no kernel computes large
// angles in float. Rotating by the opposite angle undoes it, which is the backward.
//
// One block a token, one thread a pair: neighbouring threads read neighbouring elements
// of both halves, and the token's row of the table is read by every head from cache.
#include "common.cuh"

// x rotated in place.
//   x (tokens, columns = heads·size)   table (positions, size): cosines, then sines   positions (tokens)
// Launch: tokens × 128; none
template <typename T>
__device__ void rotate_row(T *x, const float *RESTRICT table, const int *RESTRICT positions, int columns, int size,
                           int x_stride, int table_stride, int inverse) {
	int half = size / 2;
	T *token = row(x, blockIdx.x, x_stride);
	const float *angles = row(table, positions[blockIdx.x], table_stride);
	for (int pair = threadIdx.x; pair < columns / 2; pair += blockDim.x) {
		int head = pair / half, i = pair % half;
		T *first = token + head * size + i, *second = first + half;
		float a = load(first), b = load(second);
		float cos = angles[i], sin = inverse ? -angles[half + i] : angles[half + i];
		store(first, a * cos - b * sin);
		store(second, b * cos + a * sin);
	}
}

// The entry points, for each element type.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void __launch_bounds__(128) rope_##suffix(T *x, const float *RESTRICT table,                \
	                                                                const int *RESTRICT positions, int columns,       \
	                                                                int size, int x_stride, int table_stride,         \
	                                                                int inverse) {                                    \
		rotate_row(x, table, positions, columns, size, x_stride, table_stride, inverse);                              \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
