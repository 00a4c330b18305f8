#include "textflag.h"

// Vectors of 32 lanes: 4 bytes a lane are four registers of 8 lanes, 8 bytes a lane
// are eight registers of 4. Arguments come as d at DI, a at SI, b at DX, c at R8.

#define ARGS2 \
	MOVQ d+0(FP), DI; \
	MOVQ a+8(FP), SI

#define ARGS3 \
	ARGS2; \
	MOVQ b+16(FP), DX

#define ARGS4 \
	ARGS3; \
	MOVQ c+24(FP), R8

#define ARGSCOMPARE \
	MOVQ a+0(FP), SI; \
	MOVQ b+8(FP), DX; \
	XORL AX, AX

#define DONE \
	VZEROUPPER; \
	RET

// FOUR and EIGHT repeat a step for all lanes; its argument is the byte offset.
#define FOUR(step) step(0); step(32); step(64); step(96)
#define EIGHT(step) FOUR(step); step(128); step(160); step(192); step(224)

// OPERATE: d = a OP b, eight lanes of 4 bytes or four of 8.
#define OPERATE(OP, n) \
	VMOVDQU n(SI), Y0; \
	OP n(DX), Y0, Y0; \
	VMOVDQU Y0, n(DI)

#define BINARY32(name, OP) \
TEXT name(SB), NOSPLIT, $0-24; \
	ARGS3; \
	OPERATE(OP, 0); OPERATE(OP, 32); OPERATE(OP, 64); OPERATE(OP, 96); \
	DONE

#define BINARY64(name, OP) \
TEXT name(SB), NOSPLIT, $0-24; \
	ARGS3; \
	OPERATE(OP, 0); OPERATE(OP, 32); OPERATE(OP, 64); OPERATE(OP, 96); \
	OPERATE(OP, 128); OPERATE(OP, 160); OPERATE(OP, 192); OPERATE(OP, 224); \
	DONE

BINARY32(·add32AVX2, VPADDD)
BINARY32(·sub32AVX2, VPSUBD)
BINARY32(·mul32AVX2, VPMULLD)
BINARY32(·and32AVX2, VPAND)
BINARY32(·or32AVX2, VPOR)
BINARY32(·xor32AVX2, VPXOR)
BINARY32(·shl32AVX2, VPSLLVD)
BINARY32(·shrU32AVX2, VPSRLVD)
BINARY32(·shrS32AVX2, VPSRAVD)
BINARY64(·add64AVX2, VPADDQ)
BINARY64(·sub64AVX2, VPSUBQ)

// func mad32AVX2(d, a, b, c *v32): d = a·b + c
#define MAD32(n) \
	VMOVDQU n(SI), Y0; \
	VPMULLD n(DX), Y0, Y0; \
	VPADDD  n(R8), Y0, Y0; \
	VMOVDQU Y0, n(DI)

TEXT ·mad32AVX2(SB), NOSPLIT, $0-32
	ARGS4
	FOUR(MAD32)
	DONE

// SHIFT64: d = a OP b; n is the offset in d and a, h that in b.
#define SHIFT64(OP, n, h) \
	VPMOVZXDQ h(DX), Y1; \
	VMOVDQU n(SI), Y0; \
	OP      Y1, Y0, Y0; \
	VMOVDQU Y0, n(DI)

#define ALLSHIFT64(name, OP) \
TEXT name(SB), NOSPLIT, $0-24; \
	ARGS3; \
	SHIFT64(OP, 0, 0); SHIFT64(OP, 32, 16); SHIFT64(OP, 64, 32); SHIFT64(OP, 96, 48); \
	SHIFT64(OP, 128, 64); SHIFT64(OP, 160, 80); SHIFT64(OP, 192, 96); SHIFT64(OP, 224, 112); \
	DONE

ALLSHIFT64(·shl64AVX2, VPSLLVQ)
ALLSHIFT64(·shrU64AVX2, VPSRLVQ)

// WIDE: Y0 = the 64-bit products of four lanes of a and b at h.
#define WIDE(EXTEND, MULTIPLY, h) \
	EXTEND   h(SI), Y0; \
	EXTEND   h(DX), Y1; \
	MULTIPLY Y1, Y0, Y0

#define MULWIDE(EXTEND, MULTIPLY, n, h) \
	WIDE(EXTEND, MULTIPLY, h); \
	VMOVDQU Y0, n(DI)

#define MADWIDE(EXTEND, MULTIPLY, n, h) \
	WIDE(EXTEND, MULTIPLY, h); \
	VPADDQ  n(R8), Y0, Y0; \
	VMOVDQU Y0, n(DI)

#define ALLWIDE(STEP, EXTEND, MULTIPLY) \
	STEP(EXTEND, MULTIPLY, 0, 0); STEP(EXTEND, MULTIPLY, 32, 16); \
	STEP(EXTEND, MULTIPLY, 64, 32); STEP(EXTEND, MULTIPLY, 96, 48); \
	STEP(EXTEND, MULTIPLY, 128, 64); STEP(EXTEND, MULTIPLY, 160, 80); \
	STEP(EXTEND, MULTIPLY, 192, 96); STEP(EXTEND, MULTIPLY, 224, 112)

TEXT ·mulWideU32AVX2(SB), NOSPLIT, $0-24
	ARGS3
	ALLWIDE(MULWIDE, VPMOVZXDQ, VPMULUDQ)
	DONE

TEXT ·mulWideS32AVX2(SB), NOSPLIT, $0-24
	ARGS3
	ALLWIDE(MULWIDE, VPMOVSXDQ, VPMULDQ)
	DONE

TEXT ·madWideU32AVX2(SB), NOSPLIT, $0-32
	ARGS4
	ALLWIDE(MADWIDE, VPMOVZXDQ, VPMULUDQ)
	DONE

TEXT ·madWideS32AVX2(SB), NOSPLIT, $0-32
	ARGS4
	ALLWIDE(MADWIDE, VPMOVSXDQ, VPMULDQ)
	DONE

#define EXTENDTO64(EXTEND, n, h) \
	EXTEND  h(SI), Y0; \
	VMOVDQU Y0, n(DI)

#define ALLEXTEND(EXTEND) \
	EXTENDTO64(EXTEND, 0, 0); EXTENDTO64(EXTEND, 32, 16); \
	EXTENDTO64(EXTEND, 64, 32); EXTENDTO64(EXTEND, 96, 48); \
	EXTENDTO64(EXTEND, 128, 64); EXTENDTO64(EXTEND, 160, 80); \
	EXTENDTO64(EXTEND, 192, 96); EXTENDTO64(EXTEND, 224, 112)

TEXT ·extendU32AVX2(SB), NOSPLIT, $0-16
	ARGS2
	ALLEXTEND(VPMOVZXDQ)
	DONE

TEXT ·extendS32AVX2(SB), NOSPLIT, $0-16
	ARGS2
	ALLEXTEND(VPMOVSXDQ)
	DONE

// NARROW: y = the low halves of the eight 64-bit lanes in Y0 and Y1.
#define NARROW(y) \
	VSHUFPS $0x88, Y1, Y0, y; \
	VPERMQ  $0xd8, y, y

#define TRUNCATE(n, h) \
	VMOVDQU n(SI), Y0; \
	VMOVDQU (n+32)(SI), Y1; \
	NARROW(Y0); \
	VMOVDQU Y0, h(DI)

TEXT ·truncate64AVX2(SB), NOSPLIT, $0-16
	ARGS2
	TRUNCATE(0, 0)
	TRUNCATE(64, 32)
	TRUNCATE(128, 64)
	TRUNCATE(192, 96)
	DONE

// NANS: Y15 = 0x7fffffff in all lanes, the NaN that float32 instructions return.
#define NANS \
	VPCMPEQD Y15, Y15, Y15; \
	VPSRLD   $1, Y15, Y15

// CANONICAL: a NaN in Y0 becomes that of Y15.
#define CANONICAL \
	VCMPPS    $3, Y0, Y0, Y1; \
	VBLENDVPS Y1, Y15, Y0, Y0

#define OPERATEF(OP, n) \
	VMOVUPS n(SI), Y0; \
	OP      n(DX), Y0, Y0; \
	CANONICAL; \
	VMOVUPS Y0, n(DI)

#define BINARYF32(name, OP) \
TEXT name(SB), NOSPLIT, $0-24; \
	ARGS3; \
	NANS; \
	OPERATEF(OP, 0); OPERATEF(OP, 32); OPERATEF(OP, 64); OPERATEF(OP, 96); \
	DONE

BINARYF32(·addF32AVX2, VADDPS)
BINARYF32(·subF32AVX2, VSUBPS)
BINARYF32(·mulF32AVX2, VMULPS)

// func fmaF32AVX2(d, a, b, c *v32): d = a·b + c, rounded once
#define FMA(n) \
	VMOVUPS n(SI), Y0; \
	VMOVUPS n(DX), Y1; \
	VFMADD213PS n(R8), Y1, Y0; \
	CANONICAL; \
	VMOVUPS Y0, n(DI)

TEXT ·fmaF32AVX2(SB), NOSPLIT, $0-32
	ARGS4
	NANS
	FOUR(FMA)
	DONE

// EXTREME: OP returns its second operand for equal zeros and for a NaN. JOIN of both
// orders gives the right zero; where b is a NaN the result is a, and conversely.
#define EXTREME(OP, JOIN, n) \
	VMOVUPS n(SI), Y2; \
	VMOVUPS n(DX), Y3; \
	OP      Y3, Y2, Y0; \
	OP      Y2, Y3, Y1; \
	JOIN    Y1, Y0, Y0; \
	VCMPPS  $3, Y3, Y3, Y4; \
	VBLENDVPS Y4, Y2, Y0, Y0; \
	VCMPPS  $3, Y2, Y2, Y4; \
	VBLENDVPS Y4, Y3, Y0, Y0; \
	CANONICAL; \
	VMOVUPS Y0, n(DI)

TEXT ·maxF32AVX2(SB), NOSPLIT, $0-24
	ARGS3
	NANS
	EXTREME(VMAXPS, VANDPS, 0)
	EXTREME(VMAXPS, VANDPS, 32)
	EXTREME(VMAXPS, VANDPS, 64)
	EXTREME(VMAXPS, VANDPS, 96)
	DONE

TEXT ·minF32AVX2(SB), NOSPLIT, $0-24
	ARGS3
	NANS
	EXTREME(VMINPS, VORPS, 0)
	EXTREME(VMINPS, VORPS, 32)
	EXTREME(VMINPS, VORPS, 64)
	EXTREME(VMINPS, VORPS, 96)
	DONE

// Comparisons take a at SI and b at DX and return a bit for each lane. SIGNS of
// eight lanes go into the byte of AX that the lanes belong to, from the last on.
#define SIGNS \
	VMOVMSKPS Y0, CX; \
	SHLL $8, AX; \
	ORL  CX, AX

#define LESSS32(n) \
	VMOVDQU  n(DX), Y0; \
	VPCMPGTD n(SI), Y0, Y0; \
	SIGNS

TEXT ·ltS32AVX2(SB), NOSPLIT, $0-20
	ARGSCOMPARE
	LESSS32(96)
	LESSS32(64)
	LESSS32(32)
	LESSS32(0)
	MOVL AX, ret+16(FP)
	DONE

// Unsigned numbers compare like signed ones with the top bit (Y15) turned over.
#define LESSU32(n) \
	VPXOR    n(DX), Y15, Y0; \
	VPXOR    n(SI), Y15, Y1; \
	VPCMPGTD Y1, Y0, Y0; \
	SIGNS

TEXT ·ltU32AVX2(SB), NOSPLIT, $0-20
	ARGSCOMPARE
	VPCMPEQD Y15, Y15, Y15
	VPSLLD   $31, Y15, Y15
	LESSU32(96)
	LESSU32(64)
	LESSU32(32)
	LESSU32(0)
	MOVL AX, ret+16(FP)
	DONE

#define EQUALU32(n) \
	VMOVDQU  n(SI), Y0; \
	VPCMPEQD n(DX), Y0, Y0; \
	SIGNS

TEXT ·eqU32AVX2(SB), NOSPLIT, $0-20
	ARGSCOMPARE
	EQUALU32(96)
	EQUALU32(64)
	EQUALU32(32)
	EQUALU32(0)
	MOVL AX, ret+16(FP)
	DONE

#define COMPAREF(how, n) \
	VMOVUPS n(SI), Y0; \
	VCMPPS  how, n(DX), Y0, Y0; \
	SIGNS

#define ALLCOMPAREF(name, how) \
TEXT name(SB), NOSPLIT, $0-20; \
	ARGSCOMPARE; \
	COMPAREF(how, 96); COMPAREF(how, 64); COMPAREF(how, 32); COMPAREF(how, 0); \
	MOVL AX, ret+16(FP); \
	DONE

ALLCOMPAREF(·eqF32AVX2, $0)
ALLCOMPAREF(·ltF32AVX2, $17)
ALLCOMPAREF(·leF32AVX2, $18)

// func offsetsAVX2(off *[32]int32, addr *v64, base uint64) (or uint64, most int32)
//
// Y14 gathers all bits, Y13 the largest offsets, Y15 is the base.
#define OFFSETS(n, h) \
	VMOVDQU n(SI), Y0; \
	VMOVDQU (n+32)(SI), Y1; \
	VPSUBQ  Y15, Y0, Y0; \
	VPSUBQ  Y15, Y1, Y1; \
	VPOR    Y0, Y14, Y14; \
	VPOR    Y1, Y14, Y14; \
	NARROW(Y0); \
	VPMAXSD Y0, Y13, Y13; \
	VMOVDQU Y0, h(DI)

TEXT ·offsetsAVX2(SB), NOSPLIT, $0-36
	MOVQ off+0(FP), DI
	MOVQ addr+8(FP), SI
	VPBROADCASTQ base+16(FP), Y15
	VPXOR Y13, Y13, Y13
	VPXOR Y14, Y14, Y14
	OFFSETS(0, 0)
	OFFSETS(64, 32)
	OFFSETS(128, 64)
	OFFSETS(192, 96)
	VEXTRACTI128 $1, Y14, X0     // or: four to two to one
	VPOR    X0, X14, X14
	VPSHUFD $0x4e, X14, X0
	VPOR    X0, X14, X14
	VMOVQ   X14, AX
	MOVQ    AX, or+24(FP)
	VEXTRACTI128 $1, Y13, X0     // most: eight to four to two to one
	VPMAXSD X0, X13, X13
	VPSHUFD $0x4e, X13, X0
	VPMAXSD X0, X13, X13
	VPSHUFD $0xb1, X13, X0
	VPMAXSD X0, X13, X13
	VMOVD   X13, AX
	MOVL    AX, most+32(FP)
	DONE

// func sameShapeAVX2(off, shape *[32]int32) bool
#define DIFFERS(n) \
	VMOVDQU n(SI), Y0; \
	VPSUBD  Y15, Y0, Y0; \
	VPXOR   n(DX), Y0, Y0; \
	VPOR    Y0, Y14, Y14

TEXT ·sameShapeAVX2(SB), NOSPLIT, $0-17
	MOVQ off+0(FP), SI
	MOVQ shape+8(FP), DX
	VPBROADCASTD (SI), Y15
	VPXOR Y14, Y14, Y14
	FOUR(DIFFERS)
	VPTEST Y14, Y14
	SETEQ  ret+16(FP)
	DONE
