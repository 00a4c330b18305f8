package conformance

import (
	"fmt"

	"retort/kernels"
)

// Freezing promises that a weight does not change, so that Linear may read another
// layout of it. Nobody may see the difference in a single bit, and Thaw ends it.
func freezeEntries() []Entry {
	return []Entry{{
		Name: "frozen Linear", Methods: []string{"Freeze", "Thaw", "Linear"},
		Doc:   "the same bits frozen and not, for whole weights and for row ranges of one",
		Small: []Shape{{D: 33, Out: 21}, {D: 64, Out: 48}},
		Large: []Shape{{D: 576, Out: 769}},
		Scenario: func(k *kit) error {
			stacked, _ := k.random(3*k.Out, k.D)
			whole, _ := k.random(k.Out, k.D)
			bias, _ := k.random(1, k.Out)
			views := []kernels.Tensor{whole, stacked.RowRange(0, k.Out), stacked.RowRange(k.Out, 3*k.Out)}
			for _, w := range views {
				if err := k.frozenLinear(w, bias); err != nil {
					return fmt.Errorf("weight %v at %d: %w", w, w.Off, err)
				}
			}
			for _, w := range views { // several at a time
				k.Freeze(w)
			}
			defer k.Thaw()
			return k.frozenLinear(views[1], bias)
		},
	}}
}

// frozenLinear compares Linear before Freeze, frozen, and after Thaw and a change of
// the weight, which must be seen.
func (k *kit) frozenLinear(w, bias kernels.Tensor) error {
	if w.Rows != bias.Cols {
		bias = kernels.Tensor{}
	}
	linear := func(rows int) []float32 {
		x, values := k.alloc(k.activation, rows, k.D), make([]float32, rows*k.D)
		for i := range values {
			values[i] = round(k.activation, float64(i%17)-7.5)
		}
		k.Upload(x, values)
		y := k.alloc(k.activation, rows, w.Rows)
		k.Linear(y, x, w, bias)
		return k.read(y)
	}
	counts := []int{1, 2, 7, 65}
	k.Thaw()
	var plain, changed [][]float32
	for _, n := range counts {
		plain = append(plain, linear(n))
	}
	k.Freeze(w)
	for i, n := range counts {
		if err := same(fmt.Sprintf("%d rows, frozen", n), plain[i], linear(n)); err != nil {
			return err
		}
	}
	k.Thaw()
	for i, n := range counts {
		if err := same(fmt.Sprintf("%d rows, thawed", n), plain[i], linear(n)); err != nil {
			return err
		}
	}
	k.Upload(w, k.values(k.activation, w.Len()))
	for _, n := range counts {
		changed = append(changed, linear(n))
	}
	if same("", plain[0], changed[0]) == nil {
		return fmt.Errorf("after Thaw, a new weight gives the old result")
	}
	k.Freeze(w)
	defer k.Thaw()
	for i, n := range counts {
		if err := same(fmt.Sprintf("%d rows, frozen again with another weight", n), changed[i], linear(n)); err != nil {
			return err
		}
	}
	return nil
}
