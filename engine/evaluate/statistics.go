package evaluate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// z95 is the 97.5 % point of the standard normal distribution.
const z95 = 1.959963984540054

// Interval is a 95 % interval.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Tally counts the verdicts of one rule over one set of rows.
type Tally struct {
	N        int // rows judged
	Correct  int
	Unparsed int // rows in which the rule found no answer; they count as wrong
}

// Add counts one verdict.
func (t *Tally) Add(v Verdict) {
	t.N++
	if v.Correct {
		t.Correct++
	}
	if !v.Parsed {
		t.Unparsed++
	}
}

// Accuracy returns the fraction of rows that are correct; 0 of none.
func (t Tally) Accuracy() float64 { return ratio(t.Correct, t.N) }

// ParseFailureRate returns the fraction of rows without an answer; 0 of none.
func (t Tally) ParseFailureRate() float64 { return ratio(t.Unparsed, t.N) }

// Stderr returns lm-eval's exact_match_stderr: the sample standard deviation
// (n−1) of the 0/1 scores over √n. 0 for fewer than two rows.
func (t Tally) Stderr() float64 {
	if t.N < 2 {
		return 0
	}
	p := t.Accuracy()
	return math.Sqrt(p * (1 - p) / float64(t.N-1))
}

// Interval returns the Wilson interval of the accuracy.
func (t Tally) Interval() Interval { return Wilson(t.Correct, t.N) }

func ratio(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Wilson returns the 95 % score interval of successes in n trials. It stays
// inside 0..1 and is honest for few trials; of no trials it is 0..1.
func Wilson(successes, n int) Interval {
	if successes < 0 || n < 0 || successes > n {
		panic(fmt.Sprintf("evaluate: Wilson of %d successes in %d trials", successes, n))
	}
	if n == 0 {
		return Interval{0, 1}
	}
	trials, p := float64(n), ratio(successes, n)
	scale := 1 + z95*z95/trials
	centre := (p + z95*z95/(2*trials)) / scale
	half := z95 / scale * math.Sqrt(p*(1-p)/trials+z95*z95/(4*trials*trials))
	in := Interval{max(0, centre-half), min(1, centre+half)}
	if successes == 0 {
		in.Low = 0 // exactly, whatever the rounding
	}
	if successes == n {
		in.High = 1
	}
	return in
}

// Mean returns the arithmetic mean; NaN of nothing.
func Mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// BootstrapMean returns the 95 % percentile interval of the mean over so many
// resamples with replacement. The same values, resamples and seed give the
// same bits. Of no values it is NaN..NaN.
func BootstrapMean(values []float64, resamples int, seed uint64) Interval {
	if len(values) == 0 || resamples < 1 {
		return Interval{math.NaN(), math.NaN()}
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	means := make([]float64, resamples)
	for i := range means {
		sum := 0.0
		for range values {
			sum += values[rng.IntN(len(values))]
		}
		means[i] = sum / float64(len(values))
	}
	slices.Sort(means)
	return Interval{quantile(means, 0.025), quantile(means, 0.975)}
}

// quantile interpolates linearly between the order statistics of sorted.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	below := int(at)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}

// Paired compares two runs on the same rows.
type Paired struct {
	Both, OnlyA, OnlyB, Neither int     // rows that are correct in both, ...
	Difference                  float64 // accuracy of A less that of B
	PValue                      float64 // two-sided exact McNemar test
}

// ComparePaired compares the scores of run a and run b, row by row. Rows on
// which both agree say nothing about which is better: the p-value is that of
// the exact McNemar test on the others, the chance of a split at least as
// uneven if either run were as likely to be the right one.
func ComparePaired(a, b []bool) (Paired, error) {
	if len(a) != len(b) {
		return Paired{}, fmt.Errorf("paired comparison of %d rows with %d: score both runs on the same rows", len(a), len(b))
	}
	var p Paired
	for i := range a {
		switch {
		case a[i] && b[i]:
			p.Both++
		case a[i]:
			p.OnlyA++
		case b[i]:
			p.OnlyB++
		default:
			p.Neither++
		}
	}
	if len(a) > 0 {
		p.Difference = float64(p.OnlyA-p.OnlyB) / float64(len(a))
	}
	p.PValue = mcnemar(p.OnlyA, p.OnlyB)
	return p, nil
}

// mcnemar returns min(1, 2·P(X ≤ min(b, c))) for X ~ Binomial(b+c, ½), summed
// in logarithms so that thousands of rows neither overflow nor vanish.
func mcnemar(b, c int) float64 {
	n := b + c
	logFactorial := func(k int) float64 { v, _ := math.Lgamma(float64(k) + 1); return v }
	tail := 0.0
	for k := range min(b, c) + 1 {
		tail += math.Exp(logFactorial(n) - logFactorial(k) - logFactorial(n-k) - float64(n)*math.Ln2)
	}
	return min(1, 2*tail)
}
