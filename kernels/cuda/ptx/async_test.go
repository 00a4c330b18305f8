package ptx

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// asyncBody gives each lane a word of shared memory in %r9 and prepares nothing else.
const asyncBody = ".shared .align 16 .b8 s[2048]; mov.u32 %r9, s; mad.lo.u32 %r9, %r1, 16, %r9; mov.u32 %r10, s;\n"

func TestAsyncCopyLandsAtItsWaitOnly(t *testing.T) {
	// Two groups; waiting for all but the latest lands the first.
	out := runLanes(t, asyncBody+`
	cp.async.ca.shared.global [%r9], [%address], 4;
	cp.async.commit_group;
	cp.async.ca.shared.global [%r9+4], [%address], 4;
	cp.async.commit_group;
	cp.async.wait_group 1;
	ld.shared.u32 %r2, [%r9];
	cp.async.wait_group 0;
	ld.shared.u32 %r3, [%r9+4];
	cp.async.ca.shared::cta.global.L2::128B [%r9+8], [%address], 4;
	cp.async.wait_all;
	ld.shared.u32 %r4, [%r9+8];`, laneNumbers(), 3)
	for i := range 3 {
		require.Equal(t, laneNumbers(), out[i])
	}
}

func TestAsyncCopyFillsWithZeros(t *testing.T) {
	// Source sizes 0 to 3 of 4 bytes by lane; then the predicate that ignores the source.
	in := [32]uint32{}
	for l := range in {
		in[l] = 0x04030201
	}
	out := runLanes(t, asyncBody+`
	mov.u64 %d1, 0;
	and.b32 %r11, %lane, 3;
	mov.u32 %r12, s; mad.lo.u32 %r12, %lane, 16, %r12;
	cp.async.ca.shared.global [%r12+16], [%address], 4, %r11;
	cp.async.wait_all;
	ld.shared.u32 %r2, [%r12+16];
	setp.eq.u32 %p1, %lane, %lane;
	cp.async.ca.shared.global [%r12+16], [%d1], 4, %p1;
	cp.async.wait_all;
	ld.shared.u32 %r3, [%r12+16];`, in, 2)
	for l := range 32 {
		require.Equal(t, uint32(0x04030201)&(1<<(8*(l%4))-1), out[0][l], "lane %d", l)
		require.Zero(t, out[1][l])
	}
}

func TestCountsTellCoalescedFromStrided(t *testing.T) {
	for _, c := range []struct {
		name           string
		body           string
		sectors, ideal int64
	}{
		{"consecutive", "mul.wide.u32 %d1, %lane, 4; add.s64 %d1, %d1, %address; ld.global.u32 %r0, [%d1];", 4, 4},
		{"consecutive vectors", "mul.wide.u32 %d1, %lane, 16; add.s64 %d1, %d1, %address; ld.global.v4.u32 {%r0,%r1,%r2,%r3}, [%d1];", 16, 16},
		{"shifted by one word", "mul.wide.u32 %d1, %lane, 4; add.s64 %d1, %d1, %address; ld.global.u32 %r0, [%d1+4];", 5, 4},
		{"stride of 32 bytes", "mul.wide.u32 %d1, %lane, 32; add.s64 %d1, %d1, %address; ld.global.u32 %r0, [%d1];", 32, 4},
		{"one word for all", "ld.global.u32 %r0, [%address];", 1, 1},
		{"half a warp", "mul.wide.u32 %d1, %lane, 4; add.s64 %d1, %d1, %address; setp.lt.u32 %p1, %lane, 16; @%p1 ld.global.u32 %r0, [%d1];", 2, 2},
		{"backwards", "sub.u32 %r1, 31, %lane; mul.wide.u32 %d1, %r1, 4; add.s64 %d1, %d1, %address; ld.global.u32 %r0, [%d1];", 4, 4},
	} {
		counts, err := runBody(t, c.body, [3]int{32}, 0)
		require.NoError(t, err)
		require.Equal(t, [2]int64{c.sectors, c.ideal}, [2]int64{counts.GlobalLoad.Units, counts.GlobalLoad.Ideal}, c.name)
	}
}

func TestCountsTellBankConflicts(t *testing.T) {
	for _, c := range []struct {
		name          string
		store         string // %r1 = 4·lane
		passes, ideal int64
	}{
		{"consecutive words", "st.shared.u32 [%r1], 0;", 1, 1},
		{"stride of 2 words", "shl.b32 %r1, %r1, 1; st.shared.u32 [%r1], 0;", 2, 1},
		{"stride of 32 words", "shl.b32 %r1, %r1, 5; st.shared.u32 [%r1], 0;", 32, 1},
		{"stride of 33 words", "mul.lo.u32 %r1, %r1, 33; st.shared.u32 [%r1], 0;", 1, 1},
		{"one word for all", "mov.u32 %r1, 0; st.shared.u32 [%r1], 0;", 1, 1},
		{"consecutive pairs", "shl.b32 %r1, %r1, 1; mov.b64 %d1, 0; st.shared.b64 [%r1], %d1;", 2, 2},
		{"consecutive quads", "shl.b32 %r1, %r1, 2; mov.b32 %r2, 0; st.shared.v4.b32 [%r1], {%r2,%r2,%r2,%r2};", 4, 4},
		{"quads at a stride of 128 bytes", "shl.b32 %r1, %r1, 5; mov.b32 %r2, 0; st.shared.v4.b32 [%r1], {%r2,%r2,%r2,%r2};", 32, 4},
		{"consecutive halves", "shr.u32 %r1, %r1, 1; mov.b16 %h1, 0; st.shared.b16 [%r1], %h1;", 1, 1},
	} {
		text := strings.Replace(kernelText("mov.u32 %r1, s; mad.lo.u32 %r1, %lane, 4, %r1;"+c.store), ".visible", ".extern .shared .align 16 .b8 s[];\n.visible", 1)
		m, err := Load("banks", text)
		require.NoError(t, err)
		mem := NewMemory()
		k := kernelOf(t, m, "k")
		counts, err := Run(mem, Launch{Kernel: k, Block: [3]int{32}, SharedBytes: 8192, Args: arguments(t, k, reserve(t, mem, 4))})
		require.NoError(t, err)
		require.Equal(t, [2]int64{c.passes, c.ideal}, [2]int64{counts.SharedStore.Units, counts.SharedStore.Ideal}, c.name)
	}
}

func TestCountsByKindAndLine(t *testing.T) {
	m, err := Load("lines", ".file 1 \"kernel.cu\"\n"+kernelText(".loc 1 7 3\nsetp.lt.u32 %p1, %lane, 8;\n@%p1 bra skip;\nadd.s32 %r1, %lane, 1;\nskip: mov.u32 %r0, 3;\nst.global.u32 [%address], %r0;"))
	require.NoError(t, err)
	k := kernelOf(t, m, "k")
	mem := NewMemory()
	c, err := Run(mem, Launch{Kernel: k, Grid: [3]int{2}, Block: [3]int{64}, Lines: true, Args: arguments(t, k, reserve(t, mem, 4))})
	require.NoError(t, err)
	require.Equal(t, Executed{Warp: 4, Lane: 4*32 - 2*8}, c.ByKind[KindInteger])
	require.Equal(t, int64(4), c.Branches)
	require.Equal(t, int64(2), c.Diverged)
	var add LineCount
	for _, l := range c.Lines {
		if l.Text == "add.s32" {
			add = l
		}
	}
	require.Equal(t, LineCount{Line: 19, Source: "kernel.cu:7", Text: "add.s32", Executed: Executed{4, 112}}, add)
	double := c
	double.Add(c)
	require.Equal(t, 2*c.Executed.Lane, double.Executed.Lane)
	require.Equal(t, 2*c.GlobalStore.Units, double.GlobalStore.Units)
}

func TestAsyncCopyOfWiderElementsFillsWithZeros(t *testing.T) {
	for _, size := range []string{"8", "16"} {
		// 4·(lane mod 3) bytes are taken, of an allocation that holds them all.
		out := runLanes(t, asyncBody+`
	mov.u32 %r2, 0; mov.u32 %r3, 0;
	and.b32 %r11, %lane, 1; shl.b32 %r11, %r11, 2;
	mov.u32 %r12, s; mad.lo.u32 %r12, %lane, 16, %r12;
	and.b64 %d1, %address, -16;
	cp.async.ca.shared.global [%r12], [%d1], `+size+`, %r11;
	cp.async.commit_group;
	cp.async.wait_group 0;
	ld.shared.v2.u32 {%r2, %r3}, [%r12];`, laneNumbers(), 2)
		for l := range 32 {
			require.Equal(t, uint32(l&^3)*uint32(l&1), out[0][l], "lane %d of size %s", l, size)
			require.Zero(t, out[1][l])
		}
	}
}

// TestSharedCellsAreSplitAndMadeWholeAgain mixes accesses of 16 and of fewer bytes:
// every byte keeps its own history.
func TestSharedCellsAreSplitAndMadeWholeAgain(t *testing.T) {
	const prepare = ".shared .align 16 .b8 s[1024]; .reg .b32 %s; mov.u32 %s, s; mad.lo.u32 %s, %tid.x, 16, %s; mov.b32 %r1, 7;\n"
	for _, c := range []struct {
		name, body string
		want       error
	}{
		{"whole, then a part", "st.shared.v4.b32 [%s], {%r1,%r1,%r1,%r1}; ld.shared.u32 %r2, [%s+8];", nil},
		{"parts, then whole", "st.shared.v2.b32 [%s], {%r1,%r1}; st.shared.v2.b32 [%s+8], {%r1,%r1}; ld.shared.v4.b32 {%r2,%r3,%r4,%r5}, [%s];", nil},
		{"a part is missing", "st.shared.b32 [%s], %r1; st.shared.b32 [%s+4], %r1; st.shared.b32 [%s+12], %r1; ld.shared.v4.b32 {%r2,%r3,%r4,%r5}, [%s];", ErrUninitialized},
		{"part, whole, whole", "st.shared.b32 [%s], %r1; st.shared.v4.b32 [%s], {%r1,%r1,%r1,%r1}; ld.shared.v4.b32 {%r2,%r3,%r4,%r5}, [%s]; ld.shared.u8 %r2, [%s+15];", nil},
		{"another warp wrote one byte", "st.shared.v4.b32 [%s], {%r1,%r1,%r1,%r1}; bar.sync 0; xor.b32 %s, %s, 512; st.shared.u8 [%s+9], 1; xor.b32 %s, %s, 512; ld.shared.v4.b32 {%r2,%r3,%r4,%r5}, [%s];", ErrRace},
		{"another warp wrote it all", "st.shared.u8 [%s+9], 1; xor.b32 %s, %s, 512; st.shared.v4.b32 [%s], {%r1,%r1,%r1,%r1};", ErrRace},
		{"another warp read a part", "st.shared.v4.b32 [%s], {%r1,%r1,%r1,%r1}; bar.sync 0; xor.b32 %s, %s, 512; ld.shared.u8 %r2, [%s+9]; xor.b32 %s, %s, 512; st.shared.v4.b32 [%s], {%r1,%r1,%r1,%r1};", ErrRace},
		{"a barrier between", "st.shared.u8 [%s+9], 1; bar.sync 0; xor.b32 %s, %s, 512; st.shared.v4.b32 [%s], {%r1,%r1,%r1,%r1}; bar.sync 0; xor.b32 %s, %s, 512; ld.shared.u16 %r2, [%s+4];", nil},
		{"a copy in flight to a split cell", "st.shared.u8 [%s+9], 1; and.b64 %address, %address, -256; cp.async.ca.shared.global [%s], [%address], 16; ld.shared.u8 %r2, [%s+15];", ErrAsync},
		{"a copy in flight to one word", "st.shared.v4.b32 [%s], {%r1,%r1,%r1,%r1}; cp.async.ca.shared.global [%s+4], [%address], 4; ld.shared.v4.b32 {%r2,%r3,%r4,%r5}, [%s];", ErrAsync},
	} {
		_, err := runBody(t, prepare+c.body, [3]int{64}, 0)
		if c.want == nil {
			require.NoError(t, err, c.name)
		} else {
			require.ErrorIs(t, err, c.want, c.name)
		}
	}
}
