package model

import "retort/kernels"

// sizer is a backend that only adds up what would be allocated: planning a pass over it
// costs nothing and cannot disagree with the plan.
type sizer struct {
	kernels.Backend // for its types; no operation is called
	bytes           map[kernels.Purpose]int64
}

// sized is a buffer that does not exist.
type sized int64

// Bytes is the size that the buffer would have.
func (s sized) Bytes() int64 { return int64(s) }

// Alloc counts the tensor.
func (s *sizer) Alloc(dtype kernels.DType, purpose kernels.Purpose, rows, cols int) (kernels.Tensor, error) {
	n := int64(rows) * int64(cols) * int64(dtype.Size())
	s.bytes[purpose] += n
	return kernels.Tensor{Buf: sized(n), Rows: rows, Cols: cols, Stride: cols, DType: dtype}, nil
}

// EstimateTraining is the memory that training the student takes on the backend, by
// purpose: parameters, gradients, two moments (and masters of narrow parameters), activations
// and input. With an adapter's configuration the adapter alone is trained.
func EstimateTraining(k kernels.Backend, c Config, adapter *LoRA, o PassOptions) (map[kernels.Purpose]int64, error) {
	s := &sizer{Backend: k, bytes: map[kernels.Purpose]int64{}}
	p := planner{k: s}
	trained := c.specs()
	if adapter != nil {
		var err error
		if trained, err = c.loraSpecs(*adapter); err != nil {
			return nil, err
		}
		w, err := newWeights(s, c.Layers, trained, k.ActivationType(), kernels.Parameters)
		if err != nil {
			return nil, err
		}
		p.adapt(*adapter, w)
	}
	masters := 0
	if k.ActivationType() != kernels.Float32 {
		masters = 1
	}
	for _, set := range []struct {
		specs   []spec
		purpose kernels.Purpose
		dtype   kernels.DType
		copies  int
	}{
		{c.specs(), kernels.Parameters, k.ActivationType(), 1},
		{trained, kernels.Gradients, kernels.Float32, 1}, {trained, kernels.Optimizer, kernels.Float32, 2 + masters},
	} {
		for range set.copies {
			if _, err := newWeights(s, c.Layers, set.specs, set.dtype, set.purpose); err != nil {
				return nil, err
			}
		}
	}
	p.blocks(c, o)
	p.shared(c, o)
	p.input(c, o.Tokens, o.Rows)
	return s.bytes, p.err
}
