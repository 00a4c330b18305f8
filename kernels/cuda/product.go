package cuda

import (
	"fmt"

	"retort/kernels"
	"retort/kernels/cuda/driver"
)

// matrix is an operand of a product: row-major in device memory.
type matrix struct {
	at                 driver.Ptr
	rows, cols, stride int // stride in elements
	dtype              kernels.DType
}

// matrix describes a tensor.
func (b *Backend) matrix(t kernels.Tensor) matrix {
	return matrix{b.pointer(t), t.Rows, t.Cols, t.Stride, t.DType}
}

// aligned tells whether the matrix can be copied 16 bytes at a time.
func (m matrix) aligned() bool {
	return m.at%16 == 0 && m.stride*m.dtype.Size()%16 == 0
}

// layout says which way the operands of a product lie.
type layout uint8

const (
	rowsByRows       layout = iota // out (M, N) = left (M, K) · right (N, K)ᵀ
	rowsByColumns                  // out (M, N) = left (M, K) · right (K, N)
	columnsByColumns               // out (M, N) = left (K, M)ᵀ · right (K, N)
)

var layoutNames = [...]string{"rows_by_rows", "rows_by_columns", "columns_by_columns"}

// shape returns M, N and K of a product, and panics when the operands do not fit.
func (l layout) shape(out, left, right matrix) (m, n, k int) {
	m, k = left.rows, left.cols
	if l == columnsByColumns {
		m, k = k, m
	}
	n, depth := right.cols, right.rows
	if l == rowsByRows {
		n, depth = depth, n
	}
	if out.rows != m || out.cols != n || depth != k {
		panic(fmt.Sprintf("cuda: product %s of (%d, %d) and (%d, %d) to (%d, %d)",
			layoutNames[l], left.rows, left.cols, right.rows, right.cols, out.rows, out.cols))
	}
	return m, n, k
}

// epilogue is what becomes of a product before it is stored.
type epilogue struct {
	bias       driver.Ptr // (N) of the activation type, or 0
	accumulate bool       // out += instead of out =
	activation matrix     // gelu(out) of the activation type, rowsByRows only; at 0 for none
	gelu       kernels.GELUKind
}

// tile is a kernel variant of src/gemm_bf16.cu, src/gemm_f32.cu or src/gemm_bf16_sm90.cu.
type tile struct {
	name          string
	rows, columns int
	threads       int
	sharedBytes   int
	rightBox      int // rows of a box of the right operand; 0: no tensor maps
}

// The tiles of each type.
var (
	brainLarge     = tile{"128x128", 128, 128, 128, 49152, 0}
	brainSmall     = tile{"64x64", 64, 64, 128, 24576, 0}
	brainUnaligned = tile{"64x64_unaligned", 64, 64, 128, 24576, 0}
	brainFew       = tile{"16x32", 16, 32, 64, 18432, 0}
	floatLarge     = tile{"128x128", 128, 128, 256, 33792, 0}
	floatSmall     = tile{"64x64", 64, 64, 128, 17408, 0}
	floatFew       = tile{"16x64", 16, 64, 64, 16896, 0}
)

// blocks is how many tiles a result of (m, n) has.
func (t tile) blocks(m, n int) int { return ceil(m, t.rows) * ceil(n, t.columns) }

// tileOf chooses the tile for a result of (m, n) in `parts` parts. Few rows, as in
// decoding, need no room for more; and where large tiles would leave most of the device
// idle the result is cut smaller. The choice does not show in the result's bits.
func tileOf(l layout, activation kernels.DType, aligned bool, m, n, parts, multiprocessors int) tile {
	large, small, few := floatLarge, floatSmall, floatFew
	if activation == kernels.BFloat16 {
		large, small, few = brainLarge, brainSmall, brainFew
		if !aligned {
			return brainUnaligned
		}
	}
	switch {
	case l != columnsByColumns && (m <= few.rows || 3*small.blocks(m, n) < multiprocessors):
		return few
	case 2*large.blocks(m, n)*parts >= multiprocessors:
		return large
	}
	return small
}

// partsOf is how many parts the k of dw = dyᵀ·x is cut into: k is the number of tokens, and
// often a weight has fewer tiles than the device has room for. It follows from the shape
// alone, so that the sums are the same on every device; the device that it has in mind has
// 128 multiprocessors, which need as long to write and add one part of a tile as to
// multiply 800 tokens.
func partsOf(m, n, k int) int {
	const multiprocessors, partCost, shortest, most = 128, 800, 512, 32
	tiles := brainLarge.blocks(m, n)
	best, least := 1, ceil(tiles, multiprocessors)*k
	for parts := 2; parts <= most && k/parts >= shortest; parts++ {
		if cost := ceil(tiles*parts, multiprocessors) * (ceil(k, parts) + partCost); cost < least {
			best, least = parts, cost
		}
	}
	return best
}

// partGrain is what the length of a part is a multiple of: the longest step of a tile through k.
const partGrain = 64

// Bits of a product's flags, as in src/product_epilogue.cuh.
const (
	flagAccumulate = 1 << iota
	flagFloatOut
)

// product queues out = left · right in the given layout. left and right have the
// activation type; out has it too, or is float32. A row of the result depends on that row
// of left alone in the first two layouts; in the third k may be cut into parts, which are
// added in order.
func (b *Backend) product(l layout, out, left, right matrix, e epilogue) {
	m, n, k := l.shape(out, left, right)
	if m == 0 || n == 0 || k == 0 && e.accumulate && e.bias == 0 {
		return
	}
	parts := 1
	if l == columnsByColumns && out.dtype == kernels.Float32 && e.accumulate && e.bias == 0 {
		parts = partsOf(m, n, k)
	}
	t := tileOf(l, b.activation, left.aligned() && right.aligned(), m, n, parts, b.device.Multiprocessors)
	if b.onHopper(left, right, k) {
		t = hopperTile(l, m, n, k, parts, b.device.Multiprocessors)
	}
	b.productBy(t, parts, l, out, left, right, e)
}

// productBy is product with a given tile and a given number of parts.
func (b *Backend) productBy(t tile, parts int, l layout, out, left, right matrix, e epilogue) {
	m, n, k := l.shape(out, left, right)
	if parts == 1 {
		b.launchProduct(t, 1, k, l, out, left, right, e)
		return
	}
	perPart := ceil(ceil(k, parts), partGrain) * partGrain
	parts = ceil(k, perPart)
	partials := matrix{rows: m, cols: n, stride: n, dtype: kernels.Float32}
	partials.at = b.productWorkspace.reserve(b, int64(parts)*int64(m)*int64(n)*4)
	b.launchProduct(t, parts, perPart, l, partials, left, right, epilogue{})
	b.addParts(out.at, partials.at, parts, m, n, out.stride)
}

// launchProduct queues the kernel itself; part z of k is written to matrix z of out.
func (b *Backend) launchProduct(t tile, parts, perPart int, l layout, out, left, right matrix, e epilogue) {
	m, n, k := l.shape(out, left, right)
	if e.activation.at != 0 && l != rowsByRows {
		panic("cuda: product " + layoutNames[l] + " has no activation")
	}
	flags := 0
	if e.accumulate {
		flags |= flagAccumulate
	}
	if out.dtype == kernels.Float32 {
		flags |= flagFloatOut
	}
	g := driver.Geometry{
		Grid: [3]int{t.blocks(m, n), 1, parts}, Block: [3]int{t.threads, 1, 1}, SharedBytes: t.sharedBytes,
	}
	name := kernel{file: "gemm" + suffix(b.activation), name: layoutNames[l] + "_" + t.name}
	args := b.args.Reset()
	if t.rightBox > 0 {
		name.file += "_sm90"
		args.TensorMap(b.tensorMap(left, boxRows)).TensorMap(b.tensorMap(right, t.rightBox))
	}
	b.launch(name, g, args.Ptr(out.at).Ptr(left.at).Ptr(right.at).Ptr(e.bias).Ptr(e.activation.at).
		Int32(m).Int32(n).Int32(k).Int32(out.stride).Int32(left.stride).Int32(right.stride).
		Int32(perPart).Int32(flags).Int32(e.activation.stride).Int32(flag(e.gelu == kernels.GELUErf)))
}

// addParts queues out += the partial results, in order.
func (b *Backend) addParts(out, partials driver.Ptr, parts, rows, cols, stride int) {
	const mostRows = 65535 // of a grid
	g := driver.Geometry{Grid: [3]int{ceil(cols, 256), min(rows, mostRows), 1}, Block: [3]int{256, 1, 1}}
	b.launch(addParts, g, b.args.Reset().Ptr(out).Ptr(partials).Int32(parts).Int32(rows).Int32(cols).Int32(stride))
}
