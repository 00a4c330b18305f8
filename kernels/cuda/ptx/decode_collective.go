package ptx

func collectiveRules() map[string]rule {
	return map[string]rule{
		"shfl":       {KindCollective, decodeShuffle},
		"vote":       {KindCollective, decodeVote},
		"redux":      {KindCollective, decodeReduce},
		"match":      {KindCollective, decodeMatch},
		"activemask": {KindCollective, decodeActiveMask},
	}
}

// sync takes .sync, without which these instructions are obsolete.
func (d *decoder) sync() {
	if !d.flag("sync") {
		d.errorf(".sync is missing: the old form is not in the subset")
	}
}

// pair splits d|p; p is -1 without it.
func (d *decoder) pair(o *operand, t scalar) (slot, p int) {
	if o.kind != opPair {
		return d.destination(o, t, false), -1
	}
	return d.destination(&o.elems[0], t, false), d.predicateDst(&o.elems[1])
}

// decodeShuffle decodes shfl.sync.mode.b32 d[|p], a, b, c, mask.
func decodeShuffle(d *decoder) exec {
	d.sync()
	t := d.typeAmong("b32")
	mode, ok := shuffleModes[d.take("up", "down", "bfly", "idx")]
	if !ok {
		d.errorf("the mode is missing")
	}
	s := &shuffleOp{mode: mode}
	if !d.want(5) {
		return nil
	}
	s.d, s.p = d.pair(d.operand(0), t)
	s.a, s.b, s.c, s.mask = d.src(1, t), d.src(2, t), d.src(3, t), d.src(4, t)
	return s.execute
}

// decodeVote decodes vote.sync.mode.pred p, [!]q, mask and vote.sync.ballot.b32.
func decodeVote(d *decoder) exec {
	d.sync()
	t := d.typeAmong("pred", "b32")
	v := &voteOp{mode: d.take("all", "any", "uni", "ballot")}
	if v.mode == "" || (v.mode == "ballot") != (t.name == "b32") {
		d.errorf("the mode does not fit .%s", t.name)
	}
	if !d.want(3) {
		return nil
	}
	if v.mode == "ballot" {
		v.d = d.dst(0, t)
	} else {
		v.d = d.predicateDst(d.operand(0))
	}
	v.p, v.not = d.predicate(d.operand(1))
	v.mask = d.src(2, scalars["b32"])
	return v.execute
}

// decodeReduce decodes redux.sync.op.type d, a, mask.
func decodeReduce(d *decoder) exec {
	d.sync()
	t := d.typeAmong("u32", "s32", "b32")
	f := map[string]func(a, b uint32) uint32{
		"add": func(a, b uint32) uint32 { return a + b },
		"and": func(a, b uint32) uint32 { return a & b },
		"or":  func(a, b uint32) uint32 { return a | b },
		"xor": func(a, b uint32) uint32 { return a ^ b },
		"min": func(a, b uint32) uint32 { return min(a, b) },
		"max": func(a, b uint32) uint32 { return max(a, b) },
	}
	if t.isSigned() {
		f["min"] = func(a, b uint32) uint32 { return uint32(min(int32(a), int32(b))) }
		f["max"] = func(a, b uint32) uint32 { return uint32(max(int32(a), int32(b))) }
	}
	name := d.take("add", "min", "max", "and", "or", "xor")
	bitwise := name == "and" || name == "or" || name == "xor"
	if name == "" || bitwise != (t.name == "b32") {
		d.errorf("the operation %q does not fit .%s", name, t.name)
	}
	if !d.want(3) {
		return nil
	}
	r := &reduceOp{f[name], d.dst(0, t), d.src(1, t), d.src(2, scalars["b32"])}
	return r.execute
}

// decodeMatch decodes match.any.sync.type d, a, mask and match.all.sync with d|p.
func decodeMatch(d *decoder) exec {
	d.sync()
	t := d.typeAmong("b32", "b64")
	mode := d.take("any", "all")
	if mode == "" {
		d.errorf("the mode is missing")
	}
	if !d.want(3) {
		return nil
	}
	o := &matchOp{all: mode == "all", wide: t.class() == class64}
	o.d, o.p = d.pair(d.operand(0), scalars["b32"])
	o.a, o.mask = d.src(1, t), d.src(2, scalars["b32"])
	return o.execute
}

func decodeActiveMask(d *decoder) exec {
	t := d.typeAmong("b32")
	d.want(1)
	return activeMask(d.dst(0, t))
}

func matrixRules() map[string]rule {
	return map[string]rule{
		"mma":      {KindMatrix, decodeMatrix},
		"ldmatrix": {KindShared, func(d *decoder) exec { return d.matrixMove(false) }},
		"stmatrix": {KindShared, func(d *decoder) exec { return d.matrixMove(true) }},
	}
}

// decodeMatrix decodes mma.sync.aligned.shape.row.col.f32.type.type.f32 d, a, b, c.
func decodeMatrix(d *decoder) exec {
	d.sync()
	if !d.flag("aligned") || !d.flag("row") || !d.flag("col") {
		d.errorf(".aligned, .row and .col are needed")
	}
	shape := d.take("m16n8k4", "m16n8k8", "m16n8k16")
	c, b, a, acc := d.lastType(), d.lastType(), d.lastType(), d.lastType()
	o := &matrixOp{k: map[string]int{"m16n8k4": 4, "m16n8k8": 8, "m16n8k16": 16}[shape]}
	if acc.name != "f32" || c.name != "f32" || a.name != b.name {
		d.errorf("only float32 accumulators and equal types of a and b are in the subset")
	}
	switch a.name {
	case "bf16":
		o.kind = elementBF16
	case "f16":
		o.kind = elementF16
	case "tf32":
		o.kind = elementTF32
	default:
		d.errorf("type .%s is not in the subset", a.name)
	}
	packed := o.kind != elementTF32
	if shape == "" || packed && o.k == 4 || !packed && o.k == 16 {
		d.errorf("the shape is not in the subset for .%s", a.name)
	}
	d.out.flops = int64(2 * 16 * 8 * o.k)
	if !d.want(4) {
		return nil
	}
	elements := o.k * 16 / 32 // of A in a lane; B has half
	if packed {
		elements /= 2
	}
	o.nA, o.nB = elements, elements/2
	u32 := scalars["b32"]
	d.fragment(0, o.d[:], u32, true)
	d.fragment(1, o.a[:o.nA], u32, false)
	d.fragment(2, o.b[:o.nB], u32, false)
	d.fragment(3, o.c[:], u32, false)
	o.separate = o.kind == elementBF16 && !o.overlaps()
	return o.execute
}

// fragment fills slots with the registers of vector operand i; one register may
// stand without braces.
func (d *decoder) fragment(i int, slots []int, t scalar, dst bool) {
	elems := []operand{*d.operand(i)}
	if elems[0].kind == opVector {
		elems = elems[0].elems
	}
	if len(elems) != len(slots) {
		d.errorf("operand %d has %d registers, %d are needed", i+1, len(elems), len(slots))
		return
	}
	for k := range slots {
		if dst {
			slots[k] = d.destination(&elems[k], t, false)
		} else {
			slots[k] = d.source(&elems[k], t, false)
		}
	}
}

// matrixMove decodes ldmatrix and stmatrix .sync.aligned.m8n8.x4[.trans].shared.b16.
func (d *decoder) matrixMove(store bool) exec {
	d.sync()
	t := d.typeAmong("b16")
	if t.bits != 16 || !d.flag("aligned") || !d.flag("m8n8") {
		d.errorf(".aligned.m8n8 is needed")
	}
	o := &loadMatrixOp{n: map[string]int{"x1": 1, "x2": 2, "x4": 4}[d.take("x1", "x2", "x4")],
		transpose: d.flag("trans"), store: store}
	if o.n == 0 {
		d.errorf(".x1, .x2 or .x4 is needed")
	}
	if !d.want(2) {
		return nil
	}
	at, value := 1, 0
	if store {
		at, value = 0, 1
	}
	o.at = d.address(d.operand(at), d.takeSpace())
	if o.at.space != spaceShared && o.at.space != spaceGeneric {
		d.errorf("only shared memory")
	}
	d.fragment(value, o.regs[:o.n], scalars["b32"], !store)
	return o.execute
}
