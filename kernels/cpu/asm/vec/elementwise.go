package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"
)

// elementwise writes the short functions from slices to slices.
func elementwise() {
	signature("Axpy", "y []float32, alpha float32, x []float32", "adds alpha x to y.")
	alpha := broadcast("alpha")
	loop(4, []string{"y", "x"}, []string{"y"}, func(t turn) []VecVirtual {
		Comment("y += alpha x")
		VFMADD231PS(t.in[1], alpha, t.in[0])
		return t.in[:1]
	})
	finish()

	signature("Add", "dst, a, b []float32", "sets dst = a + b.")
	loop(4, []string{"a", "b"}, []string{"dst"}, func(t turn) []VecVirtual {
		Comment("a + b")
		VADDPS(t.in[1], t.in[0], t.in[0])
		return t.in[:1]
	})
	finish()

	signature("Mul", "dst, a, b []float32", "sets dst = a b.")
	loop(4, []string{"a", "b"}, []string{"dst"}, func(t turn) []VecVirtual {
		Comment("a b")
		VMULPS(t.in[1], t.in[0], t.in[0])
		return t.in[:1]
	})
	finish()

	signature("Scale", "x []float32, s float32", "multiplies x by s.")
	s := broadcast("s")
	loop(4, []string{"x"}, []string{"x"}, func(t turn) []VecVirtual {
		Comment("x s")
		VMULPS(s, t.in[0], t.in[0])
		return t.in
	})
	finish()

	signature("RotateHalf", "x1, x2, cos, sin []float32", "turns the pairs (x1, x2) by the angles of cos and sin.")
	loop(1, []string{"x1", "x2", "cos", "sin"}, []string{"x1", "x2"}, func(t turn) []VecVirtual {
		x1, x2, cos, sin := t.in[0], t.in[1], t.in[2], t.in[3]
		y1, y2 := target.vector(), target.vector()
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
