package ptx

// hopperRules are the instructions of sm_90 and sm_90a.
func hopperRules() map[string]rule {
	return map[string]rule{
		"mbarrier":   {KindBarrier, decodeMbarrier},
		"elect":      {KindCollective, decodeElect},
		"setmaxnreg": {KindControl, decodeSetMaxRegisters},
		"wgmma":      {KindMatrix, decodeWgmma},
	}
}

// decodeMbarrier decodes mbarrier.init, .inval, .arrive, .expect_tx, .arrive.expect_tx,
// .test_wait and .try_wait, with a state or a parity.
func decodeMbarrier(d *decoder) exec {
	d.typeAmong("b64")
	o := &mbarrierOp{d: -1, n: -1}
	what := d.take("init", "inval", "arrive", "expect_tx", "test_wait", "try_wait")
	d.take("release", "acquire", "relaxed")
	d.take("cta", "cluster")
	if d.take("shared", "shared::cta") == "" {
		d.errorf(".shared::cta is missing")
	}
	u32 := scalars["u32"]
	first := 0
	switch what {
	case "init":
		o.use = mbarrierInit
		d.want(2)
		o.n = d.src(1, u32)
	case "inval":
		o.use = mbarrierInval
		d.want(1)
	case "expect_tx":
		o.use = mbarrierExpect
		d.want(2)
		o.n = d.src(1, u32)
	case "arrive":
		o.use, first = mbarrierArrive, 1
		if d.flag("expect_tx") {
			o.use = mbarrierArriveExpect
			d.want(3)
		} else {
			d.want(2, 3)
		}
		if d.operand(0).kind != opSink {
			o.d = d.dst(0, scalars["b64"])
		}
		if len(d.st.operands) == 3 {
			o.n = d.src(2, u32)
		}
	default:
		first = 1
		d.out.op = opPoll
		d.mbarrierWait(o)
	}
	o.at = d.address(d.operand(first), spaceShared)
	return o.execute
}

// mbarrierWait decodes the operands p, [address], state or parity[, time].
func (d *decoder) mbarrierWait(o *mbarrierOp) {
	d.want(3, 4)
	o.d = d.predicateDst(d.operand(0))
	if d.flag("parity") {
		o.use, o.n = mbarrierWaitParity, d.src(2, scalars["u32"])
	} else {
		o.use, o.n, o.wide = mbarrierWait, d.src(2, scalars["b64"]), true
	}
	if len(d.st.operands) == 4 {
		d.src(3, scalars["u32"])
	}
}

// decodeElect decodes elect.sync d|p, mask.
func decodeElect(d *decoder) exec {
	d.sync()
	if !d.want(2) {
		return nil
	}
	o := d.operand(0)
	if o.kind != opPair {
		d.errorf("the predicate is missing")
		return nil
	}
	slot, p := d.pair(o, scalars["b32"])
	return elect(slot, p, d.src(1, scalars["b32"]))
}

// decodeSetMaxRegisters decodes setmaxnreg, which has no effect here.
func decodeSetMaxRegisters(d *decoder) exec {
	d.sync()
	d.typeAmong("u32")
	if d.take("inc", "dec") == "" || !d.flag("aligned") {
		d.errorf(".inc or .dec, and .aligned are needed")
	}
	d.want(1)
	if n := d.integerOperand(0); n < 24 || n > 256 || n%8 != 0 {
		d.errorf("%d registers: a multiple of 8 from 24 to 256 is needed", n)
	}
	return func(*warp, uint32) {}
}

// copyBulk decodes cp.async.bulk[.tensor.Nd].shared::cluster.global[.tile].mbarrier::
// complete_tx::bytes [dst], [map, {coordinates}] or [src], bytes; [mbarrier].
func (d *decoder) copyBulk() exec {
	o := &bulkOp{size: -1}
	if d.flag("tensor") {
		dims := d.take("1d", "2d", "3d", "4d", "5d")
		if dims == "" {
			d.errorf("the number of dimensions is missing")
			return nil
		}
		o.rank = int(dims[0] - '0')
		d.flag("tile")
	}
	if d.take("shared::cluster", "shared::cta") == "" || !d.flag("global") || !d.flag("mbarrier::complete_tx::bytes") {
		d.errorf("only copies from .global to .shared::cluster with an mbarrier are in the subset")
		return nil
	}
	policy, last := d.takeCacheHints(), 2
	if o.rank == 0 {
		last = 3
	}
	if policy {
		d.want(last + 2)
	} else {
		d.want(last + 1)
	}
	if d.err != nil {
		return nil
	}
	o.dst, o.barrier = d.address(d.operand(0), spaceShared), d.address(d.operand(last), spaceShared)
	source := *d.operand(1)
	if o.rank == 0 {
		o.src, o.size = d.address(&source, spaceGlobal), d.src(2, scalars["u32"])
		return o.execute
	}
	if source.kind != opAddress || len(source.elems) != 2 || len(source.elems[1].elems) != o.rank {
		d.errorf("[tensor map, {%d coordinates}] is needed", o.rank)
		return nil
	}
	for i := range o.rank {
		o.coordinates[i] = d.source(&source.elems[1].elems[i], scalars["s32"], false)
	}
	source.elems = source.elems[:1]
	o.src = d.address(&source, spaceGeneric)
	return o.execute
}
