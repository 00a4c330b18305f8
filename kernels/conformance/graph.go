package conformance

import (
	"fmt"

	"retort/kernels"
)

// Graphs: the same operations run many times, over tensors whose contents change between
// the runs, and while the backend's own memory grows because of other operations.
func graphEntries() []Entry {
	return []Entry{{
		Name: "graph", Methods: []string{"Graph", "Norm", "NormBackward"},
		Doc:   "a graph does what its operations do, every time, whatever happens in between",
		Small: []Shape{{T: 5, D: 64}, {T: 0, D: 16}},
		Scenario: func(k *kit) error {
			x, _ := k.random(k.T, k.D)
			dy, _ := k.random(k.T, k.D)
			weight, _ := k.random(1, k.D)
			y, dx, stats := k.alloc(k.activation, k.T, k.D), k.alloc(k.activation, k.T, k.D), k.alloc(kernels.Float32, k.T, 2)
			dw := k.alloc(kernels.Float32, 1, k.D)
			p := kernels.Norm{Kind: kernels.RMSNorm, Weight: weight, Eps: 1e-5}
			operations := func() {
				k.Norm(y, stats, x, p)
				k.NormBackward(dx, dw, kernels.Tensor{}, dy, x, stats, p, false)
			}
			g := k.Graph(operations)
			defer g.Close()
			for round := range 5 {
				k.Upload(x, k.values(k.activation, k.T*k.D))
				k.Zero(dw)
				operations()
				want := [][]float32{k.read(y), k.read(dx), k.read(dw)}
				for _, t := range []kernels.Tensor{y, dx, dw} {
					k.Zero(t)
				}
				g.Run()
				for i, t := range []kernels.Tensor{y, dx, dw} {
					if err := same(fmt.Sprintf("round %d: %s", round, []string{"y", "dx", "dw"}[i]), want[i], k.read(t)); err != nil {
						return err
					}
				}
				if round == 2 { // a larger shape of the same operation
					k.normBackwardOf(64*(k.T+1), 2*k.D)
				}
			}
			return nil
		},
	}}
}

// normBackwardOf runs the operation once at another shape.
func (k *kit) normBackwardOf(rows, cols int) {
	x, _ := k.random(rows, cols)
	weight, _ := k.random(1, cols)
	stats, dw := k.alloc(kernels.Float32, rows, 2), k.alloc(kernels.Float32, 1, cols)
	y, dx := k.alloc(k.activation, rows, cols), k.alloc(k.activation, rows, cols)
	p := kernels.Norm{Kind: kernels.RMSNorm, Weight: weight, Eps: 1e-5}
	k.Norm(y, stats, x, p)
	k.NormBackward(dx, dw, kernels.Tensor{}, x, x, stats, p, false)
}
