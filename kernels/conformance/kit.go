package conformance

import (
	"fmt"

	"retort/kernels"
)

// kit is what a scenario works with: the backend, the random values of a case, and
// helpers that allocate, fill and read tensors. What a helper cannot do panics; the
// run turns that into a failure of the entry.
type kit struct {
	kernels.Backend
	*Case
	tensors []kernels.Tensor
}

// alloc is a zeroed tensor that is freed after the scenario.
func (k *kit) alloc(dtype kernels.DType, rows, cols int) kernels.Tensor {
	t, err := k.Alloc(dtype, kernels.Activations, rows, cols)
	if err != nil {
		panic(err)
	}
	k.tensors = append(k.tensors, t)
	return t
}

// random is a tensor of the activation type with normal values, and those values.
func (k *kit) random(rows, cols int) (kernels.Tensor, []float32) {
	t := k.alloc(k.activation, rows, cols)
	values := k.values(k.activation, rows*cols)
	k.Upload(t, values)
	return t, values
}

// values are n normal values that dtype can hold.
func (k *kit) values(dtype kernels.DType, n int) []float32 {
	list := make([]float32, n)
	for i := range list {
		list[i] = round(dtype, k.normal())
	}
	return list
}

// integers is an int32 tensor with the given values.
func (k *kit) integers(values []int32) kernels.Tensor {
	t := k.alloc(kernels.Int32, 1, len(values))
	k.UploadInts(t, values)
	return t
}

// read downloads a float tensor.
func (k *kit) read(t kernels.Tensor) []float32 {
	values := make([]float32, t.Len())
	if err := k.Download(values, t); err != nil {
		panic(err)
	}
	return values
}

// readInts downloads an int32 tensor.
func (k *kit) readInts(t kernels.Tensor) []int32 {
	values := make([]int32, t.Len())
	if err := k.DownloadInts(values, t); err != nil {
		panic(err)
	}
	return values
}

func (k *kit) free() {
	for _, t := range k.tensors {
		k.Free(t)
	}
}

// same compares two lists of values bit for bit.
func same(what string, want, got []float32) error {
	if len(want) != len(got) {
		return fmt.Errorf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i, v := range want {
		if !sameBits(v, got[i]) {
			return fmt.Errorf("%s: element %d is %g, want %g bit for bit", what, i, got[i], v)
		}
	}
	return nil
}
