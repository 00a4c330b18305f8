package conformance

import (
	"reflect"
	"slices"
	"testing"

	"retort/kernels"
)

// Run holds the backend that open gives to the table. Entries run one after the other
// on one backend; each leaves it with no memory more than before.
func Run(t *testing.T, open func(testing.TB) kernels.Backend, o Options) {
	methods := methodNames()
	for _, name := range o.Owed {
		if !slices.Contains(methods, name) {
			t.Errorf("owed: kernels.Backend has no method %s", name)
		}
	}
	b := open(t)
	var twin kernels.Backend
	if o.Twin != nil {
		twin = o.Twin(t)
	}
	for _, e := range Table() {
		t.Run(e.Name, func(t *testing.T) {
			if e.owed(o.Owed) {
				requireOwed(t, open(t), e, o)
				return
			}
			for _, s := range e.shapes(o.Large) {
				t.Run(s.String(), func(t *testing.T) {
					for _, fault := range verify(b, twin, e, s, o) {
						t.Errorf("%v\n(%s: %s)", fault, e.Name, e.Doc)
					}
				})
			}
		})
	}
	t.Run("Close", func(t *testing.T) {
		for _, b := range []kernels.Backend{b, twin} {
			if b == nil {
				continue
			}
			if err := b.Close(); err != nil {
				t.Errorf("closing %s: %v", b.Name(), err)
			}
		}
	})
}

// heldByRun are the methods that no entry can hold to the contract, only the end of
// the run.
var heldByRun = []string{"Close"}

// Faults is what is wrong with b at the first small shape that the entry of that name fails
// at, for tests that plant bugs: nil when it passes. An entry that does not exist panics.
func Faults(b kernels.Backend, name string, o Options) []error {
	table := Table()
	e := table[slices.IndexFunc(table, func(e Entry) bool { return e.Name == name })]
	for _, s := range e.shapes(false) {
		if faults := verify(b, nil, e, s, o); len(faults) > 0 {
			return faults
		}
	}
	return nil
}

// requireOwed runs an owed entry on a backend of its own: it must fail somewhere.
func requireOwed(t *testing.T, b kernels.Backend, e Entry, o Options) {
	defer guarded(func() { b.Close() })
	if passes(b, e, o) {
		t.Errorf("%s is owed, but passes: strike %v from the list", e.Name, e.Methods)
		return
	}
	t.Skipf("owed: %v", e.Methods)
}

// passes tells whether the small shapes of an entry find nothing wrong.
func passes(b kernels.Backend, e Entry, o Options) bool {
	for _, s := range e.shapes(false) {
		if len(verify(b, nil, e, s, o)) > 0 {
			return false
		}
	}
	return true
}

// owed tells whether the entry needs one of the methods.
func (e Entry) owed(methods []string) bool {
	return slices.ContainsFunc(e.Methods, func(m string) bool { return slices.Contains(methods, m) })
}

// shapes are the entry's shapes; an entry without any has one that is empty.
func (e Entry) shapes(large bool) []Shape {
	list := slices.Clone(e.Small)
	if len(list) == 0 {
		list = []Shape{{}}
	}
	if large {
		list = append(list, e.Large...)
	}
	return list
}

// methodNames are the methods of kernels.Backend.
func methodNames() []string {
	backend := reflect.TypeFor[kernels.Backend]()
	names := make([]string, backend.NumMethod())
	for i := range names {
		names[i] = backend.Method(i).Name
	}
	return names
}
