package ptx

import (
	"fmt"
	"strings"
)

// ParseError says why a text was refused and where; an instruction or a modifier
// outside the subset is one too.
type ParseError struct {
	Module string // name given to Load
	Line   int    // line of the PTX text
	Detail string
}

// Error names module and line.
func (e *ParseError) Error() string {
	return fmt.Sprintf("ptx: %s:%d: %s", e.Module, e.Line, e.Detail)
}

// parser makes functions and variables of tokens.
type parser struct {
	name      string
	version   string // .version
	target    string // the sm_ of .target
	tokens    []token
	at        int
	files     map[string]string // .file number to name
	loc       source
	top       *scope
	order     []*variable // module variables in the order of the text
	functions map[string]*function
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokEnd {
		p.at++
	}
	return t
}

func (p *parser) errorf(line int, format string, args ...any) error {
	return &ParseError{Module: p.name, Line: line, Detail: fmt.Sprintf(format, args...)}
}

// accept takes the next token when its text is s.
func (p *parser) accept(s string) bool {
	if t := p.peek(); t.kind != tokString && t.kind != tokEnd && t.text == s {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(s string) error {
	if !p.accept(s) {
		t := p.peek()
		return p.errorf(t.line, "expected %q, found %s", s, t)
	}
	return nil
}

func (p *parser) word() (token, error) {
	t := p.next()
	if t.kind != tokWord {
		return t, p.errorf(t.line, "expected a name, found %s", t)
	}
	return t, nil
}

// integer reads a constant with an optional sign.
func (p *parser) integer() (int64, error) {
	negative := p.accept("-")
	t := p.next()
	if t.kind != tokNumber {
		return 0, p.errorf(t.line, "expected a number, found %s", t)
	}
	v, kind, err := parseNumber(t.text)
	if err != nil || kind != opInteger {
		return 0, p.errorf(t.line, "%q is not an integer", t.text)
	}
	if negative {
		return -int64(v), nil
	}
	return int64(v), nil
}

// module reads the whole text.
func (p *parser) module() error {
	for p.peek().kind != tokEnd {
		if err := p.topLevel(); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) topLevel() error {
	t := p.next()
	switch t.text {
	case ".version":
		p.version = p.next().text
		return nil
	case ".address_size":
		n := p.next()
		if n.text != "64" {
			return p.errorf(n.line, "address size %s: only 64 is supported", n.text)
		}
		return nil
	case ".target":
		for {
			w, err := p.word()
			if err != nil {
				return err
			}
			if strings.HasPrefix(w.text, "sm_") {
				p.target = w.text
			}
			if !p.accept(",") {
				return nil
			}
		}
	case ".file":
		return p.fileDirective()
	case ".section":
		return p.skipSection()
	case ".pragma":
		p.next()
		return p.expect(";")
	}
	p.at--
	extern := false
	for {
		switch t := p.peek(); t.text {
		case ".extern":
			extern = true
			p.next()
		case ".visible", ".weak", ".common":
			p.next()
		case ".entry", ".func":
			return p.function(extern)
		case ".global", ".const", ".shared":
			vs, err := p.variables(p.top, extern)
			if err != nil {
				return err
			}
			p.order = append(p.order, vs...)
			return p.expect(";")
		default:
			return p.errorf(t.line, "unknown directive %s", t)
		}
	}
}

// fileDirective reads: .file 1 "name" [, timestamp, size].
func (p *parser) fileDirective() error {
	number, name := p.next(), p.next()
	if number.kind != tokNumber || name.kind != tokString {
		return p.errorf(number.line, ".file wants a number and a name")
	}
	p.files[number.text] = name.text
	for p.accept(",") {
		p.next()
	}
	return nil
}

// locDirective reads: .loc 1 12 3 [, function_name label, inlined_at 1 12 3].
func (p *parser) locDirective() error {
	file := p.next()
	line, err := p.integer()
	if err != nil {
		return err
	}
	if _, err := p.integer(); err != nil {
		return err
	}
	p.loc = source{file.text, int(line)}
	for p.accept(",") {
		for t := p.peek(); t.line == file.line && t.text != ","; t = p.peek() {
			p.next()
		}
	}
	return nil
}

func (p *parser) skipSection() error {
	open := p.next()
	for t := p.peek(); t.text != "{"; t = p.peek() {
		if t.kind == tokEnd {
			return p.errorf(open.line, "section without a body")
		}
		p.next()
	}
	for depth := 0; ; {
		switch t := p.next(); {
		case t.kind == tokEnd:
			return p.errorf(open.line, "section without an end")
		case t.text == "{":
			depth++
		case t.text == "}":
			if depth--; depth == 0 {
				return nil
			}
		}
	}
}

// function reads an .entry or a .func with its parameters, directives and body.
func (p *parser) function(extern bool) error {
	kind := p.next()
	f := &function{line: kind.line, entry: kind.text == ".entry", declared: true, scope: newScope(p.top)}
	var err error
	if !f.entry && p.peek().text == "(" {
		if f.results, err = p.parameters(f.scope); err != nil {
			return err
		}
	}
	name, err := p.word()
	if err != nil {
		return err
	}
	f.name = name.text
	if p.peek().text == "(" {
		if f.params, err = p.parameters(f.scope); err != nil {
			return err
		}
	}
	if err := p.functionDirectives(f); err != nil {
		return err
	}
	if old := p.functions[f.name]; old != nil && !old.declared {
		if p.peek().text == "{" {
			return p.errorf(kind.line, "function %s is defined twice", f.name)
		}
		return p.expect(";")
	}
	p.functions[f.name] = f
	if p.accept(";") {
		return nil
	}
	if extern {
		return p.errorf(kind.line, "extern function %s has a body", f.name)
	}
	f.declared = false
	p.loc = source{}
	if err := p.expect("{"); err != nil {
		return err
	}
	return p.block(f, f.scope)
}

func (p *parser) functionDirectives(f *function) error {
	for {
		t := p.peek()
		switch t.text {
		case ".maxntid", ".reqntid":
			p.next()
			dims, err := p.dimensions()
			if err != nil {
				return err
			}
			if t.text == ".maxntid" {
				f.maxntid = dims
			} else {
				f.reqntid = dims
			}
		case ".minnctapersm", ".maxnctapersm", ".maxnreg":
			p.next()
			if _, err := p.integer(); err != nil {
				return err
			}
		case ".noreturn":
			p.next()
		case ".pragma":
			p.next()
			p.next()
			if err := p.expect(";"); err != nil {
				return err
			}
		case "{", ";":
			return nil
		default:
			return p.errorf(t.line, "unknown directive %s of function %s", t, f.name)
		}
	}
}

func (p *parser) dimensions() ([3]int, error) {
	dims := [3]int{1, 1, 1}
	for i := 0; i < 3; i++ {
		n, err := p.integer()
		if err != nil {
			return dims, err
		}
		dims[i] = int(n)
		if !p.accept(",") {
			break
		}
	}
	return dims, nil
}

// parameters reads: ( .param .u64 a, .param .align 4 .b8 b[12] ).
func (p *parser) parameters(s *scope) ([]*variable, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var out []*variable
	for !p.accept(")") {
		if t := p.peek(); t.text == ".reg" {
			return nil, p.errorf(t.line, "register parameters are not in the subset")
		}
		vs, err := p.variables(s, false)
		if err != nil {
			return nil, err
		}
		out = append(out, vs...)
		if p.peek().text != ")" {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// splitOpcode cuts "ld.global.u32" at its dots.
func splitOpcode(text string) (string, []string) {
	parts := strings.Split(text, ".")
	return parts[0], parts[1:]
}
