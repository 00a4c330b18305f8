package kernels

import "fmt"

// DType is the element type of a tensor.
type DType uint8

// The element types a backend stores. Quantized block formats join them when a
// backend can compute on them as they are.
const (
	Float32 DType = iota
	BFloat16
	Int32
)

// String names the type as safetensors and PyTorch users know it.
func (d DType) String() string {
	switch d {
	case Float32:
		return "float32"
	case BFloat16:
		return "bfloat16"
	case Int32:
		return "int32"
	}
	return fmt.Sprintf("dtype(%d)", uint8(d))
}

// Size is the number of bytes of one element.
func (d DType) Size() int {
	if d == BFloat16 {
		return 2
	}
	return 4
}

// Buffer is a backend's own piece of memory; only that backend looks inside.
type Buffer interface {
	// Bytes is the size of the memory behind the buffer.
	Bytes() int64
}

// Tensor is a view of a row-major matrix inside a buffer: element (i, j) lies
// Off + i·Stride + j elements from the buffer's start. A vector of n elements is
// (1, n). Tensors are values; copying one copies the view, not the memory. The
// zero Tensor means "absent" where an operation's argument is optional.
type Tensor struct {
	Buf    Buffer
	Off    int // elements from the start of Buf
	Rows   int
	Cols   int
	Stride int // elements from one row to the next, at least Cols
	DType  DType
}

// Absent tells whether the tensor stands for an argument not given.
func (t Tensor) Absent() bool { return t.Buf == nil }

// Len is the number of elements of the view.
func (t Tensor) Len() int { return t.Rows * t.Cols }

// Contiguous tells whether the rows of the view follow each other without gaps.
func (t Tensor) Contiguous() bool { return t.Stride == t.Cols || t.Rows <= 1 }

// RowRange is the view of rows [lo, hi).
func (t Tensor) RowRange(lo, hi int) Tensor {
	if lo < 0 || hi < lo || hi > t.Rows {
		panic(fmt.Sprintf("kernels: rows [%d, %d) of a tensor %v", lo, hi, t))
	}
	t.Off += lo * t.Stride
	t.Rows = hi - lo
	return t
}

// ColRange is the view of columns [lo, hi): how q, k and v are taken from one
// (T, (H+2K)·D) activation.
func (t Tensor) ColRange(lo, hi int) Tensor {
	if lo < 0 || hi < lo || hi > t.Cols {
		panic(fmt.Sprintf("kernels: columns [%d, %d) of a tensor %v", lo, hi, t))
	}
	t.Off += lo
	t.Cols = hi - lo
	return t
}

// Reshape is a contiguous tensor seen with another shape of the same length.
func (t Tensor) Reshape(rows, cols int) Tensor {
	if !t.Contiguous() || rows*cols != t.Len() {
		panic(fmt.Sprintf("kernels: tensor %v seen as (%d, %d)", t, rows, cols))
	}
	t.Rows, t.Cols, t.Stride = rows, cols, cols
	return t
}

// String shows shape and type, and the stride where rows do not touch.
func (t Tensor) String() string {
	if t.Absent() {
		return "absent"
	}
	if t.Contiguous() {
		return fmt.Sprintf("(%d, %d) %s", t.Rows, t.Cols, t.DType)
	}
	return fmt.Sprintf("(%d, %d) %s, stride %d", t.Rows, t.Cols, t.DType, t.Stride)
}

// Want panics unless t has the shape and type that operation op needs of the
// argument called name. Backends check every argument with it, so that a wrong
// shape stops on the caller's goroutine and names both shapes.
func Want(op, name string, t Tensor, dtype DType, rows, cols int) {
	if t.Absent() || t.DType != dtype || t.Rows != rows || t.Cols != cols {
		panic(fmt.Sprintf("kernels: %s: %s is %v, want (%d, %d) %v", op, name, t, rows, cols, dtype))
	}
}

// Documents tells where documents lie within T packed tokens: document i is the
// tokens [Starts[i], Starts[i+1]). Attention never crosses a boundary.
type Documents struct {
	Starts  []int32 // (N+1) on the host, for launch geometry; Starts[0] = 0, Starts[N] = T
	Device  Tensor  // (1, N+1) int32, the same values
	Longest int     // tokens of the longest document
}

// Groups lists which tokens carry the same id, so that the embedding's gradient
// is summed per id in one fixed order and without atomics.
type Groups struct {
	IDs    Tensor // (1, U) int32: the distinct ids, ascending
	Starts Tensor // (1, U+1) int32: group u is Order[Starts[u]:Starts[u+1]]
	Order  Tensor // (1, T) int32: token positions, by id, ascending within an id
	Count  int    // U
}
