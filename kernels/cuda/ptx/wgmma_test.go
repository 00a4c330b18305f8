package ptx

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// groupProduct is D (64, n) = A (64, 16·steps) · B (16·steps, n) by wgmma on the
// operands at offsets a and b of s; between stands before the results are stored.
type groupProduct struct {
	n, steps   int
	a, b, step int    // bytes; step: from one k16 to the next
	desc       uint64 // upper bits of both descriptors
	trans      int    // both operands are MN-major
	fence      string
	wait       string
}

func (g groupProduct) text() string {
	var regs []string
	for i := range g.n / 2 {
		regs = append(regs, fmt.Sprintf("%%acc%d", i))
	}
	var b strings.Builder
	fmt.Fprintf(&b, ".reg .f32 %%acc<%d>;\nsetp.ne.u32 %%p1, %%lane, %%lane; setp.eq.u32 %%p2, %%lane, %%lane;\n", g.n/2)
	b.WriteString("cvt.u64.u32 %d3, %s; shr.u64 %d3, %d3, 4;\n" + g.fence)
	for k := range g.steps {
		fmt.Fprintf(&b, "add.u64 %%d4, %%d3, 0x%x; add.u64 %%d5, %%d3, 0x%x;\n", g.desc|uint64(g.a+k*g.step)>>4, g.desc|uint64(g.b+k*g.step)>>4)
		fmt.Fprintf(&b, "wgmma.mma_async.sync.aligned.m64n%dk16.f32.bf16.bf16 {%s}, %%d4, %%d5, %%p%d, 1, 1, %d, %d;\n",
			g.n, strings.Join(regs, ","), min(k, 1)+1, g.trans, g.trans)
	}
	b.WriteString("wgmma.commit_group.sync.aligned;\n" + g.wait)
	// Row 16·warp + lane/4, column 2·(lane%4).
	b.WriteString("and.b32 %r5, %lane, 31; shr.u32 %r6, %lane, 5; shl.b32 %r6, %r6, 4; shr.u32 %r7, %r5, 2; add.u32 %r6, %r6, %r7;\n")
	fmt.Fprintf(&b, "and.b32 %%r5, %%r5, 3; shl.b32 %%r5, %%r5, 1; mad.lo.u32 %%r6, %%r6, %d, %%r5; mul.wide.u32 %%d6, %%r6, 4; add.s64 %%address, %%address, %%d6;\n", g.n)
	for i, r := range regs {
		fmt.Fprintf(&b, "st.global.f32 [%%address+%d], %s;\n", 4*(i>>1&1*8*g.n+i/4*8+i&1), r)
	}
	return b.String()
}

const (
	groupFence = "wgmma.fence.sync.aligned;\n"
	groupWait  = "wgmma.wait_group.sync.aligned 0;\n"
)

// kMajor has rows of 64 k: 64 of A, then 16 of B. mnMajor has 16 rows of 64 m of A,
// then 16 rows of 64 n of B.
var (
	kMajor  = groupProduct{n: 16, steps: 4, a: 0, b: 8192, step: 32, desc: 1<<62 | 64<<32 | 1<<16, fence: groupFence, wait: groupWait}
	mnMajor = groupProduct{n: 64, steps: 1, a: 0, b: 2048, desc: 1<<62 | 64<<32 | 1<<16, trans: 1, fence: groupFence, wait: groupWait}
)

// load brings the operands, rows×64 small integers, by one tensor copy.
func (g groupProduct) load(t *testing.T, mem *Memory, rows int) (string, TensorMap, []float32) {
	t.Helper()
	values := make([]float32, rows*64)
	for i := range values {
		values[i] = float32((i*7+i/64*3)%11 - 5)
	}
	m := TensorMap{Address: upload(t, mem, toBrain(values)), ElementBytes: 2, Dims: []int{64, rows}, Strides: []int{128}, Box: []int{64, rows}, Swizzle: 128}
	return fmt.Sprintf(`
	@%%only mbarrier.arrive.expect_tx.shared::cta.b64 _, [%%bar], %d;
	mov.u32 %%r5, 0;
	@%%only cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%%s], [%%map, {%%r5, %%r5}], [%%bar];
`, rows*128) + waitParity, m, values
}

func TestGroupProductOfSmallIntegersIsExact(t *testing.T) {
	for name, g := range map[string]groupProduct{"k-major": kMajor, "mn-major": mnMajor} {
		mem := NewMemory()
		rows := (g.b + 128*16) / 128
		load, m, values := g.load(t, mem, rows)
		got, err := runHopper(t, load+g.text(), 128, m, mem)
		require.NoError(t, err, name)
		for i := range 64 {
			for j := range g.n {
				var want float32
				for k := range 16 * g.steps {
					if g.trans == 1 {
						want += values[k*64+i] * values[(16+k)*64+j]
					} else {
						want += values[i*64+k] * values[(64+j)*64+k]
					}
				}
				require.Equal(t, want, math.Float32frombits(binary.LittleEndian.Uint32(got[4*(i*g.n+j):])), "%s (%d, %d)", name, i, j)
			}
		}
	}
}

func TestGroupProductMisuseIsFound(t *testing.T) {
	noWait, noFence, late := kMajor, kMajor, kMajor
	noWait.wait, noFence.fence = "", ""
	late.wait = "@%only st.shared.u32 [%s], 0; bar.sync 0;" + groupWait
	wild := kMajor
	wild.b = 1 << 15
	for _, c := range []struct {
		name    string
		g       groupProduct
		threads int
		want    error
	}{
		{"accumulators read before the wait", noWait, 128, ErrAsync},
		{"no fence", noFence, 128, ErrAsync},
		{"operand overwritten before the wait", late, 128, ErrAsync},
		{"descriptor behind shared memory", wild, 128, ErrBounds},
		{"half a group", kMajor, 64, ErrAbsentLanes},
	} {
		mem := NewMemory()
		load, m, _ := c.g.load(t, mem, 80)
		_, err := runHopper(t, load+c.g.text(), c.threads, m, mem)
		require.ErrorIs(t, err, c.want, c.name)
	}
}
