package ptx

import "testing"

// subsetSnippets are what NVRTC 12.4 makes of attention, loss and sampling kernels
// beyond what the other tables hold.
var subsetSnippets = []snippet{
	// Philox: the high and the low half of 32×32 bits.
	{"mov.u32 %r1, 0xD2511F53; mov.u32 %r2, 0x12345678; mul.hi.u32 %r0, %r1, %r2;", "r0", 0xd2511f53 * 0x12345678 >> 32},
	{"mov.u32 %r1, 0xD2511F53; mov.u32 %r2, 0x12345678; mul.wide.u32 %d0, %r1, %r2;", "d0", 0xd2511f53 * 0x12345678},
	{"mov.u32 %r1, 0x80000001; mov.u32 %r2, 8; shf.l.wrap.b32 %r0, %r1, %r1, %r2;", "r0", 0x00000180},
	{"mov.u32 %r1, 0x80000001; mov.u32 %r2, 0x76543210; shf.r.wrap.b32 %r0, %r1, %r2, 36;", "r0", 0x08000000},
	{"slct.s32.s32 %r0, 1, 2, 0;", "r0", 1},
	{"slct.u32.s32 %r0, 1, 2, -1;", "r0", 2},
	{"slct.b32.f32 %r0, 1, 2, 0f80000000;", "r0", 1},
	{"slct.f32.f32 %r0, 0f3f800000, 0f40000000, 0f7fc00000;", "r0", 0x40000000},
	{"slct.ftz.u32.f32 %r0, 1, 2, 0f80000001;", "r0", 1},
	{"mov.u64 %d1, 7; mov.u64 %d2, 9; slct.b64.s32 %d0, %d1, %d2, -5;", "d0", 9},
	// 64-bit numbers in two halves, with carry.
	{"add.cc.u32 %r1, 0xffffffff, 2; addc.u32 %r0, 5, 6;", "r0", 12},
	{"add.cc.u32 %r1, 0xffffffff, 2; addc.cc.u32 %r2, 0xffffffff, 0; addc.u32 %r0, 0, 0;", "r0", 1},
	{"sub.cc.u32 %r1, 1, 2; subc.u32 %r0, 9, 3;", "r0", 5},
	{"sub.cc.u32 %r1, 2, 2; subc.u32 %r0, 9, 3;", "r0", 6},
	{"mad.lo.cc.u32 %r1, 0xffffffff, 1, 1; madc.hi.u32 %r0, 0xffffffff, 2, 4;", "r0", 6},
	{"mov.u64 %d1, -1; add.cc.u64 %d2, %d1, 1; addc.u64 %d0, %d1, 1;", "d0", 1},
	{"cvt.rn.bf16x2.f32 %r0, 0f3f800000, 0f40000000;", "r0", 0x3f804000},
	{"cvt.rn.relu.bf16x2.f32 %r0, 0fbf800000, 0f40000000;", "r0", 0x4000},
	{"cvt.rz.bf16x2.f32 %r0, 0f3fffffff, 0fbfffffff;", "r0", 0x3fffbfff},
	{"cvt.rna.tf32.f32 %r0, 0f3f801000;", "r0", 0x3f802000},
	{"cvt.rn.bf16.f32 %h0, 0f3f808000;", "h0", 0x3f80},
	{"cvt.rn.bf16.f32 %h0, 0f3f818000;", "h0", 0x3f82},
	{"mov.b16 %h1, 0x3f80; cvt.f32.bf16 %r0, %h1;", "r0", 0x3f800000},
	{"setp.lt.s32 %p1, 1, 2; setp.gt.and.u32 %p0, 5, 4, %p1;", "p0", 1},
	{"setp.lt.s32 %p1, 1, 2; setp.gt.xor.u32 %p2|%p0, 5, 4, !%p1;", "p0", 0},
	{"setp.lt.s32 %p1, 1, 2; setp.gtu.or.f32 %p0, 0f7fc00000, 0f00000000, !%p1;", "p0", 1},
	{"mov.b32 %r1, 5; mov.b32 %r2, 6; st.global.v2.b32 [%address], {%r1, %r2}; ld.global.nc.v2.u32 {%r3, %r0}, [%address]; st.global.u32 [%address+4], 0;", "r0", 6},
	{"membar.cta; membar.sys; fence.sc.cta; fence.proxy.alias; mov.u32 %r0, 1;", "r0", 1},
	{"activemask.b32 %r1; redux.sync.add.s32 %r2, 3, %r1; popc.b32 %r3, %r1; mul.lo.s32 %r3, %r3, 3; setp.eq.s32 %p0, %r2, %r3;", "p0", 1},
	{"st.global.u32 [%address], 3; atom.add.relaxed.gpu.global.u32 %r0, [%address], 1;", "r0", 3},
	{".local .align 4 .b8 a[64]; mov.u64 %d1, a; mul.wide.u32 %d2, %lane, 2; add.s64 %d1, %d1, %d2; st.local.u8 [%d1], 9; ld.local.u8 %r0, [%d1];", "r0", 9},
}

// hopperSnippets need sm_90.
var hopperSnippets = []snippet{
	{"mov.b32 %r1, 0x42003f80; ex2.approx.ftz.bf16x2 %r0, %r1;", "r0", 0x4f804000},
	{"mov.b32 %r1, 0x7f800000; tanh.approx.bf16x2 %r0, %r1;", "r0", 0x3f800000},
	{"mov.b32 %r3, 0x3f804000; mov.b32 %r4, 0x40004000; mul.bf16x2 %r0, %r3, %r4;", "r0", 0x40004080},
	{"mov.b32 %r3, 0x3f804000; mov.b32 %r4, 0x40004000; add.rn.bf16x2 %r0, %r3, %r4;", "r0", 0x40404080},
	{"fence.proxy.async; fence.proxy.async.shared::cta; fence.proxy.async.global; mov.u32 %r0, 1;", "r0", 1},
}

func TestSubsetInstructions(t *testing.T) { runSnippets(t, subsetSnippets) }

func TestHopperInstructions(t *testing.T) { runSnippets(t, hopperSnippets) }
