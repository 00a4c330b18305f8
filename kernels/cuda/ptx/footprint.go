package ptx

import "math"

// sectorBytes is the unit in which device memory and the L2 cache are read and written.
const sectorBytes = 32

// moved counts sectors.
type moved struct{ load, store int64 }

// meet makes al the allocation that the site's traffic belongs to from now on.
func (s *site) meet(b *block, al *allocation) {
	if s.seen != al {
		s.settle(b)
		s.seen = al
	}
}

// settle adds what the site has moved since it met its allocation to the block's sums.
func (s *site) settle(b *block) {
	now := moved{s.globalLoad.Units, s.globalStore.Units}
	if s.seen != nil && now != s.settled {
		sum := b.moved[s.seen]
		if sum == nil {
			sum = new(moved)
			b.moved[s.seen] = sum
		}
		sum.load += now.load - s.settled.load
		sum.store += now.store - s.settled.store
	}
	s.settled = now
}

// footprint is the bytes that device memory moves when the cache catches every repeated
// access: of each allocation the sectors read, at most all of it once, and the sectors
// written, likewise. each is blocks of the grid per block that ran.
func footprint(workers []worker, each float64) (bytes int64) {
	sums := map[*allocation]moved{}
	for i := range workers {
		b := workers[i].block
		for j := range b.sites {
			b.sites[j].settle(b)
		}
		for al, m := range b.moved {
			sum := sums[al]
			sum.load += m.load
			sum.store += m.store
			sums[al] = sum
		}
	}
	for al, m := range sums {
		for _, sectors := range []int64{m.load, m.store} {
			bytes += min(int64(float64(sectors*sectorBytes)*each), int64(len(al.data)))
		}
	}
	return bytes
}

// sampled is the i-th of the chosen among n blocks: one in each of as many equal shares of
// the grid, at another place of every share (multiples of the golden ratio), so that the
// sample does not keep step with the grid's rows.
func sampled(i, chosen, n int64) int64 {
	_, place := math.Modf(0.5 + 0.6180339887498949*float64(i))
	return int64((float64(i) + place) * float64(n) / float64(chosen))
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
