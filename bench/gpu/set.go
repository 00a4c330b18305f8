package main

import (
	"math/rand/v2"

	"retort/kernels"
)

// set is the arguments of one operation, allocated and filled. A failed allocation is kept
// in err; the tensors that follow are then absent.
type set struct {
	b       kernels.Backend
	rand    *rand.Rand
	blank   bool // leave floats as they are: for counts, which do not depend on values
	tensors []kernels.Tensor
	err     error
}

// alloc returns a zeroed tensor.
func (s *set) alloc(dtype kernels.DType, rows, cols int) kernels.Tensor {
	if s.err != nil {
		return kernels.Tensor{}
	}
	t, err := s.b.Alloc(dtype, kernels.Activations, rows, cols)
	if err != nil {
		s.err = err
		return t
	}
	s.tensors = append(s.tensors, t)
	return t
}

// normals are what random tensors repeat: uploading a period of them and doubling it on
// the device is far faster than drawing every value.
var normals = func() []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	values := make([]float32, 1<<18)
	for i := range values {
		values[i] = float32(r.NormFloat64())
	}
	return values
}()

// random32 returns a float32 tensor of normal values times scale, random one of the
// activation type.
func (s *set) random32(rows, cols int, scale float32) kernels.Tensor {
	return s.fill(kernels.Float32, rows, cols, scale)
}
func (s *set) random(rows, cols int, scale float32) kernels.Tensor {
	return s.fill(s.b.ActivationType(), rows, cols, scale)
}

// zeros returns an output of the activation type, zeros32 one of float32.
func (s *set) zeros(rows, cols int) kernels.Tensor {
	return s.alloc(s.b.ActivationType(), rows, cols)
}
func (s *set) zeros32(rows, cols int) kernels.Tensor { return s.alloc(kernels.Float32, rows, cols) }

func (s *set) fill(dtype kernels.DType, rows, cols int, scale float32) kernels.Tensor {
	t := s.alloc(dtype, rows, cols)
	if s.err != nil || s.blank {
		return t
	}
	flat := t.Reshape(1, t.Len())
	period := min(t.Len(), len(normals)-1021) // odd, so that rows of a power of two differ
	from := s.rand.IntN(1021)
	values := make([]float32, period)
	for i := range values {
		values[i] = scale * normals[from+i]
	}
	s.b.Upload(flat.ColRange(0, period), values)
	for n := period; n < t.Len(); n *= 2 {
		more := min(n, t.Len()-n)
		s.b.Copy(flat.ColRange(n, n+more), flat.ColRange(0, more))
	}
	return t
}

// ints returns an int32 tensor (1, len(values)).
func (s *set) ints(values []int32) kernels.Tensor {
	t := s.alloc(kernels.Int32, 1, len(values))
	if s.err == nil {
		s.b.UploadInts(t, values)
	}
	return t
}

// below returns n random integers in [0, limit).
func (s *set) below(n, limit int) []int32 {
	values := make([]int32, n)
	for i := range values {
		values[i] = int32(s.rand.IntN(limit))
	}
	return values
}

func (s *set) free() {
	for _, t := range s.tensors {
		s.b.Free(t)
	}
	s.tensors = nil
}
