package ptx

// sectorBytes is the unit in which device memory and the L2 cache are read and written.
const sectorBytes = 32

// touches counts the sectors that one instruction moves, by allocation: those of the
// allocation that it met last, until it meets another.
type touches struct {
	al          *allocation
	load, store int64
}

// count adds sectors of al; what was counted for another allocation goes to the block.
func (t *touches) count(b *block, al *allocation, write bool, sectors int64) {
	if t.al != al {
		t.flush(b)
		t.al = al
	}
	if write {
		t.store += sectors
	} else {
		t.load += sectors
	}
}

// flush adds to the block's sums.
func (t *touches) flush(b *block) {
	if t.al == nil {
		return
	}
	sum := b.moved[t.al]
	if sum == nil {
		sum = new(touches)
		b.moved[t.al] = sum
	}
	sum.load += t.load
	sum.store += t.store
	t.load, t.store = 0, 0
}

// footprint is the bytes that device memory moves when the cache catches every repeated
// access: of each allocation the sectors read, at most all of it once, and the sectors
// written, likewise. scale is blocks of the grid per block that ran.
func footprint(blocks []*block, scale float64) (bytes int64) {
	sums := map[*allocation]touches{}
	for _, b := range blocks {
		for pc := range b.touched {
			b.touched[pc].flush(b)
		}
		for al, t := range b.moved {
			sum := sums[al]
			sum.load += t.load
			sum.store += t.store
			sums[al] = sum
		}
	}
	for al, t := range sums {
		for _, sectors := range []int64{t.load, t.store} {
			bytes += min(int64(float64(sectors*sectorBytes)*scale), int64(len(al.data)))
		}
	}
	return bytes
}

// scale multiplies every count, for a launch of which a sample of the blocks ran.
func (c *Counts) scale(by float64) {
	counts := []*int64{&c.Executed.Warp, &c.Executed.Lane, &c.Branches, &c.Diverged, &c.MMA, &c.MatrixFLOPs, &c.Barriers}
	for k := range c.ByKind {
		counts = append(counts, &c.ByKind[k].Warp, &c.ByKind[k].Lane)
	}
	traffic := []*Traffic{&c.GlobalLoad, &c.GlobalStore, &c.SharedLoad, &c.SharedStore}
	for i := range c.Lines {
		l := &c.Lines[i]
		counts = append(counts, &l.Executed.Warp, &l.Executed.Lane, &l.Diverged)
		traffic = append(traffic, &l.Global, &l.Shared)
	}
	for _, t := range traffic {
		counts = append(counts, &t.Requests, &t.Bytes, &t.Units, &t.Ideal)
	}
	for _, n := range counts {
		*n = int64(float64(*n)*by + 0.5)
	}
}
