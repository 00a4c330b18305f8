package ptx

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// runLanes runs body on one warp. Each lane finds its input, four bytes, in %r1
// and leaves count results in %r2, %r3, ….
func runLanes(t testing.TB, body string, in [32]uint32, count int) [][32]uint32 {
	t.Helper()
	text := "\tmul.wide.u32 %d19, %lane, 4; add.s64 %address, %address, %d19; ld.global.b32 %r1, [%address];\n" + body
	for i := range count {
		text += fmt.Sprintf("\n\tst.global.b32 [%%address+%d], %%r%d;", 128*i, 2+i)
	}
	m, err := Load("lanes", kernelText(text))
	require.NoError(t, err)
	k := kernelOf(t, m, "k")
	mem := NewMemory()
	at := reserve(t, mem, 128*max(count, 1))
	b, err := binary.Append(nil, binary.LittleEndian, in)
	require.NoError(t, err)
	require.NoError(t, mem.Write(at, b))
	_, err = Run(mem, Launch{Kernel: k, Block: [3]int{32}, Args: arguments(t, k, at)})
	require.NoError(t, err)
	flat := download[uint32](t, mem, at, 32*count)
	out := make([][32]uint32, count)
	for i := range out {
		copy(out[i][:], flat[32*i:])
	}
	return out
}

func laneNumbers() (in [32]uint32) {
	for l := range in {
		in[l] = uint32(l)
	}
	return in
}

func TestShuffleModes(t *testing.T) {
	for _, c := range []struct {
		text string
		from func(lane int) int // -1: out of range, keeps its own value
	}{
		{"bfly.b32 %r2|%p1, %r1, 3, 31, -1", func(l int) int { return l ^ 3 }},
		{"down.b32 %r2|%p1, %r1, 5, 31, -1", func(l int) int {
			if l+5 > 31 {
				return -1
			}
			return l + 5
		}},
		{"up.b32 %r2|%p1, %r1, 5, 0, -1", func(l int) int {
			if l-5 < 0 {
				return -1
			}
			return l - 5
		}},
		{"idx.b32 %r2|%p1, %r1, 9, 31, -1", func(int) int { return 9 }},
		// Segments of 8 lanes: c = 0x1807 or 0x1800.
		{"down.b32 %r2|%p1, %r1, 2, 0x181f, -1", func(l int) int {
			if l%8+2 > 7 {
				return -1
			}
			return l + 2
		}},
		{"up.b32 %r2|%p1, %r1, 2, 0x1800, -1", func(l int) int {
			if l%8 < 2 {
				return -1
			}
			return l - 2
		}},
		{"idx.b32 %r2|%p1, %r1, 11, 0x181f, -1", func(l int) int { return l&^7 | 3 }},
		{"bfly.b32 %r2|%p1, %r1, 4, 0x181f, -1", func(l int) int { return l ^ 4 }},
	} {
		out := runLanes(t, "shfl.sync."+c.text+";\nselp.b32 %r3, 1, 0, %p1;", laneNumbers(), 2)
		for l := range 32 {
			from, inRange := c.from(l), uint32(1)
			if from < 0 {
				from, inRange = l, 0
			}
			require.Equal(t, [2]uint32{uint32(from), inRange}, [2]uint32{out[0][l], out[1][l]}, "%s, lane %d", c.text, l)
		}
	}
}

func TestVoteMatchAndReduceSeeAllLanes(t *testing.T) {
	out := runLanes(t, `
	setp.lt.u32 %p1, %r1, 10;
	vote.sync.ballot.b32 %r2, %p1, -1;
	redux.sync.add.u32 %r3, %r1, -1;
	and.b32 %r9, %r1, 1;
	match.any.sync.b32 %r4, %r9, -1;
	match.all.sync.b32 %r5|%p2, %r9, -1;
	vote.sync.uni.pred %p3, %p1, -1;
	selp.b32 %r6, 1, 0, %p3;
	redux.sync.xor.b32 %r7, %r1, -1;`, laneNumbers(), 6)
	for l := range 32 {
		require.Equal(t, uint32(0x3ff), out[0][l])
		require.Equal(t, uint32(496), out[1][l])
		require.Equal(t, uint32(0x55555555)<<(l&1), out[2][l])
		require.Zero(t, out[3][l])
		require.Zero(t, out[4][l])
		require.Zero(t, out[5][l])
	}
}

func TestBarrierReductions(t *testing.T) {
	out := runLanes(t, `
	setp.lt.u32 %p1, %r1, 10;
	bar.red.popc.u32 %r2, 0, %p1;
	bar.red.and.pred %p2, 0, %p1;
	bar.red.or.pred %p3, 0, 32, !%p1;
	selp.b32 %r3, 1, 0, %p2;
	selp.b32 %r4, 1, 0, %p3;`, laneNumbers(), 3)
	require.Equal(t, [3]uint32{10, 0, 1}, [3]uint32{out[0][7], out[1][7], out[2][7]})
}

func TestBranchTableTakesEachLaneItsWay(t *testing.T) {
	out := runLanes(t, `
	rem.u32 %r5, %r1, 3;
	list: .branchtargets a, b, c;
	brx.idx %r5, list;
	a: mov.u32 %r2, 100; bra end;
	b: mov.u32 %r2, 200; bra end;
	c: mov.u32 %r2, 300;
	end: add.u32 %r2, %r2, %r1;
	activemask.b32 %r3;`, laneNumbers(), 2)
	for l := range 32 {
		require.Equal(t, uint32(100*(l%3+1)+l), out[0][l])
		require.Equal(t, uint32(fullMask), out[1][l], "all lanes meet behind the table")
	}
}

// TestDivergedLanesMeetAtThePostDominator nests a loop in a branch and looks at
// the active lanes inside and behind.
func TestDivergedLanesMeetAtThePostDominator(t *testing.T) {
	out := runLanes(t, `
	mov.u32 %r2, 0; mov.u32 %r5, 0;
	and.b32 %r6, %r1, 1;
	setp.eq.u32 %p1, %r6, 0;
	@%p1 bra even;
	loop: add.u32 %r5, %r5, 1;
	setp.lt.u32 %p2, %r5, %r1;
	@%p2 bra loop;
	activemask.b32 %r2;
	bra join;
	even: activemask.b32 %r2;
	join: activemask.b32 %r3;
	mov.u32 %r4, %r5;`, laneNumbers(), 3)
	for l := range 32 {
		require.Equal(t, uint32(0x55555555)<<(l&1), out[0][l])
		require.Equal(t, uint32(fullMask), out[1][l])
		require.Equal(t, uint32(l*(l&1)), out[2][l])
	}
}

func TestLoadMatrixDistributesRows(t *testing.T) {
	// Element (row, column) of matrix i is 64·i + 8·row + column: lane l writes row l.
	for _, c := range []struct {
		trans string
		want  func(i, lane int) uint32
	}{
		{"", func(i, l int) uint32 { v := uint32(64*i + 8*(l/4) + 2*(l%4)); return v | (v+1)<<16 }},
		{".trans", func(i, l int) uint32 { v := uint32(64*i + 8*(2*(l%4)) + l/4); return v | (v+8)<<16 }},
	} {
		body := `
	.shared .align 16 .b8 s[512];
	mov.u32 %r9, s; mad.lo.u32 %r9, %r1, 16, %r9;
	mul.lo.u32 %r10, %r1, 8;
	mad.lo.u32 %r10, %r10, 0x10001, 0x10000;
	add.u32 %r11, %r10, 0x20002; add.u32 %r12, %r11, 0x20002; add.u32 %r13, %r12, 0x20002;
	st.shared.v4.b32 [%r9], {%r10, %r11, %r12, %r13};
	bar.warp.sync -1;
	ldmatrix.sync.aligned.m8n8.x4` + c.trans + `.shared.b16 {%r2, %r3, %r4, %r5}, [%r9];`
		out := runLanes(t, body, laneNumbers(), 4)
		for i := range 4 {
			for l := range 32 {
				require.Equal(t, c.want(i, l), out[i][l], "matrix %d%s, lane %d", i, c.trans, l)
			}
		}
	}
}

// fragment sizes: mma with small integers is exact in every type.
func TestMatrixProductOfSmallIntegersIsExact(t *testing.T) {
	a := func(i, k int) float64 { return float64((3*i+5*k)%7 - 3) }
	b := func(k, j int) float64 { return float64((2*k+j)%5 - 2) }
	encode := map[string]func(x float64) uint32{
		"bf16": func(x float64) uint32 { return floatToBrain(float32(x)) },
		"f16":  func(x float64) uint32 { return formatF16.encode(x) },
		"tf32": func(x float64) uint32 { return math.Float32bits(float32(x)) | 0x1000 }, // low bits are cut off
	}
	for _, c := range []struct {
		typ string
		k   int
	}{{"bf16", 16}, {"bf16", 8}, {"f16", 16}, {"f16", 8}, {"tf32", 8}, {"tf32", 4}} {
		perLane := c.k * 16 / 32
		packed := c.typ != "tf32"
		nA := perLane
		if packed {
			nA /= 2
		}
		nB := nA / 2
		var words [][32]uint32 // nA registers of A, then nB of B
		for r := range nA + nB {
			var v [32]uint32
			for l := range v {
				element := func(h int) uint32 {
					k, row := l%4*2+h+r/2*8, l/4+r%2*8
					if !packed {
						k = l%4 + r/2*4
					}
					if r < nA {
						return encode[c.typ](a(row, k))
					}
					k = l%4*2 + h + (r-nA)*8
					if !packed {
						k = l%4 + (r-nA)*4
					}
					return encode[c.typ](b(k, l/4))
				}
				v[l] = element(0)
				if packed {
					v[l] |= element(1) << 16
				}
			}
			words = append(words, v)
		}
		w := &warp{r32: make([]v32, nA+nB+8), init32: make([]uint32, nA+nB+8), blk: &block{}}
		for i, v := range words {
			w.r32[i] = v
		}
		for i := range w.init32 {
			w.init32[i] = fullMask
		}
		o := &matrixOp{k: c.k, nA: nA, nB: nB, kind: map[string]elementKind{"bf16": elementBF16, "f16": elementF16, "tf32": elementTF32}[c.typ]}
		for i := range 4 {
			o.a[i], o.d[i], o.c[i] = min(i, nA-1), nA+nB+i, nA+nB+4+i
		}
		for i := range nB {
			o.b[i] = nA + i
		}
		for _, o.separate = range []bool{false, c.typ == "bf16"} {
			o.execute(w, fullMask)
			for i := range 16 {
				for j := range 8 {
					var want float64
					for k := range c.k {
						want += a(i, k) * b(k, j)
					}
					got := f32(w.r32[o.d[i/8*2+j%2]][i%8*4+j/2])
					require.Equal(t, float32(want), got, "%s k=%d (%d, %d)", c.typ, c.k, i, j)
				}
			}
		}
	}
}

// TestMatrixInstructionAddsTheAccumulator runs the instruction itself: A of ones
// times B of ones, plus c.
func TestMatrixInstructionAddsTheAccumulator(t *testing.T) {
	out := runLanes(t, `
	mov.b32 %r9, 0x3f803f80; cvt.rn.f32.u32 %r10, %r1; mov.f32 %r11, 0f3f800000;
	mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%r2,%r3,%r4,%r5}, {%r9,%r9,%r9,%r9}, {%r9,%r9}, {%r10,%r10,%r11,%r11};`, laneNumbers(), 4)
	for l := range 32 {
		require.Equal(t, math.Float32bits(float32(16+l)), out[0][l])
		require.Equal(t, math.Float32bits(17), out[3][l])
	}
}

// TestFastProductEqualsPortableBitForBit feeds both products random bits, NaN,
// infinity and subnormal numbers included.
func TestFastProductEqualsPortableBitForBit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &warp{r32: make([]v32, 14), init32: make([]uint32, 14), blk: &block{}}
		seed := rapid.Uint32().Draw(t, "seed")
		for i := range w.r32 {
			w.init32[i] = fullMask
			for l := range w.r32[i] {
				seed = seed*1664525 + 1013904223
				w.r32[i][l] = seed ^ seed>>15
			}
		}
		k := rapid.SampledFrom([]int{8, 16}).Draw(t, "k")
		o := &matrixOp{k: k, nA: k / 4, nB: k / 8, a: [4]int{0, 1, 2, 3}, b: [2]int{4, 5}, c: [4]int{6, 7, 8, 9}, d: [4]int{10, 11, 12, 13}}
		require.False(t, o.overlaps())
		o.execute(w, fullMask)
		portable := append([]v32{}, w.r32[10:]...)
		o.separate = true
		o.execute(w, fullMask)
		require.Equal(t, portable, w.r32[10:])
	})
}

// TestMatrixInstructionMayWriteItsOwnOperands: D in the registers of A.
func TestMatrixInstructionMayWriteItsOwnOperands(t *testing.T) {
	out := runLanes(t, `
	mov.b32 %r2, 0x3f803f80; mov.b32 %r3, %r2; mov.b32 %r4, %r2; mov.b32 %r5, %r2; mov.b32 %r9, %r2; mov.f32 %r10, 0f00000000;
	mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%r2,%r3,%r4,%r5}, {%r2,%r3,%r4,%r5}, {%r9,%r9}, {%r10,%r10,%r10,%r10};`, laneNumbers(), 4)
	for i := range 4 {
		require.Equal(t, math.Float32bits(16), out[i][9])
	}
}
