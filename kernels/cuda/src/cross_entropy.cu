// Softmax and cross-entropy of a chunk of logits, and in their place the logits' gradient.
//
// Logits come as floats whatever the activation type is: a log-probability made from logits
// rounded to bf16 would have three digits. The gradient has the activation type, as the
// matrix products that follow want it. Row i of it begins where row i of the logits begins,
// so with bf16 it fills the first half of the row's bytes.
//
// One block a row, which it reads twice, the second time from the L2 cache: largest logit
// and sum of exponentials come in one pass, the sum rescaled whenever a larger one appears.
#include "common.cuh"

// Softmax is the largest of some logits, and Σ exp(logit − largest) over them.
struct Softmax {
	float largest, sum;
};

// joined is the Softmax of the logits of both.
__device__ inline Softmax joined(Softmax a, Softmax b) {
	float largest = fmaxf(a.largest, b.largest);
	return {largest, a.sum * expf(a.largest - largest) + b.sum * expf(b.largest - largest)};
}

// with adds N logits to s.
template <int N> __device__ inline Softmax with(Softmax s, const float (&logits)[N]) {
	float largest = s.largest;
	for (int k = 0; k < N; k++) largest = fmaxf(largest, logits[k]);
	float sum = s.sum * expf(s.largest - largest);
	for (int k = 0; k < N; k++) sum += expf(logits[k] - largest);
	return {largest, sum};
}

// block_joined returns the Softmax of all threads' logits, to all threads.
__device__ inline Softmax block_joined(Softmax s, Softmax *scratch) {
	for (int offset = 16; offset > 0; offset /= 2) {
		s = joined(s, {__shfl_xor_sync(0xffffffffu, s.largest, offset), __shfl_xor_sync(0xffffffffu, s.sum, offset)});
	}
	if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = s;
	__syncthreads();
	s = scratch[0];
	for (int w = 1; w < blockDim.x / 32; w++) s = joined(s, scratch[w]);
	return s;
}

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
	Softmax s = {-3.402823466e38f, 0}; // not −∞, which minus itself is NaN
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
	T *dlogits = (T *)logits;
	// The block reads a stretch of logits before it writes the stretch's gradient: that lies
	// in the same bytes or before them, where every logit has been read.
	for (int base = 0; base < whole; base += 2 * N * blockDim.x) {
		float v[2][N];
		for (int half = 0; half < 2; half++) {
			int c = base + (half * blockDim.x + threadIdx.x) * N;
			if (c >= whole) break;
			load(v[half], logits + c);
			for (int k = 0; k < N; k++) v[half][k] = scale * expf(v[half][k] - s.largest) - (c + k == target ? weight : 0);
		}
		__syncthreads();
		for (int half = 0; half < 2; half++) {
			int c = base + (half * blockDim.x + threadIdx.x) * N;
			if (c < whole) store(dlogits + c, v[half]);
		}
	}
	float last = rest < vocabulary ? scale * expf(logits[rest] - s.largest) - (rest == target ? weight : 0) : 0;
	__syncthreads();
	if (rest < vocabulary) store(dlogits + rest, last);
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
