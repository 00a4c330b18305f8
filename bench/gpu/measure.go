package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"retort/kernels"
	"retort/kernels/cuda"
	"retort/kernels/cuda/driver"
)

// bencher times cases on one device.
type bencher struct {
	driver  driver.Driver
	device  driver.Attributes
	emu     bool
	repeats int // the most repetitions of a measurement
	b       *cuda.Backend
	lead    kernels.Tensor // what the head start zeroes
	copy    float64        // GB/s of a device-to-device copy, 0 until measured
}

// use opens the backend for an activation type; the previous one is closed.
func (m *bencher) use(dtype kernels.DType) error {
	if m.b != nil && m.b.ActivationType() == dtype {
		return nil
	}
	if err := m.close(); err != nil {
		return err
	}
	b, err := cuda.New(m.driver, 0, cuda.Options{Activation: dtype})
	if err != nil {
		return err
	}
	m.b = b
	if !m.emu {
		free, _ := b.Available()
		m.lead, err = b.Alloc(kernels.Float32, kernels.Scratch, 1, int(min(1<<30, free/16)/4))
	}
	return err
}

func (m *bencher) close() error {
	if m.b == nil {
		return nil
	}
	if !m.lead.Absent() {
		m.b.Free(m.lead)
	}
	b := m.b
	m.b, m.lead = nil, kernels.Tensor{}
	return b.Close()
}

// rotated is an operation with several sets of arguments, so that no call finds its
// arguments in the cache.
type rotated struct {
	sets  []*set
	calls []func()
}

// prepare allocates as many sets as exceed the L2 cache three times.
func (m *bencher) prepare(c benchCase) (*rotated, error) {
	op := operations[c.Op]
	n := min(64, 1+int(3*float64(m.device.L2Bytes)/max(1, op.bytes(c.Dims, sizeOf(c.Type)))))
	if m.emu {
		n = 1
	}
	r := &rotated{}
	for i := range n {
		s := &set{b: m.b, rand: rand.New(rand.NewPCG(uint64(i), 7))}
		call := op.build(s, c.Dims)
		if s.err != nil {
			s.free()
			r.free()
			return nil, s.err
		}
		r.sets, r.calls = append(r.sets, s), append(r.calls, call)
	}
	return r, m.b.Sync()
}

func (r *rotated) free() {
	for _, s := range r.sets {
		s.free()
	}
}

// time returns the milliseconds of every repetition, after a warm-up. Work that keeps the
// device busy goes first, so that the host is ahead of it all along.
func (m *bencher) time(r *rotated) ([]float64, error) {
	run := func(i int) { r.calls[i%len(r.calls)]() }
	warm, err := m.b.Spans(min(3, m.repeats), run)
	if err != nil {
		return nil, err
	}
	const target = 60 // milliseconds of a measurement
	n := max(5, min(m.repeats, int(target/max(warm[len(warm)-1], 1e-3))))
	if m.emu {
		n = m.repeats
	}
	if !m.lead.Absent() {
		for range 8 {
			m.b.Zero(m.lead)
		}
	}
	return m.b.Spans(n, run)
}

// median of values, which it sorts.
func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	if len(values) == 0 {
		return 0
	}
	return values[len(values)/2]
}

// measure times a case: ours, the peer's, and ours again. What goes wrong is the row's
// status; a lost device is an error.
func (m *bencher) measure(c benchCase, p *peer) (row Row, err error) {
	row = Row{Suite: c.Suite, Name: c.name(), Status: statusOK}
	op := operations[c.Op]
	if method := op.owed(cuda.Owed); method != "" {
		row.Status = "owed: " + method
		return row, nil
	}
	if err := m.use(c.Type); err != nil {
		return row, err
	}
	defer func() {
		if v := recover(); v != nil {
			row.Status = fmt.Sprint("panic: ", v)
		}
	}()
	r, err := m.prepare(c)
	if err != nil {
		row.Status = err.Error()
		return row, m.lost(err)
	}
	began := time.Now()
	first, err := m.time(r)
	var second, theirs []float64
	if err == nil {
		theirs, row.PeerStatus = p.time(c, len(r.sets), len(first))
		second, err = m.time(r)
	}
	r.free()
	if err != nil {
		row.Status = err.Error()
		return row, m.lost(err)
	}
	row.Seconds = time.Since(began).Seconds()
	row.fill(c, first, second, theirs, p.name(), m.copy)
	if c.Op == "Copy" {
		m.copy = row.GBs
	}
	return row, nil
}

// lost is err when no further case can run.
func (m *bencher) lost(err error) error {
	if m.b.Sync() != nil {
		return err
	}
	return nil
}

// copyCase measures the bandwidth that others are compared with.
func (m *bencher) copyCase() benchCase {
	d := dims{T: 1 << 16, D: 1 << 13} // 1 GiB each way in bf16
	if m.emu {
		d = dims{T: 64, D: 256}
	}
	return benchCase{"copy", "Copy", d, kernels.BFloat16}
}
