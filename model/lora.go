package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dlclark/regexp2"

	"retort/kernels"
)

// ErrAdapter is wrapped by every error about an adapter that cannot be used.
var ErrAdapter = errors.New("adapter")

// LoRA is an adapter's configuration (Hu et al., arXiv 2106.09685): the products of the
// target modules get s·B·A·dropout(x) added, A (r, in) and B (out, r) being all that is trained.
type LoRA struct {
	R       int
	Alpha   float64
	Dropout float64 // of the adapters' input, in training
	// RankStabilized scales by alpha/√r instead of alpha/r (Kalajdzievski, arXiv 2312.03732).
	RankStabilized bool
	Targets        Targets
	// Base is the base model's name for adapter_config.json.
	Base string
	// source is adapter_config.json as it was read, nil for a fresh adapter.
	source map[string]json.RawMessage
}

// Scale is s, the factor on B·A.
func (l LoRA) Scale() float64 {
	if l.RankStabilized {
		return l.Alpha / math.Sqrt(float64(l.R))
	}
	return l.Alpha / float64(l.R)
}

// Validate checks the ranges; errors wrap ErrAdapter and name PEFT's key.
func (l LoRA) Validate() error {
	switch {
	case l.R < 1 || l.R > 1<<16:
		return fmt.Errorf("%w: r is %d, must lie within 1 to 65536", ErrAdapter, l.R)
	case !(l.Alpha > 0) || math.IsInf(l.Alpha, 0):
		return fmt.Errorf("%w: lora_alpha is %v, must be above 0", ErrAdapter, l.Alpha)
	case !(l.Dropout >= 0 && l.Dropout < 1):
		return fmt.Errorf("%w: lora_dropout is %v, must be 0 or more and below 1", ErrAdapter, l.Dropout)
	case len(l.Targets.Names) == 0 && l.Targets.Pattern == "":
		return fmt.Errorf("%w: target_modules is empty", ErrAdapter)
	}
	return nil
}

// Targets are the modules that an adapter attaches to, in PEFT's three forms.
type Targets struct {
	Names   []string // modules of these names, or whose path ends in one of them
	Pattern string   // modules whose whole path matches the regular expression; or allLinear
}

// allLinear is PEFT's word for every linear module but the head.
const allLinear = "all-linear"

// ParseTargets reads target_modules as a user gives it: all-linear, names, or one regular
// expression. Names may also stand in one text, with commas.
func ParseTargets(given []string) Targets {
	if len(given) == 1 {
		for _, name := range strings.Split(given[0], ",") {
			if given[0] == allLinear || strings.ContainsAny(name, `\^$*+?()[]{}|`) {
				return Targets{Pattern: given[0]}
			}
		}
		given = strings.Split(given[0], ",")
	}
	var names []string
	for _, name := range given {
		names = append(names, strings.TrimSpace(name))
	}
	return Targets{Names: names}
}

// MarshalJSON writes a list of names, or the regular expression.
func (t Targets) MarshalJSON() ([]byte, error) {
	if t.Pattern != "" {
		return json.Marshal(t.Pattern)
	}
	return json.Marshal(t.Names)
}

// UnmarshalJSON reads a list of names or a text.
func (t *Targets) UnmarshalJSON(raw []byte) error {
	*t = Targets{}
	if json.Unmarshal(raw, &t.Pattern) == nil {
		return nil
	}
	return json.Unmarshal(raw, &t.Names)
}

// matcher returns which module paths are targets.
func (t Targets) matcher() (func(module string) bool, error) {
	switch {
	case t.Pattern == allLinear:
		return func(string) bool { return true }, nil
	case t.Pattern != "":
		re, err := regexp2.Compile(`\A(?:`+t.Pattern+`)\z`, regexp2.None) // Python's fullmatch
		if err != nil {
			return nil, fmt.Errorf("%w: target_modules %q: %w", ErrAdapter, t.Pattern, err)
		}
		re.MatchTimeout = time.Second
		return func(module string) bool {
			ok, err := re.MatchString(module)
			return ok && err == nil
		}, nil
	}
	return func(module string) bool {
		return slices.ContainsFunc(t.Names, func(name string) bool { return ends(module, name) })
	}, nil
}

// ends tells whether a module's path is the name or ends in it.
func ends(module, name string) bool {
	return module == name || strings.HasSuffix(module, "."+name)
}

// Sites are the fused matrices of a block, whose row ranges adapters attach to.
const (
	siteQKV = 1 + iota
	siteOut
	siteUp
	siteDown
	sites // their number, and one
)

// Modules lists the modules that adapters may attach to, by path.
func (c Config) Modules() []string {
	var list []string
	for _, s := range c.specs() {
		if s.site != 0 {
			for _, p := range s.parts {
				list = append(list, p.module())
			}
		}
	}
	return list
}

// module is the path of the module whose weight the part is.
func (p part) module() string { return strings.TrimSuffix(p.name, ".weight") }

// moduleNames are the last words of the modules' paths: q_proj, k_proj, …
func (c Config) moduleNames() []string {
	names := map[string]bool{}
	for _, m := range c.Modules() {
		names[m[strings.LastIndexByte(m, '.')+1:]] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// CheckTargets refuses names of modules that the student does not have, which PEFT passes
// over as long as another one fits.
func (c Config) CheckTargets(t Targets) error {
	modules := c.Modules()
	for _, name := range t.Names {
		if !slices.ContainsFunc(modules, func(m string) bool { return ends(m, name) }) {
			return fmt.Errorf("%w: target module %q is no linear layer of the student's blocks, which are %s", ErrAdapter, name, strings.Join(c.moduleNames(), ", "))
		}
	}
	return nil
}

// loraSpecs lists an adapter's parameters: for every site A of its target parts one below
// the other, and B of each.
func (c Config) loraSpecs(l LoRA) ([]spec, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	targeted, err := l.Targets.matcher()
	if err != nil {
		return nil, err
	}
	var list []spec
	for _, s := range c.specs() {
		if s.site == 0 {
			continue
		}
		at := func(w *weights) *lora { return &w.blocks[s.layer].lora[s.site] }
		var as []part
		var bs []spec
		lo := 0
		for _, p := range s.parts {
			size := p.size
			if p.transposed { // the only part of its matrix
				size = s.rows
			}
			if targeted(p.module()) {
				name, from, to := "base_model.model."+p.module(), lo, lo+size
				as = append(as, part{name + ".lora_A.weight", l.R, false})
				bs = append(bs, conv1D(l.R, size, func(w *weights, t kernels.Tensor) {
					at(w).parts = append(at(w).parts, loraPart{from, to, t})
				}, name+".lora_B.weight"))
			}
			lo += size
		}
		if len(as) > 0 {
			list = append(list, fused(len(as)*l.R, s.cols, func(w *weights, t kernels.Tensor) { at(w).a = t }, as))
			list = append(list, bs...)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: target_modules %s name no linear layer of the student's blocks, which are %s: it belongs to another base",
			ErrAdapter, l.Targets, strings.Join(c.moduleNames(), ", "))
	}
	return list, nil
}

// String shows the targets as adapter_config.json has them.
func (t Targets) String() string {
	if t.Pattern != "" {
		return t.Pattern
	}
	return strings.Join(t.Names, ", ")
}

// resolved is the targets with all-linear spelled out, as PEFT saves them.
func (t Targets) resolved(c Config) Targets {
	if t.Pattern == allLinear {
		return Targets{Names: c.moduleNames()}
	}
	return t
}
