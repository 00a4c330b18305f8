// Softmax and cross-entropy of a chunk of logits, and in their place the logits' gradient.
//
// One block a row, which it reads twice, the second time from the L2 cache: largest logit
// and sum of exponentials come in one pass, the sum rescaled whenever a larger one appears.
#include "softmax.cuh"

// logprobs[i] = log softmax(logits[i])[targets[i]] and, with gradient, in place
// dlogits[i] = weights[i]·(softmax(logits[i]) − onehot(targets[i])).
//   logprobs, targets, weights (rows)   logits (rows, vocabulary) float, stride a multiple of 4, 16-byte aligned
// Launch: rows × 128 to 512; none
template <typename T>
__device__ void cross_entropy_row(float *RESTRICT logprobs, float *logits, const int *RESTRICT targets,
                                  const float *RESTRICT weights, int vocabulary, int stride, int gradient) {
	__shared__ Softmax scratch[32];
	logits = row(logits, blockIdx.x, stride);
	const int N = 4;
	int whole = vocabulary / N * N, rest = whole + threadIdx.x;
	Softmax s = no_logits();
	for (int c = N * threadIdx.x; c < whole; c += N * blockDim.x) {
		float v[N];
		load(v, logits + c);
		s = with(s, v);
	}
	if (rest < vocabulary) s = with(s, {logits[rest]});
	s = block_joined(s, scratch);
	int target = targets[blockIdx.x];
	if (threadIdx.x == 0) logprobs[blockIdx.x] = (logits[target] - s.largest) - logf(s.sum);
	if (!gradient) return;

	float weight = weights[blockIdx.x], scale = weight / s.sum;
	replace<T>(logits, vocabulary, [&](int c, auto &v) {
		for (int k = 0; k < sizeof(v) / sizeof(float); k++) {
			v[k] = scale * expf(v[k] - s.largest) - (c + k == target ? weight : 0);
		}
	});
}

// The entry points, for each element type of the gradient.
#define ENTRIES(T, suffix)                                                                                            \
	extern "C" __global__ void __launch_bounds__(512) cross_entropy_##suffix(                                         \
	    float *RESTRICT logprobs, float *logits, const int *RESTRICT targets, const float *RESTRICT weights,          \
	    int vocabulary, int stride, int gradient) {                                                                   \
		cross_entropy_row<T>(logprobs, logits, targets, weights, vocabulary, stride, gradient);                       \
	}

ENTRIES(float, f32)
ENTRIES(bf16, bf16)
