package cuda

import (
	"retort/kernels"
	"retort/kernels/cuda/driver"
)

// Kernels of src/norm.cu.
var (
	normForward         = typed("norm", "norm")
	normInput           = typed("norm", "norm_input")
	normParameters      = typed("norm", "norm_parameters")
	normParametersTotal = kernel{file: "norm", name: "norm_parameters_total"}
)

// groupsPerPart is how many groups of values a block of norm_parameters sums, and
// mostParts bounds the blocks of a column: both follow from the shape alone, so the sums
// are the same on every device.
const (
	groupsPerPart = 64
	mostParts     = 256
)

// Norm is y = norm(x), group by group.
func (b *Backend) Norm(y, stats, x kernels.Tensor, p kernels.Norm) {
	b.norm("Norm", y, stats, kernels.Tensor{}, x, kernels.Tensor{}, p)
}

// AddNorm is sum = x + delta, y = norm(sum).
func (b *Backend) AddNorm(y, stats, sum, x, delta kernels.Tensor, p kernels.Norm) {
	kernels.Want("AddNorm", "sum", sum, b.activation, x.Rows, x.Cols)
	kernels.Want("AddNorm", "delta", delta, b.activation, x.Rows, x.Cols)
	b.norm("AddNorm", y, stats, sum, x, delta, p)
}

func (b *Backend) norm(op string, y, stats, sum, x, delta kernels.Tensor, p kernels.Norm) {
	n, groups := b.wantNorm(op, x, stats, p)
	kernels.Want(op, "y", y, b.activation, x.Rows, x.Cols)
	b.launch(normForward, normGeometry(x.Rows*groups, n, 4*n), b.args.Reset().
		Ptr(b.pointer(y)).Ptr(b.pointer(stats)).Ptr(b.pointer(sum)).Ptr(b.pointer(x)).Ptr(b.pointer(delta)).
		Ptr(b.pointer(p.Weight)).Ptr(b.pointer(p.Bias)).Int32(x.Rows*groups).Int32(n).Int32(groups).
		Int32(y.Stride).Int32(sum.Stride).Int32(x.Stride).Int32(delta.Stride).Float32(p.Eps).Int32(flag(p.Kind == kernels.LayerNorm)))
}

// NormBackward carries dy through y = norm(x). The parameters' gradients come first, since
// dx may lie where dy lies.
func (b *Backend) NormBackward(dx, dw, db, dy, x, stats kernels.Tensor, p kernels.Norm, accumulate bool) {
	const op = "NormBackward"
	n, groups := b.wantNorm(op, x, stats, p)
	kernels.Want(op, "dx", dx, b.activation, x.Rows, x.Cols)
	kernels.Want(op, "dy", dy, b.activation, x.Rows, x.Cols)
	wantOptional(op, "dw", dw, kernels.Float32, 1, n)
	wantOptional(op, "db", db, kernels.Float32, 1, n)
	count := x.Rows * groups
	layerNorm := flag(p.Kind == kernels.LayerNorm)
	if count > 0 && !(dw.Absent() && db.Absent()) {
		parts := min(ceil(count, groupsPerPart), mostParts)
		partials := b.reserve(int64(parts) * 2 * int64(n) * 4)
		g := driver.Geometry{Grid: [3]int{ceil(n, 128), parts, 1}, Block: [3]int{32, 8, 1}}
		b.launch(normParameters, g, b.args.Reset().Ptr(partials).Ptr(b.pointer(dy)).Ptr(b.pointer(x)).Ptr(b.pointer(stats)).
			Int32(n).Int32(groups).Int32(count).Int32(dy.Stride).Int32(x.Stride))
		b.launch(normParametersTotal, driver.Geometry{Grid: [3]int{ceil(n, 32), 1, 1}, Block: g.Block}, b.args.Reset().
			Ptr(b.pointer(dw)).Ptr(b.pointer(db)).Ptr(partials).Int32(n).Int32(parts))
	}
	b.launch(normInput, normGeometry(count, n, 8*n), b.args.Reset().
		Ptr(b.pointer(dx)).Ptr(b.pointer(dy)).Ptr(b.pointer(x)).Ptr(b.pointer(stats)).Ptr(b.pointer(p.Weight)).
		Int32(count).Int32(n).Int32(groups).Int32(dx.Stride).Int32(dy.Stride).Int32(x.Stride).Int32(layerNorm).Int32(flag(accumulate)))
}

// wantNorm checks what forward and backward share; it returns the length of a group and
// how many a row has.
func (b *Backend) wantNorm(op string, x, stats kernels.Tensor, p kernels.Norm) (n, groups int) {
	n, groups = p.Weight.Cols, 1
	if n > 0 {
		groups = max(1, x.Cols/n)
	}
	kernels.Want(op, "x", x, b.activation, x.Rows, groups*n)
	kernels.Want(op, "stats", stats, kernels.Float32, x.Rows*groups, 2)
	kernels.Want(op, "weight", p.Weight, b.activation, 1, n)
	wantOptional(op, "bias", p.Bias, b.activation, 1, n)
	return n, groups
}

// normGeometry gives each of count groups of n values a row of threads with shared memory
// of its own.
func normGeometry(count, n, sharedBytes int) driver.Geometry {
	const share = 16 // values a thread
	g := byRows(count, n, share)
	g.SharedBytes = sharedBytes * g.Block[1]
	return g
}

// wantOptional is kernels.Want for an argument that may be absent.
func wantOptional(op, name string, t kernels.Tensor, dtype kernels.DType, rows, cols int) {
	if !t.Absent() {
		kernels.Want(op, name, t, dtype, rows, cols)
	}
}

// flag is a kernel's int argument for a condition.
func flag(condition bool) int {
	if condition {
		return 1
	}
	return 0
}
