// The token embedding, with GPT-2's position embedding, and its gradient.
//
// Forward copies one row of the table per token. Backward must add many tokens' gradients
// to one row without atomics: the host sorts the tokens by id (counting sort, stable), and
// one row of threads adds up one id's tokens in that order.
#include "common.cuh"

// x[t] = table[ids[t]] + pos[positions[t]].
//   x (tokens, width)   table (V, width)   ids, positions (tokens)   pos (P, width); pos, positions may be 0
// Launch: by rows; none
template <typename T>
__device__ void embed_rows(T *RESTRICT x, const T *RESTRICT table, const int *RESTRICT ids, const T *RESTRICT pos,
                           const int *RESTRICT positions, int tokens, int width, int x_stride, int table_stride,
                           int pos_stride) {
	int t = own_row();
	if (t >= tokens) return;
	x = row(x, t, x_stride);
	table = row(table, ids[t], table_stride);
	if (pos) pos = row(pos, positions[t], pos_stride);
	walk<per_pack<T>>(width, [&](auto size, int c) {
		float v[size.value], p[size.value];
		load(v, table + c);
		if (pos) {
			load(p, pos + c);
			for (int k = 0; k < size.value; k++) v[k] += p[k];
		}
		store(x + c, v);
	}, x, table, pos);
}

// dtable[ids[u]] += Σ dx[order[k]], k from starts[u] to starts[u+1].
//   dtable (V, width)   dx (tokens, width)   ids (count), distinct   starts (count+1)   order (tokens)
// Launch: by rows, of dtable; none
template <typename T>
__device__ void embed_backward_rows(float *RESTRICT dtable, const T *RESTRICT dx, const int *RESTRICT ids,
                                    const int *RESTRICT starts, const int *RESTRICT order, int count, int width,
                                    int dtable_stride, int dx_stride) {
	int u = own_row();
	if (u >= count) return;
	int first = starts[u], last = starts[u + 1];
	dtable = row(dtable, ids[u], dtable_stride);
	// All rows of dx are made of Packs when the first is and the stride is.
	const T *second = dx + dx_stride;
	walk<per_pack<float>>(width, [&](auto size, int c) {
		float total[size.value], v[size.value], sum[size.value] = {};
		for (int k = first; k < last; k++) {
			load(v, row(dx, order[k], dx_stride) + c);
			for (int j = 0; j < size.value; j++) sum[j] += v[j];
		}
		load(total, dtable + c);
		for (int j = 0; j < size.value; j++) total[j] += sum[j];
		store(dtable + c, total);
	}, dtable, dx, second);
}

// The entry points, for each element type.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void MEMORY_BOUND embed_##suffix(                                                           \
	    T *RESTRICT x, const T *RESTRICT table, const int *RESTRICT ids, const T *RESTRICT pos,                       \
	    const int *RESTRICT positions, int tokens, int width, int x_stride, int table_stride, int pos_stride) {       \
		embed_rows(x, table, ids, pos, positions, tokens, width, x_stride, table_stride, pos_stride);                 \
	}                                                                                                                 \
	extern "C" __global__ void MEMORY_BOUND embed_backward_##suffix(                                                  \
	    float *RESTRICT dtable, const T *RESTRICT dx, const int *RESTRICT ids, const int *RESTRICT starts,            \
	    const int *RESTRICT order, int count, int width, int dtable_stride, int dx_stride) {                          \
		embed_backward_rows(dtable, dx, ids, starts, order, count, width, dtable_stride, dx_stride);                  \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
