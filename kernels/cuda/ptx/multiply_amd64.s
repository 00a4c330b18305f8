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
	VPBROADCASTD (16*g)(SI), Y10; \
	VPSLLD $16, Y10, Y11; \
	VPAND  Y12, Y10, Y10; \
	VMULPS Y8, Y11, Y11; \
	VADDPS Y11, y, y; \
	VMULPS Y9, Y10, Y10; \
	VADDPS Y10, y, y

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
// fragments is d [4]*v32 at 0, c [4]*v32 at 32, a [4]*v32 at 64, b *[16][8]float32
// at 96, k at 104. The upper eight rows are computed first, then the lower eight.
TEXT ·multiplyAVX2(SB), NOSPLIT, $0-8
	MOVQ f+0(FP), DI
	VPCMPEQD Y12, Y12, Y12
	VPSRLD $1, Y12, Y13          // 0x7fffffff
	VPSLLD $16, Y12, Y12         // 0xffff0000
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
	MOVQ 64(DI)(BX*8), SI        // a[half]: the first eight columns
	MOVQ 96(DI), DX              // b
	MOVQ 104(DI), R12            // k left

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
	MOVQ 80(DI)(BX*8), SI        // a[half+2]: the next eight columns
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
