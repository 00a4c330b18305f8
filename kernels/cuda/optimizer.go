package cuda

import (
	"encoding/binary"
	"slices"

	"retort/kernels"
	"retort/kernels/cuda/driver"
)

// Kernels of src/global_norm.cu and src/adamw.cu.
var (
	squares    = kernel{file: "global_norm", name: "squares"}
	globalNorm = kernel{file: "global_norm", name: "global_norm"}
	adamwBegin = kernel{file: "adamw", name: "adamw_begin"}
	adamw      = typed("adamw", "adamw")
)

// perBlock and entryBytes are parameters_per_block and sizeof(Parameter) of parameters.cuh.
const (
	perBlock   = 16384
	entryBytes = 56
)

// parameterTable is the device's copy of the parameters under optimization, which stay
// the same from step to step, and memory for what the optimizer's kernels pass on.
type parameterTable struct {
	params      []kernels.Parameter // what the table holds
	blocks      int                 // blocks that walk it
	address     driver.Ptr          // (len(params)) entries
	partials    driver.Ptr          // (blocks) float64
	corrections driver.Ptr          // (2) float32
}

// free gives the memory back.
func (p *parameterTable) free(b *Backend) {
	for _, at := range []driver.Ptr{p.address, p.partials, p.corrections} {
		b.note(b.context.Free(at))
	}
	*p = parameterTable{}
	b.moved++
}

// table returns the table of params on the device, written anew when they are others than
// last time.
func (b *Backend) table(op string, params []kernels.Parameter) *parameterTable {
	p := &b.parameters
	if p.params != nil && slices.Equal(p.params, params) {
		return p
	}
	p.free(b)
	if b.err != nil {
		return p
	}
	var entries []byte
	for i := range params {
		entries = b.appendEntry(op, entries, &params[i], p.blocks)
		p.blocks += ceil(params[i].Value.Len(), perBlock)
	}
	for _, m := range []struct {
		at    *driver.Ptr
		bytes int
	}{{&p.address, len(entries)}, {&p.partials, 8 * p.blocks}, {&p.corrections, 8}} {
		address, err := b.context.Alloc(kernels.Workspace, int64(max(m.bytes, 8)))
		b.note(err)
		*m.at = address
	}
	if b.err == nil {
		b.note(b.context.CopyIn(p.address, entries, b.stream))
	}
	if b.err == nil { // a table that is not whole is made anew next time
		p.params = slices.Clone(params)
	}
	return p
}

// appendEntry lays one parameter out as parameters.cuh does.
func (b *Backend) appendEntry(op string, entries []byte, p *kernels.Parameter, firstBlock int) []byte {
	rows, cols := p.Value.Rows, p.Value.Cols
	kernels.Want(op, "value", p.Value, b.activation, rows, cols)
	kernels.Want(op, "grad", p.Grad, kernels.Float32, rows, cols)
	kernels.Want(op, "moment1", p.Moment1, kernels.Float32, rows, cols)
	kernels.Want(op, "moment2", p.Moment2, kernels.Float32, rows, cols)
	if b.activation != kernels.Float32 {
		kernels.Want(op, "master", p.Master, kernels.Float32, rows, cols)
	}
	for _, t := range []kernels.Tensor{p.Value, p.Grad, p.Master, p.Moment1, p.Moment2} {
		if !t.Absent() && !t.Contiguous() {
			kernels.Want(op, "parameter (contiguous)", t, t.DType, 1, t.Len())
		}
		entries = binary.LittleEndian.AppendUint64(entries, uint64(b.pointer(t)))
	}
	entries = binary.LittleEndian.AppendUint64(entries, uint64(p.Value.Len()))
	entries = binary.LittleEndian.AppendUint32(entries, uint32(firstBlock))
	return binary.LittleEndian.AppendUint32(entries, uint32(flag(p.Decay)))
}

// GlobalNorm writes norm, clip scale and finite flag.
func (b *Backend) GlobalNorm(control kernels.Tensor, params []kernels.Parameter, maxNorm float32) {
	kernels.Want("GlobalNorm", "control", control, kernels.Float32, 1, kernels.ControlSlots)
	p := b.table("GlobalNorm", params)
	b.launch(squares, rowGrid(p.blocks, 256), b.args.Reset().Ptr(p.partials).Ptr(p.address).Int32(len(params)))
	b.launch(globalNorm, rowGrid(1, 256), b.args.Reset().Ptr(b.pointer(control)).Ptr(p.partials).Int32(p.blocks).Float32(maxNorm))
}

// AdamW updates the parameters unless the finite flag says otherwise.
func (b *Backend) AdamW(control kernels.Tensor, params []kernels.Parameter, hp kernels.AdamW) {
	kernels.Want("AdamW", "control", control, kernels.Float32, 1, kernels.ControlSlots)
	p := b.table("AdamW", params)
	b.launch(adamwBegin, rowGrid(1, 1), b.args.Reset().Ptr(b.pointer(control)).Ptr(p.corrections).
		Float64(hp.LearningRate).Float64(hp.Beta1).Float64(hp.Beta2))
	b.launch(adamw, rowGrid(p.blocks, 256), b.args.Reset().Ptr(p.address).Int32(len(params)).Ptr(b.pointer(control)).Ptr(p.corrections).
		Float32(float32(1-hp.LearningRate*hp.WeightDecay)).Float32(float32(hp.Beta1)).Float32(float32(1-hp.Beta1)).
		Float32(float32(hp.Beta2)).Float32(float32(1-hp.Beta2)).Float32(float32(hp.Epsilon)))
}
