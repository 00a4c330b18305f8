package engine

import (
	"fmt"

	"retort/kernels"
	"retort/model"
)

// optimizer is AdamW with clipping over a group of parameters. Its moments, its step count
// and, in the group, masters of narrow parameters live on the device.
type optimizer struct {
	k       kernels.Backend
	group   *model.Group
	params  []kernels.Parameter
	moments [2]*model.Set
	control kernels.Tensor
	host    [kernels.ControlSlots]float32
}

// newOptimizer allocates moments for every parameter. Weight decay is applied to
// parameters of two dimensions, embeddings included.
func newOptimizer(k kernels.Backend, group *model.Group, pass *model.Pass) (*optimizer, error) {
	o := &optimizer{k: k, group: group}
	err := group.KeepMasters()
	if err != nil {
		return nil, err
	}
	for i := range o.moments {
		if o.moments[i], err = group.NewSet(kernels.Optimizer); err != nil {
			o.close()
			return nil, err
		}
	}
	if o.control, err = o.k.Alloc(kernels.Float32, kernels.Optimizer, 1, kernels.ControlSlots); err != nil {
		o.close()
		return nil, fmt.Errorf("engine: optimizer: %w", err)
	}
	gradients, first, second := pass.Gradients(), o.moments[0].Named(), o.moments[1].Named()
	stored := group.Stored()
	for i, p := range group.Named() {
		one := kernels.Parameter{
			Value: p.Tensor, Grad: gradients[i].Tensor,
			Moment1: first[i].Tensor, Moment2: second[i].Tensor, Decay: len(p.Shape) > 1,
		}
		if stored[i].Tensor != p.Tensor {
			one.Master = stored[i].Tensor
		}
		o.params = append(o.params, one)
	}
	return o, nil
}

func (o *optimizer) close() {
	o.group.DropMasters()
	for _, m := range o.moments {
		if m != nil {
			m.Close()
		}
	}
	if !o.control.Absent() {
		o.k.Free(o.control)
	}
}

// step clips the gradients and updates the parameters, unless the gradients are not finite.
func (o *optimizer) step(hp kernels.AdamW, maxNorm float64) {
	o.k.GlobalNorm(o.control, o.params, float32(maxNorm))
	o.k.AdamW(o.control, o.params, hp)
}

// outcome waits for the step and returns the gradient norm before clipping, and whether
// it was finite.
func (o *optimizer) outcome() (norm float64, finite bool, err error) {
	if err := o.k.Download(o.host[:], o.control); err != nil {
		return 0, false, fmt.Errorf("engine: optimizer step: %w", err)
	}
	return float64(o.host[kernels.ControlNorm]), o.host[kernels.ControlFinite] == 1, nil
}
