package ptx

// vectors are the functions on 32 lanes that are worth a version in assembly. Both
// versions return the same bits.
type vectors struct {
	add32, sub32, mul32, and32, or32, xor32, shl32, shrU32, shrS32 func(d, a, b *v32)
	mad32                                                          func(d, a, b, c *v32)
	add64, sub64                                                   func(d, a, b *v64)
	shl64, shrU64                                                  func(d, a *v64, b *v32)
	mulWideU32, mulWideS32                                         func(d *v64, a, b *v32)
	madWideU32, madWideS32                                         func(d *v64, a, b *v32, c *v64)
	extendU32, extendS32                                           func(d *v64, a *v32)
	truncate64                                                     func(d *v32, a *v64)
	addF32, subF32, mulF32, minF32, maxF32                         func(d, a, b *v32)
	fmaF32                                                         func(d, a, b, c *v32)
	ltU32, ltS32, eqU32, ltF32, leF32, eqF32                       func(a, b *v32) uint32
	offsets                                                        func(off *[32]int32, addr *v64, base uint64) (or uint64, most int32)
	sameShape                                                      func(off, shape *[32]int32) bool
}

// portable has the versions in Go.
var portable = vectors{
	add32: add32, sub32: sub32, mul32: mul32, and32: and32, or32: or32, xor32: xor32,
	shl32: shl32, shrU32: shrU32, shrS32: shrS32, mad32: mad32,
	add64: add64, sub64: sub64, shl64: shl64, shrU64: shrU64,
	mulWideU32: mulWideU32, mulWideS32: mulWideS32, madWideU32: madWideU32, madWideS32: madWideS32,
	extendU32: extendU32, extendS32: extendS32, truncate64: truncate64,
	addF32: addF32, subF32: subF32, mulF32: mulF32, minF32: minF32, maxF32: maxF32, fmaF32: fmaF32,
	ltU32: ltU32, ltS32: ltS32, eqU32: eqU32, ltF32: ltF32, leF32: leF32, eqF32: eqF32,
	offsets: offsets, sameShape: sameShape,
}

// vec has the fastest versions that this machine runs.
var vec = fastest()
