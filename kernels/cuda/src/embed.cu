// The token embedding, with GPT-2's position embedding, and its gradient.
//
// Forward copies one row of the table per token. Backward must add many tokens' gradients
// to one row without atomics: the host sorts the tokens by id (counting sort, stable), and
// a block adds up one id's tokens in that order for 128 columns.
#include "common.cuh"

// x[t] = table[ids[t]] + pos[positions[t]].
//   x (tokens, width)   table (V, width)   ids, positions (tokens)   pos (P, width); pos, positions may be 0
// Launch: tokens × 128; none
template <typename T>
__device__ void embed_row(T *RESTRICT x, const T *RESTRICT table, const int *RESTRICT ids, const T *RESTRICT pos,
                          const int *RESTRICT positions, int width, int x_stride, int table_stride, int pos_stride) {
	x = row(x, blockIdx.x, x_stride);
	table = row(table, ids[blockIdx.x], table_stride);
	if (pos) pos = row(pos, positions[blockIdx.x], pos_stride);
	for (int c = threadIdx.x; c < width; c += blockDim.x) {
		float v = load(table + c);
		store(x + c, pos ? v + load(pos + c) : v);
	}
}

// dtable[ids[u]] += Σ dx[order[k]], k from starts[u] to starts[u+1].
//   dtable (V, width)   dx (tokens, width)   ids (U), distinct   starts (U+1)   order (tokens)
// Launch: (U, ⌈width/128⌉) × 128; none
template <typename T>
__device__ void embed_backward_group(float *RESTRICT dtable, const T *RESTRICT dx, const int *RESTRICT ids,
                                     const int *RESTRICT starts, const int *RESTRICT order, int width,
                                     int dtable_stride, int dx_stride) {
	int c = blockIdx.y * blockDim.x + threadIdx.x;
	if (c >= width) return;
	int last = starts[blockIdx.x + 1];
	float sum = 0;
	for (int k = starts[blockIdx.x]; k < last; k++) sum += load(row(dx, order[k], dx_stride) + c);
	row(dtable, ids[blockIdx.x], dtable_stride)[c] += sum;
}

// The entry points, for each element type.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void __launch_bounds__(128) embed_##suffix(                                                 \
	    T *RESTRICT x, const T *RESTRICT table, const int *RESTRICT ids, const T *RESTRICT pos,                       \
	    const int *RESTRICT positions, int width, int x_stride, int table_stride, int pos_stride) {                   \
		embed_row(x, table, ids, pos, positions, width, x_stride, table_stride, pos_stride);                          \
	}                                                                                                                 \
	extern "C" __global__ void __launch_bounds__(128) embed_backward_##suffix(                                        \
	    float *RESTRICT dtable, const T *RESTRICT dx, const int *RESTRICT ids, const int *RESTRICT starts,            \
	    const int *RESTRICT order, int width, int dtable_stride, int dx_stride) {                                     \
		embed_backward_group(dtable, dx, ids, starts, order, width, dtable_stride, dx_stride);                        \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
