// Matrix products of bf16 with float sums: y = x·wᵀ, dx = dy·w and dw = dyᵀ·x of a linear
// layer (see product.cuh for the layouts).
//
// Three tiles: 128×128 for large results, with warps of 64×64 that make four mma of each
// ldmatrix; 64×64 for results with few tiles; 16×32 for the few rows of decoding, where
// reading the weights is all there is to do. Operands whose address or stride is no
// multiple of 16 bytes are read element by element, in 64×64 tiles only.
#include "product_mma.cuh"

#define ENTRY(name, ALIGNED, MIN_BLOCKS, ...)                                                                     \
	extern "C" __global__ void __launch_bounds__((BrainMath<__VA_ARGS__>::threads), MIN_BLOCKS) name(Product p) { \
		product_tile<BrainMath<__VA_ARGS__>, ALIGNED, BrainMath<__VA_ARGS__>::rows_by_rows>(p);                   \
	}

// The dynamic shared memory of a launch: 128×128 49152, 64×64 24576, 16×32 18432 bytes.
#define LAYOUT(name, LEFT_K_INNER, RIGHT_K_INNER)                                    \
	ENTRY(name##_128x128, true, 2, 128, 128, 64, 64, 3, LEFT_K_INNER, RIGHT_K_INNER) \
	ENTRY(name##_64x64, true, 4, 64, 64, 32, 32, 3, LEFT_K_INNER, RIGHT_K_INNER)     \
	ENTRY(name##_64x64_unaligned, false, 4, 64, 64, 32, 32, 3, LEFT_K_INNER, RIGHT_K_INNER)

LAYOUT(rows_by_rows, true, true)
LAYOUT(rows_by_columns, true, false)
LAYOUT(columns_by_columns, false, false)
ENTRY(rows_by_rows_16x32, true, 8, 16, 32, 16, 16, 6, true, true)
ENTRY(rows_by_columns_16x32, true, 8, 16, 32, 16, 16, 6, true, false)
