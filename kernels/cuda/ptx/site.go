package ptx

// site is what a block remembers of one memory instruction from one execution to
// the next.
type site struct {
	traffic
	seen           *allocation // met last
	settled        moved       // of traffic, what footprint has been told
	global, shared pattern
}

// traffic is the raw count of one memory instruction on one worker.
type traffic struct {
	globalLoad, globalStore, sharedLoad, sharedStore Traffic
}

func (t *traffic) add(o *traffic) {
	t.globalLoad.add(o.globalLoad)
	t.globalStore.add(o.globalStore)
	t.sharedLoad.add(o.sharedLoad)
	t.sharedStore.add(o.sharedStore)
}

// site returns that of the instruction at hand.
func (w *warp) site() *site { return &w.blk.sites[w.blk.kernel.code[w.pc].site] }

// pattern is how the lanes of one instruction lay in memory the last time. What
// an access costs depends on that alone, so a loop has it counted only once.
type pattern struct {
	mask    uint32
	phase   int32 // of the first lane within phaseBytes
	shape   [32]int32
	traffic Traffic
	dense   bool // 32 lanes side by side
}

// phaseBytes is a distance by which lanes may be moved together without a change
// of the number of their sectors and of their passes over the banks.
const phaseBytes = 32

// matches reports whether the lanes of m lie as they did the last time.
func (p *pattern) matches(m uint32, off *[32]int32) bool {
	first := off[0]
	if p.mask != fullMask || m != fullMask || p.phase != first&(phaseBytes-1) {
		return false
	}
	return vec.sameShape(off, &p.shape)
}

// note keeps how the lanes of m lie, and the traffic of that.
func (p *pattern) note(m uint32, off *[32]int32, t Traffic) {
	p.mask, p.traffic = m, t
	p.phase = off[0] & (phaseBytes - 1)
	p.dense = m == fullMask
	for l, o := range off {
		p.shape[l] = o - off[0]
		p.dense = p.dense && p.shape[l] == int32(l)*int32(t.Bytes/32)
	}
}

// offsets gives off the distances of addr from base. or has every bit that is set
// in one of them; most is the largest, provided that or is below 1<<31.
func offsets(off *[32]int32, addr *v64, base uint64) (or uint64, most int32) {
	for l, a := range addr {
		o := a - base
		or |= o
		off[l] = int32(o)
		most = max(most, int32(o))
	}
	return or, most
}

// sameShape reports whether the distances of off from its first are those of shape.
func sameShape(off, shape *[32]int32) bool {
	var diff int32
	for l, o := range off {
		diff |= o - off[0] ^ shape[l]
	}
	return diff == 0
}
