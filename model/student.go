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

	Group    // all parameters of the student itself
	adapters []*Adapter
	adapter  *Adapter       // the one in use
	rope     kernels.Tensor // (P, D) cosines and sines, absent with learned positions
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
	if err := k.CanAttend(c.heads()); err != nil {
		return nil, fmt.Errorf("model: %w: %s: %w", ErrConfig, k.Name(), err)
	}
	group, err := newGroup(k, c.Layers, c.specs())
	if err != nil {
		return nil, err
	}
	s := &Student{Config: c, Group: group}
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

// Trained is what a training updates: the adapter in use, else the student itself.
func (s *Student) Trained() *Group {
	if s.adapter != nil {
		return &s.adapter.Group
	}
	return &s.Group
}

// Close frees the student's parameters and its adapters.
func (s *Student) Close() {
	for _, a := range s.adapters {
		a.free()
	}
	s.Group.free()
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
