package conformance

import (
	"fmt"
	"strings"

	"retort/kernels"
)

// Shape is one size of an operation with the choices that belong to it. The letters
// are those of package kernels; an entry reads the fields that concern it.
type Shape struct {
	T      int   // packed tokens, or rows of any kind
	D      int   // hidden size d, or features in
	Out    int   // features out, or feed-forward size F
	Groups int   // groups of a row that are normalised alone; 0 means 1
	H, K   int   // query heads, key and value heads
	Size   int   // head size
	Docs   []int // tokens of each document; T is their sum
	V      int   // vocabulary
	N      int   // rows of a loss or of a decoding step
	P      int   // rows of a table or of a cache
	Chunk  int   // rows of the loss's scratch
	Step   int   // optimizer steps taken before
	TopK   int   // tokens that a teacher names in each row; 0: all

	Norm       kernels.NormKind
	GELU       kernels.GELUKind
	Accumulate bool
	Inverse    bool
	InPlace    bool
	Rate       float32 // of dropout
	MaxNorm    float32
	Sampling   kernels.Sampling
	Teacher    Teaching

	Strided bool   // every argument is a view inside a larger buffer
	Absent  string // optional arguments that are left out, separated by blanks
	Special string // inputs out of the ordinary: "huge", "offset", "nan", …
}

// Teaching is how a teacher's logits are used at a shape: kernels.Teacher without them.
type Teaching struct{ Weight, Temperature float32 }

// String names the shape in the output of tests, without blanks.
func (s Shape) String() string {
	var parts []string
	add := func(name string, n int) {
		if n != 0 {
			parts = append(parts, fmt.Sprint(name, "=", n))
		}
	}
	flag := func(name string, on bool) {
		if on {
			parts = append(parts, name)
		}
	}
	for _, n := range []struct {
		name string
		n    int
	}{{"T", s.T}, {"N", s.N}, {"d", s.D}, {"out", s.Out}, {"groups", s.Groups}, {"H", s.H}, {"K", s.K},
		{"D", s.Size}, {"V", s.V}, {"P", s.P}, {"C", s.Chunk}, {"step", s.Step}, {"k", s.TopK}} {
		add(n.name, n.n)
	}
	if len(s.Docs) > 8 {
		parts = append(parts, fmt.Sprintf("docs=%d", len(s.Docs)))
	} else if len(s.Docs) > 0 {
		parts = append(parts, "docs="+strings.ReplaceAll(strings.Trim(fmt.Sprint(s.Docs), "[]"), " ", "+"))
	}
	flag("rms", s.Norm == kernels.RMSNorm)
	flag("erf", s.GELU == kernels.GELUErf)
	flag("accumulate", s.Accumulate)
	flag("inverse", s.Inverse)
	flag("inplace", s.InPlace)
	if s.Sampling != (kernels.Sampling{}) {
		parts = append(parts, fmt.Sprintf("temperature=%g,k=%d,p=%g", s.Sampling.Temperature, s.Sampling.TopK, s.Sampling.TopP))
	}
	if s.Teacher != (Teaching{}) {
		parts = append(parts, fmt.Sprintf("weight=%g,temperature=%g", s.Teacher.Weight, s.Teacher.Temperature))
	}
	if s.Rate != 0 {
		parts = append(parts, fmt.Sprintf("rate=%g", s.Rate))
	}
	if s.MaxNorm != 0 {
		parts = append(parts, fmt.Sprintf("max=%g", s.MaxNorm))
	}
	flag("strided", s.Strided)
	flag("without-"+strings.ReplaceAll(s.Absent, " ", "-"), s.Absent != "")
	flag(s.Special, s.Special != "")
	if len(parts) == 0 {
		return "empty"
	}
	return strings.Join(parts, ",")
}

// lacks tells whether the optional argument is left out at this shape.
func (s Shape) lacks(name string) bool {
	for _, absent := range strings.Fields(s.Absent) {
		if absent == name {
			return true
		}
	}
	return false
}

// heads is the geometry of attention at this shape, with the usual scale.
func (s Shape) heads() kernels.Heads {
	return kernels.Heads{Query: s.H, KV: s.K, Size: s.Size, Scale: scaleOf(s.Size)}
}

// withDocuments is the shape with T set to the sum of the documents.
func (s Shape) withDocuments(lengths ...int) Shape {
	s.Docs, s.T = lengths, 0
	for _, n := range lengths {
		s.T += n
	}
	return s
}

// tokens counts floats of a (T, n) argument: a helper for counts of FLOPs.
func (s Shape) tokens(n int) float64 { return float64(s.T) * float64(n) }
