package main

import "retort/kernels"

// The optimizer's operations, over all tensors of a student with a vocabulary of V, a width
// of D and Layers blocks.
func init() {
	register(
		operation{name: "GlobalNorm", methods: []string{"GlobalNorm"},
			bytes: func(d dims, _ float64) float64 { return 4 * d.parameters() },
			build: func(s *set, d dims) func() {
				control, params := s.zeros32(1, kernels.ControlSlots), s.parameters(d)
				return func() { s.b.GlobalNorm(control, params, 1) }
			}},
		operation{name: "AdamW", methods: []string{"GlobalNorm", "AdamW"},
			// The gradient is read; both moments, and the value or its master, read and
			// written; a narrow value written beside.
			bytes: func(d dims, size float64) float64 {
				each := 4 + 8 + 8 + 8.0
				if size < 4 {
					each += size
				}
				return each * d.parameters()
			},
			build: func(s *set, d dims) func() {
				control, params := s.zeros32(1, kernels.ControlSlots), s.parameters(d)
				if s.err == nil {
					s.b.GlobalNorm(control, params, 1) // says that the gradients are finite
				}
				hp := kernels.AdamW{LearningRate: 1e-4, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.1}
				return func() { s.b.AdamW(control, params, hp) }
			}},
	)
}

// parameterShapes are the student's tensors, those of GPT-2 without its biases.
func (d dims) parameterShapes() [][2]int {
	shapes := [][2]int{{d.V, d.D}, {1, d.D}}
	for range d.Layers {
		shapes = append(shapes, [][2]int{{3 * d.D, d.D}, {d.D, d.D}, {4 * d.D, d.D}, {d.D, 4 * d.D}, {1, d.D}, {1, d.D}}...)
	}
	return shapes
}

// parameters counts their elements.
func (d dims) parameters() (n float64) {
	for _, shape := range d.parameterShapes() {
		n += matrix(shape[0], shape[1])
	}
	return n
}

func (s *set) parameters(d dims) (list []kernels.Parameter) {
	for _, shape := range d.parameterShapes() {
		rows, cols := shape[0], shape[1]
		p := kernels.Parameter{
			Value: s.random(rows, cols, 0.02), Grad: s.random32(rows, cols, 1e-3),
			Moment1: s.zeros32(rows, cols), Moment2: s.zeros32(rows, cols), Decay: rows > 1,
		}
		if s.b.ActivationType() != kernels.Float32 {
			p.Master = s.random32(rows, cols, 0.02)
		}
		list = append(list, p)
	}
	return list
}
