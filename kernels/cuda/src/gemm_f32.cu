// Matrix products of float in true float: y = x·wᵀ, dx = dy·w and dw = dyᵀ·x of a linear
// layer (see product.cuh for the layouts).
//
// Three tiles: 128×128 with 8×8 sums a thread for large results, 64×64 for results with
// few tiles, 16×64 for the few rows of decoding.
#include "product_fma.cuh"

#define ENTRY(name, MIN_BLOCKS, ...)                                                                              \
	extern "C" __global__ void __launch_bounds__((FloatMath<__VA_ARGS__>::threads), MIN_BLOCKS) name(Product p) { \
		product_tile<FloatMath<__VA_ARGS__>, true, FloatMath<__VA_ARGS__>::rows_by_rows>(p);                      \
	}

// The dynamic shared memory of a launch: 128×128 33792, 64×64 17408, 16×64 16896 bytes.
#define LAYOUT(name, LEFT_K_INNER, RIGHT_K_INNER)                            \
	ENTRY(name##_128x128, 2, 128, 128, 2, 2, 4, LEFT_K_INNER, RIGHT_K_INNER) \
	ENTRY(name##_64x64, 4, 64, 64, 2, 1, 4, LEFT_K_INNER, RIGHT_K_INNER)

LAYOUT(rows_by_rows, true, true)
LAYOUT(rows_by_columns, true, false)
LAYOUT(columns_by_columns, false, false)
ENTRY(rows_by_rows_16x64, 8, 16, 64, 1, 1, 6, true, true)
ENTRY(rows_by_columns_16x64, 8, 16, 64, 1, 1, 6, true, false)
