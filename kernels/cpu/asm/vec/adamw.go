package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"
)

// adamW writes the optimiser's step; c holds the constants that AdamW of
// package vec computes, in its order.
func adamW() {
	signature("AdamW", "p, g, m, v []float32, c [9]float32", "does one AdamW step.")
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
		d, s := target.vector(), target.vector()
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
