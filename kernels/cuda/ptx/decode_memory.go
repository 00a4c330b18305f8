package ptx

import "strings"

func memoryRules() map[string]rule {
	return map[string]rule{
		"ld":           {KindGlobal, func(d *decoder) exec { return d.loadStore(false) }},
		"ldu":          {KindGlobal, func(d *decoder) exec { return d.loadStore(false) }},
		"st":           {KindGlobal, func(d *decoder) exec { return d.loadStore(true) }},
		"atom":         {KindAtomic, func(d *decoder) exec { return d.atomic(true) }},
		"red":          {KindAtomic, func(d *decoder) exec { return d.atomic(false) }},
		"cp":           {KindAsync, decodeCopyAsync},
		"prefetch":     {KindGlobal, decodePrefetch},
		"prefetchu":    {KindGlobal, decodePrefetch},
		"createpolicy": {KindMove, decodePolicy},
		"membar":       {KindBarrier, decodeFence},
		"fence":        {KindBarrier, decodeFence},
	}
}

var scopes = []string{"cta", "cluster", "gpu", "sys", "gl"}

// takeSpace takes the state space; generic when there is none.
func (d *decoder) takeSpace() space {
	return spaces[d.take("global", "const", "shared", "shared::cta", "local", "param", "param::entry", "param::func")]
}

// takeCacheHints takes what steers caches; it has no effect here. It reports
// whether an operand with a policy follows.
func (d *decoder) takeCacheHints() (policy bool) {
	d.take("ca", "cg", "cs", "lu", "cv", "wb", "wt")
	for i := 0; i < len(d.mods); {
		if m := d.mods[i]; strings.HasPrefix(m, "L1::") || strings.HasPrefix(m, "L2::") {
			switch m {
			case "L2::cache_hint":
				policy = true
			case "L1::evict_normal", "L1::evict_unchanged", "L1::evict_first", "L1::evict_last", "L1::no_allocate",
				"L2::evict_normal", "L2::evict_first", "L2::evict_last", "L2::64B", "L2::128B", "L2::256B":
			default:
				d.errorf("unknown cache hint .%s", m)
			}
			d.take(m)
			continue
		}
		i++
	}
	return policy
}

var kindOfSpace = map[space]Kind{spaceGeneric: KindGlobal, spaceGlobal: KindGlobal, spaceConst: KindParam,
	spaceShared: KindShared, spaceLocal: KindLocal, spaceParam: KindParam}

// address decodes [base + offset] in space sp; it may find the space to be local,
// where parameters of device functions live.
func (d *decoder) address(o *operand, sp space) access {
	a := access{space: sp, offset: o.offset}
	if d.out.site < 0 {
		d.out.site = d.b.kernel.sites
		d.b.kernel.sites++
	}
	if o.kind != opAddress || len(o.elems) != 1 {
		d.errorf("an address in brackets is missing")
		return a
	}
	switch base := &o.elems[0]; base.kind {
	case opRegister:
		bits := base.reg.typ.bits
		if bits != 32 && bits != 64 {
			d.errorf("address register %s has %d bits", base.name, bits)
		}
		if bits == 32 && sp != spaceShared && sp != spaceLocal && sp != spaceParam && sp != spaceConst {
			d.errorf("a 32-bit address in %s space", sp)
		}
		a.base, a.base32 = d.b.register(d.in, base.reg), bits == 32
		if sp == spaceParam && !d.in.outermost {
			a.space = spaceLocal
		}
	case opInteger:
		a.base = d.b.constant(class64, base.value)
	case opSymbol:
		v := d.st.scope.variable(base.name)
		if v == nil {
			d.errorf("unknown variable %s", base.name)
			return a
		}
		if v.space != sp && !(sp == spaceGeneric && v.space == spaceGlobal) {
			d.errorf("%s lies in %s space", base.name, v.space)
		}
		p := d.b.place(d.in, v)
		if a.space != spaceGeneric {
			a.space = p.space
		}
		if p.name != "" {
			a.base = d.b.symbol(p.name, 0)
		} else {
			a.base = d.b.constant(class64, uint64(p.offset))
			a.fixedAt = int(p.offset + a.offset)
			a.fixed = a.space == spaceParam && a.fixedAt >= 0
		}
	default:
		d.errorf("the address is no register and no variable")
	}
	return a
}

// loadStore decodes ld and st of all spaces, widths and vectors.
func (d *decoder) loadStore(write bool) exec {
	t := d.lastType()
	sp := d.takeSpace()
	order := d.take("weak", "relaxed", "acquire", "release", "volatile")
	if order == "relaxed" || order == "acquire" || order == "release" {
		if d.take(scopes...) == "" {
			d.errorf("a scope is missing")
		}
	}
	if !write && d.flag("nc") && sp != spaceGlobal {
		d.errorf(".nc goes with .global")
	}
	vector := d.take("v2", "v4")
	policy := d.takeCacheHints()
	if policy {
		d.want(3)
		d.src(2, scalars["b64"])
	} else {
		d.want(2)
	}
	if t.family == predicate || t.lanes == 2 || t.family == tensorFloat {
		d.errorf("type .%s is not in the subset for memory", t.name)
	}
	at, value := 1, 0
	if write {
		at, value = 0, 1
	}
	a := d.address(d.operand(at), sp)
	a.write, a.bytes, a.count = write, t.bytes(), 1
	a.locked = order != "" && order != "weak"
	d.out.kind = kindOfSpace[a.space]
	values := []operand{*d.operand(value)}
	if vector != "" {
		a.count = int(vector[1] - '0')
		if values = values[0].elems; d.operand(value).kind != opVector || len(values) != a.count {
			d.errorf("a vector of %d registers is missing", a.count)
			return nil
		}
	} else if values[0].kind == opVector && len(values[0].elems) == 1 {
		values = values[0].elems
	}
	a.fixed = a.fixed && !write && a.fixedAt%a.total() == 0
	if a.total() > 16 {
		d.errorf("%d bytes in one access, at most 16", a.total())
	}
	if write && (a.space == spaceConst || a.space == spaceParam) {
		d.errorf("store to %s space", a.space)
	}
	for i := range values {
		if wide := d.wide(&values[i], t); i == 0 {
			a.wide = wide
		} else if wide != a.wide && values[i].kind != opSink {
			d.errorf("registers of different widths")
		}
		a.regs[i] = d.memoryValue(&values[i], t, &a)
	}
	return a.execute
}

// memoryValue returns the slot of a register that is loaded or stored. It may be
// wider than the type; a load then extends.
func (d *decoder) memoryValue(o *operand, t scalar, a *access) int {
	if a.write {
		return d.source(o, t, true)
	}
	if t.isSigned() && o.kind == opRegister && o.reg.typ.bits > t.bits {
		a.signBits = o.reg.typ.bits
	}
	if o.kind == opSink && a.wide {
		return d.b.slot(class64)
	}
	return d.destination(o, t, true)
}

// atomic decodes atom and red of integers; floats are refused by the rule of the house.
func (d *decoder) atomic(returns bool) exec {
	t := d.lastType()
	d.take("relaxed", "acquire", "release", "acq_rel")
	d.take(scopes...)
	sp := d.takeSpace()
	d.takeCacheHints()
	name := d.take("and", "or", "xor", "cas", "exch", "add", "inc", "dec", "min", "max")
	if t.isFloat() {
		d.errorf("float atomics are refused: the sum would depend on the order of the blocks")
		return nil
	}
	f := atomicFunction(name, t)
	if f == nil || t.bits < 32 || t.family == predicate || (name == "inc" || name == "dec") && t.name != "u32" {
		d.errorf("atomic %q of .%s is not in the subset", name, t.name)
		return nil
	}
	o := &atomicOp{f: f, wide: t.class() == class64, d: -1, c: -1}
	first := 0
	if returns {
		o.d = d.dst(0, t)
		first = 1
	}
	d.want(first+2, first+3)
	o.at = d.address(d.operand(first), sp)
	o.at.bytes, o.at.count = t.bytes(), 1
	o.b = d.src(first+1, t)
	if name == "cas" {
		o.c = d.src(first+2, t)
	} else {
		d.want(first + 2)
	}
	if o.at.space != spaceGeneric && o.at.space != spaceGlobal && o.at.space != spaceShared {
		d.errorf("atomic on %s space", o.at.space)
	}
	return o.execute
}

// decodeCopyAsync decodes cp.async and its commit_group, wait_group and wait_all.
func decodeCopyAsync(d *decoder) exec {
	if !d.flag("async") {
		d.errorf("only cp.async is in the subset")
		return nil
	}
	if d.flag("bulk") {
		return d.copyBulk()
	}
	switch d.take("commit_group", "wait_group", "wait_all", "ca", "cg") {
	case "commit_group":
		d.want(0)
		return func(w *warp, m uint32) { w.commit(m) }
	case "wait_group":
		d.want(1)
		n := uint32(d.integerOperand(0))
		return func(w *warp, m uint32) { w.waitGroups(m, n) }
	case "wait_all":
		d.want(0)
		return func(w *warp, m uint32) { w.waitAll(m) }
	case "ca":
		return d.copyAsync(4, 8, 16)
	case "cg":
		return d.copyAsync(16)
	}
	d.errorf("this form of cp.async is not in the subset")
	return nil
}

func (d *decoder) copyAsync(sizes ...uint64) exec {
	if d.take("shared", "shared::cta") == "" || !d.flag("global") {
		d.errorf(".shared.global is missing")
	}
	policy := d.takeCacheHints()
	d.want(3, 4, 5)
	if d.err != nil {
		return nil
	}
	a := &asyncAccess{srcSize: -1, ignore: -1, size: int(d.integerOperand(2))}
	fits := false
	for _, s := range sizes {
		fits = fits || s == uint64(a.size)
	}
	if !fits {
		d.errorf("size %d, allowed are %v", a.size, sizes)
	}
	a.dst = d.address(d.operand(0), spaceShared)
	a.src = d.address(d.operand(1), spaceGlobal)
	rest := d.st.operands[3:]
	if policy {
		if len(rest) == 0 {
			d.errorf("the cache policy is missing")
			return nil
		}
		d.source(&rest[len(rest)-1], scalars["b64"], false)
		rest = rest[:len(rest)-1]
	}
	if len(rest) > 1 {
		d.errorf("%d operands", len(d.st.operands))
	}
	if len(rest) == 1 {
		if o := &rest[0]; o.kind == opRegister && o.reg.typ.family == predicate {
			a.ignore, a.not = d.predicate(o)
		} else {
			a.srcSize = d.source(o, scalars["u32"], false)
		}
	}
	return a.execute
}

// decodePrefetch decodes a hint that has no effect here; its address is not checked.
func decodePrefetch(d *decoder) exec {
	sp := d.takeSpace()
	if d.take("L1", "L2", "L2::evict_last", "L2::evict_normal") == "" {
		d.errorf("the cache level is missing")
	}
	d.want(1)
	a := d.address(d.operand(0), sp)
	return func(w *warp, m uint32) { a.addresses(w, m) }
}

// decodePolicy decodes createpolicy.fractional; policies have no effect here.
func decodePolicy(d *decoder) exec {
	t := d.typeAmong("b64")
	if !d.flag("fractional") {
		d.errorf("only .fractional is in the subset")
	}
	d.takeCacheHints()
	d.want(2, 3)
	return form64(mov64, d.dst(0, t), d.b.constant(class64, 0))
}

// decodeFence decodes membar and fence: nothing to do, for a warp's accesses take
// place in order here. They do not order warps against each other (see sharedWord).
func decodeFence(d *decoder) exec {
	if d.flag("mbarrier_init") && !d.flag("release") {
		d.errorf(".release is missing")
	}
	proxy := d.flag("proxy") && d.take("alias", "async", "async.global", "async.shared::cta") != ""
	if proxy {
		d.take("global", "shared::cta", "shared::cluster")
	}
	d.take("sc", "acq_rel", "acquire", "release")
	if !proxy && d.take(scopes...) == "" {
		d.errorf("a scope is missing")
	}
	d.want(0)
	return func(*warp, uint32) {}
}
