// The softmax of a row of float logits by one block, and the logits' gradient in their place.
//
// Logits come as floats whatever the activation type is: a log-probability made from logits
// rounded to bf16 would have three digits. The gradient has the activation type, as the
// matrix products that follow want it. Row i of it begins where row i of the logits begins,
// so with bf16 it fills the first half of the row's bytes.
#pragma once
#include "common.cuh"

// Softmax is the largest of some logits, and Σ exp(logit − largest) over them.
struct Softmax {
	float largest, sum;
};

// no_logits is the Softmax to begin with: not −∞, which minus itself is NaN.
__device__ inline Softmax no_logits() { return {-3.402823466e38f, 0}; }

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

// exchanged is the s of the lane whose number differs by that bit.
__device__ inline Softmax exchanged(Softmax s, int bit) {
	return {__shfl_xor_sync(0xffffffffu, s.largest, bit), __shfl_xor_sync(0xffffffffu, s.sum, bit)};
}

// block_joined returns the Softmax, or what else can be joined, of all threads' logits, to all
// threads. scratch (32 values) is not to be written again without a barrier.
template <typename S> __device__ inline S block_joined(S s, S *scratch) {
	for (int offset = 16; offset > 0; offset /= 2) s = joined(s, exchanged(s, offset));
	if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = s;
	__syncthreads();
	s = scratch[0];
	for (int w = 1; w < blockDim.x / 32; w++) s = joined(s, scratch[w]);
	return s;
}

// replace puts the gradient (vocabulary) of T in the place of a row of logits. gradient(c, v) makes the
// gradients of columns c and following out of their logits, in v. Every thread calls it.
//   logits (vocabulary), 16-byte aligned
template <typename T, typename Gradient>
__device__ inline void replace(float *logits, int vocabulary, Gradient gradient) {
	const int N = 4;
	int whole = vocabulary / N * N, rest = whole + threadIdx.x;
	T *dlogits = (T *)logits;
	// The block reads a stretch of logits before it writes the stretch's gradient: that lies
	// in the same bytes or before them, where every logit has been read.
	for (int base = 0; base < whole; base += 2 * N * blockDim.x) {
		float v[2][N];
		for (int half = 0; half < 2; half++) {
			int c = base + (half * blockDim.x + threadIdx.x) * N;
			if (c >= whole) break;
			load(v[half], logits + c);
			gradient(c, v[half]);
		}
		__syncthreads();
		for (int half = 0; half < 2; half++) {
			int c = base + (half * blockDim.x + threadIdx.x) * N;
			if (c < whole) store(dlogits + c, v[half]);
		}
	}
	float last[1] = {0};
	if (rest < vocabulary) {
		last[0] = logits[rest];
		gradient(rest, last);
	}
	__syncthreads();
	if (rest < vocabulary) store(dlogits + rest, last[0]);
}
