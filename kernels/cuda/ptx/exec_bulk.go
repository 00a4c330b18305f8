package ptx

import (
	"bytes"
	"math/bits"
)

// bulkCopy is a stretch of shared memory that a bulk copy fills; its phase of an
// mbarrier counts its bytes.
type bulkCopy struct {
	at, size int32
	landed   sharedWord
}

// land opens the stretch.
func (c *bulkCopy) land(b *block) {
	for o := c.at; o < c.at+c.size; o += 16 {
		words := b.history(o, 16)
		for i := range words {
			words[i] = c.landed
		}
	}
}

// bulkOp is a decoded cp.async.bulk from global to shared memory: of a tensor's tile,
// or of size bytes.
type bulkOp struct {
	dst, src, barrier access
	rank              int // of a tensor; 0: plain bytes
	coordinates       [5]int
	size              int // slot of the bytes
}

// execute copies for each lane. Data is in shared memory at once; as with cp.async
// every access before a wait for the phase is a fault, so nobody can tell.
func (o *bulkOp) execute(w *warp, m uint32) {
	for l := m; l != 0 && w.fault == nil; l &= l - 1 {
		o.lane(w, bits.TrailingZeros32(l)&31)
	}
}

func (o *bulkOp) lane(w *warp, lane int) {
	m := uint32(1) << lane
	for _, slot := range append(o.coordinates[:o.rank:o.rank], o.size) {
		if slot >= 0 && !w.ready(w.init32[slot], m) {
			return
		}
	}
	at, ok := o.shared(w, &o.barrier, lane, 8)
	if !ok {
		return
	}
	b := w.blk.mbarriers[at]
	if b == nil {
		w.fail(ErrBarrier, m, "no mbarrier was initialised at shared offset %d", at)
		return
	}
	if !w.readWords(w.blk.history(at, 8), lane, 15) || !o.src.addresses(w, m) {
		return
	}
	source := w.addr[lane]
	dst, ok := o.shared(w, &o.dst, lane, 16)
	if !ok {
		return
	}
	var n int
	if o.rank == 0 {
		n = o.copyBytes(w, lane, int(dst), source)
	} else {
		n = o.copyTile(w, lane, int(dst), source)
	}
	if w.fault != nil {
		return
	}
	c := bulkCopy{dst, int32(n), sharedWord{writeClock: w.clock, writer: uint8(w.id), wrote: 15, state: 15}}
	b.flying = append(b.flying, c)
	b.bytes -= int64(n)
	w.tell(&b.told)
	b.advance(w.blk)
}

// shared returns the shared offset of a lane's address, for size bytes.
func (o *bulkOp) shared(w *warp, a *access, lane, size int) (int32, bool) {
	if !a.addresses(w, 1<<lane) {
		return 0, false
	}
	w.addr[lane] &= windowSize - 1
	ok := w.sharedOffsets(1<<lane, size)
	return w.off[lane], ok
}

// reserve notes n bytes from dst on as targets in flight and returns them.
func (o *bulkOp) reserve(w *warp, lane, dst, n int) []byte {
	if n%16 != 0 || dst+n > len(w.blk.shared) {
		w.fail(ErrBounds, 1<<lane, "%d bytes at shared offset %d of %d", n, dst, len(w.blk.shared))
		return nil
	}
	for at := dst; at < dst+n; at += 16 {
		w.off[lane] = int32(at)
		if !w.writeCells(1<<lane, inFlight) {
			return nil
		}
	}
	return w.blk.shared[dst : dst+n]
}

func (o *bulkOp) copyBytes(w *warp, lane, dst int, source uint64) int {
	n := int(w.r32[o.size][lane])
	from := o.global(w, lane, source, n)
	if from == nil {
		return 0
	}
	copy(o.reserve(w, lane, dst, n), from)
	return n
}

// global returns n bytes of device memory, all of them written.
func (o *bulkOp) global(w *warp, lane int, addr uint64, n int) []byte {
	al := find(w.blk.allocations, addr)
	if al == nil || addr+uint64(n) > al.end() {
		w.addr[lane] = addr
		w.failAddress(lane, n)
		return nil
	}
	at := int(addr - al.base)
	if i := bytes.IndexByte(al.written[at:at+n], 0); i >= 0 {
		w.fail(ErrUninitialized, 1<<lane, "byte %d of %d at offset %d of the %s at %#x was never written", i, n, at, al.what, al.base)
		return nil
	}
	sectors := int64((addr+uint64(n)-1)>>5 - addr>>5 + 1)
	w.site().globalLoad.add(Traffic{1, int64(n), sectors, int64(n+31) / 32})
	return al.data[at : at+n]
}

// tensorMap reads the map at a generic address: a parameter, or device memory.
func (o *bulkOp) tensorMap(w *warp, lane int, addr uint64) (m TensorMap, ok bool) {
	var raw []byte
	if at := addr & (windowSize - 1); windowOf(addr) == spaceParam && at+TensorMapBytes <= uint64(len(w.blk.args)) {
		raw = w.blk.args[at:]
	} else if al := find(w.blk.allocations, addr); al != nil && addr+TensorMapBytes <= al.end() {
		raw = al.data[addr-al.base:]
	} else {
		w.fail(ErrBounds, 1<<lane, "tensor map at %#x", addr)
		return m, false
	}
	if m, ok = decodeTensorMap((*[TensorMapBytes]byte)(raw)); !ok || len(m.Dims) != o.rank {
		w.fail(ErrBounds, 1<<lane, "tensor map at %#x for %d dimensions: %v", addr, o.rank, errTensorMap)
		return m, false
	}
	return m, true
}

// copyTile copies a box; elements outside the tensor are zero.
func (o *bulkOp) copyTile(w *warp, lane, dst int, addr uint64) int {
	m, ok := o.tensorMap(w, lane, addr)
	if !ok {
		return 0
	}
	if align := max(128, 8*m.Swizzle); m.Swizzle > 0 && dst%align != 0 || dst%128 != 0 {
		w.fail(ErrAlignment, 1<<lane, "shared offset %d of a tile with a swizzle of %d bytes", dst, m.Swizzle)
		return 0
	}
	row := m.Box[0] * m.ElementBytes
	rows := 1
	for _, n := range m.Box[1:] {
		rows *= n
	}
	o.reserve(w, lane, dst, rows*row)
	line := make([]byte, row)
	for r := 0; r < rows && w.fault == nil; r++ {
		o.copyRow(w, &m, lane, r, line)
		for i := 0; i < row; i += 16 {
			copy(w.blk.shared[swizzled(dst+r*row+i, m.Swizzle):], line[i:i+16])
		}
	}
	return rows * row
}

// copyRow fills line with row r of the box.
func (o *bulkOp) copyRow(w *warp, m *TensorMap, lane, r int, line []byte) {
	clear(line)
	addr := m.Address
	for i := 1; i < o.rank; i++ {
		c := int(int32(w.r32[o.coordinates[i]][lane])) + r%m.Box[i]
		r /= m.Box[i]
		if c < 0 || c >= m.Dims[i] {
			return
		}
		addr += uint64(c * m.Strides[i-1])
	}
	first := int(int32(w.r32[o.coordinates[0]][lane]))
	from, to := max(first, 0), min(first+m.Box[0], m.Dims[0])
	if from >= to {
		return
	}
	size := m.ElementBytes
	copy(line[(from-first)*size:], o.global(w, lane, addr+uint64(from*size), (to-from)*size))
}
