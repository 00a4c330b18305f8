package cpu

import (
	"fmt"

	"retort/kernels"
)

// mat is a float32 tensor as the operations see it: row i starts at data[i*stride].
type mat struct {
	data               []float32
	rows, cols, stride int
}

// row is row i of the matrix, cols long.
func (m *mat) row(i int) []float32 {
	o := i * m.stride
	return m.data[o : o+m.cols : o+m.cols]
}

// present tells whether the matrix stands for an argument that was given.
func (m *mat) present() bool { return m.data != nil }

// own returns the backend's memory behind t, and panics on a tensor of another backend.
func own(t kernels.Tensor) *buffer {
	m, ok := t.Buf.(*buffer)
	if !ok {
		panic(fmt.Sprintf("cpu: tensor %v is not the CPU's", t))
	}
	return m
}

// view opens a float32 tensor; an absent one gives a mat that is not present.
func view(t kernels.Tensor) mat {
	if t.Absent() {
		return mat{}
	}
	if t.DType != kernels.Float32 {
		panic(fmt.Sprintf("cpu: tensor %v where float32 is needed", t))
	}
	end := t.Off
	if t.Rows > 0 {
		end += (t.Rows-1)*t.Stride + t.Cols
	}
	return mat{data: own(t).floats[t.Off:end:end], rows: t.Rows, cols: t.Cols, stride: t.Stride}
}

// ints opens a contiguous int32 tensor.
func ints(t kernels.Tensor) []int32 {
	if t.Absent() {
		return nil
	}
	if t.DType != kernels.Int32 || !t.Contiguous() {
		panic(fmt.Sprintf("cpu: tensor %v where contiguous int32 is needed", t))
	}
	return own(t).ints[t.Off : t.Off+t.Len()]
}

// intRow opens row i of an int32 matrix.
func intRow(t kernels.Tensor, i int) []int32 {
	o := t.Off + i*t.Stride
	return own(t).ints[o : o+t.Cols]
}

func wantLen(op string, t kernels.Tensor, n int) {
	if t.Len() != n {
		panic(fmt.Sprintf("kernels: %s: %d host values for tensor %v", op, n, t))
	}
}

// want checks a float32 argument, wantOptional one that may be absent, wantInts an
// int32 vector.
func want(op, name string, t kernels.Tensor, rows, cols int) {
	kernels.Want(op, name, t, kernels.Float32, rows, cols)
}

func wantOptional(op, name string, t kernels.Tensor, rows, cols int) {
	if !t.Absent() {
		want(op, name, t, rows, cols)
	}
}

func wantInts(op, name string, t kernels.Tensor, n int) {
	kernels.Want(op, name, t, kernels.Int32, 1, n)
}

// itemElements is about how many elements one work item of a row-wise operation
// touches: enough to outweigh handing it out, few enough to balance the cores.
const itemElements = 16 << 10

// rowsPerItem is how many rows of the given width make one work item.
func rowsPerItem(width int) int { return max(1, itemElements/max(1, width)) }

// items is how many chunks of the given size cover n.
func items(n, chunk int) int { return (n + chunk - 1) / chunk }

// span is the range that item i of chunk-sized items covers in [0, n).
func span(i, chunk, n int) (lo, hi int) { return i * chunk, min(n, (i+1)*chunk) }

// scratch is memory that operations need beside their arguments. It grows to the
// largest shape seen and is then reused.
type scratch struct {
	workers  []workerScratch
	tiles    []tile
	partials []float64
}

// workerScratch is one thread's part of it.
type workerScratch struct {
	scores, dscores []float32
	row             []float32
	candidates      []int32
	columns         [2][columnChunk]float32 // partial sums over rows
}

// grow returns s with length n, allocating only when its capacity is too small.
func grow[E any](s []E, n int) []E {
	if cap(s) < n {
		return make([]E, n)
	}
	return s[:n]
}
