package gemm

import (
	"slices"

	"retort/kernels/cpu/features"
)

//go:generate go run ../asm/gemm -isa avx2 -out avx2_amd64.s -stubs avx2_amd64.go -pkg gemm
//go:generate go run ../asm/gemm -isa avx512 -out avx512_amd64.s -stubs avx512_amd64.go -pkg gemm

// avx2 has tiles of 6 rows and 16 columns: 12 of the 16 registers hold sums.
var avx2 = kernel{
	name: features.AVX2,
	mr:   6, nr: 16,
	wide: []int{0, 4, 2, 2, 1, 1, 1},
	tile: func(rows, panels, steps int, a *float32, aRow, aStep int, b *float32, bPanel int, c *float32, ldc int, add bool) {
		tiles := &avx2Tiles
		if panels > 1 {
			tiles = &avx2WideTiles
		}
		tiles[rows](steps, a, 4*aRow, 4*aStep, b, 4*bPanel, c, 4*ldc, add)
	},
	copySteps:  assemblyCopySteps,
	interleave: assemblyInterleave,
}

// avx512 has tiles of 12 rows and 32 columns: 24 of the 32 registers hold sums.
var avx512 = kernel{
	name: features.AVX512,
	mr:   12, nr: 32,
	wide: []int{0, 4, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
	tile: func(rows, panels, steps int, a *float32, aRow, aStep int, b *float32, bPanel int, c *float32, ldc int, add bool) {
		tiles := &avx512Tiles
		if panels > 1 {
			tiles = &avx512WideTiles
		}
		tiles[rows](steps, a, 4*aRow, 4*aStep, b, 4*bPanel, c, 4*ldc, add)
	},
	copySteps:  assemblyCopySteps,
	interleave: assemblyInterleave,
}

// tileFunc is a tile of a fixed shape; it counts strides in bytes.
type tileFunc func(k int, a *float32, aRow, aStep int, b *float32, bPanel int, c *float32, ldc int, accumulate bool)

// The tiles by number of rows: of one panel, and of as many as kernel.wide says.
var (
	avx2Tiles     = [7]tileFunc{nil, avx2Tile1x1, avx2Tile2x1, avx2Tile3x1, avx2Tile4x1, avx2Tile5x1, avx2Tile6x1}
	avx2WideTiles = [7]tileFunc{1: avx2Tile1x4, 2: avx2Tile2x2, 3: avx2Tile3x2}
	avx512Tiles   = [13]tileFunc{
		nil, avx512Tile1x1, avx512Tile2x1, avx512Tile3x1, avx512Tile4x1, avx512Tile5x1, avx512Tile6x1,
		avx512Tile7x1, avx512Tile8x1, avx512Tile9x1, avx512Tile10x1, avx512Tile11x1, avx512Tile12x1,
	}
	avx512WideTiles = [13]tileFunc{1: avx512Tile1x4, 2: avx512Tile2x2}
)

// addAssembly enters the assembly that this processor can run.
func addAssembly() {
	for _, k := range []*kernel{&avx2, &avx512} {
		if slices.Contains(features.Available(), k.name) {
			kernels[k.name] = k
		}
	}
}

// transposes and copies are by the width of a panel, which names the kernel too.
var (
	transposes = map[int]func(dst, src *float32, stride, blocks int){
		6: avx2Transpose6, 16: avx2Transpose16, 12: avx512Transpose12, 32: avx512Transpose32,
	}
	copies = map[int]func(dst, src *float32, stride, panel, panels, steps int){
		6: avx2Copy6, 16: avx2Copy16, 12: avx512Copy12, 32: avx512Copy32,
	}
)

// assemblyInterleave transposes 8 steps at a time: all rows of a full panel,
// groups of 8 of an incomplete one.
func assemblyInterleave(dst, src []float32, stride, width, rows, steps int) (fast, done int) {
	blocks := steps / 8
	if rows < width {
		rows &^= 7
		for i := 0; i < rows && blocks > 0; i += 8 {
			avx2TransposePart(&dst[i], &src[i*stride], 4*stride, 4*width, blocks)
		}
		return rows, 8 * blocks
	}
	// The last step writes vectors of 4 to the end: only where there is room.
	if over := -width & 3; blocks > 0 && len(dst) < blocks*8*width+over {
		blocks--
	}
	if blocks > 0 {
		transposes[width](&dst[0], &src[0], 4*stride, blocks)
	}
	return rows, 8 * blocks
}

// assemblyCopySteps moves one step of a panel with vector loads and stores.
func assemblyCopySteps(dst, src []float32, stride, width, panel, panels, steps int) {
	_, _ = dst[(panels-1)*panel+steps*width-1], src[(steps-1)*stride+panels*width-1]
	copies[width](&dst[0], &src[0], 4*stride, 4*panel, panels, steps)
}
