package cuda

import "retort/kernels"

// Kernels of src/gelu.cu, src/swiglu.cu, src/dropout.cu and src/rope.cu.
var (
	biasGELU       = typed("gelu", "bias_gelu")
	geluBackward   = typed("gelu", "gelu_backward")
	swiglu         = typed("swiglu", "swiglu")
	swigluBackward = typed("swiglu", "swiglu_backward")
	dropout        = typed("dropout", "dropout")
	rope           = typed("rope", "rope")
)

// BiasGELU is pre += b in place, h = gelu(pre).
func (b *Backend) BiasGELU(h, pre, bias kernels.Tensor, kind kernels.GELUKind) {
	kernels.Want("BiasGELU", "pre", pre, b.activation, pre.Rows, pre.Cols)
	kernels.Want("BiasGELU", "h", h, b.activation, pre.Rows, pre.Cols)
	wantOptional("BiasGELU", "b", bias, b.activation, 1, pre.Cols)
	b.launch(biasGELU, byRows(pre.Rows, pre.Cols, perPack(b.activation)), b.args.Reset().Ptr(b.pointer(h)).Ptr(b.pointer(pre)).Ptr(b.pointer(bias)).
		Int32(pre.Rows).Int32(pre.Cols).Int32(h.Stride).Int32(pre.Stride).Int32(flag(kind == kernels.GELUErf)))
}

// GELUBackward is dpre = dh·gelu'(pre).
func (b *Backend) GELUBackward(dpre, dh, pre kernels.Tensor, kind kernels.GELUKind) {
	kernels.Want("GELUBackward", "pre", pre, b.activation, pre.Rows, pre.Cols)
	kernels.Want("GELUBackward", "dpre", dpre, b.activation, pre.Rows, pre.Cols)
	kernels.Want("GELUBackward", "dh", dh, b.activation, pre.Rows, pre.Cols)
	b.launch(geluBackward, byRows(pre.Rows, pre.Cols, perPack(b.activation)), b.args.Reset().Ptr(b.pointer(dpre)).Ptr(b.pointer(dh)).Ptr(b.pointer(pre)).
		Int32(pre.Rows).Int32(pre.Cols).Int32(dpre.Stride).Int32(dh.Stride).Int32(pre.Stride).Int32(flag(kind == kernels.GELUErf)))
}

// SwiGLU is h = silu(gate)·up.
func (b *Backend) SwiGLU(h, gateUp kernels.Tensor) {
	kernels.Want("SwiGLU", "h", h, b.activation, h.Rows, h.Cols)
	kernels.Want("SwiGLU", "gateUp", gateUp, b.activation, h.Rows, 2*h.Cols)
	b.launch(swiglu, byRows(h.Rows, h.Cols, perPack(b.activation)), b.args.Reset().Ptr(b.pointer(h)).Ptr(b.pointer(gateUp)).
		Int32(h.Rows).Int32(h.Cols).Int32(h.Stride).Int32(gateUp.Stride))
}

// SwiGLUBackward writes the gradients of gate and up.
func (b *Backend) SwiGLUBackward(dgateUp, dh, gateUp kernels.Tensor) {
	kernels.Want("SwiGLUBackward", "dh", dh, b.activation, dh.Rows, dh.Cols)
	kernels.Want("SwiGLUBackward", "dgateUp", dgateUp, b.activation, dh.Rows, 2*dh.Cols)
	kernels.Want("SwiGLUBackward", "gateUp", gateUp, b.activation, dh.Rows, 2*dh.Cols)
	b.launch(swigluBackward, byRows(dh.Rows, dh.Cols, perPack(b.activation)), b.args.Reset().Ptr(b.pointer(dgateUp)).Ptr(b.pointer(dh)).Ptr(b.pointer(gateUp)).
		Int32(dh.Rows).Int32(dh.Cols).Int32(dgateUp.Stride).Int32(dh.Stride).Int32(gateUp.Stride))
}

// Dropout is y = factor·x where the mask keeps an element and 0 elsewhere, or y += that.
func (b *Backend) Dropout(y, x kernels.Tensor, factor float32, m kernels.Mask, accumulate bool) {
	kernels.Want("Dropout", "y", y, b.activation, x.Rows, x.Cols)
	kernels.Want("Dropout", "x", x, b.activation, y.Rows, y.Cols)
	b.launch(dropout, byRows(x.Rows, x.Cols, perPack(b.activation)), b.args.Reset().Ptr(b.pointer(y)).Ptr(b.pointer(x)).Float32(factor).
		Int32(x.Rows).Int32(x.Cols).Int32(y.Stride).Int32(x.Stride).Int32(m.Threshold()).Int64(int64(m.Seed)).Int64(int64(m.Stream)).Int32(flag(accumulate)))
}

// RoPE rotates every head in place by its token's position.
func (b *Backend) RoPE(x, table, positions kernels.Tensor, inverse bool) {
	size := max(table.Cols, 1)
	kernels.Want("RoPE", "x", x, b.activation, x.Rows, x.Cols/size*size)
	kernels.Want("RoPE", "table", table, kernels.Float32, table.Rows, table.Cols)
	kernels.Want("RoPE", "positions", positions, kernels.Int32, 1, x.Rows)
	b.launch(rope, byRows(x.Rows, x.Cols/2, perPack(kernels.Float32)), b.args.Reset().Ptr(b.pointer(x)).Ptr(b.pointer(table)).Ptr(b.pointer(positions)).
		Int32(x.Rows).Int32(x.Cols).Int32(size).Int32(x.Stride).Int32(table.Stride).Int32(flag(inverse)))
}
