// AdamW (Loshchilov & Hutter, arXiv 1711.05101) over all parameters in one launch, in
// PyTorch's order. Clip scale, finite flag and step count are read on the device: a step
// with non-finite gradients changes nothing at all, and the host need not know.
#include "parameters.cuh"

// Advances the step count and writes what depends on it: {learning rate/(1−β₁ᵗ), √(1−β₂ᵗ)}.
// Powers by squaring, in double: the digits of 1 − βᵗ would be lost in float.
//   control (4)   corrections (2)
// Launch: 1 × 1; none
extern "C" __global__ void adamw_begin(float *RESTRICT control, float *RESTRICT corrections, double learning_rate,
                                       double beta1, double beta2) {
	if (control[2] != 1) return;
	float step = control[3] + 1;
	control[3] = step;
	double power1 = 1, power2 = 1;
	for (int t = (int)step; t > 0; t /= 2) {
		if (t % 2 == 1) {
			power1 *= beta1;
			power2 *= beta2;
		}
		beta1 *= beta1;
		beta2 *= beta2;
	}
	corrections[0] = (float)(learning_rate / (1 - power1));
	corrections[1] = (float)sqrt(1 - power2);
}

// One step: g = grad·scale; value ·= decay where it applies; m += …, v += …; value −= rate·m/(√v/correction + ε),
// on the master where values are bf16. decay = 1 − learning rate·weight decay, one_minus_beta1
// and one_minus_beta2 are rounded from double by the host.
//   table (count)   control (4)   corrections (2)
// Launch: blocks × 256, as squares in global_norm.cu; none
template <typename T>
__device__ void adamw_run(const Parameter *table, int count, const float *control, const float *corrections,
                          float decay, float beta1, float one_minus_beta1, float beta2, float one_minus_beta2, float epsilon) {
	if (control[2] != 1) return;
	const Parameter *p = find_parameter(table, count, blockIdx.x);
	long long first = (long long)(blockIdx.x - p->first_block) * parameters_per_block;
	long long last = min(p->count, first + parameters_per_block);
	T *value = (T *)p->value + first;
	const bool narrow = sizeof(T) < sizeof(float);
	float *master = (narrow ? p->master : (float *)p->value) + first;
	float *moment1 = p->moment1 + first, *moment2 = p->moment2 + first;
	const float *grad = p->grad + first;
	float keep = p->decays ? decay : 1, scale = control[1], rate = corrections[0], correction = corrections[1];
	walk<per_pack<float>>(last - first, [&](auto size, int c) {
		float g[size.value], m[size.value], v[size.value], w[size.value];
		load(g, grad + c);
		load(m, moment1 + c);
		load(v, moment2 + c);
		load(w, master + c);
		for (int k = 0; k < size.value; k++) {
			g[k] *= scale;
			m[k] = beta1 * m[k] + one_minus_beta1 * g[k];
			v[k] = beta2 * v[k] + one_minus_beta2 * g[k] * g[k];
			w[k] = w[k] * keep - rate * (m[k] / (sqrtf(v[k]) / correction + epsilon));
		}
		store(moment1 + c, m);
		store(moment2 + c, v);
		if (narrow) store(master + c, w);
		store(value + c, w);
	}, grad, moment1, moment2, master, value);
}

// The entry points, for each element type.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void MEMORY_BOUND adamw_##suffix(                                                           \
	    const Parameter *RESTRICT table, int count, const float *RESTRICT control,                                    \
	    const float *RESTRICT corrections, float decay, float beta1, float one_minus_beta1, float beta2,              \
	    float one_minus_beta2, float epsilon) {                                                                       \
		adamw_run<T>(table, count, control, corrections, decay, beta1, one_minus_beta1, beta2, one_minus_beta2,       \
		             epsilon);                                                                                        \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
