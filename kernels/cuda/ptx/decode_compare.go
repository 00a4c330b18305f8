package ptx

func compareRules() map[string]rule {
	return map[string]rule{
		"setp": {KindCompare, decodeSetp},
		"set":  {KindCompare, decodeSet},
		"selp": {KindCompare, decodeSelect},
		"slct": {KindCompare, decodeSignSelect},
	}
}

// compareNames are all comparison operators; lo, ls, hi and hs are the unsigned ones.
var compareNames = []string{"eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs",
	"equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"}

// comparison takes the operator and returns the comparison of operands first and
// first+1 as one bit a lane.
func (d *decoder) comparison(t scalar, first int) func(w *warp, m uint32) (uint32, bool) {
	name, ftz := d.take(compareNames...), d.flag("ftz")
	a, b := d.src(first, t), d.src(first+1, t)
	if t.class() == class64 {
		f := comparison64(name, t)
		if f == nil {
			d.errorf("operator %q does not fit .%s", name, t.name)
			return nil
		}
		return formCompare64(f, a, b)
	}
	f := comparison32(name, t)
	if f == nil || t.lanes == 2 || t.family == predicate {
		d.errorf("operator %q does not fit .%s", name, t.name)
		return nil
	}
	if ftz && t.name == "f32" {
		f = widened32(flush, f)
	}
	return formCompare32(f, a, b)
}

// decodeSetp decodes setp.op[.bool].type p[|q], a, b[, [!]c].
func decodeSetp(d *decoder) exec {
	t := d.lastType()
	boolean := combiner(d.take("and", "or", "xor"))
	if boolean != nil {
		d.want(4)
	} else {
		d.want(3)
	}
	compare := d.comparison(t, 1)
	p, q := -1, -1
	if o := d.operand(0); o.kind == opPair {
		p, q = d.predicateDst(&o.elems[0]), d.predicateDst(&o.elems[1])
	} else {
		p = d.predicateDst(o)
	}
	c, not := -1, false
	if boolean != nil {
		c, not = d.predicate(d.operand(3))
	}
	if d.err != nil {
		return nil
	}
	return func(w *warp, m uint32) {
		r, ok := compare(w, m)
		if !ok {
			return
		}
		inverse := ^r
		if c >= 0 {
			if !w.ready(w.initPred[c], m) {
				return
			}
			x := inverted(w.pred[c], not)
			r, inverse = boolean(r, x), boolean(inverse, x)
		}
		w.setPredicate(p, r, m)
		if q >= 0 {
			w.setPredicate(q, inverse, m)
		}
	}
}

// decodeSet decodes set.op.dtype.type d, a, b: all ones or 1.0 where it holds.
func decodeSet(d *decoder) exec {
	t := d.lastType()
	to := d.typeAmong("u32", "s32", "f32")
	d.want(3)
	compare := d.comparison(t, 1)
	out := d.dst(0, to)
	yes := fullMask
	if to.isFloat() {
		yes = 0x3f800000
	}
	if d.err != nil {
		return nil
	}
	return func(w *warp, m uint32) {
		r, ok := compare(w, m)
		if !ok {
			return
		}
		v := w.target32(out, m)
		for l := range v {
			v[l] = -(r >> l & 1) & yes
		}
		w.finish32(out, m)
	}
}

// decodeSelect decodes selp: a where the predicate holds, else b.
func decodeSelect(d *decoder) exec {
	t := d.typeAmong("b16", "b32", "b64", "u16", "u32", "u64", "s16", "s32", "s64", "f16", "bf16", "f32", "f64")
	d.want(4)
	out, a, b := d.dst(0, t), d.src(1, t), d.src(2, t)
	p, not := d.predicate(d.operand(3))
	if not {
		d.errorf("! before the predicate of selp")
	}
	return func(w *warp, m uint32) {
		switch {
		case !w.ready(w.initPred[p], m):
		case t.class() == class64:
			w.select64(out, a, b, w.pred[p], m)
		default:
			w.select32(out, a, b, w.pred[p], m)
		}
	}
}

// decodeSignSelect decodes slct.type.ctype: a where c >= 0, else b; a NaN selects b.
func decodeSignSelect(d *decoder) exec {
	sign := d.typeAmong("s32", "f32")
	t := d.typeAmong("b16", "b32", "b64", "u16", "u32", "u64", "s16", "s32", "s64", "f32", "f64")
	d.want(4)
	ftz := d.flag("ftz")
	c, zero := d.src(3, sign), d.b.constant(class32, 0)
	less := vec.ltS32
	if sign.isFloat() {
		// Not (0 <= c): true for a NaN, false for both zeros.
		less = func(c, zero *v32) uint32 { return ^vec.leF32(zero, c) }
		if ftz {
			less = widened32(flush, less)
		}
	}
	out, a, b := d.dst(0, t), d.src(1, t), d.src(2, t)
	return func(w *warp, m uint32) {
		if !w.ready(w.init32[c], m) {
			return
		}
		d := ^less(&w.r32[c], &w.r32[zero])
		if t.class() == class64 {
			w.select64(out, a, b, d, m)
		} else {
			w.select32(out, a, b, d, m)
		}
	}
}

// select32 and select64 give lanes whose bit in c is set the value of a, others that
// of b. A lane reads only the operand that it selects.

func (w *warp) select32(out, a, b int, c, m uint32) {
	if !w.ready(w.init32[a]&c|w.init32[b]&^c, m) {
		return
	}
	v, x, y := w.target32(out, m), &w.r32[a], &w.r32[b]
	for l := range v {
		r := y[l]
		if c>>l&1 == 1 {
			r = x[l]
		}
		v[l] = r
	}
	w.finish32(out, m)
}

func (w *warp) select64(out, a, b int, c, m uint32) {
	if !w.ready(w.init64[a]&c|w.init64[b]&^c, m) {
		return
	}
	v, x, y := w.target64(out, m), &w.r64[a], &w.r64[b]
	for l := range v {
		r := y[l]
		if c>>l&1 == 1 {
			r = x[l]
		}
		v[l] = r
	}
	w.finish64(out, m)
}
