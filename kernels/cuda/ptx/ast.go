package ptx

// source is a place in a CUDA file, from .file and .loc.
type source struct {
	file string // its number
	line int
}

// register is a virtual register of a function.
type register struct {
	name string
	typ  scalar
}

// variable is memory declared by name: shared, local, const, global or a parameter.
type variable struct {
	name   string
	space  space
	typ    scalar
	align  int
	size   int    // bytes
	init   []byte // nil: nothing written yet (PTX zeroes .global and .const)
	extern bool   // dynamic shared memory
}

type operandKind uint8

const (
	opRegister operandKind = iota
	opInteger              // value
	opFloat32              // value holds the bits
	opFloat64              // value holds the bits
	opSymbol               // variable, label, function or special register
	opVector               // {a, b, …}
	opAddress              // [elems[0] + offset]
	opPair                 // a|b
	opList                 // (a, b, …) of a call
	opSink                 // _
)

type operand struct {
	kind   operandKind
	reg    *register
	name   string
	value  uint64
	elems  []operand
	offset int64
	not    bool // !p
}

// scope is one pair of braces; names are looked up outwards.
type scope struct {
	outer     *scope
	registers map[string]*register
	variables map[string]*variable
	labels    map[string]int      // index of the statement that follows
	tables    map[string][]string // .branchtargets
}

func newScope(outer *scope) *scope {
	return &scope{outer: outer, registers: map[string]*register{}, variables: map[string]*variable{},
		labels: map[string]int{}, tables: map[string][]string{}}
}

func (s *scope) register(name string) *register {
	for ; s != nil; s = s.outer {
		if r, ok := s.registers[name]; ok {
			return r
		}
	}
	return nil
}

func (s *scope) variable(name string) *variable {
	for ; s != nil; s = s.outer {
		if v, ok := s.variables[name]; ok {
			return v
		}
	}
	return nil
}

func (s *scope) label(name string) (int, bool) {
	for ; s != nil; s = s.outer {
		if i, ok := s.labels[name]; ok {
			return i, true
		}
	}
	return 0, false
}

func (s *scope) table(name string) ([]string, bool) {
	for ; s != nil; s = s.outer {
		if t, ok := s.tables[name]; ok {
			return t, true
		}
	}
	return nil, false
}

// statement is one instruction as written.
type statement struct {
	line     int
	loc      source
	guard    *register
	guardNot bool
	text     string   // opcode with all modifiers
	opcode   string   // add
	mods     []string // s32
	operands []operand
	scope    *scope
}

// function is a kernel or a device function.
type function struct {
	name     string
	line     int
	entry    bool
	params   []*variable
	results  []*variable
	scope    *scope
	body     []statement
	maxntid  [3]int
	reqntid  [3]int
	declared bool // no body: extern
}
