#include "textflag.h"

// func multiplyAVX(mat *matrices, k int)
//
// matrices is a (16, 16) at 0, b (16, 8) at 1024, d (16, 8) at 1536, all float32.
// Eight rows of d stay in Y0-Y7 while k runs; then the other eight.
TEXT ·multiplyAVX(SB), NOSPLIT, $0-16
	MOVQ    mat+0(FP), DI

	VMOVUPS 1536(DI), Y0          // d0 = d[0][0:8]
	VMOVUPS 1568(DI), Y1          // d1 = d[1][0:8]
	VMOVUPS 1600(DI), Y2          // d2 = d[2][0:8]
	VMOVUPS 1632(DI), Y3          // d3 = d[3][0:8]
	VMOVUPS 1664(DI), Y4          // d4 = d[4][0:8]
	VMOVUPS 1696(DI), Y5          // d5 = d[5][0:8]
	VMOVUPS 1728(DI), Y6          // d6 = d[6][0:8]
	VMOVUPS 1760(DI), Y7          // d7 = d[7][0:8]
	LEAQ    0(DI), SI         // a row 0, k = 0
	LEAQ    1024(DI), DX         // b[0]
	MOVQ    k+8(FP), CX

loop0:
	VMOVUPS (DX), Y8             // x = b[k][0:8]
	VBROADCASTSS 0(SI), Y9   // y = a[0][k], in all columns
	VMULPS  Y8, Y9, Y9        // y *= x
	VADDPS  Y9, Y0, Y0        // d0 += y
	VBROADCASTSS 64(SI), Y10   // y = a[1][k], in all columns
	VMULPS  Y8, Y10, Y10        // y *= x
	VADDPS  Y10, Y1, Y1        // d1 += y
	VBROADCASTSS 128(SI), Y11   // y = a[2][k], in all columns
	VMULPS  Y8, Y11, Y11        // y *= x
	VADDPS  Y11, Y2, Y2        // d2 += y
	VBROADCASTSS 192(SI), Y12   // y = a[3][k], in all columns
	VMULPS  Y8, Y12, Y12        // y *= x
	VADDPS  Y12, Y3, Y3        // d3 += y
	VBROADCASTSS 256(SI), Y9   // y = a[4][k], in all columns
	VMULPS  Y8, Y9, Y9        // y *= x
	VADDPS  Y9, Y4, Y4        // d4 += y
	VBROADCASTSS 320(SI), Y10   // y = a[5][k], in all columns
	VMULPS  Y8, Y10, Y10        // y *= x
	VADDPS  Y10, Y5, Y5        // d5 += y
	VBROADCASTSS 384(SI), Y11   // y = a[6][k], in all columns
	VMULPS  Y8, Y11, Y11        // y *= x
	VADDPS  Y11, Y6, Y6        // d6 += y
	VBROADCASTSS 448(SI), Y12   // y = a[7][k], in all columns
	VMULPS  Y8, Y12, Y12        // y *= x
	VADDPS  Y12, Y7, Y7        // d7 += y
	ADDQ    $4, SI               // next k
	ADDQ    $32, DX
	DECQ    CX
	JNZ     loop0

	VMOVUPS Y0, 1536(DI)
	VMOVUPS Y1, 1568(DI)
	VMOVUPS Y2, 1600(DI)
	VMOVUPS Y3, 1632(DI)
	VMOVUPS Y4, 1664(DI)
	VMOVUPS Y5, 1696(DI)
	VMOVUPS Y6, 1728(DI)
	VMOVUPS Y7, 1760(DI)

	VMOVUPS 1792(DI), Y0          // d0 = d[8][0:8]
	VMOVUPS 1824(DI), Y1          // d1 = d[9][0:8]
	VMOVUPS 1856(DI), Y2          // d2 = d[10][0:8]
	VMOVUPS 1888(DI), Y3          // d3 = d[11][0:8]
	VMOVUPS 1920(DI), Y4          // d4 = d[12][0:8]
	VMOVUPS 1952(DI), Y5          // d5 = d[13][0:8]
	VMOVUPS 1984(DI), Y6          // d6 = d[14][0:8]
	VMOVUPS 2016(DI), Y7          // d7 = d[15][0:8]
	LEAQ    512(DI), SI         // a row 8, k = 0
	LEAQ    1024(DI), DX         // b[0]
	MOVQ    k+8(FP), CX

loop8:
	VMOVUPS (DX), Y8             // x = b[k][0:8]
	VBROADCASTSS 0(SI), Y9   // y = a[8][k], in all columns
	VMULPS  Y8, Y9, Y9        // y *= x
	VADDPS  Y9, Y0, Y0        // d0 += y
	VBROADCASTSS 64(SI), Y10   // y = a[9][k], in all columns
	VMULPS  Y8, Y10, Y10        // y *= x
	VADDPS  Y10, Y1, Y1        // d1 += y
	VBROADCASTSS 128(SI), Y11   // y = a[10][k], in all columns
	VMULPS  Y8, Y11, Y11        // y *= x
	VADDPS  Y11, Y2, Y2        // d2 += y
	VBROADCASTSS 192(SI), Y12   // y = a[11][k], in all columns
	VMULPS  Y8, Y12, Y12        // y *= x
	VADDPS  Y12, Y3, Y3        // d3 += y
	VBROADCASTSS 256(SI), Y9   // y = a[12][k], in all columns
	VMULPS  Y8, Y9, Y9        // y *= x
	VADDPS  Y9, Y4, Y4        // d4 += y
	VBROADCASTSS 320(SI), Y10   // y = a[13][k], in all columns
	VMULPS  Y8, Y10, Y10        // y *= x
	VADDPS  Y10, Y5, Y5        // d5 += y
	VBROADCASTSS 384(SI), Y11   // y = a[14][k], in all columns
	VMULPS  Y8, Y11, Y11        // y *= x
	VADDPS  Y11, Y6, Y6        // d6 += y
	VBROADCASTSS 448(SI), Y12   // y = a[15][k], in all columns
	VMULPS  Y8, Y12, Y12        // y *= x
	VADDPS  Y12, Y7, Y7        // d7 += y
	ADDQ    $4, SI               // next k
	ADDQ    $32, DX
	DECQ    CX
	JNZ     loop8

	VMOVUPS Y0, 1792(DI)
	VMOVUPS Y1, 1824(DI)
	VMOVUPS Y2, 1856(DI)
	VMOVUPS Y3, 1888(DI)
	VMOVUPS Y4, 1920(DI)
	VMOVUPS Y5, 1952(DI)
	VMOVUPS Y6, 1984(DI)
	VMOVUPS Y7, 2016(DI)

	VZEROUPPER
	RET
