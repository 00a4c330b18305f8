package gguf

import "strconv"

// Type is how a tensor's values are stored, by its number in the file.
type Type uint32

// The types that this package reads; those of Type.Writable it also writes. The
// quantized ones store rows in blocks of integers q with F16 scales d and minima m.
// In a block of 32 values:
//
//	Q8_0   q·d        q in -128..127, one byte each
//	Q4_0   (q-8)·d    q in 0..15, byte i holds q[i] low and q[i+16] high
//	Q4_1   q·d + m    likewise
//	Q5_0   (q-16)·d   likewise, with the fifth bits of q apart
//	Q5_1   q·d + m    likewise
//
// In a block of 256 values, where each group of 16 or 32 has an integer scale s and
// a minimum t of its own (Q3_K, Q6_K: no minimum, s and q signed):
//
//	Q2_K, Q3_K, Q4_K, Q5_K, Q6_K   q·(d·s) - m·t   q of so many bits
const (
	F32  Type = 0
	F16  Type = 1
	Q4_0 Type = 2
	Q4_1 Type = 3
	Q5_0 Type = 6
	Q5_1 Type = 7
	Q8_0 Type = 8
	Q2_K Type = 10
	Q3_K Type = 11
	Q4_K Type = 12
	Q5_K Type = 13
	Q6_K Type = 14
	BF16 Type = 30
)

const (
	blockValues = 32  // values in a block of Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1
	superValues = 256 // values in a block of the K types
	groupValues = 16  // fewest values of a K type with one scale
)

// layout is the name of a type and the size of its blocks.
type layout struct {
	name   string
	values int // in a block
	bytes  int // of a block
}

// layouts are the types of the format; those not named above can be listed and
// checked, not read.
var layouts = map[Type]layout{
	F32: {"F32", 1, 4}, F16: {"F16", 1, 2}, BF16: {"BF16", 1, 2},
	Q4_0: {"Q4_0", blockValues, 18}, Q4_1: {"Q4_1", blockValues, 20}, Q8_0: {"Q8_0", blockValues, 34},
	Q5_0: {"Q5_0", blockValues, 22}, Q5_1: {"Q5_1", blockValues, 24},
	Q2_K: {"Q2_K", superValues, 84}, Q3_K: {"Q3_K", superValues, 110}, Q4_K: {"Q4_K", superValues, 144},
	Q5_K: {"Q5_K", superValues, 176}, Q6_K: {"Q6_K", superValues, 210},
	9: {"Q8_1", 32, 36}, 15: {"Q8_K", 256, 292},
	16: {"IQ2_XXS", 256, 66}, 17: {"IQ2_XS", 256, 74}, 18: {"IQ3_XXS", 256, 98},
	19: {"IQ1_S", 256, 50}, 20: {"IQ4_NL", 32, 18}, 21: {"IQ3_S", 256, 110},
	22: {"IQ2_S", 256, 82}, 23: {"IQ4_XS", 256, 136}, 29: {"IQ1_M", 256, 56},
	24: {"I8", 1, 1}, 25: {"I16", 1, 2}, 26: {"I32", 1, 4}, 27: {"I64", 1, 8}, 28: {"F64", 1, 8},
	34: {"TQ1_0", 256, 54}, 35: {"TQ2_0", 256, 66}, 39: {"MXFP4", 32, 17},
}

// String is the type's name in ggml, or its number when it has none here.
func (t Type) String() string {
	if l, ok := layouts[t]; ok {
		return l.name
	}
	return "type " + strconv.FormatUint(uint64(t), 10)
}

// Supported says whether the type converts to float32.
func (t Type) Supported() bool {
	switch t {
	case Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K:
		return true
	}
	return t.Writable()
}

// Writable says whether the type also converts from float32.
func (t Type) Writable() bool {
	switch t {
	case F32, F16, BF16, Q4_0, Q4_1, Q8_0:
		return true
	}
	return false
}
