package conformance

import (
	"fmt"
	"math"

	"retort/kernels"
)

// Args are a case's arguments on a backend.
type Args struct {
	*Case
	tensors map[string]kernels.Tensor
	docs    kernels.Documents
	groups  kernels.Groups
	params  []kernels.Parameter
}

// t is the argument of that name, absent when the shape leaves it out.
func (a *Args) t(name string) kernels.Tensor {
	a.mustKnow(name)
	return a.tensors[name]
}

// norm is the normalisation described by the arguments "weight" and "bias".
func (a *Args) norm() kernels.Norm {
	return kernels.Norm{Kind: a.Norm, Weight: a.t("weight"), Bias: a.t("bias"), Eps: epsOf(a.Norm)}
}

// compose builds the structures that hold several tensors.
func (a *Args) compose() {
	if a.starts != nil {
		a.docs = kernels.Documents{Starts: a.starts, Device: a.tensors["documents"]}
		for i := 1; i < len(a.starts); i++ {
			a.docs.Longest = max(a.docs.Longest, int(a.starts[i]-a.starts[i-1]))
		}
	}
	if a.groupCount > 0 {
		a.groups = kernels.Groups{IDs: a.tensors["group ids"], Starts: a.tensors["group starts"],
			Order: a.tensors["group order"], Count: a.groupCount}
	}
	a.params = nil
	for i, decay := range a.decays {
		a.params = append(a.params, kernels.Parameter{
			Value: a.tensors[paramName("value", i)], Grad: a.tensors[paramName("grad", i)],
			Master:  a.tensors[paramName("master", i)],
			Moment1: a.tensors[paramName("moment1", i)], Moment2: a.tensors[paramName("moment2", i)], Decay: decay,
		})
	}
}

// replaced is the same arguments with another tensor under one name.
func (a *Args) replaced(name string, t kernels.Tensor) *Args {
	other := *a
	other.tensors = map[string]kernels.Tensor{}
	for n, v := range a.tensors {
		other.tensors[n] = v
	}
	other.tensors[name] = t
	other.compose()
	return &other
}

// The margin around a view in strided shapes: a row above and one below, and these
// columns. They are multiples of the smallest head size, as the offsets of q, k and v
// in one activation are.
const (
	columnsBefore = 16
	columnsAfter  = 16
)

// poisonInt is what int32 outputs hold before a call.
const poisonInt = math.MinInt32 + 12345

// buffer is one allocation with the values it holds before a call and what it held
// after the last one.
type buffer struct {
	whole         kernels.Tensor
	floats, after []float32
	ints, intsNow []int32
	views         []view
}

// view is the place of an argument in a buffer.
type view struct {
	arg      *Arg
	row, col int
}

// bound is a case whose arguments lie on a backend.
type bound struct {
	b       kernels.Backend
	args    Args
	buffers []*buffer
}

// Results are the outputs of one call.
type Results map[string]*result

// result holds one output's values, row-major; one of the slices is nil.
type result struct {
	floats []float32
	ints   []int32
}

// bind allocates a case's arguments.
func bind(b kernels.Backend, c *Case) (*bound, error) {
	d := &bound{b: b, args: Args{Case: c, tensors: map[string]kernels.Tensor{}}}
	joined := map[string]*buffer{}
	for _, a := range c.args {
		m := joined[a.joined]
		if m == nil || !c.Strided || a.joined == "" {
			m = &buffer{}
			d.buffers = append(d.buffers, m)
			joined[a.joined] = m
		}
		m.views = append(m.views, view{arg: a})
	}
	for _, m := range d.buffers {
		if err := m.place(b, c); err != nil {
			d.free()
			return nil, err
		}
		for _, v := range m.views {
			d.args.tensors[v.arg.name] = m.whole.RowRange(v.row, v.row+v.arg.rows).ColRange(v.col, v.col+v.arg.cols)
		}
	}
	d.args.compose()
	return d, nil
}

// place lays the buffer's arguments out, allocates it and prepares its contents:
// inputs and updates hold their values, outputs and scratch poison, margins noise.
func (m *buffer) place(b kernels.Backend, c *Case) error {
	first := m.views[0].arg
	rows, cols := first.rows, 0
	if c.Strided {
		rows = first.rows + 2
	}
	if c.Strided && !first.dense {
		cols = columnsBefore
	}
	for i := range m.views {
		v := &m.views[i]
		if c.Strided {
			v.row = 1
		}
		v.col = cols
		cols += v.arg.cols
	}
	if c.Strided && !first.dense {
		cols += columnsAfter
	}
	rows, cols = max(rows, 1), max(cols, 1) // empty arguments are views of something
	whole, err := b.Alloc(first.dtype, kernels.Activations, rows, cols)
	if err != nil {
		return fmt.Errorf("allocating %s: %w", first.name, err)
	}
	m.whole = whole
	if first.dtype == kernels.Int32 {
		m.ints, m.intsNow = c.below(rows*cols, 1<<20), make([]int32, rows*cols)
	} else {
		m.floats, m.after = make([]float32, rows*cols), make([]float32, rows*cols)
		for i := range m.floats {
			m.floats[i] = round(first.dtype, c.normal())
		}
	}
	for _, v := range m.views {
		m.prepare(v)
	}
	return nil
}

// prepare writes one argument's values, or poison, into the buffer's image.
func (m *buffer) prepare(v view) {
	poisoned := v.arg.role == output || v.arg.role == scratch
	for i := range v.arg.rows * v.arg.cols {
		at := m.index(v, i)
		switch {
		case m.ints != nil && poisoned:
			m.ints[at] = poisonInt
		case m.ints != nil:
			m.ints[at] = v.arg.ints[i]
		case poisoned:
			m.floats[at] = float32(math.NaN())
		default:
			m.floats[at] = v.arg.floats[i]
		}
	}
}

// index is where element i of an argument lies in the buffer.
func (m *buffer) index(v view, i int) int {
	return (v.row+i/v.arg.cols)*m.whole.Cols + v.col + i%v.arg.cols
}

// upload gives every buffer its contents from before the call.
func (d *bound) upload() {
	for _, m := range d.buffers {
		if m.ints != nil {
			d.b.UploadInts(m.whole, m.ints)
		} else {
			d.b.Upload(m.whole, m.floats)
		}
	}
}

// run uploads everything, calls the operation once, and returns its outputs. The error
// says what the call did to memory that is not its output.
func (d *bound) run(e Entry) (Results, error) {
	d.upload()
	e.Call(d.b, &d.args)
	if err := d.b.Sync(); err != nil {
		return nil, fmt.Errorf("sync: %w", err)
	}
	got := Results{}
	for _, m := range d.buffers {
		var err error
		if m.ints != nil {
			err = d.b.DownloadInts(m.intsNow, m.whole)
		} else {
			err = d.b.Download(m.after, m.whole)
		}
		if err != nil {
			return nil, fmt.Errorf("download: %w", err)
		}
		if err := m.collect(got); err != nil {
			return nil, err
		}
	}
	return got, nil
}

// collect takes the outputs out of the buffer and checks that the rest is unchanged.
func (m *buffer) collect(got Results) error {
	writable := make([]bool, m.whole.Len())
	for _, v := range m.views {
		r := &result{}
		for i := range v.arg.rows * v.arg.cols {
			at := m.index(v, i)
			writable[at] = v.arg.role != input
			if m.ints != nil {
				r.ints = append(r.ints, m.intsNow[at])
			} else {
				r.floats = append(r.floats, m.after[at])
			}
		}
		if v.arg.role == output || v.arg.role == update {
			got[v.arg.name] = r
		}
	}
	for at, may := range writable {
		var same bool
		if m.ints != nil {
			same = m.ints[at] == m.intsNow[at]
		} else {
			same = sameBits(m.floats[at], m.after[at])
		}
		if !may && !same {
			return fmt.Errorf("the call wrote where it must not: row %d, column %d of the buffer %v that holds %s",
				at/m.whole.Cols, at%m.whole.Cols, m.whole, m.describe())
		}
	}
	return nil
}

// describe names the arguments in the buffer with their places.
func (m *buffer) describe() string {
	text := ""
	for i, v := range m.views {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s (%d, %d) from row %d, column %d", v.arg.name, v.arg.rows, v.arg.cols, v.row, v.col)
	}
	return text
}

func (d *bound) free() {
	for _, m := range d.buffers {
		if !m.whole.Absent() {
			d.b.Free(m.whole)
		}
	}
}

// sameBits is equality of bits; every NaN counts as one value.
func sameBits(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || (a != a && b != b)
}
