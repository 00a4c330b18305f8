package main

import (
	"fmt"
	"slices"
	"strings"

	"retort/kernels"
)

// dims are the sizes of a case, in the letters of package kernels; the peer gets them as JSON.
type dims struct {
	T      int `json:"T,omitempty"`      // tokens
	D      int `json:"d,omitempty"`      // width, or features in
	Out    int `json:"out,omitempty"`    // features out
	H      int `json:"H,omitempty"`      // query heads
	K      int `json:"K,omitempty"`      // key and value heads
	Size   int `json:"D,omitempty"`      // head size
	Doc    int `json:"doc,omitempty"`    // tokens of each document
	V      int `json:"V,omitempty"`      // vocabulary
	Chunk  int `json:"chunk,omitempty"`  // rows of the loss's scratch
	TopK   int `json:"k,omitempty"`      // tokens that a teacher names; 0: all
	Layers int `json:"layers,omitempty"` // blocks whose parameters the optimizer updates
}

// String names the sizes that are given.
func (d dims) String() string {
	var parts []string
	for _, p := range []struct {
		name string
		n    int
	}{{"T", d.T}, {"d", d.D}, {"out", d.Out}, {"H", d.H}, {"K", d.K}, {"D", d.Size}, {"doc", d.Doc}, {"V", d.V}, {"k", d.TopK}, {"layers", d.Layers}} {
		if p.n != 0 {
			parts = append(parts, fmt.Sprint(p.name, "=", p.n))
		}
	}
	return strings.Join(parts, " ")
}

// operation is something to be timed: a call of the backend with its arguments.
type operation struct {
	name    string
	methods []string // of kernels.Backend; one that is owed leaves the case out
	// build allocates the arguments and returns the call.
	build func(s *set, d dims) func()
	// bytes is the least memory traffic of a call when an activation has size bytes.
	bytes func(d dims, size float64) float64
	// flops is the work of the matrix products, nil where memory is what counts.
	flops func(d dims) float64
}

// operations are all there are, by name.
var operations = map[string]operation{}

func register(list ...operation) {
	for _, o := range list {
		if _, twice := operations[o.name]; twice {
			panic("operation " + o.name + " is registered twice")
		}
		operations[o.name] = o
	}
}

// owed names a method that the backend lacks, or "".
func (o operation) owed(methods []string) string {
	for _, m := range o.methods {
		if slices.Contains(methods, m) {
			return m
		}
	}
	return ""
}

// matrix is rows·cols as a float.
func matrix(rows, cols int) float64 { return float64(rows) * float64(cols) }

// sizeOf is the bytes of an element.
func sizeOf(t kernels.DType) float64 { return float64(t.Size()) }
