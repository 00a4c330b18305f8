package gemm

import (
	"slices"

	"retort/kernels/cpu/features"
)

// avx2 has tiles of 6 rows and 16 columns: 12 of the 16 registers hold sums.
var avx2 = kernel{
	name: features.AVX2,
	mr:   6, nr: 16,
	wide:       []int{0, 4, 2, 2, 1, 1, 1},
	tile:       tileAVX2,
	copySteps:  copyStepsAVX2,
	interleave: interleaveAVX2,
}

// addAssembly enters the assembly that this processor can run.
func addAssembly() {
	if slices.Contains(features.Available(), features.AVX2) {
		kernels[features.AVX2] = &avx2
	}
}

// tileAVX2 calls the tile function for the shape; they count in bytes.
func tileAVX2(rows, panels, steps int, a *float32, aRow, aStep int, b *float32, bPanel int, c *float32, ldc int, add bool) {
	aRow, aStep, bPanel, ldc = 4*aRow, 4*aStep, 4*bPanel, 4*ldc
	switch {
	case rows == 6:
		tile6x1(steps, a, aRow, aStep, b, bPanel, c, ldc, add)
	case rows == 5:
		tile5x1(steps, a, aRow, aStep, b, bPanel, c, ldc, add)
	case rows == 4:
		tile4x1(steps, a, aRow, aStep, b, bPanel, c, ldc, add)
	case rows == 3 && panels == 2:
		tile3x2(steps, a, aRow, aStep, b, bPanel, c, ldc, add)
	case rows == 3:
		tile3x1(steps, a, aRow, aStep, b, bPanel, c, ldc, add)
	case rows == 2 && panels == 2:
		tile2x2(steps, a, aRow, aStep, b, bPanel, c, ldc, add)
	case rows == 2:
		tile2x1(steps, a, aRow, aStep, b, bPanel, c, ldc, add)
	case panels == 4:
		tile1x4(steps, a, aRow, aStep, b, bPanel, c, ldc, add)
	default:
		tile1x1(steps, a, aRow, aStep, b, bPanel, c, ldc, add)
	}
}

// interleaveAVX2 transposes 8 steps at a time.
func interleaveAVX2(dst, src []float32, stride, width, steps int) int {
	blocks := steps / 8
	// The last step of 6 rows writes two elements too many: only where there is room.
	if width == 6 && blocks > 0 && len(dst) < blocks*8*6+2 {
		blocks--
	}
	if blocks == 0 {
		return 0
	}
	if width == 16 {
		transpose16(&dst[0], &src[0], 4*stride, blocks)
	} else {
		transpose6(&dst[0], &src[0], 4*stride, blocks)
	}
	return 8 * blocks
}

// copyStepsAVX2 moves one step of a panel with two loads and two stores.
func copyStepsAVX2(dst, src []float32, stride, width, panel, panels, steps int) {
	_, _ = dst[(panels-1)*panel+steps*width-1], src[(steps-1)*stride+panels*width-1]
	if width == 16 {
		copy16(&dst[0], &src[0], 4*stride, 4*panel, panels, steps)
	} else {
		copy6(&dst[0], &src[0], 4*stride, 4*panel, panels, steps)
	}
}
