package ptx

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatIsOutsideTheSubsetIsRefusedWithItsLine holds one wrong text for each
// way of being wrong.
func TestWhatIsOutsideTheSubsetIsRefusedWithItsLine(t *testing.T) {
	for _, c := range []struct {
		body string
		says string
	}{
		{"frobnicate.b32 %r0, %r1;", "unknown instruction frobnicate.b32"},
		{"add.shiny.s32 %r0, %r1, %r2;", "modifier .shiny"},
		{"add.rn.u32 %r0, %r1, %r2;", "modifier .rn"},
		{"add.s32 %r0, %r1;", "2 operands"},
		{"add.s32 %r0, %d1, %r2;", "register %d1 has 64 bits, type .s32 has 32"},
		{"add.b32 %r0, %r1, %r2;", "type .b32"},
		{"mul.s32 %r0, %r1, %r2;", "one of .lo, .hi and .wide"},
		{"add.s32 %r0, %r1, %q2;", "unknown name %q2"},
		{"atom.global.add.f32 %r0, [%address], %r1;", "float atomics are refused"},
		{"red.global.add.noftz.bf16x2 [%address], %r1;", "float atomics are refused"},
		{"ld.global.u32 %r0, [nowhere];", "unknown variable nowhere"},
		{"ld.global.u32 %r0, [out];", "out lies in param space"},
		{"ld.global.v4.u64 {%d0,%d1,%d2,%d3}, [%address];", "32 bytes"},
		{"ld.global.v4.u32 {%r0,%r1}, [%address];", "vector of 4"},
		{"st.param.u64 [out], %d0;", "store to param"},
		{"ld.global.u32 %r0, [%r1];", "32-bit address"},
		{"bra nowhere;", "unknown label nowhere"},
		{"call nothing;", "no such device function"},
		{"setp.lo.s32 %p0, %r1, %r2;", ""},
		{"setp.lt.b32 %p0, %r1, %r2;", `operator "lt" does not fit .b32`},
		{"cvt.f32.s32 %r0, %r1;", "one of .rn"},
		{"cvt.s32.f32 %r0, %r1;", "one of .rni"},
		{"cvt.f16.f32 %h0, %r1;", "rounding mode goes with narrowing"},
		{"cvt.rn.f32.f16 %r0, %h1;", "rounding mode goes with narrowing"},
		{"fma.f32 %r0, %r1, %r2, %r3;", "rounding mode is missing"},
		{"div.f32 %r0, %r1, %r2;", "one of .rn"},
		{"sin.f32 %r0, %r1;", ".approx is missing"},
		{"shfl.bfly.b32 %r0, %r1, 1, 31;", ".sync is missing"},
		{"mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {%r0,%r1,%r2,%r3}, {%r4,%r5}, {%r6}, {%r0,%r1,%r2,%r3};", "shape is not in the subset"},
		{"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%r0,%r1,%r2,%r3}, {%r4,%r5}, {%r6,%r7}, {%r0,%r1,%r2,%r3};", "has 2 registers, 4 are needed"},
		{"cp.async.cg.shared.global [%r1], [%address], 4;", "size 4, allowed are [16]"},
		{"ld.global.L9::fast.u32 %r0, [%address];", "modifier .L9::fast"},
		{"@%r1 add.s32 %r0, %r1, 1;", "not a predicate"},
		{".reg .b77 %x;", "not a register type"},
		{"add.s32 %r0, %r1, 1", "expected"},
	} {
		_, err := Load("bad.ptx", kernelText(c.body))
		if c.says == "" { // lo with signed integers is the same as lt
			continue
		}
		var p *ParseError
		require.ErrorAs(t, err, &p, c.body)
		require.Contains(t, p.Error(), c.says)
		require.Contains(t, p.Error(), "bad.ptx:")
		if c.says != "expected" {
			require.Equal(t, firstBodyLine, p.Line, c.body)
		}
	}
	for _, text := range []string{"", ".version 8.4", "/* open", "\"open", ".entry k() { ret;", ".entry k(.reg .u32 a) {}", "§",
		".address_size 32\n", ".extern .global .b32 x;\n.entry k() {}", ".global .b32 x[2] = {1, 2, 3}; .entry k() {}"} {
		_, err := Load("bad.ptx", text)
		require.Error(t, err, text)
	}
}

func TestRecursionIsRefused(t *testing.T) {
	_, err := Load("r", ".func f() { call f; ret; }\n.entry k() { call f; ret; }")
	require.ErrorContains(t, err, "recursion is not in the subset")
}

func TestModuleVariablesHoldTheirFirstValues(t *testing.T) {
	m, err := Load("vars", ".const .align 4 .f32 c[3] = {0f3f800000, 2.5, -1};\n.global .align 4 .u32 g = 7;\n.global .align 8 .b8 z[16];\n"+kernelText(`
	mov.u64 %d1, c; ld.const.f32 %r0, [%d1+4]; st.global.f32 [%address], %r0;
	ld.global.u32 %r1, [g]; add.u32 %r1, %r1, 1; st.global.u32 [g], %r1;
	mov.u64 %d2, z+8; ld.global.u64 %d3, [%d2]; st.global.u64 [%address+8], %d3;`))
	require.NoError(t, err)
	k := kernelOf(t, m, "k")
	mem := NewMemory()
	out := reserve(t, mem, 16)
	for range 2 {
		_, err = Run(mem, Launch{Kernel: k, Args: arguments(t, k, out)})
		require.NoError(t, err)
	}
	require.Equal(t, float32(2.5), download[float32](t, mem, out, 1)[0])
	require.Zero(t, download[uint64](t, mem, out+8, 1)[0])
	addr, size, err := mem.Global(m, "g")
	require.NoError(t, err)
	require.Equal(t, 4, size)
	require.Equal(t, uint32(9), download[uint32](t, mem, addr, 1)[0], "two launches, one variable")
	_, _, err = mem.Global(m, "h")
	require.ErrorContains(t, err, "no global variable h")
	c, _, err := mem.Global(m, "c")
	require.NoError(t, err)
	bad, err := Load("bad", kernelText("st.global.u32 [%address], 1;"))
	require.NoError(t, err)
	_, err = Run(mem, Launch{Kernel: kernelOf(t, bad, "k"), Args: arguments(t, k, c)})
	require.ErrorIs(t, err, ErrReadOnly)
}

func TestKernelsTellTheirLayout(t *testing.T) {
	k := kernelOf(t, loadFile(t, "vector_add"), "affine")
	require.Equal(t, []Param{{"affine_param_0", 0, 8, 8}, {"affine_param_1", 8, 8, 8}, {"affine_param_2", 16, 12, 4}}, k.Params)
	require.Equal(t, 28, k.ParamBytes)
	rms := kernelOf(t, loadFile(t, "rms_norm"), "rms_norm")
	require.Equal(t, [3]int{256, 1, 1}, rms.MaxThreads)
	require.Equal(t, 128, rms.SharedBytes)
	_, err := loadFile(t, "gemm").Kernel("nothing")
	require.ErrorContains(t, err, "it has gemm, gemm_no_wait, gemm_unpadded")
}

func TestLaunchesThatDoNotFitAreRefused(t *testing.T) {
	k := kernelOf(t, loadFile(t, "rms_norm"), "rms_norm")
	args := make([]byte, k.ParamBytes)
	for name, l := range map[string]Launch{
		"no kernel":             {},
		"short arguments":       {Kernel: k, Args: args[:8]},
		"too many threads":      {Kernel: k, Args: args, Block: [3]int{512}},
		"negative grid":         {Kernel: k, Args: args, Grid: [3]int{-1}},
		"too much shared":       {Kernel: k, Args: args, SharedBytes: 228 << 10},
		"block beyond the card": {Kernel: k, Args: args, Block: [3]int{1024, 2}},
	} {
		_, err := Run(NewMemory(), l)
		require.ErrorIs(t, err, ErrLaunch, name)
	}
}

func TestSpecialRegistersFollowTheGeometry(t *testing.T) {
	m, err := Load("special", kernelText(`
	mov.u32 %r1, %tid.x; mov.u32 %r2, %tid.y; mov.u32 %r3, %tid.z; mov.u32 %r4, %ctaid.x; mov.u32 %r5, %ctaid.y; mov.u32 %r6, %ctaid.z;
	mov.u32 %r7, %ntid.x; mov.u32 %r8, %ntid.y; mov.u32 %r9, %nctaid.x; mov.u32 %r10, %nctaid.y;
	mad.lo.u32 %r11, %r3, %r8, %r2; mad.lo.u32 %r11, %r11, %r7, %r1;
	mad.lo.u32 %r12, %r6, %r10, %r5; mad.lo.u32 %r12, %r12, %r9, %r4;
	mad.lo.u32 %r13, %r12, 24, %r11;
	mul.wide.u32 %d1, %r13, 4; add.s64 %d1, %d1, %address; st.global.u32 [%d1], %r13;`))
	require.NoError(t, err)
	k := kernelOf(t, m, "k")
	mem := NewMemory()
	n := 24 * 30
	out := reserve(t, mem, 4*n)
	_, err = Run(mem, Launch{Kernel: k, Grid: [3]int{5, 3, 2}, Block: [3]int{4, 3, 2}, Args: arguments(t, k, out)})
	require.NoError(t, err)
	for i, v := range download[uint32](t, mem, out, n) {
		require.Equal(t, uint32(i), v)
	}
}

func TestMemoryKeepsToItsAllocations(t *testing.T) {
	mem := NewMemory()
	a, b := reserve(t, mem, 100), reserve(t, mem, 100)
	require.Zero(t, a%256)
	require.NotZero(t, a%512, "no more aligned than promised")
	require.Greater(t, b-a, uint64(100+guardBytes))
	require.NoError(t, mem.Write(a, []byte{1, 2, 3}))
	require.ErrorIs(t, mem.Write(a+98, []byte{1, 2, 3}), ErrBounds)
	require.ErrorIs(t, mem.Fill(a-1, 1, 0), ErrBounds)
	require.NoError(t, mem.Copy(b, a, 4))
	got := make([]byte, 3)
	require.NoError(t, mem.Read(b, got))
	require.Equal(t, []byte{1, 2, 3}, got)
	require.ErrorIs(t, mem.Read(b+1, got), ErrUninitialized, "the copy keeps what is unwritten")
	require.NoError(t, mem.Poison(a, 1))
	require.ErrorIs(t, mem.Read(a, got), ErrUninitialized)
	_, err := mem.Alloc(0)
	require.Error(t, err)
	require.ErrorIs(t, mem.Read(math.MaxUint64, got), ErrBounds)
}

func TestSourcesAreFoundThoughTheCompilerNamesItsFilesLast(t *testing.T) {
	m, err := Load("files", kernelText(".loc 1 7 3, function_name f, inlined_at 2 9 1\nst.global.u32 [%address], 1;")+"\n.file 1 \"kernel.cu\"\n.file 2 \"other.cu\"\n")
	require.NoError(t, err)
	k := kernelOf(t, m, "k")
	_, err = Run(NewMemory(), Launch{Kernel: k, Args: arguments(t, k, uint64(4096))})
	require.ErrorContains(t, err, "(kernel.cu:7)")
}
