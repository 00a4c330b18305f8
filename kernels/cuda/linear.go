package cuda

import (
	"retort/kernels"
	"retort/kernels/cuda/driver"
)

// Kernels of src/sums.cu; the products' are named by launchProduct.
var (
	columnParts = typed("sums", "column_parts")
	addParts    = kernel{file: "sums", name: "add_parts"}
)

// rowsPerPart is how many rows a block of column_parts sums, and mostColumnParts bounds the
// blocks of a column: both follow from the shape alone.
const (
	rowsPerPart     = 64
	mostColumnParts = 256
)

// Linear is y = x·wᵀ + b.
func (b *Backend) Linear(y, x, w, bias kernels.Tensor) {
	const op = "Linear"
	if y.DType != kernels.Float32 { // logits
		kernels.Want(op, "y", y, b.activation, x.Rows, w.Rows)
	}
	kernels.Want(op, "y", y, y.DType, x.Rows, w.Rows)
	kernels.Want(op, "x", x, b.activation, x.Rows, w.Cols)
	kernels.Want(op, "w", w, b.activation, w.Rows, x.Cols)
	wantOptional(op, "b", bias, b.activation, 1, w.Rows)
	b.product(rowsByRows, b.matrix(y), b.matrix(x), b.matrix(w), epilogue{bias: b.pointer(bias)})
}

// LinearGELU is pre = x·wᵀ + b, h = gelu(pre), in one kernel.
func (b *Backend) LinearGELU(h, pre, x, w, bias kernels.Tensor, kind kernels.GELUKind) {
	const op = "LinearGELU"
	kernels.Want(op, "pre", pre, b.activation, x.Rows, w.Rows)
	kernels.Want(op, "h", h, b.activation, x.Rows, w.Rows)
	kernels.Want(op, "x", x, b.activation, x.Rows, w.Cols)
	kernels.Want(op, "w", w, b.activation, w.Rows, x.Cols)
	wantOptional(op, "b", bias, b.activation, 1, w.Rows)
	b.product(rowsByRows, b.matrix(pre), b.matrix(x), b.matrix(w),
		epilogue{bias: b.pointer(bias), activation: b.matrix(h), gelu: kind})
}

// LinearBackwardInput is dx = dy·w, or dx += dy·w with accumulate.
func (b *Backend) LinearBackwardInput(dx, dy, w kernels.Tensor, accumulate bool) {
	const op = "LinearBackwardInput"
	kernels.Want(op, "dx", dx, b.activation, dy.Rows, w.Cols)
	kernels.Want(op, "dy", dy, b.activation, dx.Rows, w.Rows)
	kernels.Want(op, "w", w, b.activation, dy.Cols, dx.Cols)
	b.product(rowsByColumns, b.matrix(dx), b.matrix(dy), b.matrix(w), epilogue{accumulate: accumulate})
}

// LinearBackwardWeight is dw += dyᵀ·x and db += Σ_t dy[t].
func (b *Backend) LinearBackwardWeight(dw, db, dy, x kernels.Tensor) {
	const op = "LinearBackwardWeight"
	kernels.Want(op, "dy", dy, b.activation, x.Rows, dy.Cols)
	kernels.Want(op, "x", x, b.activation, dy.Rows, x.Cols)
	wantOptional(op, "dw", dw, kernels.Float32, dy.Cols, x.Cols)
	wantOptional(op, "db", db, kernels.Float32, 1, dy.Cols)
	if !dw.Absent() {
		b.product(columnsByColumns, b.matrix(dw), b.matrix(dy), b.matrix(x), epilogue{accumulate: true})
	}
	if !db.Absent() {
		b.addColumnSums(b.pointer(db), dy)
	}
}

// addColumnSums is sums += Σ_t x[t], in two stages of fixed order.
//
//	sums (x.Cols) float32   x (T, n) of the activation type
func (b *Backend) addColumnSums(sums driver.Ptr, x kernels.Tensor) {
	if x.Len() == 0 {
		return
	}
	parts := min(ceil(x.Rows, rowsPerPart), mostColumnParts)
	partials := b.productWorkspace.reserve(b, int64(parts)*int64(x.Cols)*4)
	g := driver.Geometry{Grid: [3]int{ceil(x.Cols, 32), parts, 1}, Block: [3]int{32, 8, 1}}
	b.launch(columnParts, g, b.args.Reset().Ptr(partials).Ptr(b.pointer(x)).Int32(x.Rows).Int32(x.Cols).Int32(x.Stride))
	b.addParts(sums, partials, parts, 1, x.Cols, x.Cols)
}
