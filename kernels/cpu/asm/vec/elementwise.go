package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"
)

// elementwise writes the short functions from slices to slices.
func elementwise() {
	signature("axpyAVX2", "y []float32, alpha float32, x []float32", "adds alpha x to y.")
	alpha := broadcast("alpha")
	loop(4, []string{"y", "x"}, []string{"y"}, func(t turn) []VecVirtual {
		Comment("y += alpha x")
		VFMADD231PS(t.in[1], alpha, t.in[0])
		return t.in[:1]
	})
	finish()

	signature("addAVX2", "dst, a, b []float32", "sets dst = a + b.")
	loop(4, []string{"a", "b"}, []string{"dst"}, func(t turn) []VecVirtual {
		Comment("a + b")
		VADDPS(t.in[1], t.in[0], t.in[0])
		return t.in[:1]
	})
	finish()

	signature("mulAVX2", "dst, a, b []float32", "sets dst = a b.")
	loop(4, []string{"a", "b"}, []string{"dst"}, func(t turn) []VecVirtual {
		Comment("a b")
		VMULPS(t.in[1], t.in[0], t.in[0])
		return t.in[:1]
	})
	finish()

	signature("scaleAVX2", "x []float32, s float32", "multiplies x by s.")
	s := broadcast("s")
	loop(4, []string{"x"}, []string{"x"}, func(t turn) []VecVirtual {
		Comment("x s")
		VMULPS(s, t.in[0], t.in[0])
		return t.in
	})
	finish()

	for _, bias := range []bool{false, true} {
		name, parameters, inputs := "normalizeAVX2", "y, x, w []float32, mean, rstd float32", []string{"x", "w"}
		doc := "sets y = (x - mean) rstd w."
		if bias {
			name, parameters, inputs = "normalizeBiasAVX2", "y, x, w, b []float32, mean, rstd float32", []string{"x", "w", "b"}
			doc = "sets y = (x - mean) rstd w + b."
		}
		signature(name, parameters, doc)
		mean, rstd := broadcast("mean"), broadcast("rstd")
		loop(2, inputs, []string{"y"}, func(t turn) []VecVirtual {
			Comment("x = (x - mean) rstd")
			VSUBPS(mean, t.in[0], t.in[0])
			VMULPS(rstd, t.in[0], t.in[0])
			if bias {
				Comment("x w + b")
				VFMADD213PS(t.in[2], t.in[1], t.in[0])
			} else {
				Comment("x w")
				VMULPS(t.in[1], t.in[0], t.in[0])
			}
			return t.in[:1]
		})
		finish()
	}

	signature("rotateHalfAVX2", "x1, x2, cos, sin []float32", "turns the pairs (x1, x2) by the angles of cos and sin.")
	loop(1, []string{"x1", "x2", "cos", "sin"}, []string{"x1", "x2"}, func(t turn) []VecVirtual {
		x1, x2, cos, sin := t.in[0], t.in[1], t.in[2], t.in[3]
		y1, y2 := YMM(), YMM()
		Comment("y1 = x1 cos - x2 sin")
		VMULPS(sin, x2, y1)
		VFMSUB231PS(cos, x1, y1)
		Comment("y2 = x2 cos + x1 sin")
		VMULPS(sin, x1, y2)
		VFMADD231PS(cos, x2, y2)
		return []VecVirtual{y1, y2}
	})
	finish()
}

// adamW writes the optimiser's step; c holds the constants that AdamW of
// package vec computes, in its order.
func adamW() {
	signature("adamWAVX2", "p, g, m, v []float32, c [9]float32", "does one AdamW step.")
	const (
		scale = iota
		keep
		beta1
		rest1 // 1 - beta1
		beta2
		rest2 // 1 - beta2
		step
		root2 // sqrt(correction2)
		eps
	)
	load := func(constant int) VecVirtual { return broadcastOf(Param("c").Index(constant)) }
	loop(1, []string{"p", "g", "m", "v"}, []string{"p", "m", "v"}, func(t turn) []VecVirtual {
		p, g, m, v := t.in[0], t.in[1], t.in[2], t.in[3]
		Comment("g *= scale; p *= keep")
		VMULPS(load(scale), g, g)
		VMULPS(load(keep), p, p)
		Comment("m = beta1 m + rest1 g")
		VMULPS(load(beta1), m, m)
		VFMADD231PS(load(rest1), g, m)
		Comment("v = beta2 v + rest2 g g")
		VMULPS(load(beta2), v, v)
		VMULPS(g, g, g)
		VFMADD231PS(load(rest2), g, v)
		Comment("p -= step m / (sqrt(v) / root2 + eps)")
		d, s := YMM(), YMM()
		VSQRTPS(v, d)
		VDIVPS(load(root2), d, d)
		VADDPS(load(eps), d, d)
		VMULPS(load(step), m, s)
		VDIVPS(d, s, s)
		VSUBPS(s, p, p)
		return []VecVirtual{p, m, v}
	})
	finish()
}
