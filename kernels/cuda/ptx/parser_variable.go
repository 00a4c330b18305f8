package ptx

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
)

// variables reads one declaration from its space on, up to but without the ";":
// .shared .align 16 .b8 tile[1024], .param .u64 p, .const .f32 c[2] = {0f…, 0f…}.
func (p *parser) variables(s *scope, extern bool) ([]*variable, error) {
	t := p.next()
	sp, ok := spaces[strings.TrimPrefix(t.text, ".")]
	if !ok {
		return nil, p.errorf(t.line, "expected a state space, found %s", t)
	}
	align, vector := 0, 1
	var typ scalar
	for typ.bits == 0 {
		t := p.next()
		switch name := strings.TrimPrefix(t.text, "."); name {
		case "align":
			n, err := p.integer()
			if err != nil {
				return nil, err
			}
			align = int(n)
		case "v2":
			vector = 2
		case "v4":
			vector = 4
		case "ptr": // .param .u64 .ptr .global .align 4 name
			return nil, p.errorf(t.line, ".ptr must follow the type")
		default:
			if typ, ok = scalars[name]; !ok || typ.family == predicate {
				return nil, p.errorf(t.line, "%s is not a type that memory can hold", t)
			}
		}
	}
	if p.accept(".ptr") { // a promise about the pointer; the machine checks each access itself
		for strings.HasPrefix(p.peek().text, ".") {
			if p.next().text == ".align" {
				p.next()
			}
		}
	}
	var out []*variable
	for {
		v, err := p.declarator(sp, typ, vector, align, extern)
		if err != nil {
			return nil, err
		}
		s.variables[v.name] = v
		out = append(out, v)
		if sp == spaceParam || !p.accept(",") {
			return out, nil
		}
	}
}

// declarator reads one name with its dimensions and its first value.
func (p *parser) declarator(sp space, typ scalar, vector, align int, extern bool) (*variable, error) {
	name, err := p.word()
	if err != nil {
		return nil, err
	}
	v := &variable{name: name.text, space: sp, typ: typ, align: max(align, typ.bytes()*vector)}
	if align > 0 {
		v.align = align
	}
	if v.align&(v.align-1) != 0 {
		return nil, p.errorf(name.line, "alignment %d of %s is not a power of two", v.align, v.name)
	}
	count, open := int64(vector), false
	for p.accept("[") {
		if p.accept("]") {
			open = true
			continue
		}
		n, err := p.integer()
		if err != nil {
			return nil, err
		}
		if n < 0 || n > math.MaxInt32 || count*n > math.MaxInt32 {
			return nil, p.errorf(name.line, "%s has %d elements", v.name, n)
		}
		count *= n
		if err := p.expect("]"); err != nil {
			return nil, err
		}
	}
	if open && sp != spaceShared {
		return nil, p.errorf(name.line, "%s has no size; only .extern .shared may be open", v.name)
	}
	if v.extern = open; open {
		count = 0
	} else if extern {
		return nil, p.errorf(name.line, "extern variable %s is defined nowhere: link the modules first", v.name)
	}
	v.size = int(count) * typ.bytes()
	if sp == spaceGlobal || sp == spaceConst {
		v.init = make([]byte, v.size)
	}
	if p.accept("=") {
		if v.init == nil {
			return nil, p.errorf(name.line, "%s: only .global and .const have first values", v.name)
		}
		if _, err := p.initializer(v, 0); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// initializer fills v from byte offset at, and returns the offset behind.
func (p *parser) initializer(v *variable, at int) (int, error) {
	if p.accept("{") {
		for !p.accept("}") {
			var err error
			if at, err = p.initializer(v, at); err != nil {
				return at, err
			}
			if p.peek().text != "}" {
				if err := p.expect(","); err != nil {
					return at, err
				}
			}
		}
		return at, nil
	}
	t := p.peek()
	o, err := p.constant()
	if err != nil {
		return at, err
	}
	if at+v.typ.bytes() > v.size {
		return at, p.errorf(t.line, "%s has more values than elements", v.name)
	}
	bits := immediateBits(o, v.typ)
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], bits)
	copy(v.init[at:], b[:v.typ.bytes()])
	return at + v.typ.bytes(), nil
}

// constant reads an integer or a float with an optional sign.
func (p *parser) constant() (operand, error) {
	negative := p.accept("-")
	t := p.next()
	if t.kind != tokNumber {
		return operand{}, p.errorf(t.line, "expected a constant, found %s", t)
	}
	v, kind, err := parseNumber(t.text)
	if err != nil {
		return operand{}, p.errorf(t.line, "%q is not a number", t.text)
	}
	if negative {
		switch kind {
		case opInteger:
			v = -v
		case opFloat32:
			v ^= 1 << 31
		case opFloat64:
			v ^= 1 << 63
		}
	}
	return operand{kind: kind, value: v}, nil
}

// parseNumber reads a PTX number; floats come back as their bits.
func parseNumber(s string) (uint64, operandKind, error) {
	lower := strings.ToLower(s)
	switch {
	case strings.HasPrefix(lower, "0f") && len(s) == 10:
		v, err := strconv.ParseUint(s[2:], 16, 32)
		return v, opFloat32, err
	case strings.HasPrefix(lower, "0d") && len(s) == 18:
		v, err := strconv.ParseUint(s[2:], 16, 64)
		return v, opFloat64, err
	case !strings.HasPrefix(lower, "0x") && strings.ContainsAny(s, ".e"):
		f, err := strconv.ParseFloat(s, 64)
		return math.Float64bits(f), opFloat64, err
	}
	v, err := strconv.ParseUint(strings.TrimSuffix(lower, "u"), 0, 64)
	return v, opInteger, err
}

// immediateBits gives a constant the bits of type t.
func immediateBits(o operand, t scalar) uint64 {
	v := o.value
	switch {
	case o.kind == opFloat64 && t.bits == 32:
		v = uint64(math.Float32bits(float32(math.Float64frombits(v))))
	case o.kind == opFloat32 && t.bits == 64:
		v = math.Float64bits(float64(math.Float32frombits(uint32(v))))
	case o.kind == opFloat32 && t.bits == 16:
		v = uint64(formatOf(t).encode(float64(math.Float32frombits(uint32(v)))))
	}
	if t.bits < 64 {
		v &= 1<<t.bits - 1
	}
	return v
}
