package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"
)

// norms writes the functions of LayerNorm and RMSNorm.
func norms() {
	for _, bias := range []bool{false, true} {
		name, parameters, inputs := "Normalize", "y, x, w []float32, mean, rstd float32", []string{"x", "w"}
		doc := "sets y = (x - mean) rstd w."
		if bias {
			name, parameters, inputs = "NormalizeBias", "y, x, w, b []float32, mean, rstd float32", []string{"x", "w", "b"}
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

	normSums()
	for _, accumulate := range []bool{false, true} {
		normInput(accumulate)
	}
	normParameters()
}

// normSums writes the two sums over a row that the backward of a norm needs.
func normSums() {
	signature("NormSums", "dy, x, w []float32, mean float32) (sum, sumX float32", "returns the sums of dy w and of dy w (x - mean).")
	mean := broadcast("mean")
	g, gx := zeros(2), zeros(2)
	loop(2, []string{"dy", "x", "w"}, nil, func(t turn) []VecVirtual {
		dy, x, w := t.in[0], t.in[1], t.in[2]
		Comment("dy = dy w; g += dy; gx += dy (x - mean)")
		VMULPS(w, dy, dy)
		VADDPS(dy, g[t.number], g[t.number])
		VSUBPS(mean, x, x)
		VFMADD231PS(dy, x, gx[t.number])
		return nil
	})
	for i, sums := range [][]VecVirtual{g, gx} {
		VADDPS(sums[1], sums[0], sums[0])
		fold(sums[0], addPS)
		result(i, sums[0], false)
	}
	finish()
}

// normInput writes the gradient of a norm's input.
func normInput(accumulate bool) {
	name, inputs := "NormInput", []string{"dy", "x", "w"}
	doc := "sets dx = rstd (dy w - meanG - (x - mean) rstd meanGX)."
	if accumulate {
		name, inputs = "NormInputAdd", append(inputs, "dx")
		doc = "adds rstd (dy w - meanG - (x - mean) rstd meanGX) to dx."
	}
	signature(name, "dx, dy, x, w []float32, mean, rstd, meanG, meanGX float32", doc)
	mean, rstd, meanG, meanGX := broadcast("mean"), broadcast("rstd"), broadcast("meanG"), broadcast("meanGX")
	loop(2, inputs, []string{"dx"}, func(t turn) []VecVirtual {
		dy, x, w := t.in[0], t.in[1], t.in[2]
		Comment("x = (x - mean) rstd; dy = dy w - meanG - x meanGX, dy w rounded as in the sums")
		VSUBPS(mean, x, x)
		VMULPS(rstd, x, x)
		VMULPS(w, dy, dy)
		VSUBPS(meanG, dy, dy)
		VFNMADD231PS(x, meanGX, dy)
		if accumulate {
			Comment("dx += rstd dy")
			VFMADD213PS(t.in[3], rstd, dy)
		} else {
			Comment("dx = rstd dy")
			VMULPS(rstd, dy, dy)
		}
		return []VecVirtual{dy}
	})
	finish()
}

// normParameters writes one row's part of the gradients of weight and bias.
func normParameters() {
	signature("NormParameters", "dw, db, dy, x []float32, mean, rstd float32", "adds dy (x - mean) rstd to dw and dy to db.")
	mean, rstd := broadcast("mean"), broadcast("rstd")
	loop(2, []string{"dy", "x", "dw", "db"}, []string{"dw", "db"}, func(t turn) []VecVirtual {
		dy, x, dw, db := t.in[0], t.in[1], t.in[2], t.in[3]
		Comment("db += dy; dw += dy (x - mean) rstd")
		VADDPS(dy, db, db)
		VSUBPS(mean, x, x)
		VMULPS(rstd, x, x)
		VFMADD231PS(dy, x, dw)
		return []VecVirtual{dw, db}
	})
	finish()
}
