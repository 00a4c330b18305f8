package conformance

import (
	"fmt"
	"math"

	"retort/kernels"
)

// How much error a result may have is derived, not chosen:
//
//	|got − exact| ≤ 2·E + u·ulp(max(|exact|, rms(exact)))  for every element, and
//	rms(got − exact) ≤ 2·rms(plain − exact) + u·ulp(rms(exact))  for the whole output.
//
// exact is the reference in float64 on the very inputs that the backend had, rounded
// to the type that it stores them in. plain is the same reference in float32, its
// results rounded to the output's type: what anyone's straightforward loop would give.
// E is the largest |plain − exact| of the output. The factor 2 allows another order of
// summation, which may be as unlucky as the plain one is lucky, and nothing more: sums
// kept in a shorter type, or a formula that cancels, miss it by far. The second line
// catches an error that every element has and no single one shows.
//
// u covers what the plain reference does better than any fast implementation may: it
// takes exp, tanh, erf and log from float64, off by half an ulp, where vectorised
// ones are off by one or two, and an argument scaled before it (x·log₂e) by another.
// For float32 u is 4. In bf16 these vanish before the final rounding and u is 1.
//
// A single plain result may be exact by luck, and the elements of one row (or of one
// document) share much of theirs, so small outputs are drawn several times, until there
// are enough elements and enough rows, and E is taken over all draws.
const (
	ulpsFloat32  = 4
	ulpsBFloat16 = 1
	enough       = 256     // elements of an output over all draws
	enoughRows   = 48      // rows of an output over all draws
	mostDraws    = 64      // of one case
	mostElements = 2 << 20 // of all arguments over all draws; large sums need no luck
)

// sample is one output of one draw: what the backend, the float64 and the float32
// reference say.
type sample struct {
	got, plain []float32
	exact      []float64
}

// draws is how many inputs a case is run with.
func (c *Case) draws() int {
	draws, all := 1, 1
	if n := len(c.Docs); n > 0 {
		draws = (enoughRows + n - 1) / n
	}
	for _, a := range c.args {
		n := a.rows * a.cols
		all += n
		if (a.role == output || a.role == update) && !a.unchecked && n > 0 {
			draws = max(draws, (enough+n-1)/n, (enoughRows+a.rows-1)/a.rows)
		}
	}
	return max(1, min(draws, mostDraws, mostElements/all))
}

// judge holds all draws of the output a to the tolerance; with moves, to none.
func judge(a *Arg, moves bool, samples []sample) error {
	var largest, sumError, sumPlain, sumExact float64
	count := 0
	for _, s := range samples {
		for i, exact := range s.exact {
			off := math.Abs(float64(s.plain[i]) - exact)
			if math.IsNaN(off) || math.IsInf(off, 0) {
				return fmt.Errorf("%s: the plain reference gives %g for %g: the entry's inputs are beyond float32", a.name, s.plain[i], exact)
			}
			largest = max(largest, off)
			sumPlain += off * off
			sumExact += exact * exact
			count++
		}
	}
	ulp, ulps := ulpOf(a.dtype)
	rmsExact := math.Sqrt(sumExact / float64(max(count, 1)))
	if moves {
		largest, ulps = 0, 0
	}
	for draw, s := range samples {
		for i, exact := range s.exact {
			got := float64(s.got[i])
			allowed := 2*largest + ulps*ulp*max(math.Abs(exact), rmsExact)
			if !(math.Abs(got-exact) <= allowed) {
				return fmt.Errorf("%s[%d, %d] = %g, float64 says %g, plain float32 %g: off by %.3g, allowed %.3g (draw %d)%s",
					a.name, i/a.cols, i%a.cols, got, exact, s.plain[i], math.Abs(got-exact), allowed, draw, hint(a, got))
			}
			sumError += (got - exact) * (got - exact)
		}
	}
	n := float64(count)
	rms, allowed := math.Sqrt(sumError/n), 2*math.Sqrt(sumPlain/n)+ulps*ulp*rmsExact
	if !moves && count > 0 && rms > allowed {
		return fmt.Errorf("%s: root mean square error %.3g over %d elements, plain float32 has %.3g, allowed %.3g",
			a.name, rms, count, math.Sqrt(sumPlain/n), allowed)
	}
	return nil
}

// hint says what a NaN in an output most likely means.
func hint(a *Arg, got float64) string {
	if a.role == output && math.IsNaN(got) {
		return "; NaN was the poison: the element was not written, or NaN was read"
	}
	return ""
}

// ulpOf is the relative size of a unit in the last place, and how many are allowed.
func ulpOf(dtype kernels.DType) (ulp, ulps float64) {
	if dtype == kernels.BFloat16 {
		return 0x1p-7, ulpsBFloat16
	}
	return 0x1p-23, ulpsFloat32
}
