package conformance

import (
	"fmt"
	"math"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// Clipping and AdamW, which talk through the control tensor on the device. Special
// gradients: "nan", "inf" and "minus-inf" in one place, "zero" everywhere, "large"
// ones whose squares still fit float32, "tiny" ones on which epsilon decides. "skip"
// is a step whose norm was not finite.
func optimizerEntries() []Entry {
	norms := []Shape{{T: 1, MaxNorm: 1}, {T: 3, MaxNorm: 1}, {T: 3, MaxNorm: 1e4}, {T: 3}, {T: 3, MaxNorm: -1},
		{T: 3, MaxNorm: 0.5, Strided: true}}
	for _, special := range []string{"nan", "inf", "minus-inf", "zero", "large"} {
		norms = append(norms, Shape{T: 3, MaxNorm: 1, Special: special})
	}
	steps := []Shape{{T: 1}, {T: 3}, {T: 3, Step: 7}, {T: 3, Step: 1000}, {T: 3, Step: 3, Special: "tiny"},
		{T: 3, Step: 2, Special: "large"}, {T: 3, Step: 5, Special: "skip"}, {T: 2, Step: 1, Strided: true}}
	return []Entry{
		{
			Name: "GlobalNorm", Methods: []string{"GlobalNorm"}, Wrong: []string{"control"},
			Doc:   "one norm over all gradients; what is not finite is told, and the step's slot is left alone",
			Small: norms, Large: []Shape{{T: 6, MaxNorm: 1}},
			Arguments: func(c *Case) {
				c.parameters(false)
				control := c.update32("control", 1, kernels.ControlSlots)
				c.fill(control, func(i int) float64 { return []float64{math.NaN(), math.NaN(), math.NaN(), 41}[i] })
				control.unchecked = c.Special == "nan" || c.Special == "inf" || c.Special == "minus-inf"
			},
			Call:  func(b kernels.Backend, a *Args) { b.GlobalNorm(a.t("control"), a.params, a.MaxNorm) },
			Exact: globalNormReference[float64], Plain: globalNormReference[float32],
			Check: checkControl,
			FLOPs: func(s Shape) float64 { return 2 * s.parameterCount() },
			Bytes: func(s Shape) float64 { return 4 * s.parameterCount() },
		},
		{
			Name: "AdamW", Methods: []string{"AdamW"}, Wrong: []string{"control", "grad 0", "moment1 0", "moment2 0"},
			Doc:   "clipped gradients, decoupled decay where it applies, bias correction by the device's own step count",
			Small: steps, Large: []Shape{{T: 6, Step: 3}},
			Arguments: func(c *Case) {
				c.parameters(true)
				finite := 1.0
				if c.Special == "skip" {
					finite = 0
				}
				c.fill(c.update32("control", 1, kernels.ControlSlots), func(i int) float64 {
					return []float64{3, 0.7, finite, float64(c.Step)}[i]
				})
			},
			Call:  func(b kernels.Backend, a *Args) { b.AdamW(a.t("control"), a.params, adamwOf) },
			Exact: adamwReference[float64], Plain: adamwReference[float32],
			Check: checkSkipped,
			FLOPs: func(s Shape) float64 { return 14 * s.parameterCount() },
			Bytes: func(s Shape) float64 { return 28 * s.parameterCount() },
		},
		{
			Name: "a bad step changes nothing", Methods: []string{"GlobalNorm", "AdamW"},
			Doc:      "NaN and infinities in a gradient leave values, moments and step as they are; the next step works",
			Scenario: badStep,
		},
	}
}

// adamwOf is the optimizer under test: steps and decay large enough to be seen.
var adamwOf = kernels.AdamW{LearningRate: 0.1, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.3}

// parameterShapes are the shapes of the first T parameters.
var parameterShapes = [][2]int{{7, 5}, {1, 9}, {33, 65}, {384, 129}, {1, 768}, {1031, 257}}

func (s Shape) parameterCount() (n float64) {
	for _, p := range parameterShapes[:s.T] {
		n += float64(p[0] * p[1])
	}
	return n
}

func paramName(part string, i int) string { return fmt.Sprintf("%s %d", part, i) }

// parameters declares T parameters, each contiguous, as a parameter or a row range of
// one is; every second one has no weight decay. With
// stepping, values and moments are updated, else they only must not change.
func (c *Case) parameters(stepping bool) {
	gradient := map[string]float64{"large": 1e15, "tiny": 1e-9, "zero": 0}
	size := 1.0
	if factor, ok := gradient[c.Special]; ok {
		size = factor
	}
	kind := input
	if stepping {
		kind = update
		size = min(size, 1e3)
	}
	for i, s := range parameterShapes[:c.T] {
		value := c.declare(paramName("value", i), kind, c.activation, s[0], s[1]).contiguous()
		if c.activation != kernels.Float32 {
			master := c.declare(paramName("master", i), kind, kernels.Float32, s[0], s[1]).contiguous()
			c.fill(value, func(j int) float64 { return float64(master.floats[j]) })
		}
		grad := c.scale(c.in32(paramName("grad", i), s[0], s[1]).contiguous(), size)
		m := c.declare(paramName("moment1", i), kind, kernels.Float32, s[0], s[1]).contiguous()
		v := c.declare(paramName("moment2", i), kind, kernels.Float32, s[0], s[1]).contiguous()
		fresh := c.Step == 0 // the first step begins with moments of zero
		c.fill(m, func(j int) float64 { return choose(fresh, 0, 0.3*size*float64(m.floats[j])) })
		c.fill(v, func(j int) float64 { return choose(fresh, 0, math.Pow(0.3*size*float64(v.floats[j]), 2)) })
		if i == c.T-1 {
			c.spoil(grad)
		}
		c.decays = append(c.decays, i%2 == 0)
	}
}

// spoil puts what the special asks for into the last place of a gradient.
func (c *Case) spoil(grad *Arg) {
	bad := map[string]float64{"nan": math.NaN(), "skip": math.NaN(), "inf": math.Inf(1), "minus-inf": math.Inf(-1)}
	if v, ok := bad[c.Special]; ok {
		grad.floats[len(grad.floats)-1] = float32(v)
	}
}

// checkControl looks at the slots that are not sums: scale belongs to the norm that
// the backend found, finite is a flag, the step is not touched.
func checkControl(c *Case, got Results) error {
	slots := got["control"].floats
	norm := float64(slots[kernels.ControlNorm])
	finite := !math.IsNaN(norm) && !math.IsInf(norm, 0)
	if finite == c.arg("control").unchecked {
		return fmt.Errorf("ControlNorm is %g", norm)
	}
	if want := float32(choose(finite, 1, 0)); slots[kernels.ControlFinite] != want {
		return fmt.Errorf("ControlFinite is %g with a norm of %g", slots[kernels.ControlFinite], norm)
	}
	if slots[kernels.ControlStep] != 41 {
		return fmt.Errorf("ControlStep went from 41 to %g", slots[kernels.ControlStep])
	}
	scale := 1.0
	if c.MaxNorm > 0 {
		scale = min(1, float64(c.MaxNorm)/(norm+1e-6))
	}
	if off := math.Abs(float64(slots[kernels.ControlScale]) - scale); finite && !(off <= ulpsFloat32*0x1p-23*scale) {
		return fmt.Errorf("ControlScale is %g, a norm of %g and a limit of %g make %g", slots[kernels.ControlScale], norm, c.MaxNorm, scale)
	}
	return nil
}

// checkSkipped looks at the flags, and at every bit after a step that must be skipped.
func checkSkipped(c *Case, got Results) error {
	control, before := got["control"].floats, c.arg("control").floats
	if c.Special == "skip" {
		for _, a := range c.args {
			if got[a.name] == nil {
				continue
			}
			if err := same(a.name+" after a step with ControlFinite 0", a.floats, got[a.name].floats); err != nil {
				return err
			}
		}
		return nil
	}
	if control[kernels.ControlStep] != before[kernels.ControlStep]+1 {
		return fmt.Errorf("ControlStep went from %g to %g", before[kernels.ControlStep], control[kernels.ControlStep])
	}
	return same("the other slots of control", before[:kernels.ControlStep], control[:kernels.ControlStep])
}

func globalNormReference[F reference.Float](v Values[F]) {
	reference.GlobalNorm(v.vec("control"), v.params(), F(v.MaxNorm))
}

func adamwReference[F reference.Float](v Values[F]) {
	reference.AdamW(v.vec("control"), v.params(), adamwOf)
}

func badStep(k *kit) error {
	const rows, cols = 5, 9
	value, start := k.random(rows, cols)
	grad, m, v := k.alloc(kernels.Float32, rows, cols), k.alloc(kernels.Float32, rows, cols), k.alloc(kernels.Float32, rows, cols)
	good := k.values(kernels.Float32, rows*cols)
	control := k.alloc(kernels.Float32, 1, kernels.ControlSlots)
	params := []kernels.Parameter{{Value: value, Grad: grad, Moment1: m, Moment2: v, Decay: true}}
	if k.ActivationType() != kernels.Float32 {
		params[0].Master = k.alloc(kernels.Float32, rows, cols)
		k.Upload(params[0].Master, start)
	}
	step := func(gradient []float32) {
		k.Upload(grad, gradient)
		k.GlobalNorm(control, params, 1)
		k.AdamW(control, params, adamwOf)
	}
	step(good)
	inf := float32(math.Inf(1))
	for _, bad := range []float32{float32(math.NaN()), inf, -inf} {
		for _, at := range []int{0, rows*cols - 1} {
			before := [][]float32{k.read(value), k.read(m), k.read(v), k.read(control)[kernels.ControlStep:]}
			gradient := append([]float32(nil), good...)
			gradient[at] = bad
			step(gradient)
			for i, t := range []kernels.Tensor{value, m, v, control.ColRange(kernels.ControlStep, kernels.ControlSlots)} {
				name := []string{"value", "moment1", "moment2", "step"}[i]
				if err := same(fmt.Sprintf("%s after a gradient of %g", name, bad), before[i], k.read(t)); err != nil {
					return err
				}
			}
			step(good)
			if got := k.read(control); got[kernels.ControlFinite] != 1 || got[kernels.ControlStep] != before[3][0]+1 {
				return fmt.Errorf("control is %v after a good step that follows %g", got, bad)
			}
			if same("", before[0], k.read(value)) == nil {
				return fmt.Errorf("a good step that follows %g changed nothing", bad)
			}
		}
	}
	return nil
}
