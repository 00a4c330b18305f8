// Package conformance is the table of operations that every kernels.Backend passes.
// One Entry makes an operation exist: its arguments at many shapes, the call, the
// mathematics in float64 (package reference), and what the call costs. From that the
// package derives, for every backend alike:
//
//   - results within a tolerance that is derived, not chosen (tolerance.go);
//   - outputs poisoned with NaN before the call and wholly written by it, inputs and
//     everything around a view untouched (device.go);
//   - the same bits when run again, and on a twin with another number of threads;
//   - rows that depend on no other row, bit for bit, where the operation is row-wise;
//   - a wrong shape that panics with both shapes (check.go);
//   - time, GB/s and GFLOP/s (bench.go).
//
// Adding an operation is one entry in the file of its family; a test fails for every
// method of kernels.Backend that no entry names. The package is called by the tests
// of backends only, owns no backend, and knows none.
package conformance

import (
	"testing"

	"retort/kernels"
	"retort/kernels/conformance/reference"
)

// Entry is one operation as every backend must do it.
type Entry struct {
	Name    string   // what the operation is called in the output of the tests
	Methods []string // methods of kernels.Backend that the entry holds to the contract
	Doc     string   // what is particular about it
	Small   []Shape  // a few seconds in all, also on the PTX machine
	Large   []Shape  // for the CPU and for cards; also what Bench times

	// Arguments declares the operation's arguments and fills them.
	Arguments func(c *Case)
	// Call calls the operation once.
	Call func(b kernels.Backend, a *Args)
	// Exact and Plain are the same mathematics in float64 and in float32.
	Exact func(v Values[float64])
	Plain func(v Values[float32])
	// Moves says that the operation moves values and rounds nothing: no tolerance.
	Moves bool
	// Check looks at results that are not numbers with an error: choices, flags.
	Check func(c *Case, got Results) error
	// Wrong names arguments that, one column short, must panic.
	Wrong []string
	// Ranges are row ranges that must give the same bits when they are computed
	// alone; nil means a first half, one middle row and the last row.
	Ranges func(c *Case) [][2]int
	// FLOPs counts the operation's arithmetic; Bytes its memory traffic, by default
	// every input once, every output once and every "+=" twice.
	FLOPs, Bytes func(s Shape) float64

	// Scenario replaces all of the above where a property takes several calls.
	Scenario func(k *kit) error
}

// Table lists the entries, family by family.
func Table() []Entry {
	var all []Entry
	for _, family := range [][]Entry{
		memoryEntries(), graphEntries(), moveEntries(), normEntries(), linearEntries(), freezeEntries(),
		activationEntries(), dropoutEntries(), attentionEntries(), lossEntries(), distillEntries(), optimizerEntries(),
		cacheEntries(), sampleEntries(),
	} {
		all = append(all, family...)
	}
	return all
}

// Options says how much to run and what is known to be missing.
type Options struct {
	// Owed names methods of kernels.Backend that the backend lacks. Entries that need
	// one skip by name; an owed entry that passes fails the test.
	Owed []string
	// Large runs the large shapes too, about a minute on two cores.
	Large bool
	// Seed draws other inputs; 0 is as good as any other.
	Seed uint64
	// Twin opens the backend with another number of threads, whose bits must be equal.
	Twin func(testing.TB) kernels.Backend
	// NoHeap holds repeated calls to no allocation on Go's heap.
	NoHeap bool
}

// Values are a case's arguments in the arithmetic of a reference.
type Values[F reference.Float] struct {
	*Case
	floats map[string]reference.Matrix[F]
}

// m is the float argument of that name, absent when it was not given.
func (v Values[F]) m(name string) reference.Matrix[F] {
	v.mustKnow(name)
	return v.floats[name]
}

// store rounds what the references have in an argument to the argument's type where that
// is narrower than float32: what an operation writes to memory and reads again.
func (v Values[F]) store(name string) {
	if v.arg(name).dtype != kernels.BFloat16 {
		return
	}
	m := v.m(name)
	for i := range m.Rows {
		for j, x := range m.Row(i) {
			m.Row(i)[j] = F(round(kernels.BFloat16, float64(x)))
		}
	}
}

// vec is the (1, n) argument of that name as a slice, nil when it was not given.
func (v Values[F]) vec(name string) []F { return v.m(name).Vector() }

// i is the int32 argument of that name.
func (v Values[F]) i(name string) []int32 { return v.arg(name).ints }

// params are the parameters under optimization.
func (v Values[F]) params() []reference.Parameter[F] {
	var list []reference.Parameter[F]
	for i, decay := range v.decays {
		list = append(list, reference.Parameter[F]{
			Value: v.m(paramName("value", i)), Grad: v.m(paramName("grad", i)),
			Master: v.floats[paramName("master", i)], Moment1: v.m(paramName("moment1", i)), Moment2: v.m(paramName("moment2", i)), Decay: decay,
		})
	}
	return list
}

// valuesOf turns a case's host values into matrices of F, which the reference may write.
func valuesOf[F reference.Float](c *Case) Values[F] {
	v := Values[F]{Case: c, floats: map[string]reference.Matrix[F]{}}
	for _, a := range c.args {
		if a.dtype == kernels.Int32 {
			continue
		}
		m := reference.New[F](a.rows, a.cols)
		for i, x := range a.floats {
			m.Data[i] = F(x)
		}
		v.floats[a.name] = m
	}
	return v
}
