package cuda

import (
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

// layout says which way the operands of a product lie.
type layout uint8

const (
	rowsByRows       layout = iota // out (M, N) = left (M, K) · right (N, K)ᵀ
	rowsByColumns                  // out (M, N) = left (M, K) · right (K, N)
	columnsByColumns               // out (M, N) = left (K, M)ᵀ · right (K, N)
)

// epilogue is what becomes of a product before it is stored.
type epilogue struct {
	bias       driver.Ptr // (N) of the activation type, or 0
	accumulate bool       // out += instead of out =
}

// product queues out = left · right in the given layout. left and right have the
// activation type; out has it too, or is float32.
func (b *Backend) product(l layout, out, left, right matrix, e epilogue) { owed("product") }
