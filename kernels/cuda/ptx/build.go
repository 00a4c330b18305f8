package ptx

import "slices"

// builder makes a Kernel of a function: it inlines the device functions that it
// calls, lays out its variables, gives everything a slot and decodes.
type builder struct {
	module    *Module
	parser    *parser
	kernel    *Kernel
	statement []placed
	active    []*function // being inlined, to find recursion
	shared    map[*variable]place
	dynamic   bool // extern shared memory is used
	align     int  // of the dynamic shared memory
	local     int  // bytes of local memory so far
	slots     [3]int
	constants map[constantKey]int
}

type constantKey struct {
	class class
	value uint64
	name  string // of a symbol or a special register
}

// place is where a variable lies: an offset in its space, or a name to be looked
// up in device memory at launch.
type place struct {
	space  space
	offset int64
	name   string
}

// instance is one inlined copy of a function, with registers of its own.
type instance struct {
	fn        *function
	registers map[*register]int
	places    map[*variable]place
	starts    []int // index of each statement after inlining
	end       int   // index behind the last one: where ret goes
	outermost bool
}

// placed is a statement after inlining.
type placed struct {
	st *statement
	in *instance
}

func build(m *Module, p *parser, f *function) (*Kernel, error) {
	k := &Kernel{Name: f.name, module: m, MaxThreads: f.maxntid, RequiredThreads: f.reqntid}
	b := &builder{module: m, parser: p, kernel: k, shared: map[*variable]place{}, constants: map[constantKey]int{}}
	in := b.instance(f)
	in.outermost = true
	for _, v := range f.params {
		at := alignUp(k.ParamBytes, v.align)
		in.places[v] = place{space: spaceParam, offset: int64(at)}
		k.Params = append(k.Params, Param{v.name, at, v.size, v.align})
		k.ParamBytes = at + v.size
	}
	if err := b.inline(in); err != nil {
		return nil, err
	}
	// A text that falls off its end returns.
	b.statement = append(b.statement, placed{&statement{line: f.line, text: "ret", opcode: "ret", scope: f.scope}, in})
	b.layOutShared()
	k.code = make([]instr, 0, len(b.statement))
	for i := range b.statement {
		d := decoder{b: b, st: b.statement[i].st, in: b.statement[i].in}
		out, err := d.decode()
		if err != nil {
			return nil, err
		}
		k.code = append(k.code, out)
	}
	reconverge(k.code)
	k.LocalBytes = b.local
	k.predicates = b.slots[classPred]
	k.init32, k.init64 = make([]uint32, b.slots[class32]), make([]uint32, b.slots[class64])
	for _, c := range k.values32 {
		k.init32[c.slot] = fullMask
	}
	for _, c := range k.values64 {
		k.init64[c.slot] = fullMask
	}
	for _, s := range k.symbols {
		k.init64[s.slot] = fullMask
	}
	for _, s := range k.specials {
		k.init32[s.slot] = fullMask
	}
	return k, nil
}

func (b *builder) instance(f *function) *instance {
	return &instance{fn: f, registers: map[*register]int{}, places: map[*variable]place{}}
}

// inline appends the statements of in, calls replaced by the functions they call.
func (b *builder) inline(in *instance) error {
	b.active = append(b.active, in.fn)
	for i := range in.fn.body {
		st := &in.fn.body[i]
		in.starts = append(in.starts, len(b.statement))
		if st.opcode != "call" {
			b.statement = append(b.statement, placed{st, in})
			continue
		}
		if err := b.call(in, st); err != nil {
			return err
		}
	}
	in.end = len(b.statement)
	in.starts = append(in.starts, in.end)
	b.active = b.active[:len(b.active)-1]
	return nil
}

// call inlines: call[.uni] [(results),] function [, (arguments)]. Arguments and
// results are .param variables of the caller, which become the callee's own.
func (b *builder) call(in *instance, st *statement) error {
	fail := func(format string, args ...any) error { return b.parser.errorf(st.line, format, args...) }
	if st.guard != nil {
		return fail("a call under a predicate is not in the subset")
	}
	ops := st.operands
	var results, arguments []operand
	if len(ops) > 0 && ops[0].kind == opList {
		results, ops = ops[0].elems, ops[1:]
	}
	if len(ops) == 0 || ops[0].kind != opSymbol {
		return fail("only calls of functions by name are in the subset")
	}
	f := b.parser.functions[ops[0].name]
	if ops = ops[1:]; len(ops) > 0 && ops[0].kind == opList {
		arguments, ops = ops[0].elems, ops[1:]
	}
	if f == nil || f.declared || f.entry || len(ops) > 0 {
		return fail("call of %s: no such device function in this text", st.text)
	}
	for _, a := range b.active {
		if a == f {
			return fail("function %s calls itself: recursion is not in the subset", f.name)
		}
	}
	if len(results) != len(f.results) || len(arguments) != len(f.params) {
		return fail("call of %s with %d results and %d arguments, it has %d and %d", f.name, len(results), len(arguments), len(f.results), len(f.params))
	}
	callee := b.instance(f)
	actual, formal := slices.Concat(results, arguments), slices.Concat(f.results, f.params)
	for i, a := range actual {
		v := st.scope.variable(a.name)
		if a.kind != opSymbol || v == nil || v.space != spaceParam || v.size != formal[i].size {
			return fail("call of %s: argument %d is not a .param variable of %d bytes", f.name, i, formal[i].size)
		}
		callee.places[formal[i]] = b.place(in, v)
	}
	return b.inline(callee)
}

// place returns where v lies for the instance; the first mention lays it out.
func (b *builder) place(in *instance, v *variable) place {
	switch v.space {
	case spaceGlobal, spaceConst:
		return place{space: v.space, name: v.name}
	case spaceShared:
		return b.shared[v]
	}
	if p, ok := in.places[v]; ok {
		return p
	}
	// .local, and the .param of device functions and of their callers.
	at := alignUp(b.local, max(v.align, 1))
	b.local = at + v.size
	p := place{space: spaceLocal, offset: int64(at)}
	in.places[v] = p
	return p
}

// layOutShared places the shared variables that the kernel mentions: static ones
// in the order of their mention, the dynamic ones all at the end of them.
func (b *builder) layOutShared() {
	var dynamic []*variable
	var visit func(s *scope, o *operand)
	visit = func(s *scope, o *operand) {
		for i := range o.elems {
			visit(s, &o.elems[i])
		}
		if o.kind != opSymbol {
			return
		}
		v := s.variable(o.name)
		if v == nil || v.space != spaceShared {
			return
		}
		if _, ok := b.shared[v]; ok {
			return
		}
		if v.extern {
			b.dynamic = true
			b.align = max(b.align, v.align)
			dynamic = append(dynamic, v)
			b.shared[v] = place{space: spaceShared}
			return
		}
		at := alignUp(b.kernel.SharedBytes, v.align)
		b.shared[v] = place{space: spaceShared, offset: int64(at)}
		b.kernel.SharedBytes = at + v.size
	}
	for _, p := range b.statement {
		for i := range p.st.operands {
			visit(p.st.scope, &p.st.operands[i])
		}
	}
	if b.dynamic {
		b.kernel.SharedBytes = alignUp(b.kernel.SharedBytes, b.align)
		for _, v := range dynamic {
			b.shared[v] = place{space: spaceShared, offset: int64(b.kernel.SharedBytes)}
		}
	}
}

func alignUp(n, to int) int { return (n + to - 1) / to * to }

// slot returns a fresh slot of a class.
func (b *builder) slot(c class) int {
	b.slots[c]++
	return b.slots[c] - 1
}

// register returns the slot of a register in an instance.
func (b *builder) register(in *instance, r *register) int {
	if s, ok := in.registers[r]; ok {
		return s
	}
	s := b.slot(r.typ.class())
	in.registers[r] = s
	return s
}

// constant returns the slot that holds a value in all lanes.
func (b *builder) constant(c class, value uint64) int {
	key := constantKey{class: c, value: value}
	if s, ok := b.constants[key]; ok {
		return s
	}
	s := b.slot(c)
	b.constants[key] = s
	if c == class64 {
		b.kernel.values64 = append(b.kernel.values64, slotValue{s, value})
	} else {
		b.kernel.values32 = append(b.kernel.values32, slotValue{s, value})
	}
	return s
}

// symbol returns the slot that holds a device variable's address plus offset.
func (b *builder) symbol(name string, offset int64) int {
	key := constantKey{class: class64, value: uint64(offset), name: name}
	if s, ok := b.constants[key]; ok {
		return s
	}
	s := b.slot(class64)
	b.constants[key] = s
	b.kernel.symbols = append(b.kernel.symbols, slotSymbol{s, name, offset})
	return s
}

// special returns the slot that holds a special register.
func (b *builder) special(name string) int {
	key := constantKey{class: class32, name: name}
	if s, ok := b.constants[key]; ok {
		return s
	}
	s := b.slot(class32)
	b.constants[key] = s
	b.kernel.specials = append(b.kernel.specials, slotSpecial{s, name})
	return s
}
