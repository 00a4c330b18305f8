package ptx

import (
	"strings"
)

// block reads statements up to the closing brace.
func (p *parser) block(f *function, s *scope) error {
	for {
		t := p.peek()
		switch {
		case t.kind == tokEnd:
			return p.errorf(f.line, "function %s has no end", f.name)
		case p.accept("}"):
			return nil
		case p.accept("{"):
			if err := p.block(f, newScope(s)); err != nil {
				return err
			}
		case p.accept(";"):
		case strings.HasPrefix(t.text, "."):
			if err := p.bodyDirective(f, s); err != nil {
				return err
			}
		case t.kind == tokWord && p.tokens[p.at+1].text == ":":
			p.at += 2
			if p.peek().text == ".branchtargets" {
				if err := p.branchTargets(s, t.text); err != nil {
					return err
				}
				continue
			}
			if _, twice := s.labels[t.text]; twice {
				return p.errorf(t.line, "label %s stands twice", t.text)
			}
			s.labels[t.text] = len(f.body)
		default:
			if err := p.statement(f, s); err != nil {
				return err
			}
		}
	}
}

func (p *parser) bodyDirective(f *function, s *scope) error {
	t := p.peek()
	switch t.text {
	case ".loc":
		p.next()
		return p.locDirective()
	case ".pragma":
		p.next()
		p.next()
		return p.expect(";")
	case ".reg":
		p.next()
		return p.registers(s)
	case ".shared", ".local", ".param", ".global", ".const":
		vs, err := p.variables(s, false)
		if err != nil {
			return err
		}
		if t.text == ".global" || t.text == ".const" {
			p.order = append(p.order, vs...)
		}
		return p.expect(";")
	}
	return p.errorf(t.line, "unknown directive %s in function %s", t, f.name)
}

// registers reads: .reg .f32 %f<12>; or .reg .b32 a, b;.
func (p *parser) registers(s *scope) error {
	t := p.next()
	if t.text == ".v2" || t.text == ".v4" {
		return p.errorf(t.line, "vector registers are not in the subset")
	}
	typ, ok := scalars[strings.TrimPrefix(t.text, ".")]
	if !ok {
		return p.errorf(t.line, "%s is not a register type", t)
	}
	for {
		name, err := p.word()
		if err != nil {
			return err
		}
		if p.accept("<") {
			n, err := p.integer()
			if err != nil {
				return err
			}
			if n < 0 || n > 1<<16 {
				return p.errorf(name.line, "%d registers %s", n, name.text)
			}
			for i := int64(0); i < n; i++ {
				full := name.text + itoa(i)
				s.registers[full] = &register{full, typ}
			}
			if err := p.expect(">"); err != nil {
				return err
			}
		} else {
			s.registers[name.text] = &register{name.text, typ}
		}
		if !p.accept(",") {
			return p.expect(";")
		}
	}
}

// branchTargets reads: .branchtargets a, b; the list of a brx.idx.
func (p *parser) branchTargets(s *scope, name string) error {
	p.next()
	for {
		t, err := p.word()
		if err != nil {
			return err
		}
		s.tables[name] = append(s.tables[name], t.text)
		if !p.accept(",") {
			return p.expect(";")
		}
	}
}

// statement reads [@[!]p] opcode operand, operand, …;
func (p *parser) statement(f *function, s *scope) error {
	st := statement{loc: p.loc, scope: s}
	if p.accept("@") {
		st.guardNot = p.accept("!")
		name, err := p.word()
		if err != nil {
			return err
		}
		if st.guard = s.register(name.text); st.guard == nil || st.guard.typ.family != predicate {
			return p.errorf(name.line, "%s is not a predicate register", name.text)
		}
	}
	op, err := p.word()
	if err != nil {
		return err
	}
	st.line, st.text = op.line, op.text
	st.opcode, st.mods = splitOpcode(op.text)
	for !p.accept(";") {
		o, err := p.operand(s)
		if err != nil {
			return err
		}
		st.operands = append(st.operands, o)
		if p.peek().text != ";" {
			if err := p.expect(","); err != nil {
				return err
			}
		}
	}
	f.body = append(f.body, st)
	return nil
}

// operand reads one operand, a pair a|b included.
func (p *parser) operand(s *scope) (operand, error) {
	o, err := p.simpleOperand(s)
	if err != nil || !p.accept("|") {
		return o, err
	}
	second, err := p.simpleOperand(s)
	return operand{kind: opPair, elems: []operand{o, second}}, err
}

func (p *parser) simpleOperand(s *scope) (operand, error) {
	t := p.peek()
	switch {
	case p.accept("!"):
		o, err := p.simpleOperand(s)
		o.not = true
		return o, err
	case p.accept("{"):
		return p.operandList(s, opVector, "}")
	case p.accept("("):
		return p.operandList(s, opList, ")")
	case p.accept("["):
		return p.address(s)
	case t.kind == tokNumber || t.text == "-":
		return p.constant()
	case p.accept("_"):
		return operand{kind: opSink}, nil
	}
	name, err := p.word()
	if err != nil {
		return operand{}, err
	}
	if r := s.register(name.text); r != nil {
		return operand{kind: opRegister, reg: r, name: r.name}, nil
	}
	o := operand{kind: opSymbol, name: name.text}
	if p.accept("+") { // mov.u64 %rd, symbol+8
		o.offset, err = p.integer()
	}
	return o, err
}

func (p *parser) operandList(s *scope, kind operandKind, end string) (operand, error) {
	list := operand{kind: kind}
	for !p.accept(end) {
		o, err := p.operand(s)
		if err != nil {
			return list, err
		}
		list.elems = append(list.elems, o)
		if p.peek().text != end {
			if err := p.expect(","); err != nil {
				return list, err
			}
		}
	}
	return list, nil
}

// address reads base, base+4, base+-4 or base-4 up to the bracket.
func (p *parser) address(s *scope) (operand, error) {
	base, err := p.simpleOperand(s)
	if err != nil {
		return base, err
	}
	a := operand{kind: opAddress, offset: base.offset}
	base.offset = 0
	a.elems = []operand{base}
	if p.accept("+") {
		n, err := p.integer()
		if err != nil {
			return a, err
		}
		a.offset += n
	} else if p.peek().text == "-" {
		n, err := p.integer()
		if err != nil {
			return a, err
		}
		a.offset += n
	}
	if p.accept(",") { // [tensor map, {coordinates}]
		o, err := p.operand(s)
		if err != nil {
			return a, err
		}
		a.elems = append(a.elems, o)
	}
	return a, p.expect("]")
}
