package ptx

func controlRules() map[string]rule {
	return map[string]rule{
		"bra":     {KindControl, decodeBranch},
		"brx":     {KindControl, decodeTable},
		"ret":     {KindControl, decodeReturn},
		"exit":    {KindControl, decodeExit},
		"trap":    {KindControl, decodeTrap},
		"bar":     {KindBarrier, decodeBarrier},
		"barrier": {KindBarrier, decodeBarrier},
	}
}

func decodeBranch(d *decoder) exec {
	d.out.op, d.out.uniform = opBranch, d.flag("uni")
	if d.want(1) && d.operand(0).kind == opSymbol {
		d.out.target = d.label(d.operand(0).name)
	} else {
		d.errorf("a label is missing")
	}
	return nil
}

// decodeTable decodes brx.idx index, table.
func decodeTable(d *decoder) exec {
	d.out.op = opTable
	if !d.flag("idx") {
		d.errorf(".idx is missing")
	}
	d.flag("uni")
	if !d.want(2) {
		return nil
	}
	d.out.index = d.src(0, scalars["u32"])
	names, ok := d.st.scope.table(d.operand(1).name)
	if !ok {
		d.errorf("unknown list of branch targets %s", d.operand(1).name)
	}
	for _, n := range names {
		d.out.targets = append(d.out.targets, d.label(n))
	}
	return nil
}

// decodeReturn decodes ret; that of an inlined function is a branch behind it.
func decodeReturn(d *decoder) exec {
	d.flag("uni")
	d.want(0)
	d.out.op = opExit
	if !d.in.outermost {
		d.out.op, d.out.target = opBranch, d.in.end
	}
	return nil
}

func decodeExit(d *decoder) exec {
	d.want(0)
	d.out.op = opExit
	return nil
}

func decodeTrap(d *decoder) exec {
	d.want(0)
	d.out.op = opTrap
	return nil
}

// decodeBarrier decodes bar.sync, bar.arrive, bar.red and bar.warp.sync, and the
// same under the name barrier.
func decodeBarrier(d *decoder) exec {
	u32 := scalars["u32"]
	if d.flag("warp") {
		if !d.flag("sync") {
			d.errorf(".sync is missing")
		}
		d.want(1)
		return syncWarp(d.src(0, u32))
	}
	d.flag("cta")
	d.flag("aligned")
	o := &barrierOp{threads: -1}
	d.out.op, d.out.barrier = opBarrier, o
	switch d.take("sync", "arrive", "red") {
	case "sync":
		d.want(1, 2)
		o.id = d.src(0, u32)
		if len(d.st.operands) == 2 {
			o.threads = d.src(1, u32)
		}
	case "arrive":
		d.want(2)
		o.arrive = true
		o.id, o.threads = d.src(0, u32), d.src(1, u32)
	case "red":
		d.barrierReduction(o)
	default:
		d.errorf("one of .sync, .arrive and .red is missing")
	}
	return o.execute
}

// barrierReduction decodes bar.red.op d, barrier[, threads], [!]p.
func (d *decoder) barrierReduction(o *barrierOp) {
	u32 := scalars["u32"]
	t := d.typeAmong("u32", "pred")
	o.reduce = d.take("popc", "and", "or")
	if o.reduce == "" || (o.reduce == "popc") != (t.name == "u32") {
		d.errorf(".popc.u32, .and.pred or .or.pred is needed")
	}
	if !d.want(3, 4) {
		return
	}
	if o.reduce == "popc" {
		o.d = d.dst(0, t)
	} else {
		o.d = d.predicateDst(d.operand(0))
	}
	o.id = d.src(1, u32)
	last := len(d.st.operands) - 1
	if last == 3 {
		o.threads = d.src(2, u32)
	}
	o.p, o.not = d.predicate(d.operand(last))
}
