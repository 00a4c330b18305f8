package model

import "retort/kernels"

// Group is parameters that are trained together: all of a student's, or an adapter's.
type Group struct {
	k       kernels.Backend
	layers  int
	specs   []spec
	values  *weights
	masters *weights // float32 values that values are rounded from; see KeepMasters
}

// newGroup allocates the parameters of the specs, all zero.
func newGroup(k kernels.Backend, layers int, specs []spec) (Group, error) {
	values, err := newWeights(k, layers, specs, k.ActivationType(), kernels.Parameters)
	return Group{k: k, layers: layers, specs: specs, values: values}, err
}

// Named lists the parameters under the names that they have in files, in one fixed order.
func (g *Group) Named() []Named { return g.values.named }

// Size is the number of values.
func (g *Group) Size() int { return count(g.specs) }

// KeepMasters makes float32 masters of the parameters for the time of a training, where
// the backend's activation type is narrower (Micikevicius et al., arXiv 1710.03740): AdamW
// updates them, and files are written from them.
func (g *Group) KeepMasters() error {
	if g.k.ActivationType() == kernels.Float32 || g.masters != nil {
		return nil
	}
	masters, err := newWeights(g.k, g.layers, g.specs, kernels.Float32, kernels.Optimizer)
	if err != nil {
		return err
	}
	g.k.Copy(masters.arena, g.values.arena)
	g.masters = masters
	return nil
}

// DropMasters frees the masters.
func (g *Group) DropMasters() {
	if g.masters != nil {
		g.k.Free(g.masters.arena)
		g.masters = nil
	}
}

// Stored lists the parameters as files hold them: the masters where there are any, else
// the parameters themselves. After writing to them, call Restored.
func (g *Group) Stored() []Named {
	if g.masters != nil {
		return g.masters.named
	}
	return g.values.named
}

// Restored rounds the parameters anew from what Stored was filled with.
func (g *Group) Restored() {
	if g.masters != nil {
		g.k.Copy(g.values.arena, g.masters.arena)
	}
}

func (g *Group) free() {
	g.DropMasters()
	g.k.Free(g.values.arena)
}

// Set is one float32 value for every parameter of a group, zero at first: AdamW's
// moments, for example.
type Set struct {
	k kernels.Backend
	w *weights
}

// NewSet allocates a set for the group.
func (g *Group) NewSet(purpose kernels.Purpose) (*Set, error) {
	w, err := newWeights(g.k, g.layers, g.specs, kernels.Float32, purpose)
	if err != nil {
		return nil, err
	}
	return &Set{k: g.k, w: w}, nil
}

// Named lists the set's tensors in the order and under the names of Group.Named.
func (s *Set) Named() []Named { return s.w.named }

// Close frees the set.
func (s *Set) Close() { s.k.Free(s.w.arena) }
