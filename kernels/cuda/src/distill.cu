// Cross-entropy and the divergence from a teacher of a chunk of logits, and in their place the
// logits' gradient (Hinton et al., arXiv 1503.02531). As cross_entropy.cu, with three sums of
// exponentials in the first pass: the student's, the student's at the temperature, the teacher's.
//
// Where the teacher names a few tokens, the gradient of these is written once more, from their
// logits, which the block has kept: subtracting the teacher's share from a gradient that was
// rounded to bf16 would leave nothing of a student that is close to the teacher.
#include "softmax.cuh"

// Said is the Softmax of a teacher's logits u at the temperature, and Σ exp(u − largest)·(u − v)
// where v are the student's.
struct Said {
	Softmax softmax;
	float gap;
};

__device__ inline Said joined(Said a, Said b) {
	Softmax s = joined(a.softmax, b.softmax);
	return {s, a.gap * expf(a.softmax.largest - s.largest) + b.gap * expf(b.softmax.largest - s.largest)};
}

__device__ inline Said exchanged(Said s, int bit) {
	return {exchanged(s.softmax, bit), __shfl_xor_sync(0xffffffffu, s.gap, bit)};
}

// with adds N logits of the teacher and the student's to s. u = −∞ has no probability and no gap.
template <int N> __device__ inline Said with(Said s, const float (&u)[N], const float (&v)[N]) {
	float largest = s.softmax.largest;
	for (int k = 0; k < N; k++) largest = fmaxf(largest, u[k]);
	float rescale = expf(s.softmax.largest - largest), sum = s.softmax.sum * rescale, gap = s.gap * rescale;
	for (int k = 0; k < N; k++) {
		float p = expf(u[k] - largest);
		sum += p;
		if (p > 0) gap += p * (u[k] - v[k]);
	}
	return {{largest, sum}, gap};
}

// scaled loads N neighbours, (p − origin)·factor, at once where packs may begin at p.
template <int N> __device__ inline void scaled(float (&v)[N], const float *p, float origin, float factor, bool packs) {
	if (packs && N > 1) {
		load(v, p);
	} else {
		for (int k = 0; k < N; k++) v[k] = p[k];
	}
	for (int k = 0; k < N; k++) v[k] = (v[k] - origin) * factor;
}

// The teacher of a chunk of rows: its logits (rows, k), and the tokens ids (rows, k) that they
// are of, or 0 where k is the vocabulary; and how much it counts. The host lays it out as C does.
struct Teacher {
	const float *logits;
	const int *ids;
	int k, stride, ids_stride;
	float lambda, temperature, inverse; // inverse: 1/temperature
};

// logprobs[i] = log softmax(logits[i])[targets[i]], divergences[i] = KL(p ‖ q) for the softmaxes p
// of the teacher's logits and q of the student's at the temperature and, with gradient, in place
// dlogits[i] = weights[i]·((1 − λ)·(softmax(logits[i]) − onehot(targets[i])) + λ·temperature·(q − p)).
//   logprobs, divergences, targets, weights (rows)
//   logits (rows, vocabulary) float, stride a multiple of 4, 16-byte aligned
// Launch: rows × 128 to 512; with ids k floats, else none
template <typename T>
__device__ void distill_row(float *RESTRICT logprobs, float *RESTRICT divergences, float *logits,
                            const int *RESTRICT targets, const float *RESTRICT weights, Teacher teacher, int vocabulary,
                            int stride, int gradient) {
	__shared__ Softmax scratch[2][32];
	__shared__ Said said_scratch[32];
	extern __shared__ float named[]; // the student's logits of the tokens that the teacher names
	logits = row(logits, blockIdx.x, stride);
	const float *RESTRICT taught = row(teacher.logits, blockIdx.x, teacher.stride);
	const int *RESTRICT ids = teacher.ids ? row(teacher.ids, blockIdx.x, teacher.ids_stride) : 0;
	const int N = 4;
	bool packs = aligned<N>(taught);
	float inverse = teacher.inverse;
	int target = targets[blockIdx.x];
	// Logits at the temperature are counted from one of their own: the gap of two that all are
	// large would have few digits.
	float origin = logits[target], taught_origin = teacher.k > 0 && taught[0] > -INFINITY ? taught[0] : 0;

	Softmax plain = no_logits(), soft = no_logits();
	Said said = {no_logits(), 0};
	auto add = [&](int c, auto &v) {
		plain = with(plain, v);
		for (int k = 0; k < sizeof(v) / sizeof(float); k++) v[k] = (v[k] - origin) * inverse;
		soft = with(soft, v);
		if (ids) return;
		float u[sizeof(v) / sizeof(float)];
		scaled(u, taught + c, taught_origin, inverse, packs);
		said = with(said, u, v);
	};
	int whole = vocabulary / N * N, rest = whole + threadIdx.x;
	for (int c = N * threadIdx.x; c < whole; c += N * blockDim.x) {
		float v[N];
		load(v, logits + c);
		add(c, v);
	}
	if (rest < vocabulary) {
		float v[1] = {logits[rest]};
		add(rest, v);
	}
	for (int j = threadIdx.x; ids && j < teacher.k; j += blockDim.x) {
		named[j] = logits[ids[j]];
		said = with(said, {(taught[j] - taught_origin) * inverse}, {(named[j] - origin) * inverse});
	}
	plain = block_joined(plain, scratch[0]);
	soft = block_joined(soft, scratch[1]);
	said = block_joined(said, said_scratch);
	Softmax p = said.softmax;
	if (threadIdx.x == 0) {
		logprobs[blockIdx.x] = (origin - plain.largest) - logf(plain.sum);
		divergences[blockIdx.x] = p.sum > 0 ? said.gap / p.sum + (soft.largest - p.largest) + (logf(soft.sum) - logf(p.sum)) : 0;
	}
	if (!gradient) return;

	float weight = weights[blockIdx.x], lambda = p.sum > 0 ? teacher.lambda : 0;
	float hard = weight * (1 - lambda), pull = weight * lambda * teacher.temperature;
	float plain_scale = hard / plain.sum, soft_scale = pull / soft.sum, said_scale = p.sum > 0 ? pull / p.sum : 0;
	auto slope = [&](int c, float logit) { // without the teacher's part
		return plain_scale * expf(logit - plain.largest) - (c == target ? hard : 0) +
		       soft_scale * expf((logit - origin) * inverse - soft.largest);
	};
	replace<T>(logits, vocabulary, [&](int c, auto &v) {
		for (int k = 0; k < sizeof(v) / sizeof(float); k++) v[k] = slope(c + k, v[k]);
		if (ids) return;
		float u[sizeof(v) / sizeof(float)];
		scaled(u, taught + c, taught_origin, inverse, packs);
		for (int k = 0; k < sizeof(v) / sizeof(float); k++) v[k] -= said_scale * expf(u[k] - p.largest);
	});
	if (!ids) return;
	__syncthreads();
	T *dlogits = (T *)logits;
	for (int j = threadIdx.x; j < teacher.k; j += blockDim.x) {
		float share = expf((taught[j] - taught_origin) * inverse - p.largest);
		if (share > 0) store(dlogits + ids[j], slope(ids[j], named[j]) - said_scale * share);
	}
}

// The entry points, for each element type of the gradient.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void __launch_bounds__(512)                                                                 \
	    distill_##suffix(float *RESTRICT logprobs, float *RESTRICT divergences, float *logits,                        \
	                     const int *RESTRICT targets, const float *RESTRICT weights, Teacher teacher, int vocabulary, \
	                     int stride, int gradient) {                                                                  \
		distill_row<T>(logprobs, divergences, logits, targets, weights, teacher, vocabulary, stride, gradient);       \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
