package conformance

import (
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"

	"retort/kernels"
)

// verify runs one entry at one shape on b and returns everything that is wrong with
// it. twin may be nil.
func verify(b, twin kernels.Backend, e Entry, s Shape, o Options) (faults []error) {
	before := maps.Clone(b.InUse())
	if fault := guarded(func() {
		if e.Scenario != nil {
			k := &kit{Backend: b, Case: newCase(e, s, o.Seed, b.ActivationType())}
			defer k.free()
			if err := e.Scenario(k); err != nil {
				faults = append(faults, err)
			}
			return
		}
		faults = append(faults, verifyOperation(b, twin, e, s, o)...)
	}); fault != nil {
		return append(faults, fault)
	}
	if after := b.InUse(); len(faults) == 0 && !maps.Equal(held(before), held(after)) {
		faults = append(faults, fmt.Errorf("memory in use was %v before the entry and is %v after it, with everything freed", before, after))
	}
	return faults
}

// verifyOperation checks the properties of one operation, the numbers first.
func verifyOperation(b, twin kernels.Backend, e Entry, s Shape, o Options) (faults []error) {
	c := newCase(e, s, o.Seed, b.ActivationType())
	d, err := bind(b, c)
	if err != nil {
		return []error{err}
	}
	defer d.free()
	got, err := d.run(e)
	if err != nil {
		return []error{err}
	}
	for _, check := range []func() error{
		func() error { return verifyNumbers(b, e, c, got, o.Seed) },
		func() error { return verifyAgain(d, e, got) },
		func() error { return verifyTwin(twin, e, c, got) },
		func() error { return verifyRows(b, e, c, got) },
		func() error { return verifyWrongShapes(d, e, s) },
		func() error { return verifyHeap(d, e, o) },
	} {
		if err := check(); err != nil {
			faults = append(faults, err)
		}
	}
	return faults
}

// verifyNumbers compares with the references, over as many draws as a small output needs.
func verifyNumbers(b kernels.Backend, e Entry, c *Case, got Results, seed uint64) error {
	samples := map[string][]sample{}
	for draw := range c.draws() {
		if draw > 0 {
			c = newCase(e, c.Shape, seed+uint64(draw)*0x9e3779b97f4a7c15, c.activation)
			d, err := bind(b, c)
			if err != nil {
				return err
			}
			got, err = d.run(e)
			d.free()
			if err != nil {
				return err
			}
		}
		if e.Check != nil {
			if err := e.Check(c, got); err != nil {
				return err
			}
		}
		if e.Exact != nil {
			compute(e, c, got, samples)
		}
	}
	for _, a := range c.args {
		if list := samples[a.name]; list != nil {
			if err := judge(a, e.Moves, list); err != nil {
				return err
			}
		}
	}
	return nil
}

// compute runs both references side by side and adds what they say of each output.
func compute(e Entry, c *Case, got Results, samples map[string][]sample) {
	exact, plain := valuesOf[float64](c), valuesOf[float32](c)
	done := make(chan struct{})
	go func() { defer close(done); e.Plain(plain) }()
	e.Exact(exact)
	<-done
	for _, a := range c.args {
		r := got[a.name]
		if r == nil || a.unchecked || a.dtype == kernels.Int32 {
			continue
		}
		p := plain.floats[a.name].Data
		for i, v := range p {
			p[i] = round(a.dtype, float64(v))
		}
		samples[a.name] = append(samples[a.name], sample{got: r.floats, plain: p, exact: exact.floats[a.name].Data})
	}
}

// verifyAgain runs the same call on the same buffers: equal bits, no more memory.
func verifyAgain(d *bound, e Entry, first Results) error {
	before := maps.Clone(d.b.InUse())
	again, err := d.run(e)
	if err != nil {
		return err
	}
	if after := d.b.InUse(); !maps.Equal(held(before), held(after)) {
		return fmt.Errorf("a repeated call changed the memory in use from %v to %v", before, after)
	}
	return equalBits("run again", d.args.Case, first, again, 0)
}

// verifyTwin runs the same call on a backend with another number of threads.
func verifyTwin(twin kernels.Backend, e Entry, c *Case, first Results) error {
	if twin == nil {
		return nil
	}
	d, err := bind(twin, c)
	if err != nil {
		return err
	}
	defer d.free()
	got, err := d.run(e)
	if err != nil {
		return err
	}
	return equalBits("run on "+twin.Name(), c, first, got, 0)
}

// verifyRows computes ranges of rows alone and compares the bits of what is per row.
func verifyRows(b kernels.Backend, e Entry, c *Case, whole Results) error {
	n := c.rowCount()
	if n < 2 {
		return nil
	}
	ranges := [][2]int{{0, n / 2}, {n / 3, n/3 + 1}, {n - 1, n}}
	if e.Ranges != nil {
		ranges = e.Ranges(c)
	}
	for _, r := range ranges {
		part := c.rows(r[0], r[1])
		d, err := bind(b, part)
		if err != nil {
			return err
		}
		got, err := d.run(e)
		d.free()
		if err != nil {
			return fmt.Errorf("rows [%d, %d) alone: %w", r[0], r[1], err)
		}
		for _, a := range part.args {
			if a.perRow == 0 && !a.perColumn {
				delete(got, a.name)
			}
		}
		if err := equalBits(fmt.Sprintf("rows [%d, %d) alone", r[0], r[1]), part, whole, got, r[0]); err != nil {
			return err
		}
	}
	return nil
}

// equalBits compares the outputs in got, which begin at row offset of those in whole.
func equalBits(what string, c *Case, whole, got Results, offset int) error {
	for _, a := range c.args {
		r := got[a.name]
		if r == nil {
			continue
		}
		skip := offset
		if a.perRow > 0 {
			skip *= a.perRow * a.cols
		}
		for i := range r.ints {
			if r.ints[i] != whole[a.name].ints[skip+i] {
				return fmt.Errorf("%s: %s[%d] = %d, was %d", what, a.name, i, r.ints[i], whole[a.name].ints[skip+i])
			}
		}
		for i, v := range r.floats {
			if was := whole[a.name].floats[skip+i]; !sameBits(v, was) {
				return fmt.Errorf("%s: %s[%d, %d] = %g, was %g: the bits differ", what, a.name, i/a.cols, i%a.cols, v, was)
			}
		}
	}
	return nil
}

// verifyWrongShapes takes a column off arguments: each must panic with the shape that
// is there and the one that is wanted. Which of two arguments that contradict each
// other is called wrong is the backend's choice. Shapes that leave arguments out are
// passed over: what is absent cannot contradict.
func verifyWrongShapes(d *bound, e Entry, s Shape) error {
	if s.Absent != "" {
		return nil
	}
	for _, name := range e.Wrong {
		t := d.args.t(name)
		if t.Absent() || t.Cols < 2 || t.Rows < 1 {
			continue
		}
		var message string
		func() {
			defer func() { message = fmt.Sprint(recover()) }()
			e.Call(d.b, d.args.replaced(name, t.ColRange(0, t.Cols-1)))
		}()
		shapes := shapePattern.FindAllString(message, -1)
		slices.Sort(shapes)
		if len(slices.Compact(shapes)) < 2 {
			return fmt.Errorf("%s of shape (%d, %d) instead of (%d, %d) must panic with both shapes, said %q",
				name, t.Rows, t.Cols-1, t.Rows, t.Cols, message)
		}
	}
	return nil
}

// shapePattern is a shape as kernels.Tensor and kernels.Want print it.
var shapePattern = regexp.MustCompile(`\(\d+, \d+\)`)

// verifyHeap holds a repeated call to no allocation on Go's heap, when asked to. The
// least of a few runs counts, since the runtime allocates at times of its own.
func verifyHeap(d *bound, e Entry, o Options) error {
	if !o.NoHeap {
		return nil
	}
	least := ^uint64(0)
	for range 5 {
		var before, after runtime.MemStats
		d.upload()
		runtime.ReadMemStats(&before)
		e.Call(d.b, &d.args)
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
		if least == 0 {
			return nil
		}
	}
	return fmt.Errorf("a repeated call makes %d allocations", least)
}

// guarded turns a panic into an error that says where it came from.
func guarded(f func()) (fault error) {
	defer func() {
		if r := recover(); r != nil {
			fault = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	f()
	return nil
}

// held is the memory that callers hold, by purpose.
func held(m map[kernels.Purpose]int64) map[kernels.Purpose]int64 {
	maps.DeleteFunc(m, func(p kernels.Purpose, n int64) bool { return n == 0 || p == kernels.Workspace })
	return m
}
