package conformance

import (
	"fmt"
	"math"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// dropoutMask is the mask of the entries; the stream needs its upper half too.
func (s Shape) dropoutMask() kernels.Mask {
	return kernels.Mask{Rate: s.Rate, Seed: 0x1234567890abcdef, Stream: 7<<32 | 5}
}

const dropoutFactor = 1.25

// Dropout, whose mask is the same on every backend.
func dropoutEntries() []Entry {
	e := Entry{
		Name: "Dropout", Methods: []string{"Dropout"}, Wrong: []string{"y"},
		Doc: "every backend keeps the same elements; added up, and without a mask",
		Small: []Shape{
			{T: 1, D: 1, Rate: 0.5}, {T: 7, D: 65, Rate: 0.3}, {T: 5, D: 48, Rate: 0.05, Strided: true}, {T: 0, D: 8, Rate: 0.5}, {T: 9, D: 129},
			{T: 5, D: 64, Rate: 0.5, Accumulate: true}, {T: 3, D: 13, Rate: 0.5, Accumulate: true, Strided: true},
		},
		Large: []Shape{{T: 1025, D: 768, Rate: 0.05}},
		Arguments: func(c *Case) {
			if c.InPlace || c.Accumulate {
				c.update("y", c.T, c.D).each(1)
			} else {
				c.out("y", c.T, c.D).each(1)
			}
			if !c.InPlace {
				c.in("x", c.T, c.D).each(1)
			}
		},
		// a row's mask belongs to its number: only the first rows may be computed alone
		Ranges: func(c *Case) [][2]int { return [][2]int{{0, (c.T + 1) / 2}} },
		Call: func(b kernels.Backend, a *Args) {
			x := a.t("y")
			if !a.InPlace {
				x = a.t("x")
			}
			b.Dropout(a.t("y"), x, dropoutFactor, a.dropoutMask(), a.Accumulate)
		},
		Exact: dropoutReference[float64], Plain: dropoutReference[float32],
		Check: checkDropoutRate,
		FLOPs: func(s Shape) float64 { return s.tokens(s.D) },
	}
	inPlace := e
	inPlace.Name, inPlace.Doc, inPlace.Wrong = "Dropout in place", "y may be x", nil
	inPlace.Small = []Shape{{T: 6, D: 32, Rate: 0.1, InPlace: true}, {T: 6, D: 20, InPlace: true, Strided: true}}
	inPlace.Large = nil
	return []Entry{e, inPlace}
}

func dropoutReference[F reference.Float](v Values[F]) {
	x := v.m("y").Clone()
	if !v.InPlace {
		x = v.m("x")
	}
	reference.Dropout(v.m("y"), x, dropoutFactor, v.dropoutMask(), v.Accumulate)
}

// checkDropoutRate holds the share of zeros to the rate, within five deviations.
func checkDropoutRate(c *Case, got Results) error {
	if c.Accumulate {
		return nil
	}
	zeros, n := 0, c.T*c.D
	for _, v := range got["y"].floats {
		if v == 0 {
			zeros++
		}
	}
	want := float64(c.Rate) * float64(n)
	if deviation := math.Sqrt(want * (1 - float64(c.Rate))); math.Abs(float64(zeros)-want) > 5*deviation+1 {
		return fmt.Errorf("%d of %d elements are zero, the rate is %g", zeros, n, c.Rate)
	}
	return nil
}
