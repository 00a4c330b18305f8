package ptx

import "sort"

// Kind groups instructions in the counts.
type Kind uint8

// The kinds of instructions.
const (
	KindInteger    Kind = iota // integer and logical arithmetic, shifts
	KindFloat                  // float arithmetic, fma, packed halves
	KindSpecial                // div, sqrt, rcp, rsqrt, ex2, lg2, sin, cos, tanh
	KindConvert                // cvt, cvta
	KindCompare                // setp, set, selp, predicates
	KindMove                   // mov, prmt and other shuffling of bits within a lane
	KindGlobal                 // loads, stores and prefetches of global memory
	KindShared                 // loads and stores of shared memory, ldmatrix
	KindLocal                  // loads and stores of local memory
	KindParam                  // loads of parameters and constants
	KindAtomic                 // atom, red
	KindAsync                  // cp.async and its waits
	KindBarrier                // bar, barrier, fences
	KindCollective             // shfl, vote, match, redux
	KindMatrix                 // mma
	KindControl                // bra, ret, exit
	kinds
)

var kindNames = [kinds]string{"integer", "float", "special", "convert", "compare", "move", "global",
	"shared", "local", "param", "atomic", "async", "barrier", "collective", "matrix", "control"}

// String returns the kind's name.
func (k Kind) String() string { return kindNames[k] }

// Executed counts instructions: Warp once for each warp, Lane once for each active lane.
type Executed struct{ Warp, Lane int64 }

// Traffic counts requests to a memory; one warp instruction is one request.
type Traffic struct {
	Requests int64 // warp instructions with an active lane
	Bytes    int64 // asked for by all lanes
	Units    int64 // global: sectors of 32 bytes touched; shared: passes over the 32 banks
	Ideal    int64 // the fewest units that the same distinct bytes could take
}

// Ratio returns Units / Ideal: 1 is perfectly coalesced, or free of bank conflicts.
func (t Traffic) Ratio() float64 {
	if t.Ideal == 0 {
		return 1
	}
	return float64(t.Units) / float64(t.Ideal)
}

// Conflicts returns the passes beyond the ideal ones (for shared memory: bank conflicts).
func (t Traffic) Conflicts() int64 { return t.Units - t.Ideal }

func (t *Traffic) add(o Traffic) {
	t.Requests += o.Requests
	t.Bytes += o.Bytes
	t.Units += o.Units
	t.Ideal += o.Ideal
}

// LineCount is what one PTX instruction did.
type LineCount struct {
	Line     int    // line of the PTX text
	Source   string // "file:line" where .loc tells it
	Text     string // opcode with modifiers
	Executed Executed
	Global   Traffic
	Shared   Traffic
	Diverged int64 // branches that split the warp
}

// Counts is what a launch did.
type Counts struct {
	Blocks      int64
	Warps       int64
	Executed    Executed
	ByKind      [kinds]Executed
	GlobalLoad  Traffic // cp.async's reads included
	GlobalStore Traffic
	SharedLoad  Traffic // ldmatrix included
	SharedStore Traffic // cp.async's writes included
	Branches    int64   // conditional branches executed by warps
	Diverged    int64   // of them, those that split the warp
	MMA         int64   // mma.sync executed by warps
	MatrixFLOPs int64   // 2·m·n·k of each mma
	Barriers    int64   // bar.sync executed by warps
	Footprint   int64   // bytes that device memory moves at least: see footprint
	Lines       []LineCount
}

// Add adds what another launch did; Lines are dropped.
func (c *Counts) Add(o Counts) {
	c.Blocks += o.Blocks
	c.Warps += o.Warps
	c.Executed.Warp += o.Executed.Warp
	c.Executed.Lane += o.Executed.Lane
	for k := range c.ByKind {
		c.ByKind[k].Warp += o.ByKind[k].Warp
		c.ByKind[k].Lane += o.ByKind[k].Lane
	}
	c.GlobalLoad.add(o.GlobalLoad)
	c.GlobalStore.add(o.GlobalStore)
	c.SharedLoad.add(o.SharedLoad)
	c.SharedStore.add(o.SharedStore)
	c.Branches += o.Branches
	c.Diverged += o.Diverged
	c.MMA += o.MMA
	c.MatrixFLOPs += o.MatrixFLOPs
	c.Barriers += o.Barriers
	c.Footprint += o.Footprint
	c.Lines = nil
}

// tally is the raw count of one instruction on one worker.
type tally struct {
	warp, lane int64
	diverged   int64
}

// sum makes Counts of the workers' tallies.
func (k *Kernel) sum(workers []worker, lines bool) Counts {
	var c Counts
	for pc := range k.code {
		in := &k.code[pc]
		var t tally
		var m traffic
		for i := range workers {
			b := workers[i].block
			t.warp += b.tallies[pc].warp
			t.lane += b.tallies[pc].lane
			t.diverged += b.tallies[pc].diverged
			if in.site >= 0 {
				m.add(&b.sites[in.site].traffic)
			}
		}
		k.sumOne(&c, in, &t, &m)
		if lines && t.warp > 0 {
			l := LineCount{Line: in.line, Source: in.source, Text: in.text,
				Executed: Executed{t.warp, t.lane}, Diverged: t.diverged}
			l.Global.add(m.globalLoad)
			l.Global.add(m.globalStore)
			l.Shared.add(m.sharedLoad)
			l.Shared.add(m.sharedStore)
			c.Lines = append(c.Lines, l)
		}
	}
	sort.SliceStable(c.Lines, func(i, j int) bool { return c.Lines[i].Line < c.Lines[j].Line })
	return c
}

func (k *Kernel) sumOne(c *Counts, in *instr, t *tally, m *traffic) {
	c.Executed.Warp += t.warp
	c.Executed.Lane += t.lane
	c.ByKind[in.kind].Warp += t.warp
	c.ByKind[in.kind].Lane += t.lane
	c.GlobalLoad.add(m.globalLoad)
	c.GlobalStore.add(m.globalStore)
	c.SharedLoad.add(m.sharedLoad)
	c.SharedStore.add(m.sharedStore)
	if in.kind == KindMatrix {
		c.MMA += t.warp
		c.MatrixFLOPs += t.warp * in.flops
	}
	if in.op == opBarrier {
		c.Barriers += t.warp
	}
	if in.op == opBranch && in.guard >= 0 {
		c.Branches += t.warp
		c.Diverged += t.diverged
	}
}
