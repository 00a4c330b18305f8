// The table of parameters that the optimizer's kernels walk: all of a student's tensors in
// one launch. Blocks are dealt out in order, each a run of at most parameters_per_block
// elements of one parameter.
#pragma once
#include "common.cuh"

const int parameters_per_block = 16384;

// Parameter is one tensor; the host lays the table out as C does: 48 bytes an entry.
template <typename T> struct Parameter {
	T *value;         // (count)
	const T *grad;    // (count)
	float *moment1;   // (count)
	float *moment2;   // (count)
	long long count;
	int first_block;  // the first block that works on it
	float decay;      // factor of weight decay on the value, 1 − learning rate·decay
};

// find_parameter returns the entry that block b works on: the last whose first_block ≤ b.
// Parameters are never empty.
template <typename T> __device__ inline const Parameter<T> *find_parameter(const Parameter<T> *table, int count, int b) {
	int low = 0, high = count;
	while (high - low > 1) {
		int middle = (low + high) / 2;
		if (table[middle].first_block <= b) low = middle;
		else high = middle;
	}
	return table + low;
}
