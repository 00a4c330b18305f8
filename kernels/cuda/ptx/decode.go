package ptx

import (
	"fmt"
	"slices"
	"strconv"
)

// rule decodes one opcode.
type rule struct {
	kind   Kind
	decode func(d *decoder) exec
}

// rules holds all opcodes of the subset.
var rules map[string]rule

func init() {
	rules = map[string]rule{}
	for _, part := range []map[string]rule{integerRules(), carryRules(), bitRules(), floatRules(), compareRules(), moveRules(),
		memoryRules(), hopperRules(), controlRules(), collectiveRules(), matrixRules()} {
		for name, r := range part {
			rules[name] = r
		}
	}
}

// decoder turns one statement into an instr. The first error sticks.
type decoder struct {
	b    *builder
	st   *statement
	in   *instance
	mods []string // not yet taken
	out  instr
	err  error
}

func (d *decoder) decode() (instr, error) {
	st := d.st
	d.out = instr{guard: -1, site: -1, line: st.line, text: st.text}
	if file := d.b.parser.files[st.loc.file]; file != "" { // NVRTC names its files last
		d.out.source = fmt.Sprintf("%s:%d", file, st.loc.line)
	}
	if st.guard != nil {
		d.out.guard, d.out.guardNot = d.b.register(d.in, st.guard), st.guardNot
	}
	r, ok := rules[st.opcode]
	if !ok {
		return d.out, d.b.parser.errorf(st.line, "unknown instruction %s", st.text)
	}
	d.mods = slices.Clone(st.mods)
	d.out.kind = r.kind
	d.out.run = r.decode(d)
	if d.err == nil && len(d.mods) > 0 {
		d.errorf("modifier .%s of %s is unknown here", d.mods[0], st.text)
	}
	if d.err == nil && d.out.run == nil && (d.out.op == opPlain || d.out.op == opBarrier || d.out.op == opPoll) {
		d.errorf("%s is not in the subset", st.text)
	}
	return d.out, d.err
}

func (d *decoder) errorf(format string, args ...any) {
	if d.err == nil {
		d.err = d.b.parser.errorf(d.st.line, "%s: "+format, append([]any{d.st.text}, args...)...)
	}
}

// take removes the first of the names found among the modifiers and returns it,
// or "".
func (d *decoder) take(names ...string) string {
	for i, m := range d.mods {
		if slices.Contains(names, m) {
			d.mods = slices.Delete(d.mods, i, i+1)
			return m
		}
	}
	return ""
}

func (d *decoder) flag(name string) bool { return d.take(name) != "" }

// lastType removes and returns the type at the end of the modifiers; of two types
// (cvt, set) the last.
func (d *decoder) lastType() scalar {
	if n := len(d.mods); n > 0 {
		if t, ok := scalars[d.mods[n-1]]; ok {
			d.mods = d.mods[:n-1]
			return t
		}
	}
	d.errorf("a type is missing")
	return scalars["b32"]
}

// typeAmong is lastType restricted to names.
func (d *decoder) typeAmong(names ...string) scalar {
	t := d.lastType()
	if d.err == nil && !slices.Contains(names, t.name) {
		d.errorf("type .%s is not in the subset for this instruction", t.name)
	}
	return t
}

// rounding takes a rounding modifier; ok tells whether there was one.
func (d *decoder) rounding() (r rounding, ok bool) {
	name := d.take("rn", "rz", "rm", "rp", "rna")
	return roundings[name], name != ""
}

// want checks the number of operands.
func (d *decoder) want(counts ...int) bool {
	if d.err == nil && !slices.Contains(counts, len(d.st.operands)) {
		d.errorf("%d operands", len(d.st.operands))
	}
	return d.err == nil
}

func (d *decoder) operand(i int) *operand {
	if i >= len(d.st.operands) {
		d.errorf("operand %d is missing", i+1)
		return &operand{kind: opSink}
	}
	return &d.st.operands[i]
}

// src returns the slot of source operand i, read as type t.
func (d *decoder) src(i int, t scalar) int { return d.source(d.operand(i), t, false) }

// source returns the slot of a register, a constant, a special register or an
// address; wider allows registers wider than the type, as ld, st and cvt do.
func (d *decoder) source(o *operand, t scalar, wider bool) int {
	switch o.kind {
	case opRegister:
		if o.not {
			d.errorf("! before %s", o.name)
		}
		d.checkWidth(o, t, wider)
		return d.b.register(d.in, o.reg)
	case opInteger, opFloat32, opFloat64:
		if o.kind == opInteger && t.isFloat() {
			d.errorf("integer constant for type .%s", t.name)
		}
		return d.b.constant(t.class(), immediateBits(*o, t))
	case opSymbol:
		return d.symbolSource(o, t)
	}
	d.errorf("an operand is no register and no constant")
	return 0
}

func (d *decoder) symbolSource(o *operand, t scalar) int {
	if specialRegisters[o.name] != nil {
		slot := d.b.special(o.name)
		if t.bits != 32 {
			d.errorf("%s has 32 bits", o.name)
		}
		return slot
	}
	v := d.st.scope.variable(o.name)
	if v == nil {
		d.errorf("unknown name %s", o.name)
		return 0
	}
	if t.bits < 32 {
		d.errorf("address of %s in %d bits", o.name, t.bits)
	}
	p := d.b.place(d.in, v)
	if p.name != "" {
		if t.bits != 64 {
			d.errorf("address of %s in %d bits", o.name, t.bits)
		}
		return d.b.symbol(p.name, o.offset)
	}
	return d.b.constant(t.class(), uint64(p.offset+o.offset))
}

// checkWidth refuses registers that do not fit the type.
func (d *decoder) checkWidth(o *operand, t scalar, wider bool) {
	have := o.reg.typ
	if have.bits == t.bits || wider && have.bits > t.bits && have.family != predicate && t.family != predicate {
		return
	}
	d.errorf("register %s has %d bits, type .%s has %d", o.name, have.bits, t.name, t.bits)
}

// dst returns the slot of destination operand i, of type t.
func (d *decoder) dst(i int, t scalar) int { return d.destination(d.operand(i), t, false) }

func (d *decoder) destination(o *operand, t scalar, wider bool) int {
	switch o.kind {
	case opRegister:
		d.checkWidth(o, t, wider)
		return d.b.register(d.in, o.reg)
	case opSink:
		return d.b.slot(t.class())
	}
	d.errorf("the destination is no register")
	return 0
}

// predicate returns the slot of predicate operand o, and whether it is negated.
func (d *decoder) predicate(o *operand) (slot int, not bool) {
	if o.kind != opRegister || o.reg.typ.family != predicate {
		d.errorf("a predicate register is missing")
		return 0, false
	}
	return d.b.register(d.in, o.reg), o.not
}

// predicateDst is predicate for a destination; a sink gets a slot of its own.
func (d *decoder) predicateDst(o *operand) int {
	if o.kind == opSink {
		return d.b.slot(classPred)
	}
	slot, not := d.predicate(o)
	if not {
		d.errorf("! before a destination")
	}
	return slot
}

// integerOperand returns the value of a constant operand.
func (d *decoder) integerOperand(i int) uint64 {
	o := d.operand(i)
	if o.kind != opInteger {
		d.errorf("operand %d must be an integer constant", i+1)
	}
	return o.value
}

// label returns the index of the instruction that a label names.
func (d *decoder) label(name string) int {
	i, ok := d.st.scope.label(name)
	if !ok {
		d.errorf("unknown label %s", name)
		return 0
	}
	return d.in.starts[i]
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
