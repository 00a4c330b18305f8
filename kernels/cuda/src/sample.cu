// Token sampling: temperature, top-k, top-p and the draw, one block a row of logits.
//
// Probabilities are taken in fixed point: the likeliest token weighs 2^44, any other
// exp((logit − largest)/temperature) of that, rounded. A vocabulary of 2^18 tokens then
// fits 63 bits, and since integers add up to the same sum in any order, histograms may be
// made with atomics and a token is drawn alike by any number of threads.
//
// No sorting: both filters ask for the largest logit such that the tokens that reach it
// weigh a given sum together (top-k: each token weighs 1; top-p: its probability). A radix
// select finds it, 11 bits of the logits' order a pass.
#include "common.cuh"

typedef unsigned long long u64;

const unsigned all_lanes = 0xffffffffu;
const int digit_bits = 11;
const int digits = 1 << digit_bits;

// key orders logits as unsigned integers; −0 counts as 0.
__device__ inline unsigned key(float logit) {
	unsigned bits = __float_as_uint(logit + 0.f);
	return bits >> 31 ? ~bits : bits | 0x80000000u;
}

// logit_of is the inverse of key.
__device__ inline float logit_of(unsigned key) {
	return __uint_as_float(key >> 31 ? key & 0x7fffffffu : ~key);
}

// Row is one row of logits and what is known of it.
struct Row {
	const float *logits; // (vocabulary)
	int vocabulary;
	float largest, temperature;

	__device__ float operator[](int id) const { return logits[id]; }

	// weight is a token's probability before normalisation, in units of 2^−44. NaN weighs 0.
	__device__ u64 weight(float logit) const {
		float p = expf((logit - largest) / temperature);
		return p > 0 ? __float2ull_rn(p * 0x1p44f) : 0;
	}
};

// Shared is the block's shared memory.
struct Shared {
	unsigned low[digits], high[digits]; // halves of a histogram of weights
	float logits[32];                   // a value for every warp
	int ids[32];
	u64 weights[32];
	double sums[32];
	unsigned found; // of a select: what warp 0 tells the others
	u64 above;
	int drawn;
};

// find_largest returns the largest logit, to all threads, and in id where it stands first:
// 0 in a row of NaN.
__device__ float find_largest(Shared &s, const Row &row, int *id) {
	float largest = -INFINITY;
	int first = row.vocabulary;
	for (int i = threadIdx.x; i < row.vocabulary; i += blockDim.x) {
		float v = row[i];
		if (v > largest || (v == largest && i < first)) {
			largest = v;
			first = i;
		}
	}
	for (int offset = 16; offset > 0; offset /= 2) {
		float v = __shfl_xor_sync(all_lanes, largest, offset);
		int i = __shfl_xor_sync(all_lanes, first, offset);
		if (v > largest || (v == largest && i < first)) {
			largest = v;
			first = i;
		}
	}
	if (threadIdx.x % 32 == 0) {
		s.logits[threadIdx.x / 32] = largest;
		s.ids[threadIdx.x / 32] = first;
	}
	__syncthreads();
	for (int w = 0; w < blockDim.x / 32; w++) {
		float v = s.logits[w];
		if (v > largest || (v == largest && s.ids[w] < first)) {
			largest = v;
			first = s.ids[w];
		}
	}
	__syncthreads();
	*id = first < row.vocabulary ? first : 0;
	return largest;
}

// warp_scan returns the sum of v over the lanes up to the caller's.
__device__ inline u64 warp_scan(u64 v) {
	int lane = threadIdx.x % 32;
	for (int offset = 1; offset < 32; offset *= 2) {
		u64 before = __shfl_up_sync(all_lanes, v, offset);
		if (lane >= offset) v += before;
	}
	return v;
}

// add_weight adds to a digit of the histogram: 64 bits by native atomics of 32.
__device__ inline void add_weight(Shared &s, unsigned digit, u64 weight) {
	unsigned low = (unsigned)weight, high = (unsigned)(weight >> 32);
	if (low) {
		unsigned before = atomicAdd(&s.low[digit], low);
		if (before + low < before) high++;
	}
	if (high) atomicAdd(&s.high[digit], high);
}

// find_digit, called by warp 0, returns the largest digit such that the weights from it
// upwards reach target, and in above the weight of the digits beyond it.
__device__ inline unsigned find_digit(const Shared &s, u64 target, u64 *above) {
	u64 beyond = 0;
	for (int top = digits - 1; top >= 0; top -= 32) {
		int digit = top - threadIdx.x;
		u64 weight = (u64)s.high[digit] << 32 | s.low[digit];
		if (!__any_sync(all_lanes, weight != 0)) continue;
		u64 sum = beyond + warp_scan(weight);
		unsigned reached = __ballot_sync(all_lanes, sum >= target);
		if (reached) {
			int lane = __ffs(reached) - 1;
			*above = __shfl_sync(all_lanes, sum - weight, lane);
			return top - lane;
		}
		beyond = __shfl_sync(all_lanes, sum, 31);
	}
	*above = beyond; // only where the weights do not reach target at all: a row of NaN
	return 0;
}

// select returns the largest key such that the tokens whose keys reach it weigh target
// together, and in above the weight of those with larger keys. weigh(logit) is a token's
// weight; the same key has the same weight.
template <typename Weigh>
__device__ unsigned select(Shared &s, const Row &row, u64 target, u64 *above, Weigh weigh) {
	unsigned found = 0, known = 0; // the bits of known are found
	u64 beyond = 0;
	for (int shift = 32 - digit_bits; shift >= 0; shift = shift > 10 ? 10 : shift - 10) {
		for (int d = threadIdx.x; d < digits; d += blockDim.x) s.low[d] = s.high[d] = 0;
		__syncthreads();
		for (int i = threadIdx.x; i < row.vocabulary; i += blockDim.x) {
			float logit = row[i];
			unsigned k = key(logit);
			if ((k & known) == found) add_weight(s, k >> shift & (digits - 1), weigh(logit));
		}
		__syncthreads();
		if (threadIdx.x < 32) {
			u64 more;
			unsigned digit = find_digit(s, target - beyond, &more);
			if (threadIdx.x == 0) {
				s.found = found | digit << shift;
				s.above = beyond + more;
			}
		}
		__syncthreads();
		found = s.found;
		beyond = s.above;
		known = ~0u << shift;
	}
	*above = beyond;
	return found;
}

// Filter says which tokens are left: those above a key, and the first of those at it.
struct Filter {
	unsigned least;   // the key
	u64 least_weight; // of a token at it
	u64 ties;         // how many of those stay, the lowest ids first
};

// filtered applies top-k, where top_k > 0, and top-p, where top_p < 1.
__device__ Filter filtered(Shared &s, const Row &row, int top_k, float top_p) {
	Filter f = {0, 0, ~0ull};
	u64 above;
	if (top_k > 0) f.least = select(s, row, top_k, &above, [](float) -> u64 { return 1; });
	if (top_p < 1) {
		unsigned floor = f.least;
		auto weigh = [&](float logit) { return key(logit) >= floor ? row.weight(logit) : 0; };
		u64 total = 0;
		for (int i = threadIdx.x; i < row.vocabulary; i += blockDim.x) total += weigh(row[i]);
		total = block_sum(total, s.weights);
		u64 target = max(1ull, __double2ull_ru((double)top_p * (double)total));
		f.least = select(s, row, target, &above, weigh);
		u64 weight = row.weight(logit_of(f.least));
		f.ties = weight ? (target - above + weight - 1) / weight : 0;
	}
	f.least_weight = row.weight(logit_of(f.least));
	return f;
}

// draw returns the first id at which the weights of the tokens that f leaves add up to
// more than the uniform's share of all, to all threads; otherwise where nothing is left.
// Each warp adds up a range of ids; the one in whose range the id lies looks closer.
__device__ int draw(Shared &s, const Row &row, const Filter &f, float uniform, int otherwise) {
	int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
	int length = (row.vocabulary + blockDim.x - 1) / blockDim.x * 32;
	int first = warp * length, last = min(first + length, row.vocabulary);
	u64 weight = 0;
	int ties = 0;
	for (int i = first + lane; i < last; i += 32) {
		float logit = row[i];
		unsigned k = key(logit);
		if (k > f.least) weight += row.weight(logit);
		ties += k == f.least;
	}
	weight = warp_sum(weight);
	ties = warp_sum(ties);
	if (lane == 0) {
		s.weights[warp] = weight;
		s.ids[warp] = ties;
	}
	if (threadIdx.x == 0) s.drawn = otherwise;
	__syncthreads();
	u64 total = 0, before = 0, through = 0, left = f.ties, left_here = 0;
	for (int w = 0; w < warps; w++) {
		u64 kept = min(left, (u64)s.ids[w]);
		if (w == warp) {
			before = total;
			left_here = left;
		}
		total += s.weights[w] + kept * f.least_weight;
		left -= kept;
		if (w == warp) through = total;
	}
	u64 target = (u64)((double)uniform * (double)total);
	if (before <= target && target < through) {
		for (int base = first;; base += 32) {
			int i = base + lane;
			float logit = i < last ? row[i] : -INFINITY;
			unsigned k = key(logit);
			bool tied = i < last && k == f.least;
			unsigned tie_lanes = __ballot_sync(all_lanes, tied);
			u64 own = i < last && k > f.least ? row.weight(logit) : 0;
			if (tied && __popc(tie_lanes & ((1u << lane) - 1)) < left_here) own = f.least_weight;
			left_here -= min(left_here, (u64)__popc(tie_lanes));
			u64 sum = before + warp_scan(own);
			unsigned beyond = __ballot_sync(all_lanes, sum > target);
			if (beyond) {
				if (lane == 0) s.drawn = base + __ffs(beyond) - 1;
				break;
			}
			before = __shfl_sync(all_lanes, sum, 31);
		}
	}
	__syncthreads();
	return s.drawn;
}

// Draws one token a row and gives the log-probability of its raw logit. Temperature 0
// takes the largest logit, the lowest id among equals.
//   ids, logprobs, uniforms (rows)   logits (rows, vocabulary)   top_k: 0 for all   top_p: 1 for all
// Launch: rows × 128 to 1024; none
extern "C" __global__ void __launch_bounds__(1024, 1)
    sample(int *RESTRICT ids, float *RESTRICT logprobs, const float *RESTRICT logits,
           const float *RESTRICT uniforms, int vocabulary, int stride, float temperature, int top_k, float top_p) {
	__shared__ Shared s;
	Row r = {row(logits, blockIdx.x, stride), vocabulary, 0, temperature};
	int id;
	r.largest = find_largest(s, r, &id);
	float part = 0;
	for (int i = threadIdx.x; i < vocabulary; i += blockDim.x) part += expf(r[i] - r.largest);
	double sum = block_sum((double)part, s.sums);
	if (temperature > 0) id = draw(s, r, filtered(s, r, top_k, top_p), uniforms[blockIdx.x], id);
	if (threadIdx.x > 0) return;
	ids[blockIdx.x] = id;
	logprobs[blockIdx.x] = (r[id] - r.largest) - logf((float)sum);
}
