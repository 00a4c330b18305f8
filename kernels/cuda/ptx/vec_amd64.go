package ptx

import "golang.org/x/sys/cpu"

// fastest returns the versions in assembly where the machine has AVX2 and FMA.
func fastest() vectors {
	if !cpu.X86.HasAVX2 || !cpu.X86.HasFMA {
		return portable
	}
	return vectors{
		add32: add32AVX2, sub32: sub32AVX2, mul32: mul32AVX2, and32: and32AVX2, or32: or32AVX2, xor32: xor32AVX2,
		shl32: shl32AVX2, shrU32: shrU32AVX2, shrS32: shrS32AVX2, mad32: mad32AVX2,
		add64: add64AVX2, sub64: sub64AVX2, shl64: shl64AVX2, shrU64: shrU64AVX2,
		mulWideU32: mulWideU32AVX2, mulWideS32: mulWideS32AVX2, madWideU32: madWideU32AVX2, madWideS32: madWideS32AVX2,
		extendU32: extendU32AVX2, extendS32: extendS32AVX2, truncate64: truncate64AVX2,
		addF32: addF32AVX2, subF32: subF32AVX2, mulF32: mulF32AVX2, minF32: minF32AVX2, maxF32: maxF32AVX2, fmaF32: fmaF32AVX2,
		ltU32: ltU32AVX2, ltS32: ltS32AVX2, eqU32: eqU32AVX2, ltF32: ltF32AVX2, leF32: leF32AVX2, eqF32: eqF32AVX2,
		offsets: offsetsAVX2, sameShape: sameShapeAVX2,
	}
}

//go:noescape
func add32AVX2(d, a, b *v32)

//go:noescape
func sub32AVX2(d, a, b *v32)

//go:noescape
func mul32AVX2(d, a, b *v32)

//go:noescape
func and32AVX2(d, a, b *v32)

//go:noescape
func or32AVX2(d, a, b *v32)

//go:noescape
func xor32AVX2(d, a, b *v32)

//go:noescape
func shl32AVX2(d, a, b *v32)

//go:noescape
func shrU32AVX2(d, a, b *v32)

//go:noescape
func shrS32AVX2(d, a, b *v32)

//go:noescape
func addF32AVX2(d, a, b *v32)

//go:noescape
func subF32AVX2(d, a, b *v32)

//go:noescape
func mulF32AVX2(d, a, b *v32)

//go:noescape
func minF32AVX2(d, a, b *v32)

//go:noescape
func maxF32AVX2(d, a, b *v32)

//go:noescape
func mad32AVX2(d, a, b, c *v32)

//go:noescape
func fmaF32AVX2(d, a, b, c *v32)

//go:noescape
func add64AVX2(d, a, b *v64)

//go:noescape
func sub64AVX2(d, a, b *v64)

//go:noescape
func shl64AVX2(d, a *v64, b *v32)

//go:noescape
func shrU64AVX2(d, a *v64, b *v32)

//go:noescape
func mulWideU32AVX2(d *v64, a, b *v32)

//go:noescape
func mulWideS32AVX2(d *v64, a, b *v32)

//go:noescape
func madWideU32AVX2(d *v64, a, b *v32, c *v64)

//go:noescape
func madWideS32AVX2(d *v64, a, b *v32, c *v64)

//go:noescape
func extendU32AVX2(d *v64, a *v32)

//go:noescape
func extendS32AVX2(d *v64, a *v32)

//go:noescape
func truncate64AVX2(d *v32, a *v64)

//go:noescape
func ltU32AVX2(a, b *v32) uint32

//go:noescape
func ltS32AVX2(a, b *v32) uint32

//go:noescape
func eqU32AVX2(a, b *v32) uint32

//go:noescape
func ltF32AVX2(a, b *v32) uint32

//go:noescape
func leF32AVX2(a, b *v32) uint32

//go:noescape
func eqF32AVX2(a, b *v32) uint32

//go:noescape
func offsetsAVX2(off *[32]int32, addr *v64, base uint64) (or uint64, most int32)

//go:noescape
func sameShapeAVX2(off, shape *[32]int32) bool
