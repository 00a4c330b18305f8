// The gates of GELU: gelu(x) = x·gate(x), in both forms; see gelu.cu.
#pragma once
#include "common.cuh"

// tanh_gate is σ(2u) and, where wanted, its derivative in x. Beyond |x| = 12 both are
// what they are at 12, to float's last bit. σ and 1 − σ are both made from e^−2|u|, which
// neither overflows nor cancels.
__device__ inline float tanh_gate(float x, float *slope) {
	const float root = 0.7978845608028654f; // √(2/π)
	float c = fminf(fabsf(x), 12.f), square = c * c;
	float e = expf(-2 * root * c * (1 + 0.044715f * square)), large = __fdividef(1, 1 + e), small = e * large;
	if (slope) *slope = large * small * 2 * root * (1 + 3 * 0.044715f * square);
	return x < 0 ? small : large;
}

// erf_gate is Φ(x) and, where wanted, its derivative, the normal density.
__device__ inline float erf_gate(float x, float *slope) {
	if (slope) *slope = 0.3989422804014327f * expf(-0.5f * x * x);
	return 0.5f * erfcf(-0.7071067811865475f * x);
}
