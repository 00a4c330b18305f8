package ptx

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
)

// guardBytes of address space lie unallocated around every allocation.
const guardBytes = 1 << 16

// Memory is device memory. Addresses are never handed out twice, so a stale
// pointer is always found out. It may be used from many goroutines at once; a
// kernel sees the allocations that existed when it was launched.
type Memory struct {
	mu      sync.Mutex
	next    uint64
	live    atomic.Pointer[[]*allocation] // sorted by base; entries of an array never change
	freed   []span                        // sorted by base, for use after free
	modules map[*Module]map[string]uint64
	atomics sync.Mutex // orders atomics and volatile accesses of different blocks
}

// allocation is one piece of device memory.
type allocation struct {
	base     uint64
	data     []byte
	written  []byte // 1 for each byte of data that something wrote
	readOnly bool   // .const
	what     string
}

type span struct {
	base uint64
	size int
}

func (a *allocation) end() uint64 { return a.base + uint64(len(a.data)) }

// NewMemory returns empty device memory.
func NewMemory() *Memory {
	m := &Memory{next: memoryBase, modules: map[*Module]map[string]uint64{}}
	m.live.Store(&[]*allocation{})
	return m
}

// Alloc returns the address of size fresh bytes that count as unwritten. The
// address is a multiple of 256 and of no higher power of two.
func (m *Memory) Alloc(size int) (uint64, error) {
	if size <= 0 {
		return 0, fmt.Errorf("ptx: alloc of %d bytes", size)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.add(&allocation{data: make([]byte, size), written: make([]byte, size), what: "allocation"}), nil
}

// add gives a its address; the caller holds the lock.
func (m *Memory) add(a *allocation) uint64 {
	a.base = (m.next+guardBytes)&^511 | 256
	m.next = a.end() + guardBytes
	list := append(*m.live.Load(), a) // behind what a running kernel sees of the same array
	m.live.Store(&list)
	return a.base
}

// Free ends the allocation that starts at addr.
func (m *Memory) Free(addr uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := *m.live.Load()
	i := sort.Search(len(old), func(i int) bool { return old[i].base >= addr })
	if i == len(old) || old[i].base != addr || old[i].what != "allocation" {
		if s, ok := m.freedSpan(addr); ok && s.base == addr {
			return fmt.Errorf("ptx: free of %#x: %w (freed twice)", addr, ErrUseAfterFree)
		}
		return fmt.Errorf("ptx: free of %#x: %w: no allocation starts there", addr, ErrBounds)
	}
	list := make([]*allocation, 0, cap(old))
	list = append(append(list, old[:i]...), old[i+1:]...)
	m.live.Store(&list)
	j := sort.Search(len(m.freed), func(j int) bool { return m.freed[j].base > addr })
	m.freed = append(m.freed, span{})
	copy(m.freed[j+1:], m.freed[j:])
	m.freed[j] = span{addr, len(old[i].data)}
	return nil
}

func (m *Memory) freedSpan(addr uint64) (span, bool) {
	j := sort.Search(len(m.freed), func(j int) bool { return m.freed[j].base > addr })
	if j > 0 && addr < m.freed[j-1].base+uint64(m.freed[j-1].size) {
		return m.freed[j-1], true
	}
	return span{}, false
}

// find returns the allocation that holds addr, or nil.
func find(list []*allocation, addr uint64) *allocation {
	lo, hi := 0, len(list)
	for lo < hi {
		mid := (lo + hi) / 2
		if list[mid].base <= addr {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 || addr >= list[lo-1].end() {
		return nil
	}
	return list[lo-1]
}

// explain says why size bytes at addr are not accessible.
func (m *Memory) explain(addr uint64, size int) (detail string, kind error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.freedSpan(addr); ok {
		return fmt.Sprintf("%d bytes at %#x lie in an allocation of %d bytes at %#x that was freed", size, addr, s.size, s.base), ErrUseAfterFree
	}
	list := *m.live.Load()
	var near *allocation
	i := sort.Search(len(list), func(i int) bool { return list[i].base > addr })
	if i > 0 {
		near = list[i-1]
	}
	if i < len(list) && (near == nil || list[i].base-addr < addr-near.end()) {
		near = list[i]
	}
	switch {
	case near == nil:
		return fmt.Sprintf("%d bytes at %#x; nothing is allocated", size, addr), ErrBounds
	case addr < near.base:
		return fmt.Sprintf("%d bytes at %#x lie %d bytes before the %s of %d bytes at %#x", size, addr, near.base-addr, near.what, len(near.data), near.base), ErrBounds
	}
	return fmt.Sprintf("%d bytes at %#x, offset %d of the %s of %d bytes at %#x", size, addr, addr-near.base, near.what, len(near.data), near.base), ErrBounds
}

// slice returns the allocation and the offset of n bytes at addr.
func (m *Memory) slice(what string, addr uint64, n int) (*allocation, int, error) {
	a := find(*m.live.Load(), addr)
	if a == nil || uint64(n) > a.end()-addr {
		detail, kind := m.explain(addr, n)
		return nil, 0, fmt.Errorf("ptx: %s: %w: %s", what, kind, detail)
	}
	return a, int(addr - a.base), nil
}

// Check says why n bytes at addr do not lie in one allocation, or nil.
func (m *Memory) Check(addr uint64, n int) error {
	_, _, err := m.slice("access", addr, n)
	return err
}

// Write copies p to addr, as a copy from the host does.
func (m *Memory) Write(addr uint64, p []byte) error {
	a, at, err := m.slice("write", addr, len(p))
	if err != nil {
		return err
	}
	copy(a.data[at:], p)
	setBytes(a.written[at:at+len(p)], 1)
	return nil
}

// Read copies from addr to p, as a copy to the host does. Bytes that nothing
// wrote are ErrUninitialized.
func (m *Memory) Read(addr uint64, p []byte) error {
	a, at, err := m.slice("read", addr, len(p))
	if err != nil {
		return err
	}
	if i := bytes.IndexByte(a.written[at:at+len(p)], 0); i >= 0 {
		return fmt.Errorf("ptx: read: %w: byte %d of %d at %#x was never written", ErrUninitialized, i, len(p), addr)
	}
	copy(p, a.data[at:])
	return nil
}

// Fill sets n bytes at addr to value.
func (m *Memory) Fill(addr uint64, n int, value byte) error {
	a, at, err := m.slice("fill", addr, n)
	if err != nil {
		return err
	}
	setBytes(a.data[at:at+n], value)
	setBytes(a.written[at:at+n], 1)
	return nil
}

// Copy copies n bytes from src to dst on the device. What is unwritten at src is
// unwritten at dst.
func (m *Memory) Copy(dst, src uint64, n int) error {
	from, i, err := m.slice("copy from", src, n)
	if err != nil {
		return err
	}
	to, j, err := m.slice("copy to", dst, n)
	if err != nil {
		return err
	}
	copy(to.data[j:j+n], from.data[i:i+n])
	copy(to.written[j:j+n], from.written[i:i+n])
	return nil
}

// Poison makes n bytes at addr unwritten again.
func (m *Memory) Poison(addr uint64, n int) error {
	a, at, err := m.slice("poison", addr, n)
	if err != nil {
		return err
	}
	setBytes(a.data[at:at+n], 0xa5)
	setBytes(a.written[at:at+n], 0)
	return nil
}

// Global returns the address and the size of a .global or .const variable of
// module, which gets its memory at the first call or launch.
func (m *Memory) Global(module *Module, name string) (addr uint64, size int, err error) {
	for _, v := range module.globals {
		if v.name == name {
			return m.load(module)[name], v.size, nil
		}
	}
	return 0, 0, fmt.Errorf("ptx: module %s has no global variable %s", module.Name, name)
}

// Unload frees the module's variables; a later launch or Global makes them anew. No
// launch of the module may be running.
func (m *Memory) Unload(module *Module) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if variables := m.modules[module]; len(variables) > 0 {
		list := slices.DeleteFunc(slices.Clone(*m.live.Load()), func(a *allocation) bool {
			name, ok := strings.CutPrefix(a.what, "variable ")
			return ok && variables[name] == a.base
		})
		m.live.Store(&list)
	}
	delete(m.modules, module)
}

// load allocates the module's variables once and returns their addresses.
func (m *Memory) load(module *Module) map[string]uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.modules[module]; ok {
		return at
	}
	at := map[string]uint64{}
	for _, v := range module.globals {
		a := &allocation{data: append([]byte(nil), v.init...), written: make([]byte, v.size),
			readOnly: v.space == spaceConst, what: "variable " + v.name}
		setBytes(a.written, 1)
		at[v.name] = m.add(a)
	}
	m.modules[module] = at
	return at
}

// setBytes sets all of p to v, by copies that double.
func setBytes(p []byte, v byte) {
	if len(p) > 0 {
		p[0] = v
	}
	for n := 1; n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
}
