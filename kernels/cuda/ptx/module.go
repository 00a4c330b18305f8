package ptx

import (
	"fmt"
	"sort"
	"strings"
	"sync"
)

// Module is one loaded PTX text. It is immutable and may be shared.
type Module struct {
	Name    string
	Version string      // .version, for example "8.4"; empty: not given
	Target  string      // .target, for example "sm_90a"; empty: not given
	globals []*variable // .global and .const
	kernels map[string]*Kernel
}

// Param is one parameter of a kernel within the argument block.
type Param struct {
	Name   string
	Offset int // bytes
	Size   int // bytes
	Align  int // bytes
}

// Kernel is one decoded entry point. It does not change and may be shared.
type Kernel struct {
	Name            string
	Params          []Param
	ParamBytes      int    // size of the argument block
	SharedBytes     int    // static shared memory of a block
	LocalBytes      int    // local memory of a thread
	MaxThreads      [3]int // .maxntid; zero: not given
	RequiredThreads [3]int // .reqntid; zero: not given

	module     *Module
	code       []instr
	init32     []uint32 // which slots hold constants: their lanes count as written
	init64     []uint32
	predicates int
	sites      int // memory instructions
	values32   []slotValue
	values64   []slotValue
	symbols    []slotSymbol
	specials   []slotSpecial

	idle sync.Pool // of *block: those of earlier launches
}

// slotValue is a constant that lives in a register slot.
type slotValue struct {
	slot  int
	value uint64
}

// slotSymbol is a slot that holds the address of a .global or .const variable.
type slotSymbol struct {
	slot   int
	name   string
	offset int64
}

// slotSpecial is a slot that holds a special register.
type slotSpecial struct {
	slot int
	name string
}

// Load parses text and decodes all its kernels. name stands in messages. An
// instruction or a modifier outside the subset is a *ParseError with its line.
func Load(name, text string) (*Module, error) {
	tokens, err := lex(name, text)
	if err != nil {
		return nil, err
	}
	p := &parser{name: name, tokens: tokens, files: map[string]string{}, top: newScope(nil), functions: map[string]*function{}}
	if err := p.module(); err != nil {
		return nil, err
	}
	m := &Module{Name: name, Version: p.version, Target: p.target, globals: p.order, kernels: map[string]*Kernel{}}
	for _, f := range p.functions {
		if f.entry && !f.declared {
			if m.kernels[f.name], err = build(m, p, f); err != nil {
				return nil, err
			}
		}
	}
	if len(m.kernels) == 0 {
		return nil, &ParseError{Module: name, Line: 1, Detail: "the text has no .entry"}
	}
	return m, nil
}

// Kernel returns the entry point called name.
func (m *Module) Kernel(name string) (*Kernel, error) {
	if k := m.kernels[name]; k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("ptx: module %s has no kernel %s; it has %s", m.Name, name, strings.Join(m.Kernels(), ", "))
}

// Kernels returns the names of all entry points, sorted.
func (m *Module) Kernels() []string {
	var names []string
	for n := range m.kernels {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// fillConstants fills the slots of a warp that no launch changes.
func (k *Kernel) fillConstants(w *warp) {
	for _, c := range k.values32 {
		for i := range w.r32[c.slot] {
			w.r32[c.slot][i] = uint32(c.value)
		}
	}
	for _, c := range k.values64 {
		for i := range w.r64[c.slot] {
			w.r64[c.slot][i] = c.value
		}
	}
}

// fillSymbols fills the addresses of the module's variables.
func (k *Kernel) fillSymbols(w *warp, symbols map[string]uint64) {
	for _, s := range k.symbols {
		for i := range w.r64[s.slot] {
			w.r64[s.slot][i] = symbols[s.name] + uint64(s.offset)
		}
	}
}

// fillSpecials fills the special registers.
func (k *Kernel) fillSpecials(w *warp, l *Launch) {
	for _, s := range k.specials {
		read := specialRegisters[s.name]
		for i := range w.r32[s.slot] {
			w.r32[s.slot][i] = read(w, l, i)
		}
	}
}

// blockSpecials fills the special registers that differ from block to block.
func (k *Kernel) blockSpecials(w *warp) {
	for _, s := range k.specials {
		if axis, ok := strings.CutPrefix(s.name, "%ctaid."); ok {
			v := uint32(w.blk.index[axis[0]-'x'])
			for i := range w.r32[s.slot] {
				w.r32[s.slot][i] = v
			}
		}
	}
}

// specialRegisters tells each special register's value in a lane at launch.
var specialRegisters = map[string]func(w *warp, l *Launch, lane int) uint32{
	"%tid.x":             func(w *warp, l *Launch, lane int) uint32 { return uint32((32*w.id + lane) % l.Block[0]) },
	"%tid.y":             func(w *warp, l *Launch, lane int) uint32 { return uint32((32*w.id + lane) / l.Block[0] % l.Block[1]) },
	"%tid.z":             func(w *warp, l *Launch, lane int) uint32 { return uint32((32*w.id + lane) / l.Block[0] / l.Block[1]) },
	"%ntid.x":            func(_ *warp, l *Launch, _ int) uint32 { return uint32(l.Block[0]) },
	"%ntid.y":            func(_ *warp, l *Launch, _ int) uint32 { return uint32(l.Block[1]) },
	"%ntid.z":            func(_ *warp, l *Launch, _ int) uint32 { return uint32(l.Block[2]) },
	"%ctaid.x":           func(*warp, *Launch, int) uint32 { return 0 },
	"%ctaid.y":           func(*warp, *Launch, int) uint32 { return 0 },
	"%ctaid.z":           func(*warp, *Launch, int) uint32 { return 0 },
	"%nctaid.x":          func(_ *warp, l *Launch, _ int) uint32 { return uint32(l.Grid[0]) },
	"%nctaid.y":          func(_ *warp, l *Launch, _ int) uint32 { return uint32(l.Grid[1]) },
	"%nctaid.z":          func(_ *warp, l *Launch, _ int) uint32 { return uint32(l.Grid[2]) },
	"%laneid":            func(_ *warp, _ *Launch, lane int) uint32 { return uint32(lane) },
	"%warpid":            func(w *warp, _ *Launch, _ int) uint32 { return uint32(w.id) },
	"%nwarpid":           func(_ *warp, l *Launch, _ int) uint32 { return uint32((l.Block[0]*l.Block[1]*l.Block[2] + 31) / 32) },
	"%lanemask_eq":       func(_ *warp, _ *Launch, lane int) uint32 { return 1 << lane },
	"%lanemask_lt":       func(_ *warp, _ *Launch, lane int) uint32 { return 1<<lane - 1 },
	"%lanemask_le":       func(_ *warp, _ *Launch, lane int) uint32 { return 2<<lane - 1 },
	"%lanemask_gt":       func(_ *warp, _ *Launch, lane int) uint32 { return ^(2<<lane - 1) },
	"%lanemask_ge":       func(_ *warp, _ *Launch, lane int) uint32 { return ^(1<<lane - 1) },
	"%dynamic_smem_size": func(_ *warp, l *Launch, _ int) uint32 { return uint32(l.SharedBytes) },
	"%total_smem_size":   func(_ *warp, l *Launch, _ int) uint32 { return uint32(l.Kernel.SharedBytes + l.SharedBytes) },
	"WARP_SZ":            func(*warp, *Launch, int) uint32 { return 32 },
}
