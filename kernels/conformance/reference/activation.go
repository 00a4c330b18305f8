package reference

import (
	"math"

	"retort/kernels"
)

// The constants of GELU's tanh approximation, 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
var (
	geluSlope = math.Sqrt(2 / math.Pi)
	geluCubic = 0.044715
)

// GELU is the activation of one value.
func GELU[F Float](x F, kind kernels.GELUKind) F {
	if kind == kernels.GELUErf {
		return x * (1 + erf(x/F(math.Sqrt2))) / 2
	}
	return x * (1 + tanh(F(geluSlope)*(x+F(geluCubic)*x*x*x))) / 2
}

// GELUDerivative is the slope of GELU at x.
func GELUDerivative[F Float](x F, kind kernels.GELUKind) F {
	if kind == kernels.GELUErf { // Φ(x) + x·φ(x)
		density := exp(-x*x/2) / F(math.Sqrt(2*math.Pi))
		return (1+erf(x/F(math.Sqrt2)))/2 + x*density
	}
	t := tanh(F(geluSlope) * (x + F(geluCubic)*x*x*x))
	slope := F(geluSlope) * (1 + 3*F(geluCubic)*x*x)
	return (1+t)/2 + x*(1-t*t)*slope/2
}

// BiasGELU is pre += b, h = gelu(pre).
func BiasGELU[F Float](h, pre Matrix[F], b []F, kind kernels.GELUKind) {
	for t := range pre.Rows {
		if b != nil {
			addScaled(pre.Row(t), 1, b)
		}
		for j, v := range pre.Row(t) {
			h.Row(t)[j] = GELU(v, kind)
		}
	}
}

// GELUBackward is dpre = dh·gelu'(pre).
func GELUBackward[F Float](dpre, dh, pre Matrix[F], kind kernels.GELUKind) {
	for t := range pre.Rows {
		for j, v := range pre.Row(t) {
			dpre.Row(t)[j] = dh.Row(t)[j] * GELUDerivative(v, kind)
		}
	}
}

func sigmoid[F Float](x F) F { return 1 / (1 + exp(-x)) }

// SwiGLU is h = silu(gate)·up with silu(x) = x·σ(x).
func SwiGLU[F Float](h, gateUp Matrix[F]) {
	n := h.Cols
	for t := range h.Rows {
		gate, up := gateUp.Row(t)[:n], gateUp.Row(t)[n:]
		for j, g := range gate {
			h.Row(t)[j] = g * sigmoid(g) * up[j]
		}
	}
}

// SwiGLUBackward writes dgate = dh·up·σ(gate)·(1 + gate·(1−σ(gate))) and dup = dh·silu(gate).
func SwiGLUBackward[F Float](dgateUp, dh, gateUp Matrix[F]) {
	n := dh.Cols
	for t := range dh.Rows {
		gate, up := gateUp.Row(t)[:n], gateUp.Row(t)[n:]
		dgate, dup := dgateUp.Row(t)[:n], dgateUp.Row(t)[n:]
		for j, g := range gate {
			s := sigmoid(g)
			dgate[j] = dh.Row(t)[j] * up[j] * s * (1 + g*(1-s))
			dup[j] = dh.Row(t)[j] * g * s
		}
	}
}

// RoPE rotates the pairs (i, i + D/2) of every head by its token's angles.
func RoPE[F Float](x, table Matrix[F], positions []int32, inverse bool) {
	size := table.Cols
	half := size / 2
	for t := range x.Rows {
		angles := table.Row(int(positions[t]))
		for h := 0; h < x.Cols; h += size {
			head := x.Row(t)[h:][:size]
			for i := range half {
				cos, sin := angles[i], angles[half+i]
				if inverse {
					sin = -sin
				}
				a, b := head[i], head[half+i]
				head[i], head[half+i] = a*cos-b*sin, b*cos+a*sin
			}
		}
	}
}
