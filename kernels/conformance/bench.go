package conformance

import (
	"testing"

	"retort/kernels"
)

// Bench times every entry at its large shapes (at its small ones without Large) and
// reports GB/s of the least memory traffic and GFLOP/s beside the time of a call.
func Bench(b *testing.B, open func(testing.TB) kernels.Backend, o Options) {
	backend := open(b)
	defer backend.Close()
	for _, e := range Table() {
		if e.Scenario != nil || e.owed(o.Owed) {
			continue
		}
		shapes := e.Small
		if o.Large && len(e.Large) > 0 {
			shapes = e.Large
		}
		for _, s := range shapes {
			b.Run(e.Name+"/"+s.String(), func(b *testing.B) { bench(b, backend, e, s, o.Seed) })
		}
	}
}

// bench times one entry at one shape. Arguments that a call updates keep changing:
// the time of no operation depends on them.
func bench(b *testing.B, backend kernels.Backend, e Entry, s Shape, seed uint64) {
	c := newCase(e, s, seed, backend.ActivationType())
	d, err := bind(backend, c)
	if err != nil {
		b.Fatal(err)
	}
	defer d.free()
	d.upload()
	e.Call(backend, &d.args) // grows the backend's scratch
	sync := func() {
		if err := backend.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	sync()
	b.ResetTimer()
	for range b.N {
		e.Call(backend, &d.args)
	}
	sync()
	seconds := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(e.bytes(c)/seconds/1e9, "GB/s")
	if e.FLOPs != nil {
		b.ReportMetric(e.FLOPs(s)/seconds/1e9, "GFLOP/s")
	}
}

// bytes is the memory traffic of a call: the entry's own count, or every input and
// output once and every updated argument twice.
func (e Entry) bytes(c *Case) float64 {
	if e.Bytes != nil {
		return e.Bytes(c.Shape)
	}
	var total int
	for _, a := range c.args {
		n := a.rows * a.cols * a.dtype.Size()
		switch a.role {
		case input, output:
			total += n
		case update:
			total += 2 * n
		}
	}
	return float64(total)
}
