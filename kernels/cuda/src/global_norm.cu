// The norm of all gradients together, the factor that clips them, and whether they are
// finite: values on the device that adamw.cu reads, so that a step never waits for the host.
//
// Every block squares and sums one run of one parameter: threads in float, 64 elements
// each, the block in double. A second kernel of one block adds the blocks' sums in order.
#include "parameters.cuh"

// partials[b] = Σ grad² over the run of block b.
//   partials (blocks)   table (count)
// Launch: blocks × 256, the sum of ⌈count/16384⌉ over the parameters; none
extern "C" __global__ void __launch_bounds__(256)
    squares(double *RESTRICT partials, const Parameter *RESTRICT table, int count) {
	__shared__ double scratch[32];
	const Parameter *p = find_parameter(table, count, blockIdx.x);
	long long first = (long long)(blockIdx.x - p->first_block) * parameters_per_block;
	long long last = min(p->count, first + parameters_per_block);
	const float *grad = p->grad + first;
	float sum = 0;
	walk<per_pack<float>>(last - first, [&](auto size, int c) {
		float g[size.value];
		load(g, grad + c);
		for (int k = 0; k < size.value; k++) sum += g[k] * g[k];
	}, grad);
	double total = block_sum((double)sum, scratch);
	if (threadIdx.x == 0) partials[blockIdx.x] = total;
}

// control = {norm, clip scale, finite, step as it was}. A sum of squares that no float
// holds counts as not finite; the comparison is false for NaN too.
//   control (4)   partials (blocks)
// Launch: 1 × 256; none
extern "C" __global__ void __launch_bounds__(256)
    global_norm(float *RESTRICT control, const double *RESTRICT partials, int blocks, float max_norm) {
	__shared__ double scratch[32];
	double sum = 0;
	for (int b = threadIdx.x; b < blocks; b += blockDim.x) sum += partials[b];
	double total = block_sum(sum, scratch);
	if (threadIdx.x > 0) return;
	double norm = sqrt(total);
	control[0] = (float)norm;
	control[1] = max_norm > 0 && norm > 0 ? fminf(1.f, (float)(max_norm / (norm + 1e-6))) : 1.f;
	control[2] = total <= 3.4028234663852886e38 ? 1.f : 0.f;
}
