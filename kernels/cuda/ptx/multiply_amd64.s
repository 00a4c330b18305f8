#include "textflag.h"

// A register of the warp is 32 lanes of 4 bytes; lanes 4g to 4g+3 hold row g. Of
// two registers the first holds the even columns of a row of D, the second the odd
// ones; one register of A holds columns 2t (low half) and 2t+1 of its row in lane
// 4g+t.

// LOAD: y = row g of C, from R8 (even columns) and R9 (odd columns).
#define LOAD(g, y) \
	VMOVUPS (16*g)(R8), X10; \
	VMOVUPS (16*g)(R9), X11; \
	VUNPCKLPS X11, X10, X14; \
	VUNPCKHPS X11, X10, X15; \
	VINSERTF128 $1, X15, Y14, y

// STEP: y += a[2t]·b[2t], then y += a[2t+1]·b[2t+1]; a from row g at SI, b in Y8 and Y9.
#define STEP(g, y) \
	VBROADCASTSS (16*g)(SI), Y10; \
	VBROADCASTSS (16*g+128)(SI), Y11; \
	VMULPS Y8, Y10, Y10; \
	VADDPS Y10, y, y; \
	VMULPS Y9, Y11, Y11; \
	VADDPS Y11, y, y

// WIDEN: the bf16 pairs of y at n(R13), the low halves, and at n+m(R13), the high ones.
#define WIDEN(y, n, m) \
	VPSLLD $16, y, Y10; \
	VPAND  Y12, y, y; \
	VMOVUPS Y10, (n)(R13); \
	VMOVUPS y, (n+m)(R13)

// WIDENA: a register of A at SI to 32 low halves and 32 high ones at R13.
#define WIDENA \
	VMOVUPS (SI), Y0; \
	VMOVUPS 32(SI), Y1; \
	VMOVUPS 64(SI), Y2; \
	VMOVUPS 96(SI), Y3; \
	WIDEN(Y0, 0, 128); \
	WIDEN(Y1, 32, 128); \
	WIDEN(Y2, 64, 128); \
	WIDEN(Y3, 96, 128)

// WIDENB: a register of B at SI to eight rows of eight columns at R13: lane 4n+t
// holds rows 2t and 2t+1 of column n.
#define WIDENB \
	VMOVUPS (SI), X0; \
	VMOVUPS 16(SI), X1; \
	VMOVUPS 32(SI), X2; \
	VMOVUPS 48(SI), X3; \
	VINSERTF128 $1, 64(SI), Y0, Y0; \
	VINSERTF128 $1, 80(SI), Y1, Y1; \
	VINSERTF128 $1, 96(SI), Y2, Y2; \
	VINSERTF128 $1, 112(SI), Y3, Y3; \
	VUNPCKLPS Y1, Y0, Y4; \
	VUNPCKHPS Y1, Y0, Y5; \
	VUNPCKLPS Y3, Y2, Y6; \
	VUNPCKHPS Y3, Y2, Y7; \
	VUNPCKLPD Y6, Y4, Y0; \
	VUNPCKHPD Y6, Y4, Y1; \
	VUNPCKLPD Y7, Y5, Y2; \
	VUNPCKHPD Y7, Y5, Y3; \
	WIDEN(Y0, 0, 32); \
	WIDEN(Y1, 64, 32); \
	WIDEN(Y2, 128, 32); \
	WIDEN(Y3, 192, 32)

// STORE: row g of D = y, to R10 (even columns) and R11 (odd columns), a NaN as 0x7fffffff.
#define STORE(g, y, x) \
	VCMPPS $3, y, y, Y10; \
	VBLENDVPS Y10, Y13, y, y; \
	VEXTRACTF128 $1, y, X14; \
	VSHUFPS $0x88, X14, x, X15; \
	VMOVUPS X15, (16*g)(R10); \
	VSHUFPS $0xdd, X14, x, X15; \
	VMOVUPS X15, (16*g)(R11)

// func multiplyAVX2(f *fragments)
//
// fragments is d [4]*v32 at 0, c [4]*v32 at 32, a [4]*v32 at 64, b [2]*v32 at 96,
// mat *matrices at 112, k at 120. A and B are widened first, into the matrices, which
// take 256 bytes for a register of either: A's from 0 on, B's from 1024 on. Then the
// upper eight rows are computed, then the lower eight.
TEXT ·multiplyAVX2(SB), NOSPLIT, $0-8
	MOVQ f+0(FP), DI
	VPCMPEQD Y12, Y12, Y12
	VPSRLD $1, Y12, Y13          // 0x7fffffff
	VPSLLD $16, Y12, Y12         // 0xffff0000
	MOVQ 112(DI), R13            // matrices
	MOVQ 64(DI), SI
	WIDENA                       // a[0]
	ADDQ $256, R13
	MOVQ 72(DI), SI
	WIDENA                       // a[1]
	ADDQ $768, R13
	MOVQ 96(DI), SI
	WIDENB                       // b[0]
	CMPQ 120(DI), $16
	JNE  widened
	ADDQ $256, R13
	MOVQ 104(DI), SI
	WIDENB                       // b[1]
	SUBQ $768, R13
	MOVQ 80(DI), SI
	WIDENA                       // a[2]
	ADDQ $256, R13
	MOVQ 88(DI), SI
	WIDENA                       // a[3]

widened:
	XORQ BX, BX                  // half = 0

half:
	MOVQ BX, AX
	SHLQ $4, AX                  // two pointers a half
	MOVQ 0(DI)(AX*1), R10        // d[2·half]
	MOVQ 8(DI)(AX*1), R11        // d[2·half+1]
	MOVQ 32(DI)(AX*1), R8        // c[2·half]
	MOVQ 40(DI)(AX*1), R9        // c[2·half+1]
	LOAD(0, Y0)
	LOAD(1, Y1)
	LOAD(2, Y2)
	LOAD(3, Y3)
	LOAD(4, Y4)
	LOAD(5, Y5)
	LOAD(6, Y6)
	LOAD(7, Y7)
	MOVQ 112(DI), DX
	MOVQ BX, SI
	SHLQ $8, SI
	ADDQ DX, SI                  // a[half], widened: the first eight columns
	ADDQ $1024, DX               // b
	MOVQ 120(DI), R12            // k left

eight:
	MOVQ $4, CX                  // four pairs of columns

pair:
	VMOVUPS (DX), Y8             // b[2t]
	VMOVUPS 32(DX), Y9           // b[2t+1]
	STEP(0, Y0)
	STEP(1, Y1)
	STEP(2, Y2)
	STEP(3, Y3)
	STEP(4, Y4)
	STEP(5, Y5)
	STEP(6, Y6)
	STEP(7, Y7)
	ADDQ $4, SI                  // next lane of each row
	ADDQ $64, DX                 // next two rows of b
	DECQ CX
	JNZ  pair
	ADDQ $496, SI                // a[half+2]: the next eight columns
	SUBQ $8, R12
	JG   eight

	STORE(0, Y0, X0)
	STORE(1, Y1, X1)
	STORE(2, Y2, X2)
	STORE(3, Y3, X3)
	STORE(4, Y4, X4)
	STORE(5, Y5, X5)
	STORE(6, Y6, X6)
	STORE(7, Y7, X7)
	INCQ BX
	CMPQ BX, $2
	JLT  half
	VZEROUPPER
	RET
