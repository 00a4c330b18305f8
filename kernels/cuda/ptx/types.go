package ptx

// class is the register file that holds values of a type.
type class uint8

const (
	class32   class = iota // 8, 16 and 32 bits; the bits above the type's width are zero
	class64                // 64 bits
	classPred              // one bit a lane
)

// family groups the types that instructions tell apart.
type family uint8

const (
	untyped family = iota // .b8 … .b64
	unsigned
	signed
	float      // f16, f32, f64 and the pair f16x2
	brainFloat // bf16 and the pair bf16x2
	tensorFloat
	predicate
)

// scalar is a PTX type.
type scalar struct {
	name   string
	bits   int
	family family
	lanes  int // 2 for the packed pairs, else 1
}

func (t scalar) class() class {
	switch {
	case t.family == predicate:
		return classPred
	case t.bits == 64:
		return class64
	}
	return class32
}

func (t scalar) isFloat() bool { return t.family == float || t.family == brainFloat }

func (t scalar) isSigned() bool { return t.family == signed }

func (t scalar) bytes() int { return t.bits / 8 }

var scalars = func() map[string]scalar {
	list := []scalar{
		{"b8", 8, untyped, 1}, {"b16", 16, untyped, 1}, {"b32", 32, untyped, 1}, {"b64", 64, untyped, 1},
		{"u8", 8, unsigned, 1}, {"u16", 16, unsigned, 1}, {"u32", 32, unsigned, 1}, {"u64", 64, unsigned, 1},
		{"s8", 8, signed, 1}, {"s16", 16, signed, 1}, {"s32", 32, signed, 1}, {"s64", 64, signed, 1},
		{"f16", 16, float, 1}, {"f16x2", 32, float, 2}, {"f32", 32, float, 1}, {"f64", 64, float, 1},
		{"bf16", 16, brainFloat, 1}, {"bf16x2", 32, brainFloat, 2}, {"tf32", 32, tensorFloat, 1},
		{"pred", 1, predicate, 1},
	}
	m := make(map[string]scalar, len(list))
	for _, t := range list {
		m[t.name] = t
	}
	return m
}()

// space is a PTX state space.
type space uint8

const (
	spaceGeneric space = iota
	spaceGlobal
	spaceConst
	spaceShared
	spaceLocal
	spaceParam // a kernel's arguments; parameters of device functions live in local memory
)

var spaces = map[string]space{
	"global": spaceGlobal, "const": spaceConst, "shared": spaceShared, "shared::cta": spaceShared,
	"local": spaceLocal, "param": spaceParam, "param::entry": spaceParam, "param::func": spaceParam,
}

// String is the type as PTX writes it.
func (s space) String() string {
	return [...]string{"generic", "global", "const", "shared", "local", "param"}[s]
}

// Generic addresses of the windows; a window is windowSize bytes. Device memory
// lies at memoryBase and above.
const (
	windowSize   = uint64(1) << 32
	sharedWindow = uint64(0x7a) << 36
	localWindow  = uint64(0x7b) << 36
	paramWindow  = uint64(0x7c) << 36
	memoryBase   = uint64(0x7e) << 36
)
