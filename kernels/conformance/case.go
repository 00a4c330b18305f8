package conformance

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// role says what an operation does with an argument.
type role uint8

const (
	input   role = iota // read; unchanged afterwards
	output              // poisoned before, wholly written
	update              // holds values before: "+=" or in place
	scratch             // poisoned before, contents free afterwards
)

// Arg is one argument with its host values from before the call.
type Arg struct {
	name       string
	role       role
	dtype      kernels.DType
	rows, cols int
	floats     []float32 // (rows, cols), representable in dtype
	ints       []int32   // (rows, cols)
	perRow     int       // rows of the argument per row of the operation; 0: shared by all rows
	perColumn  bool      // (1, n): one column per row of the operation
	dense      bool      // contiguous also where the shape is strided
	joined     string    // arguments of one name lie side by side in one buffer
	unchecked  bool      // left to the entry's Check, not compared with the reference
}

// Case is an entry at one shape: its arguments, declared and filled by the entry.
type Case struct {
	Shape
	rand       *rand.Rand
	activation kernels.DType
	args       []*Arg
	byName     map[string]*Arg
	starts     []int32 // boundaries of the documents
	groupCount int     // distinct ids of an embedding's gradient
	decays     []bool  // of each parameter: whether weight decay applies
}

// newCase declares and fills the arguments; equal seeds give equal values.
func newCase(e Entry, s Shape, seed uint64, activation kernels.DType) *Case {
	h := fnv.New64a()
	fmt.Fprint(h, e.Name, s)
	c := &Case{Shape: s, rand: rand.New(rand.NewPCG(seed, h.Sum64())), activation: activation, byName: map[string]*Arg{}}
	if e.Arguments != nil {
		e.Arguments(c)
	}
	return c
}

func (c *Case) declare(name string, r role, dtype kernels.DType, rows, cols int) *Arg {
	a := &Arg{name: name, role: r, dtype: dtype, rows: rows, cols: cols}
	if c.byName[name] != nil {
		panic("conformance: argument " + name + " declared twice")
	}
	c.byName[name] = a
	if c.lacks(name) {
		return a // known, but not among the arguments given
	}
	c.args = append(c.args, a)
	if dtype != kernels.Int32 {
		a.floats = make([]float32, rows*cols)
		if r == input || r == update {
			c.fill(a, func(int) float64 { return c.normal() })
		}
	}
	return a
}

// in, out, update and scratch declare arguments of the backend's activation type, the
// ones ending in 32 of float32 whatever the activations are.
func (c *Case) in(name string, rows, cols int) *Arg {
	return c.declare(name, input, c.activation, rows, cols)
}
func (c *Case) in32(name string, rows, cols int) *Arg {
	return c.declare(name, input, kernels.Float32, rows, cols)
}
func (c *Case) out(name string, rows, cols int) *Arg {
	return c.declare(name, output, c.activation, rows, cols)
}
func (c *Case) out32(name string, rows, cols int) *Arg {
	return c.declare(name, output, kernels.Float32, rows, cols)
}
func (c *Case) update(name string, rows, cols int) *Arg {
	return c.declare(name, update, c.activation, rows, cols)
}
func (c *Case) update32(name string, rows, cols int) *Arg {
	return c.declare(name, update, kernels.Float32, rows, cols)
}

// ints declares an int32 input of one row, intsOut an int32 output.
func (c *Case) ints(name string, values []int32) *Arg {
	a := c.declare(name, input, kernels.Int32, 1, len(values))
	a.ints = values
	return a
}

func (c *Case) intsOut(name string, n int) *Arg {
	a := c.declare(name, output, kernels.Int32, 1, n)
	a.ints = make([]int32, n)
	return a
}

// intRows declares an int32 input of several rows.
func (c *Case) intRows(name string, rows, cols int, values []int32) *Arg {
	a := c.declare(name, input, kernels.Int32, rows, cols)
	a.ints = values
	return a
}

// each says that n rows of the argument belong to each row of the operation, column
// that one column of the (1, n) argument does.
func (a *Arg) each(n int) *Arg { a.perRow = n; return a }
func (a *Arg) column() *Arg    { a.perColumn = true; return a }

// contiguous keeps the rows together in strided shapes too; only the rows around the
// argument are then a margin.
func (a *Arg) contiguous() *Arg { a.dense = true; return a }

// join lays arguments of the same buffer name side by side where the shape is strided.
func (a *Arg) join(buffer string) *Arg { a.joined = buffer; return a }

// fill sets the argument's values, rounded to its type.
func (c *Case) fill(a *Arg, value func(i int) float64) *Arg {
	for i := range a.floats {
		a.floats[i] = round(a.dtype, value(i))
	}
	return a
}

// scale multiplies the argument's values.
func (c *Case) scale(a *Arg, factor float64) *Arg {
	return c.fill(a, func(i int) float64 { return float64(a.floats[i]) * factor })
}

// arg is the argument of that name, which must have been declared.
func (c *Case) arg(name string) *Arg {
	c.mustKnow(name)
	return c.byName[name]
}

func (c *Case) mustKnow(name string) {
	if c.byName[name] == nil {
		panic("conformance: no argument " + name)
	}
}

// normal is a normally distributed value, never zero.
func (c *Case) normal() float64 {
	for {
		if v := c.rand.NormFloat64(); math.Abs(v) > 1e-4 {
			return v
		}
	}
}

// below is n random integers in [0, limit).
func (c *Case) below(n, limit int) []int32 {
	list := make([]int32, n)
	for i := range list {
		list[i] = int32(c.rand.IntN(limit))
	}
	return list
}

// distinct is n different integers in [0, limit), in random order.
func (c *Case) distinct(n, limit int) []int32 {
	list := make([]int32, n)
	for i, v := range c.rand.Perm(limit)[:n] {
		list[i] = int32(v)
	}
	return list
}

// documents declares the boundaries of the shape's documents.
func (c *Case) documents() {
	c.starts = []int32{0}
	for _, n := range c.Docs {
		c.starts = append(c.starts, c.starts[len(c.starts)-1]+int32(n))
	}
	c.ints("documents", c.starts)
}

// rowCount is the number of rows of a row-wise operation, 0 of another.
func (c *Case) rowCount() int {
	for _, a := range c.args {
		if a.perRow > 0 {
			return a.rows / a.perRow
		}
		if a.perColumn {
			return a.cols
		}
	}
	return 0
}

// rows is the same case with rows [lo, hi) alone; documents are cut with them.
func (c *Case) rows(lo, hi int) *Case {
	part := *c
	part.args, part.byName = nil, map[string]*Arg{}
	if c.starts != nil {
		part.starts = []int32{0}
		for _, end := range c.starts[1:] {
			if at := int32(min(int(end), hi) - lo); at > part.starts[len(part.starts)-1] {
				part.starts = append(part.starts, at)
			}
		}
	}
	for name, a := range c.byName {
		part.byName[name] = a
	}
	for _, a := range c.args {
		cut := *a
		switch {
		case a.name == "documents":
			cut.ints, cut.cols = part.starts, len(part.starts)
		case a.perRow > 0 && a.dtype == kernels.Int32:
			cut.rows = (hi - lo) * a.perRow
			cut.ints = a.ints[lo*a.perRow*a.cols : hi*a.perRow*a.cols]
		case a.perRow > 0:
			cut.rows = (hi - lo) * a.perRow
			cut.floats = a.floats[lo*a.perRow*a.cols : hi*a.perRow*a.cols]
		case a.perColumn && a.dtype == kernels.Int32:
			cut.cols, cut.ints = hi-lo, a.ints[lo:hi]
		case a.perColumn:
			cut.cols, cut.floats = hi-lo, a.floats[lo:hi]
		}
		part.args = append(part.args, &cut)
		part.byName[a.name] = &cut
	}
	return &part
}

// round is the value that the type holds; ties go to even.
func round(dtype kernels.DType, v float64) float32 {
	f := float32(v)
	if dtype != kernels.BFloat16 || math.IsNaN(v) {
		return f
	}
	return reference.BF16(f)
}

// choose is a where the condition holds, else b.
func choose(condition bool, a, b float64) float64 {
	if condition {
		return a
	}
	return b
}

func scaleOf(size int) float32 { return float32(1 / math.Sqrt(float64(size))) }
