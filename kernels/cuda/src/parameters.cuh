// The table of parameters that the optimizer's kernels walk: all of a student's tensors in
// one launch. Blocks are dealt out in order, each a run of at most parameters_per_block
// elements of one parameter.
#pragma once
#include "common.cuh"

const int parameters_per_block = 16384;

// Parameter is one tensor; the host lays the table out as C does: 56 bytes an entry.
// Where values are bf16, the optimizer updates master and value is master rounded.
struct Parameter {
	void *value;       // (count) of the element type
	const float *grad; // (count)
	float *master;     // (count), 0 where values are float
	float *moment1;    // (count)
	float *moment2;    // (count)
	long long count;
	int first_block;   // the first block that works on it
	int decays;        // 1: weight decay applies
};

// find_parameter returns the entry that block b works on: the last whose first_block ≤ b.
// Parameters are never empty.
__device__ inline const Parameter *find_parameter(const Parameter *table, int count, int b) {
	int low = 0, high = count;
	while (high - low > 1) {
		int middle = (low + high) / 2;
		if (table[middle].first_block <= b) low = middle;
		else high = middle;
	}
	return table + low;
}
