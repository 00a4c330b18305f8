package ptx

func moveRules() map[string]rule {
	return map[string]rule{
		"mov":       {KindMove, decodeMov},
		"cvt":       {KindConvert, decodeConvert},
		"cvta":      {KindConvert, decodeAddress},
		"isspacep":  {KindCompare, decodeIsSpace},
		"nanosleep": {KindControl, decodeSleep},
	}
}

// decodeMov decodes mov of registers, constants, special registers, addresses and
// predicates, and the packing and unpacking of {a, b, …}.
func decodeMov(d *decoder) exec {
	t := d.lastType()
	d.want(2)
	to, from := d.operand(0), d.operand(1)
	switch {
	case t.family == predicate:
		p := d.predicateDst(to)
		if from.kind == opInteger {
			value := -bit(from.value != 0)
			return func(w *warp, m uint32) { w.setPredicate(p, value, m) }
		}
		q, not := d.predicate(from)
		return func(w *warp, m uint32) {
			if w.ready(w.initPred[q], m) {
				w.setPredicate(p, inverted(w.pred[q], not), m)
			}
		}
	case to.kind == opVector && from.kind == opVector:
		d.errorf("vectors on both sides")
		return nil
	case to.kind == opVector:
		return d.unpack(t, to.elems)
	case from.kind == opVector:
		return d.pack(t, from.elems)
	case t.class() == class64:
		return form64(mov64, d.dst(0, t), d.src(1, t))
	}
	return form32(mov32, d.dst(0, t), d.src(1, t))
}

// elementType returns the type of one of n elements of t.
func (d *decoder) elementType(t scalar, n int) scalar {
	if n > 0 && t.bits%n == 0 {
		if e, ok := scalars["b"+itoa(int64(t.bits/n))]; ok {
			return e
		}
	}
	d.errorf("%d elements in .%s", n, t.name)
	return t
}

// pack decodes mov d, {a, b, …}; the first element is the lowest.
func (d *decoder) pack(t scalar, elems []operand) exec {
	e := d.elementType(t, len(elems))
	var from []int
	for i := range elems {
		from = append(from, d.source(&elems[i], e, false))
	}
	to := d.dst(0, t)
	if t.class() == class32 {
		if len(from) == 2 {
			return form32x2(func(d, a, b *v32) {
				for i := range d {
					d[i] = a[i] | b[i]<<16
				}
			}, to, from[0], from[1])
		}
		return func(w *warp, m uint32) {
			init, out := fullMask, v32{}
			for i, s := range from {
				init &= w.init32[s]
				for l, v := range &w.r32[s] {
					out[l] |= v << (i * e.bits)
				}
			}
			if w.ready(init, m) {
				*w.target32(to, m) = out
				w.finish32(to, m)
			}
		}
	}
	if len(from) == 2 {
		return formWide(func(d *v64, a, b *v32) {
			for i := range d {
				d[i] = uint64(a[i]) | uint64(b[i])<<32
			}
		}, to, from[0], from[1])
	}
	return func(w *warp, m uint32) {
		init, out := fullMask, v64{}
		for i, s := range from {
			init &= w.init32[s]
			for l, v := range &w.r32[s] {
				out[l] |= uint64(v) << (i * e.bits)
			}
		}
		if w.ready(init, m) {
			*w.target64(to, m) = out
			w.finish64(to, m)
		}
	}
}

// unpack decodes mov {a, b, …}, s.
func (d *decoder) unpack(t scalar, elems []operand) exec {
	e := d.elementType(t, len(elems))
	from := d.src(1, t)
	var to []int
	for i := range elems {
		if elems[i].kind == opSink {
			to = append(to, -1)
			continue
		}
		to = append(to, d.destination(&elems[i], e, false))
	}
	mask := uint64(1)<<e.bits - 1
	if t.class() == class64 {
		return func(w *warp, m uint32) {
			if !w.ready(w.init64[from], m) {
				return
			}
			source := &w.r64[from]
			for i, s := range to {
				if s < 0 {
					continue
				}
				out, shift := w.target32(s, m), i*e.bits&63
				for l, v := range source {
					out[l] = uint32(v >> shift & mask)
				}
				w.finish32(s, m)
			}
		}
	}
	return func(w *warp, m uint32) {
		if !w.ready(w.init32[from], m) {
			return
		}
		source := w.r32[from] // a copy: an element may go to the same slot
		for i, s := range to {
			if s < 0 {
				continue
			}
			out, shift := w.target32(s, m), i*e.bits&31
			for l, v := range &source {
				out[l] = v >> shift & uint32(mask)
			}
			w.finish32(s, m)
		}
	}
}

// decodeIsSpace decodes isspacep: whether a generic address lies in a space.
func decodeIsSpace(d *decoder) exec {
	name := d.take("global", "shared", "shared::cta", "local", "const", "param")
	if name == "" {
		d.errorf("a state space is missing")
	}
	d.want(2)
	p, a, sp := d.predicateDst(d.operand(0)), d.src(1, scalars["u64"]), spaces[name]
	return func(w *warp, m uint32) {
		if !w.ready(w.init64[a], m) {
			return
		}
		var out uint32
		for l, v := range &w.r64[a] {
			out |= bit(windowOf(v) == sp) << l
		}
		w.setPredicate(p, out, m)
	}
}

func decodeSleep(d *decoder) exec {
	d.src(0, d.typeAmong("u32"))
	d.want(1)
	d.out.op = opYield
	return nil
}
