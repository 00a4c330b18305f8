package ptx

import (
	"strconv"
	"strings"
)

// decodeWgmma decodes wgmma.fence, .commit_group, .wait_group and .mma_async.
func decodeWgmma(d *decoder) exec {
	what := d.take("fence", "commit_group", "wait_group", "mma_async")
	d.sync()
	if !d.flag("aligned") {
		d.errorf(".aligned is missing")
	}
	if what != "mma_async" {
		d.out.kind = KindAsync
	}
	switch what {
	case "fence":
		d.want(0)
		return func(w *warp, _ uint32) { w.wgmma.fenced = true }
	case "commit_group":
		d.want(0)
		return wgmmaCommit
	case "wait_group":
		d.want(1)
		n := int(d.integerOperand(0))
		return func(w *warp, _ uint32) { wgmmaWait(w, n) }
	case "mma_async":
		return d.wgmmaProduct()
	}
	return nil
}

// wgmmaProduct decodes .m64nNk16.f32.type.type d, a, b-descriptor, scale-d, scale-a,
// scale-b[, trans-a], trans-b; a is a descriptor or four registers.
func (d *decoder) wgmmaProduct() exec {
	b, a, acc := d.lastType(), d.lastType(), d.lastType()
	o := &wgmmaOp{descA: -1, kind: elementBF16}
	switch {
	case a.name == "f16" && b.name == "f16":
		o.kind = elementF16
	case a.name != "bf16" || b.name != "bf16":
		d.errorf("types .%s and .%s are not in the subset", a.name, b.name)
	}
	if acc.name != "f32" {
		d.errorf("only float32 accumulators are in the subset")
	}
	if o.n = d.wgmmaColumns(); d.err != nil {
		return nil
	}
	d.out.flops = int64(2 * 16 * o.n * 16)
	o.d = make([]int, o.n/2)
	u32, b64 := scalars["b32"], scalars["b64"]
	registers := d.operand(1).kind == opVector
	if registers {
		d.want(7)
	} else {
		d.want(8)
	}
	d.fragment(0, o.d, u32, true)
	if registers {
		d.fragment(1, o.a[:], u32, false)
	} else {
		o.descA = d.src(1, b64)
	}
	o.descB = d.src(2, b64)
	o.scale, o.scaleNot = d.predicate(d.operand(3))
	for i := range 2 {
		scale := int32(d.integerOperand(4 + i))
		if o.negate[i] = scale == -1; scale != 1 && scale != -1 {
			d.errorf("scale %d of a factor: 1 or -1 is needed", scale)
		}
	}
	last := len(d.st.operands) - 1
	o.transpose[1] = d.integerOperand(last) == 1
	o.transpose[0] = !registers && d.integerOperand(last-1) == 1
	return o.execute
}

// wgmmaColumns takes the shape m64nNk16 and returns N.
func (d *decoder) wgmmaColumns() int {
	for _, m := range d.mods {
		if rest, ok := strings.CutPrefix(m, "m64n"); ok {
			columns, ok := strings.CutSuffix(rest, "k16")
			n, err := strconv.Atoi(columns)
			if ok && err == nil && n >= 8 && n <= 256 && n%8 == 0 {
				d.take(m)
				return n
			}
		}
	}
	d.errorf("a shape m64nNk16 with N a multiple of 8 up to 256 is needed")
	return 0
}
