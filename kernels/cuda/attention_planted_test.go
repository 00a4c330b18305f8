package cuda

import (
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/conformance"
)

// TestConformanceFindsPlantedBugsInAttention writes the mistakes that are easily made in
// attention into the PTX of real kernels. The conformance table must notice each, by a fault
// of the PTX machine or by the numbers.
func TestConformanceFindsPlantedBugsInAttention(t *testing.T) {
	const (
		edge    = `( \t%p\d+, %r\d+, -?\d+;\n(?:\t\.loc[^\n]*\n)*\tselp\.f32 \t%f\d+, )`
		masked  = `\tselp\.f32 \t(%f\d+), 0fFF800000, (%f\d+), %p\d+;`
		length  = `(\tsub\.s32 \t(%r\d+), %r\d+, %r\d+;\n)`
		longer  = "$1\tadd.s32 \t$2, $2, 1;\n"
		scale   = `ld\.param\.f32 \t(%f\d+), \[\w+\];`
		one     = "mov.f32 \t$1, 0f3F800000;"
		oneKind = "mov.u32 \t$1, 1;"
	)
	group := func(param string) mutant {
		return nth(`ld\.param\.u32 \t(%r\d+), \[\w+_param_`+param+`\];`, 0, oneKind)
	}
	forward, backward, decode := "Attention", "AttentionBackward", "CachedAttention"
	for _, c := range []struct {
		name, operation, file, entry string
		change                       mutant
	}{
		{"a token does not see itself", forward, "attention", "attention_16", nth(`setp\.lt\.s32`+edge+`0fFF800000`, 0, "setp.le.s32${1}0fFF800000")},
		{"a token sees what follows", forward, "attention", "attention_16", nth(masked, 0, "\tmov.f32 \t$1, $2;")},
		{"a document is one token longer", forward, "attention", "attention_16", nth(length, 1, longer)},
		{"every query head reads its own key head", forward, "attention", "attention_16", group("7")},
		{"no scale", forward, "attention", "attention_16", nth(scale, 0, one)},
		{"dk without the diagonal", backward, "attention_backward", "attention_keys_16", nth(`setp\.gt\.s32`+edge+`0fFF800000`, 0, "setp.ge.s32${1}0fFF800000")},
		{"dk of the group's first head alone", backward, "attention_backward", "attention_keys_16", group("10")},
		{"dk of a longer document", backward, "attention_backward", "attention_keys_16", nth(length, 1, longer)},
		{"dk without scale", backward, "attention_backward", "attention_keys_16", nth(scale, 0, one)},
		{"dq without the diagonal", backward, "attention_backward", "attention_queries_16", nth(`setp\.lt\.s32`+edge+`0fFF800000`, 0, "setp.le.s32${1}0fFF800000")},
		{"dq by its own key head", backward, "attention_backward", "attention_queries_16", group("9")},
		{"dq of a longer document", backward, "attention_backward", "attention_queries_16", nth(length, 1, longer)},
		{"dq without scale", backward, "attention_backward", "attention_queries_16", nth(scale, 0, one)},
		{"decoding without scale", decode, "decode", "decode_32", nth(scale, 0, one)},
		{"decoding of the group's first head alone", decode, "decode", "decode_32", group("7")},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, _ := openBroken(t, kernels.BFloat16)
			plant(t, b, c.file, c.entry, c.change)
			faults := conformance.Faults(b, c.operation, conformance.Options{})
			require.NotEmpty(t, faults)
			t.Log(faults[0])
		})
	}
}
