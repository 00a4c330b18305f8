package ptx

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// runBody runs a hand-written kernel of one block with a pointer to 4096 written
// bytes in %address.
func runBody(t *testing.T, body string, block [3]int, dynamicShared int) (Counts, error) {
	t.Helper()
	m, err := Load("body", kernelText(body))
	require.NoError(t, err)
	k := kernelOf(t, m, "k")
	mem := NewMemory()
	out := reserve(t, mem, 4096)
	require.NoError(t, mem.Fill(out, 4096, 0))
	return Run(mem, Launch{Kernel: k, Block: block, SharedBytes: dynamicShared, Args: arguments(t, k, out), Budget: 100000})
}

// TestPlantedBugsAreFound holds one small kernel for each kind of fault; each
// fails when the check behind it is removed.
func TestPlantedBugsAreFound(t *testing.T) {
	const shared = ".shared .align 16 .b8 s[4096]; mov.u32 %r1, s; mad.lo.s32 %r1, %lane, 4, %r1;\n"
	warp, two := [3]int{32}, [3]int{64}
	for _, c := range []struct {
		name  string
		body  string
		block [3]int
		kind  error
		line  int // within the body
		says  string
	}{
		{"read behind the end", "ld.global.u32 %r0, [%address+4096];", warp, ErrBounds, 1, "offset 4096 of the allocation of 4096 bytes"},
		{"read before the start", "ld.global.u32 %r0, [%address+-4];", warp, ErrBounds, 1, "4 bytes before"},
		{"half outside", "ld.global.v4.u32 {%r0,%r1,%r2,%r3}, [%address+4096];", warp, ErrBounds, 1, ""},
		{"null pointer", "mov.u64 %d1, 0;\nld.global.u32 %r0, [%d1];", warp, ErrBounds, 2, ""},
		{"write outside", "mul.wide.u32 %d1, %lane, 1024;\nadd.s64 %d1, %address, %d1;\nst.global.u32 [%d1], 1;", warp, ErrBounds, 3, "lane 4"},
		{"misaligned", "ld.global.u64 %d0, [%address+4];", warp, ErrAlignment, 1, "multiple of 8"},
		{"misaligned shared", shared + "ld.shared.u16 %h0, [%r1+1];", warp, ErrAlignment, 2, ""},
		{"shared outside", shared + "st.shared.u32 [%r1+4096], 1;", warp, ErrBounds, 2, "4096"},
		{"global pointer as shared", "cvt.u32.u64 %r1, %address;\nld.shared.u32 %r0, [%r1];", warp, ErrBounds, 2, ""},
		{"local outside", ".local .b8 a[16]; mov.u64 %d1, a;\nst.local.u8 [%d1+16], 1;", warp, ErrBounds, 2, ""},
		{"unwritten register", "add.s32 %r0, %r1, 1;", warp, ErrUninitialized, 1, "register"},
		{"unwritten predicate", "@%p1 mov.u32 %r0, 1;", warp, ErrUninitialized, 1, ""},
		{"register written in one lane only", "setp.eq.u32 %p1, %lane, 3;\n@%p1 mov.u32 %r0, 1;\nadd.s32 %r0, %r0, 1;", warp, ErrUninitialized, 3, "lane 0"},
		{"unwritten shared", shared + "ld.shared.u32 %r0, [%r1];", warp, ErrUninitialized, 2, "never written"},
		{"half-written shared", shared + "st.shared.u16 [%r1], 1;\nld.shared.u32 %r0, [%r1];", warp, ErrUninitialized, 3, "bytes 0xc of 0xf"},
		{"unwritten local", ".local .b8 a[16]; ld.local.u8 %r0, [a];", warp, ErrUninitialized, 1, ""},
		{"missing barrier", shared + "st.shared.u32 [%r1], 1;\nsetp.lt.u32 %p1, %lane, 32;\n@%p1 ret;\nxor.b32 %r1, %r1, 128;\nld.shared.u32 %r0, [%r1];", two, ErrRace, 6, "lane 0: ld.shared.u32: reads the word at shared offset 0 that warp 0 wrote with no barrier between"},
		{"write after read without a barrier", shared + "st.shared.u32 [%r1], 1;\nbar.sync 0;\nxor.b32 %r2, %r1, 128;\nld.shared.u32 %r0, [%r2];\nsetp.lt.u32 %p1, %lane, 32;\n@%p1 bra end;\nst.shared.u32 [%r1], 2;\nend:", two, ErrRace, 5, "wrote with no barrier"},
		{"write after read without a barrier, in the order of the warps", shared + "st.shared.u32 [%r1], 1;\nbar.sync 0;\nxor.b32 %r2, %r1, 128;\nld.shared.u32 %r0, [%r2];\nsetp.ge.u32 %p1, %lane, 32;\n@%p1 bra end;\nst.shared.u32 [%r1], 2;\nend:", two, ErrRace, 8, "read with no barrier"},
		{"two warps write one word", shared + "mov.u32 %r1, s;\nst.shared.u32 [%r1], %lane;", two, ErrRace, 3, "warp 0 wrote"},
		{"barrier in diverged code", "setp.lt.u32 %p1, %lane, 16;\n@%p1 bra skip;\nbar.sync 0;\nskip: mov.u32 %r0, 0; st.global.u32 [%address], %r0;", warp, ErrBarrier, 3, "elsewhere"},
		{"barrier after some lanes returned", "setp.lt.u32 %p1, %lane, 16;\n@%p1 ret;\nbar.sync 0;", warp, ErrBarrier, 3, "exited"},
		{"barrier not reached by a warp", "setp.lt.u32 %p1, %lane, 32;\n@%p1 bra skip;\nbar.sync 0;\nskip:", two, ErrBarrier, 3, "32 of 64 threads"},
		{"different barriers", "setp.lt.u32 %p1, %lane, 32;\nselp.b32 %r1, 1, 2, %p1;\nbar.sync %r1;", two, ErrBarrier, 3, "waiting warps: 0 in line"},
		{"different counts", "setp.lt.u32 %p1, %lane, 32;\nselp.b32 %r1, 64, 32, %p1;\nbar.sync 1, %r1;", two, ErrBarrier, 3, "is for 32 threads here"},
		{"shuffle with absent lanes", "setp.lt.u32 %p1, %lane, 16;\n@%p1 bra skip;\nshfl.sync.bfly.b32 %r0, %lane, 1, 31, -1;\nskip: bar.warp.sync -1;", warp, ErrAbsentLanes, 3, "lanes 0x0000ffff"},
		{"shuffle from an exited lane", "setp.lt.u32 %p1, %lane, 16;\n@%p1 ret;\nshfl.sync.idx.b32 %r0, %lane, 1, 31, -1;", warp, ErrAbsentLanes, 3, "comes from lane 1"},
		{"lane outside its own mask", "vote.sync.ballot.b32 %r0, %only, 15;", warp, ErrAbsentLanes, 1, "own mask"},
		{"vote with absent lanes", "setp.lt.u32 %p1, %lane, 16;\n@%p1 vote.sync.any.pred %p0, %p1, -1;", warp, ErrAbsentLanes, 2, ""},
		{"mma with absent lanes", "mov.b32 %r1, 0; setp.lt.u32 %p1, %lane, 16;\n@%p1 mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%r2,%r3,%r4,%r5}, {%r1,%r1}, {%r1}, {%r1,%r1,%r1,%r1};", warp, ErrAbsentLanes, 2, ""},
		{"ldmatrix with absent lanes", shared + "setp.lt.u32 %p1, %lane, 16;\n@%p1 ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r2}, [%r1];", warp, ErrAbsentLanes, 3, ""},
		{"endless loop", "again: bra again;", warp, ErrBudget, 1, "endless"},
		{"trap", "trap;", warp, ErrTrap, 1, ""},
		{"bra.uni that diverges", "setp.lt.u32 %p1, %lane, 16;\n@%p1 bra.uni skip;\nmov.u32 %r0, 0;\nskip: mov.u32 %r1, 0;", warp, ErrAbsentLanes, 2, ""},
		{"cp.async without its wait", ".shared .align 16 .b8 s[4096]; mul.lo.s32 %r1, %lane, 16; mul.wide.u32 %d1, %lane, 16; add.s64 %d1, %d1, %address; mov.u32 %r2, s; add.s32 %r1, %r1, %r2;\ncp.async.cg.shared.global [%r1], [%d1], 16;\ncp.async.commit_group;\nld.shared.u32 %r0, [%r1];", warp, ErrAsync, 4, "wait was not executed"},
		{"cp.async waited one group short", ".shared .align 16 .b8 s[4096]; mul.lo.s32 %r1, %lane, 16; mov.u32 %r2, s; add.s32 %r1, %r1, %r2;\ncp.async.cg.shared.global [%r1], [%address], 16;\ncp.async.commit_group;\ncp.async.wait_group 1;\nld.shared.u32 %r0, [%r1];", warp, ErrAsync, 5, ""},
		{"cp.async target written before the wait", ".shared .align 16 .b8 s[4096]; mul.lo.s32 %r1, %lane, 16; mov.u32 %r2, s; add.s32 %r1, %r1, %r2;\ncp.async.ca.shared.global [%r1], [%address], 4;\nst.shared.u32 [%r1], 5;", warp, ErrAsync, 3, ""},
		{"cp.async source overwritten", ".shared .align 16 .b8 s[4096]; mul.lo.s32 %r1, %lane, 16; mov.u32 %r2, s; add.s32 %r1, %r1, %r2;\ncp.async.ca.shared.global [%r1], [%address], 8;\nst.global.u32 [%address+4], 5;\ncp.async.wait_all;", warp, ErrAsync, 4, "overwritten before this wait"},
		{"cp.async read by another warp without a barrier", ".shared .align 16 .b8 s[4096]; mul.lo.s32 %r1, %lane, 16; mov.u32 %r2, s; add.s32 %r1, %r1, %r2;\ncp.async.ca.shared.global [%r1], [%address], 4;\ncp.async.wait_all;\nsetp.lt.u32 %p1, %lane, 32;\n@%p1 ret;\nxor.b32 %r1, %r1, 512;\nld.shared.u32 %r0, [%r1];", two, ErrRace, 7, ""},
		{"cp.async source outside", ".shared .align 16 .b8 s[4096]; mul.lo.s32 %r1, %lane, 16; mov.u32 %r2, s; add.s32 %r1, %r1, %r2;\ncp.async.cg.shared.global [%r1], [%address+4096], 16;", warp, ErrBounds, 2, ""},
		{"brx.idx outside its list", "list: .branchtargets a, b;\nbrx.idx %lane, list;\na: mov.u32 %r0, 0;\nb: mov.u32 %r0, 1;", warp, ErrBounds, 2, "index 2 into 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := runBody(t, c.body, c.block, 0)
			require.ErrorIs(t, err, c.kind)
			var f *Fault
			require.True(t, errors.As(err, &f))
			require.Equal(t, "k", f.Kernel)
			require.Equal(t, firstBodyLine+c.line-1, f.Line, err.Error())
			require.Contains(t, err.Error(), c.says)
		})
	}
}

// firstBodyLine is the line of a body's first instruction in kernelText.
const firstBodyLine = 15

func TestCorrectSynchronisationIsNoFault(t *testing.T) {
	const shared = ".shared .align 16 .b8 s[4096]; mov.u32 %r1, s; mad.lo.s32 %r1, %lane, 4, %r1; xor.b32 %r2, %r1, 128;\n"
	for name, body := range map[string]string{
		"barrier between":    shared + "st.shared.u32 [%r1], 1; bar.sync 0; ld.shared.u32 %r0, [%r2]; bar.sync 0; st.shared.u32 [%r1], 2;",
		"named barrier":      shared + "st.shared.u32 [%r1], 1; barrier.sync.aligned 3, 64; ld.shared.u32 %r0, [%r2];",
		"halves of one word": shared + "mov.u32 %r3, s; mad.lo.s32 %r3, %lane, 2, %r3; mov.b16 %h1, 1; st.shared.b16 [%r3], %h1; bar.sync 0; ld.shared.u16 %h0, [%r3];",
		"producer and consumer": shared + "setp.lt.u32 %p1, %lane, 32; @%p1 bra produce; bar.sync 1, 64; ld.shared.u32 %r0, [%r2]; bra end;\n" +
			"produce: st.shared.u32 [%r1], 1; bar.arrive 1, 64;\nend: mov.u32 %r4, 0;",
		"atomics of two warps":  shared + "mov.u32 %r3, s; setp.eq.u32 %p1, %lane, 0; @%p1 st.shared.u32 [%r3], 0; bar.sync 0; atom.shared.add.u32 %r0, [%r3], 1; bar.sync 0; ld.shared.u32 %r0, [%r3];",
		"volatile spin":         shared + "setp.lt.u32 %p1, %lane, 32; @%p1 bra wait; st.volatile.global.u32 [%address], 1; bra end;\nwait: ld.volatile.global.u32 %r0, [%address]; nanosleep.u32 10; setp.eq.u32 %p2, %r0, 0; @%p2 bra wait;\nend: mov.u32 %r3, 0;",
		"own mask in each half": "setp.lt.u32 %p1, %lane, 16; @%p1 bra low; shfl.sync.bfly.b32 %r0, %lane, 1, 31, 0xffff0000; bra end;\nlow: shfl.sync.bfly.b32 %r0, %lane, 1, 31, 0xffff;\nend: mov.u32 %r3, 0;",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runBody(t, body, [3]int{64}, 0)
			if name == "own mask in each half" {
				_, err = runBody(t, body, [3]int{32}, 0)
			}
			require.NoError(t, err)
		})
	}
}

func TestUseAfterFreeIsFound(t *testing.T) {
	m, err := Load("body", kernelText("ld.global.u32 %r0, [%address];"))
	require.NoError(t, err)
	k := kernelOf(t, m, "k")
	mem := NewMemory()
	out := reserve(t, mem, 64)
	require.NoError(t, mem.Free(out))
	_, err = Run(mem, Launch{Kernel: k, Block: [3]int{32}, Args: arguments(t, k, out)})
	require.ErrorIs(t, err, ErrUseAfterFree)
	require.ErrorIs(t, mem.Free(out), ErrUseAfterFree)
	require.ErrorIs(t, mem.Free(out+8), ErrBounds)
}

func TestUnwrittenDeviceMemoryIsFound(t *testing.T) {
	k := kernelOf(t, loadFile(t, "vector_add"), "vector_add")
	mem, n := NewMemory(), 64
	a, b := reserve(t, mem, 4*n), upload(t, mem, ramp(n))
	require.NoError(t, mem.Fill(a, 4*n-4, 0))
	out := reserve(t, mem, 4*n)
	_, err := Run(mem, Launch{Kernel: k, Block: [3]int{64}, Args: arguments(t, k, out, a, b, int32(n))})
	require.ErrorIs(t, err, ErrUninitialized)
	require.Contains(t, err.Error(), "warp 1, lane 31")
	require.ErrorIs(t, mem.Read(out+252, make([]byte, 4)), ErrUninitialized)
}

func TestBugsInCompiledKernelsAreFound(t *testing.T) {
	_, _, _, _, err := runGEMM(t, "gemm_no_wait", 64, 64, 64, 1)
	require.ErrorIs(t, err, ErrAsync)

	k := kernelOf(t, loadFile(t, "reduce"), "block_sum_racy")
	mem := NewMemory()
	_, err = Run(mem, Launch{Kernel: k, Block: [3]int{128}, SharedBytes: 512,
		Args: arguments(t, k, reserve(t, mem, 4), upload(t, mem, make([]int32, 128)), int32(128))})
	require.ErrorIs(t, err, ErrRace)
}

// TestLowestBlockReportsWhateverTheWorkers: all blocks from 5 on fault.
func TestLowestBlockReportsWhateverTheWorkers(t *testing.T) {
	m, err := Load("body", kernelText("mov.u32 %r1, %ctaid.x;\nmul.wide.u32 %d1, %r1, 64;\nadd.s64 %d1, %d1, %address;\nst.global.u32 [%d1], 1;"))
	require.NoError(t, err)
	k := kernelOf(t, m, "k")
	for workers := 1; workers <= 4; workers++ {
		mem := NewMemory()
		_, err := Run(mem, Launch{Kernel: k, Grid: [3]int{64}, Block: [3]int{1}, Workers: workers, Args: arguments(t, k, reserve(t, mem, 320))})
		var f *Fault
		require.ErrorAs(t, err, &f)
		require.Equal(t, [3]int{5, 0, 0}, f.Block)
	}
}
