package model

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"

	"retort/kernels"
)

// lora is the adapter of one fused matrix. Its parts share A's input, so that A is one
// product, and in training one mask of dropout.
type lora struct {
	a     kernels.Tensor // (n·r, in): the A of n parts, one below the other
	parts []loraPart
}

// loraPart is one target module: the columns [lo, hi) of the matrix's product.
type loraPart struct {
	lo, hi int
	// b is B transposed, (r, hi−lo): adding x·Bᵀ to columns that hold the base's product is
	// then the product that LinearBackwardInput accumulates.
	b kernels.Tensor
}

// Adapter is LoRA for one student, whose own parameters stay as they are. A student may have
// several, of which Use chooses one.
type Adapter struct {
	LoRA
	Group
}

// NewAdapter makes a fresh adapter: A drawn as PEFT draws it, B zero, so that it changes
// nothing yet. The same seed gives the same adapter on every machine.
func (s *Student) NewAdapter(l LoRA, seed uint64) (*Adapter, error) {
	if err := s.CheckTargets(l.Targets); err != nil {
		return nil, err
	}
	specs, err := s.loraSpecs(l)
	if err != nil {
		return nil, err
	}
	a, err := s.allocateAdapter(l, specs)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 0x6c6f7261))
	for _, n := range a.Named() {
		if strings.HasSuffix(n.Name, ".lora_A.weight") {
			bound := 1 / math.Sqrt(float64(n.Tensor.Cols)) // Kaiming's uniform with a = √5
			host := make([]float32, n.Tensor.Len())
			for i := range host {
				host[i] = float32((2*rng.Float64() - 1) * bound)
			}
			s.k.Upload(n.Tensor, host)
		}
	}
	return a, nil
}

// LoadAdapter reads an adapter's folder beside the student. It changes nothing until Use.
func (s *Student) LoadAdapter(dir string) (*Adapter, error) {
	f, err := openAdapter(dir, s.Config)
	if err != nil {
		return nil, err
	}
	defer f.close()
	a, err := s.allocateAdapter(f.LoRA, f.specs)
	if err != nil {
		return nil, err
	}
	if err := ReadTensors(f.path, s.k, a.Named()); err != nil {
		return nil, fmt.Errorf("model: %w: %w", ErrAdapter, err)
	}
	return a, nil
}

func (s *Student) allocateAdapter(l LoRA, specs []spec) (*Adapter, error) {
	group, err := newGroup(s.k, s.Layers, specs)
	if err != nil {
		return nil, err
	}
	a := &Adapter{LoRA: l, Group: group}
	s.adapters = append(s.adapters, a)
	return a, nil
}

// Use makes passes that are planned from now on compute with the adapter; nil is the student
// alone. While one is in use it is what training updates, and the student is frozen.
func (s *Student) Use(a *Adapter) { s.adapter = a }

// Adapter is the adapter in use, nil for none.
func (s *Student) Adapter() *Adapter { return s.adapter }

// Files are the files of the adapter's folder under PEFT's names, for the student c.
func (a *Adapter) Files(c Config) (map[string]func(io.Writer) error, error) {
	config, err := a.configJSON(c)
	if err != nil {
		return nil, fmt.Errorf("model: %s: %w", AdapterConfigFile, err)
	}
	return map[string]func(io.Writer) error{
		AdapterConfigFile:  writeBytes(config),
		AdapterWeightsFile: func(w io.Writer) error { return WriteTensors(w, a.k, a.Stored()) },
	}, nil
}

// String shows the adapter for the header of a run.
func (a *Adapter) String() string {
	modules := 0
	for _, b := range a.values.blocks {
		for _, l := range b.lora {
			modules += len(l.parts)
		}
	}
	return fmt.Sprintf("LoRA of rank %d, scale %.4g, dropout %g on %d modules (%s), %.2f M parameters",
		a.R, a.Scale(), a.Dropout, modules, a.Targets, float64(a.Size())/1e6)
}

// adapt adds the adapter of a site to a product of the student: y += s·dropout(x)·Aᵀ·Bᵀ,
// part by part. a.low keeps s·dropout(x)·Aᵀ for the backward pass.
//
//	y (T, out)   x (T, in)
func (p *Pass) adapt(y, x kernels.Tensor, layer, site int, a activations, s shared) {
	l := p.loraAt(layer, site)
	if l == nil {
		return
	}
	k, low := p.k, a.low[site].ColRange(0, l.a.Rows)
	k.Linear(low, p.dropped(x, layer, site, s), l.a, kernels.Tensor{})
	k.Dropout(low, low, p.loraScale, kernels.Mask{}, false)
	for i, part := range l.parts {
		k.LinearBackwardInput(y.ColRange(part.lo, part.hi), part.low(low, i), part.b, true)
	}
}

// adaptBackward adds the gradients of a site's adapter, and dx += what reaches its input.
//
//	dx, x (T, in)   dy (T, out)
func (p *Pass) adaptBackward(dx, dy, x kernels.Tensor, layer, site int, a activations, s shared) {
	l := p.loraAt(layer, site)
	if l == nil {
		return
	}
	k, g := p.k, &p.grads.blocks[layer].lora[site]
	low, dlow := a.low[site].ColRange(0, l.a.Rows), s.dlow.ColRange(0, l.a.Rows)
	for i, part := range l.parts {
		d := dy.ColRange(part.lo, part.hi)
		k.LinearBackwardWeight(g.parts[i].b, kernels.Tensor{}, part.low(low, i), d)
		k.Linear(part.low(dlow, i), d, part.b, kernels.Tensor{})
	}
	k.Dropout(dlow, dlow, p.loraScale, kernels.Mask{}, false)
	k.LinearBackwardWeight(g.a, kernels.Tensor{}, dlow, p.dropped(x, layer, site, s))
	if mask := p.mask(layer, site); mask.Rate > 0 {
		through := s.dropped.ColRange(0, x.Cols)
		k.LinearBackwardInput(through, dlow, l.a, false)
		k.Dropout(dx, through, 1/(1-mask.Rate), mask, true)
	} else {
		k.LinearBackwardInput(dx, dlow, l.a, true)
	}
}

// low is the part's own columns of (T, n·r), it being number i of n.
func (l loraPart) low(t kernels.Tensor, i int) kernels.Tensor {
	r := l.b.Rows
	return t.ColRange(i*r, (i+1)*r)
}

// loraAt is the adapter of a site, nil when there is none.
func (p *Pass) loraAt(layer, site int) *lora {
	if p.adapter == nil {
		return nil
	}
	l := &p.adapter.values.blocks[layer].lora[site]
	if len(l.parts) == 0 {
		return nil
	}
	return l
}

// dropped is the adapter's input: x itself, or in training with dropout a masked copy, which
// is made again for the backward pass.
func (p *Pass) dropped(x kernels.Tensor, layer, site int, s shared) kernels.Tensor {
	mask := p.mask(layer, site)
	if mask.Rate == 0 {
		return x
	}
	y := s.dropped.ColRange(0, x.Cols)
	p.k.Dropout(y, x, 1/(1-mask.Rate), mask, false)
	return y
}

// mask is the dropout of a site for the current batch; a pass that does not train has none.
func (p *Pass) mask(layer, site int) kernels.Mask {
	if p.grads == nil || p.adapter.Dropout == 0 {
		return kernels.Mask{}
	}
	return kernels.Mask{Rate: float32(p.adapter.Dropout), Seed: p.seed, Stream: p.draw<<32 | uint64(layer*sites+site)}
}
