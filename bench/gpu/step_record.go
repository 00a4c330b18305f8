package main

import (
	"fmt"
	"slices"
	"strings"

	"retort/kernels"
	"retort/kernels/cuda"
)

// recorder is a backend without memory or arithmetic, in bf16. It notes every operation that
// it is asked for, so that a training step can be looked at in the shapes of a real student,
// and be replayed an operation at a time on a backend that counts.
type recorder struct {
	kernels.Backend // absent: a call of what is not below is a fault of this file
	calls           []*recorded
	byShape         map[string]*recorded
}

// recorded is an operation in one shape.
type recorded struct {
	op    string
	times float64 // how often it was called; a part of an operation counts as the whole's multiple
	args  []kernels.Tensor
	ints  map[kernels.Buffer][]int32 // what int32 arguments held at the first call
	// prepare, which may be nil, and run call a backend with arguments like args.
	prepare, run func(b kernels.Backend, args []kernels.Tensor)
}

// phantom is a buffer that does not exist, apart from the integers in it.
type phantom struct {
	bytes int64
	ints  []int32
}

// Bytes is the size that the buffer would have.
func (p *phantom) Bytes() int64 { return p.bytes }

// note adds a call that stands for so many. Calls of one operation with float arguments of
// the same shapes are one, whatever their integers are.
func (r *recorder) note(op string, times float64, args []kernels.Tensor, prepare, run func(kernels.Backend, []kernels.Tensor)) {
	var key strings.Builder
	key.WriteString(op)
	for _, t := range args {
		if t.DType != kernels.Int32 {
			fmt.Fprint(&key, " ", t, " ", t.Off%8)
		}
	}
	c := r.byShape[key.String()]
	if c == nil {
		c = &recorded{op: op, args: args, ints: map[kernels.Buffer][]int32{}, prepare: prepare, run: run}
		for _, t := range args {
			if t.DType == kernels.Int32 && !t.Absent() {
				c.ints[t.Buf] = slices.Clone(t.Buf.(*phantom).ints)
			}
		}
		r.byShape[key.String()] = c
		r.calls = append(r.calls, c)
	}
	c.times += times
}

// on runs the operation on a backend, with memory made for it: of every buffer the part that
// the arguments span. between is called when all is ready.
func (c *recorded) on(b kernels.Backend, between func()) (err error) {
	type span struct{ lo, hi int }
	spans := map[kernels.Buffer]span{}
	for _, t := range c.args {
		if t.Absent() || t.Len() == 0 {
			continue
		}
		s, seen := spans[t.Buf]
		lo, hi := t.Off/128*128, t.Off+(t.Rows-1)*t.Stride+t.Cols // aligned as in the whole
		if seen {
			lo, hi = min(lo, s.lo), max(hi, s.hi)
		}
		spans[t.Buf] = span{lo, hi}
	}
	made := map[kernels.Buffer]kernels.Tensor{}
	defer func() {
		for _, t := range made {
			b.Free(t)
		}
	}()
	args := slices.Clone(c.args)
	for i, t := range args {
		s, ok := spans[t.Buf]
		if !ok {
			continue
		}
		whole, seen := made[t.Buf]
		if !seen {
			if whole, err = b.Alloc(t.DType, kernels.Activations, 1, s.hi-s.lo); err != nil {
				return err
			}
			made[t.Buf] = whole
			if ints := c.ints[t.Buf]; len(ints) > s.lo {
				ints = ints[s.lo:min(len(ints), s.hi)]
				b.UploadInts(whole.ColRange(0, len(ints)), ints)
			}
		}
		args[i].Buf, args[i].Off = whole.Buf, t.Off-s.lo
	}
	if c.prepare != nil {
		c.prepare(b, args)
	}
	if err := b.Sync(); err != nil {
		return err
	}
	between()
	c.run(b, args)
	return b.Sync()
}

// bytes is what all arguments hold.
func (c *recorded) bytes() (n float64) {
	for _, t := range c.args {
		if !t.Absent() {
			n += matrix(t.Rows, t.Cols) * sizeOf(t.DType)
		}
	}
	return n
}

// The memory calls: nothing is kept but integers; what is read back is 1, which as a control
// value says that gradients are finite.

// Name is the recorder's.
func (r *recorder) Name() string { return "recorder" }

// ActivationType is bf16.
func (r *recorder) ActivationType() kernels.DType { return kernels.BFloat16 }

// Free does nothing.
func (r *recorder) Free(kernels.Tensor) {}

// Available is not known.
func (r *recorder) Available() (int64, bool) { return 0, false }

// CanAttend is nil: nothing is computed.
func (r *recorder) CanAttend(kernels.Heads) error { return nil }

// HeadRows is the CUDA backend's.
func (r *recorder) HeadRows(int) int { return cuda.HeadRows }

// Peak is nothing.
func (r *recorder) Peak() int64 { return 0 }

// Sync has nothing to wait for.
func (r *recorder) Sync() error { return nil }

// Upload forgets the values.
func (r *recorder) Upload(kernels.Tensor, []float32) {}

// Alloc returns a tensor without memory.
func (r *recorder) Alloc(dtype kernels.DType, _ kernels.Purpose, rows, cols int) (kernels.Tensor, error) {
	bytes := int64(rows) * int64(cols) * int64(dtype.Size())
	return kernels.Tensor{Buf: &phantom{bytes: bytes}, Rows: rows, Cols: cols, Stride: cols, DType: dtype}, nil
}

// UploadInts keeps the values.
func (r *recorder) UploadInts(t kernels.Tensor, src []int32) {
	p := t.Buf.(*phantom)
	if n := t.Off + len(src); len(p.ints) < n {
		p.ints = append(p.ints, make([]int32, n-len(p.ints))...)
	}
	copy(p.ints[t.Off:], src)
}

// Download fills dst with ones.
func (r *recorder) Download(dst []float32, _ kernels.Tensor) error {
	for i := range dst {
		dst[i] = 1
	}
	return nil
}
