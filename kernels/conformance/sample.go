package conformance

import (
	"fmt"
	"math"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// Sampling. A drawn id has no error, it is right or wrong: it must be the one whose
// interval of the float64 cumulative distribution holds the row's uniform. The
// interval's ends may be off by what float32 makes of the cumulative sum, derived as
// in tolerance.go, and so may the probability at which top-p cuts. "ties" are logits
// with many equals; every shape has uniforms at both ends of [0, 1).
func sampleEntries() []Entry {
	with := func(n, v int, temperature float32, k int, p float32) Shape {
		return Shape{N: n, V: v, Sampling: kernels.Sampling{Temperature: temperature, TopK: k, TopP: p}}
	}
	special := func(s Shape, name string) Shape { s.Special = name; return s }
	strided := with(9, 129, 0.8, 20, 0.9)
	strided.Strided = true
	return []Entry{
		{
			Name: "Sample", Methods: []string{"Sample"}, Wrong: []string{"ids", "logprobs", "uniforms"},
			Doc: "temperature, then top-k, then top-p, as transformers; log-probabilities of the raw logits",
			Small: []Shape{
				with(1, 1, 1, 0, 1), with(0, 33, 1, 0, 1), with(64, 33, 1, 0, 1), with(33, 65, 0.7, 0, 0.9),
				with(33, 65, 1.3, 5, 1), with(33, 129, 0.8, 10, 0.5), with(33, 65, 0.6, 20, 0.95), with(9, 33, 1, 1000, 1),
				with(9, 33, 2, 0, 1e-6), with(9, 33, 0.05, 0, 1), with(9, 33, 1, 1, 1), strided,
				with(33, 65, 0, 0, 1), with(9, 65, 0, 3, 0.5), special(with(33, 65, 0, 0, 1), "ties"),
				special(with(33, 65, 1, 7, 1), "ties"), special(with(9, 33, 1, 0, 1), "huge"), special(with(9, 33, 0, 0, 1), "huge"),
			},
			Large: []Shape{with(8, 50257, 1, 0, 1), with(8, 50257, 0.9, 0, 0.95), with(8, 50257, 1, 50, 0.9),
				with(8, 50257, 0, 0, 1), with(130, 401, 0.7, 40, 0.9)},
			Arguments: func(c *Case) {
				c.intsOut("ids", c.N).column().unchecked = true
				c.out32("logprobs", 1, c.N).column().unchecked = true
				logits := c.in32("logits", c.N, c.V).each(1)
				c.fill(logits, func(i int) float64 {
					switch v := float64(logits.floats[i]); c.Special {
					case "ties":
						return math.Round(2*v) / 2
					case "huge":
						return 1000 * v
					default:
						return 3 * v
					}
				})
				uniforms := c.in32("uniforms", 1, c.N).column()
				c.fill(uniforms, func(i int) float64 {
					switch i {
					case 0:
						return 0
					case 1:
						return 1 - 0x1p-24
					}
					return float64(c.rand.IntN(1<<24)) / (1 << 24)
				})
			},
			Call: func(b kernels.Backend, a *Args) {
				b.Sample(a.t("ids"), a.t("logprobs"), a.t("logits"), a.t("uniforms"), a.Sampling)
			},
			Check: checkSamples,
		},
		{
			Name: "Sample frequencies", Methods: []string{"Sample"},
			Doc:      "over evenly spread uniforms each id comes as often as the filtered distribution says, give or take one",
			Small:    []Shape{with(500, 50, 1, 0, 1), with(500, 50, 0.7, 0, 0.9), with(500, 50, 1.3, 5, 1), with(500, 50, 0.6, 20, 0.95)},
			Scenario: frequencies,
		},
	}
}

// checkSamples holds each row's id and log-probability to the float64 distribution.
func checkSamples(c *Case, got Results) error {
	ids, logprobs := got["ids"].ints, got["logprobs"].floats
	for i, id := range ids {
		row := c.arg("logits").floats[i*c.V:][:c.V]
		if id < 0 || int(id) >= c.V {
			return fmt.Errorf("ids[%d] = %d of a vocabulary of %d", i, id, c.V)
		}
		if u := c.arg("uniforms").floats[i]; !drawable(row, int(id), float64(u), c.Sampling) {
			return fmt.Errorf("ids[%d] = %d at the uniform %g: float64 draws %d, of probability %g", i, id, u,
				drawn(row, u, c.Sampling), reference.Filtered(widened(row), c.Sampling)[drawn(row, u, c.Sampling)])
		}
		exact, plain := reference.LogSoftmax(widened(row)), reference.LogSoftmax(row)
		allowed := 2*furthest(exact, plain) + ulpsFloat32*0x1p-23*math.Abs(exact[id])
		if off := math.Abs(float64(logprobs[i]) - exact[id]); !(off <= allowed) {
			return fmt.Errorf("logprobs[%d] = %g for id %d, float64 says %g: off by %.3g, allowed %.3g", i, logprobs[i], id, exact[id], off, allowed)
		}
	}
	return nil
}

// drawable tells whether the uniform lies in the id's interval of the cumulative
// distribution, up to the error that float32 has there.
func drawable(logits []float32, id int, uniform float64, s kernels.Sampling) bool {
	if s.Temperature == 0 {
		return reference.Filtered(widened(logits), s)[id] == 1
	}
	tolerance := 2*furthest(cumulative(reference.Filtered(widened(logits), s)), cumulative(reference.Filtered(logits, s))) + ulpsFloat32*0x1p-23
	for _, shift := range []float64{0, -tolerance, tolerance} {
		near := s
		if s.TopP < 1 {
			near.TopP = float32(max(1e-9, float64(s.TopP)+shift))
		}
		probs := reference.Filtered(widened(logits), near)
		end := cumulative(probs)[id]
		if probs[id] > 0 && uniform >= end-probs[id]-tolerance && uniform < end+tolerance {
			return true
		}
	}
	return false
}

// drawn is the id that the float64 reference draws.
func drawn(logits []float32, uniform float32, s kernels.Sampling) int32 {
	id := make([]int32, 1)
	wide := reference.Of(1, len(logits), widened(logits))
	reference.Sample(id, make([]float64, 1), wide, []float64{float64(uniform)}, s)
	return id[0]
}

func widened(values []float32) []float64 {
	wide := make([]float64, len(values))
	for i, v := range values {
		wide[i] = float64(v)
	}
	return wide
}

// cumulative is the running sum.
func cumulative[F reference.Float](p []F) []F {
	sums := make([]F, len(p))
	var sum F
	for i, v := range p {
		sum += v
		sums[i] = sum
	}
	return sums
}

// furthest is the largest difference between the exact and the plain values.
func furthest(exact []float64, plain []float32) (off float64) {
	for i, v := range plain {
		off = max(off, math.Abs(float64(v)-exact[i]))
	}
	return off
}

// frequencies draws from one distribution at N evenly spread uniforms. An interval of
// length p then holds N·p of them, give or take one.
func frequencies(k *kit) error {
	row := k.values(kernels.Float32, k.V)
	var all, uniforms []float32
	for i := range row {
		row[i] = 3 * row[i]
	}
	for i := range k.N {
		all = append(all, row...)
		uniforms = append(uniforms, (float32(i)+0.5)/float32(k.N))
	}
	logits, spread := k.alloc(kernels.Float32, k.N, k.V), k.alloc(kernels.Float32, 1, k.N)
	k.Upload(logits, all)
	k.Upload(spread, uniforms)
	ids := k.alloc(kernels.Int32, 1, k.N)
	k.Sample(ids, k.alloc(kernels.Float32, 1, k.N), logits, spread, k.Sampling)
	counts := make([]int, k.V)
	for _, id := range k.readInts(ids) {
		counts[id]++
	}
	for id, p := range reference.Filtered(widened(row), k.Sampling) {
		if p == 0 && counts[id] > 0 {
			return fmt.Errorf("id %d was drawn %d times, but is filtered away", id, counts[id])
		}
		if expected := p * float64(k.N); math.Abs(float64(counts[id])-expected) > 1.01 {
			return fmt.Errorf("id %d was drawn %d times of %d, its probability %g makes %.1f", id, counts[id], k.N, p, expected)
		}
	}
	return nil
}
