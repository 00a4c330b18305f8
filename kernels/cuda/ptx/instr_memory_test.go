package ptx

import "testing"

var memorySnippets = []snippet{
	{".local .align 8 .b8 a[16]; mov.u64 %d1, a; st.local.u32 [%d1+4], 7; ld.local.u32 %r0, [%d1+4];", "r0", 7},
	{".local .align 8 .b8 a[16]; mov.u64 %d1, a; cvta.local.u64 %d2, %d1; st.u8 [%d2], 0xff; ld.local.s8 %r0, [a];", "r0", 0xffffffff},
	{".local .align 8 .b8 a[16]; st.local.u16 [a+2], 0x8001; ld.local.s16 %r0, [a+2];", "r0", 0xffff8001},
	{".local .align 8 .b8 a[16]; st.local.u16 [a+2], 0x8001; ld.local.u16 %h0, [a+2];", "h0", 0x8001},
	{".local .align 8 .b8 a[16]; st.local.u16 [a+2], 0x8001; ld.local.s16 %d0, [a+2];", "d0", 0xffffffffffff8001},
	{".local .align 16 .b8 a[16]; mov.b32 %r1, 5; mov.b32 %r2, 6; st.local.v2.u32 [a+8], {%r1, %r2}; ld.local.u64 %d0, [a+8];", "d0", 6<<32 | 5},
	{".local .align 16 .b8 a[16]; mov.b32 %r1, 5; mov.b32 %r2, 6; st.local.v4.u32 [a], {%r1, %r2, %r1, %r2}; ld.local.v2.u64 {%d1, %d0}, [a];", "d0", 6<<32 | 5},
	{".local .align 16 .b8 a[16]; mov.b32 %r1, 5; mov.b32 %r2, 6; st.local.v4.u32 [a], {%r1, %r2, %r1, %r2}; ld.local.v4.b32 {%r3, _, %r4, %r0}, [a];", "r0", 6},
	{".local .align 16 .b8 a[16]; st.local.u32 [a], 0x04030201; ld.local.v4.u8 {%h1, %h2, %h0, %h3}, [a];", "h0", 3},
	{".shared .align 8 .b8 s[256]; mov.u32 %r1, s; mad.lo.s32 %r1, %lane, 8, %r1; st.shared.u64 [%r1], 99; ld.shared.u64 %d0, [%r1];", "d0", 99},
	{".shared .align 8 .b8 s[256]; mov.u64 %d1, s; cvta.shared.u64 %d1, %d1; mad.wide.u32 %d1, %lane, 8, %d1; st.u32 [%d1], 98; cvta.to.shared.u64 %d2, %d1; ld.shared.u32 %r0, [%d2];", "r0", 98},
	{".shared .align 8 .b8 s[256]; mov.u64 %d1, s; cvta.shared.u64 %d1, %d1; isspacep.shared %p0, %d1;", "p0", 1},
	{"isspacep.shared %p0, %address;", "p0", 0},
	{"isspacep.global %p0, %address;", "p0", 1},
	{"st.volatile.global.u32 [%address], 3; membar.gl; fence.acq_rel.gpu; ld.relaxed.gpu.global.u32 %r0, [%address];", "r0", 3},
	{"st.release.gpu.global.u32 [%address], 3; ld.acquire.gpu.global.u32 %r0, [%address];", "r0", 3},
	{"st.global.cs.u32 [%address], 3; ld.global.L1::no_allocate.u32 %r0, [%address];", "r0", 3},
	{"st.u32 [%address], 3; ld.global.cg.u32 %r0, [%address]; prefetch.global.L2 [%address];", "r0", 3},
	{"st.global.u32 [%address], 3; createpolicy.fractional.L2::evict_first.b64 %d1, 0f3f800000; ld.global.L2::cache_hint.u32 %r0, [%address], %d1;", "r0", 3},
	{"st.global.u32 [%address], 3; atom.global.add.u32 %r1, [%address], 4; ld.global.u32 %r2, [%address]; mad.lo.u32 %r0, %r1, 16, %r2;", "r0", 0x37},
	{"st.global.u32 [%address], 3; atom.add.s32 %r1, [%address], -4; ld.global.u32 %r0, [%address];", "r0", 0xffffffff},
	{"st.global.u32 [%address], 3; red.global.max.s32 [%address], -4; ld.global.u32 %r0, [%address];", "r0", 3},
	{"st.global.u32 [%address], 3; red.relaxed.gpu.global.max.u32 [%address], -4; ld.global.u32 %r0, [%address];", "r0", 0xfffffffc},
	{"st.global.u32 [%address], 3; red.global.min.s32 [%address], -4; ld.global.u32 %r0, [%address];", "r0", 0xfffffffc},
	{"st.global.u32 [%address], 3; red.global.and.b32 [%address], 6; red.global.or.b32 [%address], 8; red.global.xor.b32 [%address], 3; ld.global.u32 %r0, [%address];", "r0", 9},
	{"st.global.u32 [%address], 3; atom.global.exch.b32 %r0, [%address], 8;", "r0", 3},
	{"st.global.u32 [%address], 3; atom.global.cas.b32 %r1, [%address], 3, 9; atom.global.cas.b32 %r2, [%address], 3, 10; ld.global.u32 %r0, [%address];", "r0", 9},
	{"st.global.u32 [%address], 3; atom.global.inc.u32 %r1, [%address], 3; ld.global.u32 %r0, [%address];", "r0", 0},
	{"st.global.u32 [%address], 0; atom.global.dec.u32 %r1, [%address], 3; ld.global.u32 %r0, [%address];", "r0", 3},
	{"st.global.u64 [%address], 3; atom.global.add.u64 %d1, [%address], 0x100000000; ld.global.u64 %d0, [%address];", "d0", 0x100000003},
	{"st.global.u64 [%address], 3; atom.acq_rel.gpu.global.cas.b64 %d1, [%address], 3, 7; ld.global.u64 %d0, [%address];", "d0", 7},
}

var collectiveSnippets = []snippet{
	{"activemask.b32 %r1; and.b32 %r0, %r1, 32;", "r0", 32},
	{"activemask.b32 %r1; mov.u32 %r2, 77; shfl.sync.idx.b32 %r0, %r2, 5, 31, %r1;", "r0", 77},
	{"activemask.b32 %r1; setp.eq.u32 %p1, %lane, %lane; vote.sync.all.pred %p0, %p1, %r1;", "p0", 1},
	{"activemask.b32 %r1; setp.eq.u32 %p1, %lane, 99; vote.sync.any.pred %p0, %p1, %r1;", "p0", 0},
	{"activemask.b32 %r1; setp.eq.u32 %p1, %lane, 99; vote.sync.any.pred %p0, !%p1, %r1;", "p0", 1},
	{"activemask.b32 %r1; setp.eq.u32 %p1, %lane, 99; vote.sync.uni.pred %p0, %p1, %r1;", "p0", 1},
	{"activemask.b32 %r1; setp.eq.u32 %p1, %lane, 5; vote.sync.ballot.b32 %r0, %p1, %r1;", "r0", 32},
	{"activemask.b32 %r1; redux.sync.max.s32 %r0, -4, %r1;", "r0", 0xfffffffc},
	{"activemask.b32 %r1; redux.sync.min.u32 %r0, 6, %r1;", "r0", 6},
	{"activemask.b32 %r1; redux.sync.or.b32 %r0, 6, %r1;", "r0", 6},
	{"activemask.b32 %r1; match.any.sync.b32 %r2, 7, %r1; setp.eq.u32 %p0, %r2, %r1;", "p0", 1},
	{"activemask.b32 %r1; match.all.sync.b32 %r2|%p0, 7, %r1;", "p0", 1},
	{"activemask.b32 %r1; mov.b64 %d1, 5; match.any.sync.b64 %r2, %d1, %r1; setp.eq.u32 %p0, %r2, %r1;", "p0", 1},
	{"activemask.b32 %r1; bar.warp.sync %r1; mov.u32 %r0, 1;", "r0", 1},
	{"nanosleep.u32 20; mov.u32 %r0, WARP_SZ;", "r0", 32},
	{"mov.u32 %r1, %lanemask_lt; popc.b32 %r2, %r1; sub.u32 %r0, %r2, %lane;", "r0", 0},
	{"mov.u32 %r1, %lanemask_ge; popc.b32 %r2, %r1; add.u32 %r0, %r2, %lane;", "r0", 32},
}

func TestMemoryInstructions(t *testing.T) { runSnippets(t, memorySnippets) }

func TestCollectiveInstructions(t *testing.T) { runSnippets(t, collectiveSnippets) }
