package cuda

import (
	"retort/kernels"
	"retort/kernels/cuda/driver"
)

// What is special to Hopper (compute capability 9.0): kernels of the sources that end in
// _sm90, whose tiles come by tensor maps.

// hopper tells whether the device and the activation type have such kernels.
func (b *Backend) hopper() bool {
	return b.device.Major == 9 && b.device.Minor == 0 && b.activation == kernels.BFloat16
}

// A box is the part of a matrix that one copy takes: 64 bf16 of each of boxRows rows, its
// 16-byte pieces placed as wgmma reads them.
const (
	boxRows      = 64
	boxCols      = 64
	swizzleBytes = 128
)

// mostMaps bounds the tensor maps that are kept. A training step needs a few for each
// weight, activation and gradient; the number of tokens, and so the maps of activations, may
// change from step to step.
const mostMaps = 4096

// tensorMaps are encoded maps by what they describe: encoding costs the host a call of the
// driver.
type tensorMaps map[driver.TensorMap]*[driver.TensorMapBytes]byte

// tensorMap returns the map of a bf16 matrix for boxes of the given rows; after a failure,
// when launches do nothing, one without content.
func (b *Backend) tensorMap(m matrix, rows int) *[driver.TensorMapBytes]byte {
	key := driver.TensorMap{
		Address: m.at, Rows: m.rows, Cols: m.cols, StrideBytes: m.stride * m.dtype.Size(),
		BoxRows: rows, BoxCols: boxCols, SwizzleBytes: swizzleBytes,
	}
	if encoded := b.maps[key]; encoded != nil {
		return encoded
	}
	if b.err != nil {
		return &[driver.TensorMapBytes]byte{}
	}
	encoded, err := b.context.EncodeTensorMap(key)
	if err != nil {
		b.note(err)
		return &encoded
	}
	if b.maps == nil || len(b.maps) == mostMaps {
		b.maps = tensorMaps{}
	}
	b.maps[key] = &encoded
	return &encoded
}

// The tiles of src/gemm_bf16_sm90.cu.
var (
	hopperWide  = tile{"128x256", 128, 256, 288, 4*49152 + 64, boxRows}
	hopperLarge = tile{"128x128", 128, 128, 288, 3*32768 + 48, boxRows}
	hopperSmall = tile{"64x64", 64, 64, 160, 4*16384 + 64, boxRows}
	hopperFew   = tile{"64x32", 64, 32, 160, 6*12288 + 96, 32}
)

// onHopper tells whether a product is made by wgmma. A card may round the sums of wgmma and of
// mma.sync differently, so this must not depend on the number of rows of the result: it
// depends on the device, k and the operands' strides and alignment.
func (b *Backend) onHopper(left, right matrix, k int) bool {
	return b.hopper() && k > 0 && left.aligned() && right.aligned()
}

// wideDepth is from which k on a part the widest tile is taken: it has its multiprocessor for
// itself, so that nothing hides how it begins and ends, about 2 µs, as long as it takes for 300
// of k. (An estimate from the H100's data sheet; to be measured.)
const wideDepth = 2048

// hopperTile chooses the tile for a result of (m, n) in `parts` parts. The choice does not
// show in the result's bits: all tiles add up k in the same steps.
func hopperTile(l layout, m, n, k, parts, multiprocessors int) tile {
	switch {
	case l == rowsByRows && m <= hopperFew.rows:
		return hopperFew
	case k/parts >= wideDepth && hopperWide.blocks(m, n)*parts >= multiprocessors:
		return hopperWide
	case 2*hopperLarge.blocks(m, n)*parts >= multiprocessors:
		return hopperLarge
	}
	return hopperSmall
}

// Geometry of src/attention_sm90.cu.
const (
	hopperQueryRows        = 128
	hopperKeyRows          = 128
	hopperStages           = 2
	hopperAttentionThreads = 384
	hopperBarrierBytes     = 8 * (4*hopperStages + 2)
)

// hopperForward is its kernels by head size.
var hopperForward = map[int]kernel{
	64: {file: "attention_sm90", name: "attention_64"}, 128: {file: "attention_sm90", name: "attention_128"},
}

// attentionOnHopper tells whether attention is computed by src/attention_sm90.cu. As with
// products that may show in the last bits, so it depends on no number of tokens, except
// that none need no kernel.
func (b *Backend) attentionOnHopper(o, q, k, v kernels.Tensor, h kernels.Heads) bool {
	_, ok := hopperForward[h.Size]
	return ok && b.hopper() && q.Rows > 0 && b.chunked(o, q, k, v)
}

// hopperAttention is Attention by that kernel.
func (b *Backend) hopperAttention(o, lse, q, k, v kernels.Tensor, docs kernels.Documents, h kernels.Heads) {
	rowBytes := h.Size * q.DType.Size()
	g := tileGrid(docs, hopperQueryRows, h.Query, (hopperQueryRows+2*hopperStages*hopperKeyRows)*rowBytes+hopperBarrierBytes)
	g.Block[0] = hopperAttentionThreads
	args := b.args.Reset()
	for _, t := range []kernels.Tensor{q, k, v} {
		args.TensorMap(b.tensorMap(b.matrix(t), boxRows))
	}
	b.launch(hopperForward[h.Size], g, args.Ptr(b.pointer(o)).Ptr(b.pointer(lse)).
		Ptr(b.pointer(docs.Device)).Int32(len(docs.Starts)-1).Int32(h.Query/h.KV).Int32(o.Stride).Float32(h.Scale))
}
