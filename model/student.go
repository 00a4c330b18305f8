package model

import (
	"fmt"
	"math"

	"retort/kernels"
)

// Student is a language model on a backend: its configuration and its parameters.
type Student struct {
	Config
	// SourceConfig is the config.json the student was read with, nil for a fresh one.
	SourceConfig []byte

	k       kernels.Backend
	values  *weights
	masters *weights       // float32 values that values are rounded from; see KeepMasters
	rope    kernels.Tensor // (P, D) cosines and sines, absent with learned positions
}

// New makes a student with fresh random weights. The same seed gives the same weights.
func New(k kernels.Backend, c Config, seed uint64) (*Student, error) {
	s, err := allocate(k, c)
	if err != nil {
		return nil, err
	}
	s.values.initialise(k, c, seed)
	return s, nil
}

// allocate makes a student whose weights are all zero.
func allocate(k kernels.Backend, c Config) (*Student, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	values, err := newWeights(k, c, k.ActivationType(), kernels.Parameters)
	if err != nil {
		return nil, err
	}
	s := &Student{Config: c, k: k, values: values}
	if c.RoPE != nil {
		s.rope, err = k.Alloc(kernels.Float32, kernels.Parameters, c.Context, c.HeadDim)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("model: RoPE table: %w", err)
		}
		k.Upload(s.rope, c.RoPE.table(c.Context, c.HeadDim))
	}
	return s, nil
}

// Backend is the device the student lives on.
func (s *Student) Backend() kernels.Backend { return s.k }

// Named lists the parameters under their Hugging Face names, in the order of the files.
func (s *Student) Named() []Named { return s.values.named }

// KeepMasters makes float32 masters of the parameters for the time of a training, where
// the backend's activation type is narrower (Micikevicius et al., arXiv 1710.03740): AdamW
// updates them, and files are written from them.
func (s *Student) KeepMasters() error {
	if s.k.ActivationType() == kernels.Float32 || s.masters != nil {
		return nil
	}
	masters, err := newWeights(s.k, s.Config, kernels.Float32, kernels.Optimizer)
	if err != nil {
		return err
	}
	s.k.Copy(masters.arena, s.values.arena)
	s.masters = masters
	return nil
}

// DropMasters frees the masters.
func (s *Student) DropMasters() {
	if s.masters != nil {
		s.k.Free(s.masters.arena)
		s.masters = nil
	}
}

// Stored lists the parameters as files hold them: the masters where there are any, else
// the parameters themselves. After writing to them, call Restored.
func (s *Student) Stored() []Named {
	if s.masters != nil {
		return s.masters.named
	}
	return s.values.named
}

// Restored rounds the parameters anew from what Stored was filled with.
func (s *Student) Restored() {
	if s.masters != nil {
		s.k.Copy(s.values.arena, s.masters.arena)
	}
}

// Close frees the student's parameters.
func (s *Student) Close() {
	s.DropMasters()
	s.k.Free(s.values.arena)
	if !s.rope.Absent() {
		s.k.Free(s.rope)
	}
}

// table returns the cosines and sines of every position: (positions, size), in each row
// size/2 cosines, then size/2 sines. Computed in float64 and rounded once for the
// frequencies as PyTorch does: frequency and angle are float32 there.
func (r *RoPE) table(positions, size int) []float32 {
	half := size / 2
	out := make([]float32, positions*size)
	for i := range half {
		f := r.frequency(i, size)
		for p := range positions {
			angle := float64(float32(p) * f)
			out[p*size+i] = float32(math.Cos(angle))
			out[p*size+half+i] = float32(math.Sin(angle))
		}
	}
	return out
}

// frequency is the angle by which pair i turns from one position to the next:
// theta^(−2i/size), slowed for long contexts as the type says (Llama 3.1's bands:
// wavelengths above original/low are stretched by factor, those below original/high
// are kept, and those between are blended).
func (r *RoPE) frequency(i, size int) float32 {
	f := 1 / float32(math.Pow(r.Theta, float64(2*i)/float64(size)))
	switch r.Type {
	case "linear":
		return f / float32(r.Factor)
	case "llama3":
		wavelength := 2 * math.Pi / float64(f)
		long, short := float64(r.OriginalContext)/r.LowFreqFactor, float64(r.OriginalContext)/r.HighFreqFactor
		if wavelength > long {
			return f / float32(r.Factor)
		}
		if wavelength < short {
			return f
		}
		smooth := (float64(r.OriginalContext)/wavelength - r.LowFreqFactor) / (r.HighFreqFactor - r.LowFreqFactor)
		return float32((1-smooth)*float64(f)/r.Factor + smooth*float64(f))
	}
	return f
}

// Set is one float32 value for every parameter of a student, zero at first: AdamW's
// moments, for example.
type Set struct {
	k kernels.Backend
	w *weights
}

// NewSet allocates a set for the student.
func (s *Student) NewSet(purpose kernels.Purpose) (*Set, error) {
	w, err := newWeights(s.k, s.Config, kernels.Float32, purpose)
	if err != nil {
		return nil, err
	}
	return &Set{k: s.k, w: w}, nil
}

// Named lists the set's tensors in the order and under the names of Student.Named.
func (s *Set) Named() []Named { return s.w.named }

// Close frees the set.
func (s *Set) Close() { s.k.Free(s.w.arena) }
