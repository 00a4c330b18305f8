// Rotary position embedding (Su et al., arXiv 2104.09864), in place, in Hugging Face's
// order: element i of a head is rotated together with element i + D/2 by the angle of its
// token's position. Cosines and sines come from a table, so that no kernel computes large
// angles in float. Rotating by the opposite angle undoes it, which is the backward.
//
// Threads take neighbouring pairs, by four where a head allows it; the token's row of the
// table is read by every head from cache.
#include "common.cuh"

// x rotated in place.
//   x (tokens, columns = heads·size)   table (positions, size): cosines, then sines   positions (tokens)
// Launch: by rows, of columns/2; none
template <typename T>
__device__ void rotate_rows(T *x, const float *RESTRICT table, const int *RESTRICT positions, int tokens, int columns,
                            int size, int x_stride, int table_stride, int inverse) {
	int t = own_row(), half = size / 2;
	if (t >= tokens) return;
	T *token = row(x, t, x_stride);
	const float *angles = row(table, positions[t], table_stride);
	auto rotate = [&](auto count, int pair) { // count pairs of one head
		int head = pair / half, i = pair % half;
		T *first = token + head * size + i, *second = first + half;
		float a[count.value], b[count.value], cos[count.value], sin[count.value];
		load(a, first);
		load(b, second);
		load(cos, angles + i);
		load(sin, angles + half + i);
		for (int k = 0; k < count.value; k++) {
			float s = inverse ? -sin[k] : sin[k], rotated = a[k] * cos[k] - b[k] * s;
			b[k] = b[k] * cos[k] + a[k] * s;
			a[k] = rotated;
		}
		store(first, a);
		store(second, b);
	};
	const int pack = per_pack<float>;
	if (half % pack == 0) walk<pack>(columns / 2, rotate, token, angles);
	else walk<1>(columns / 2, rotate, token, angles);
}

// The entry points, for each element type.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void MEMORY_BOUND rope_##suffix(                                                            \
	    T *x, const float *RESTRICT table, const int *RESTRICT positions, int tokens, int columns, int size,          \
	    int x_stride, int table_stride, int inverse) {                                                                \
		rotate_rows(x, table, positions, tokens, columns, size, x_stride, table_stride, inverse);                     \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
