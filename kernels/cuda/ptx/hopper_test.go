package ptx

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// hopperKernel has a tensor map as its second parameter: %map is its address.
func hopperKernel(body string) string {
	return ".version 8.4\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 out, .param .align 64 .b8 map[128]) {" + registers + `
	.reg .b64 %map; .reg .b32 %s, %bar; .shared .align 1024 .b8 s[16384]; .shared .align 8 .b8 bar[16];
	ld.param.u64 %address, [out];
	mov.b64 %map, map; cvta.param.u64 %map, %map;
	mov.u32 %s, s; mov.u32 %bar, bar; mov.u32 %lane, %tid.x;
	setp.eq.u32 %only, %lane, 0;
	@%only mbarrier.init.shared::cta.b64 [%bar], 1;
	fence.mbarrier_init.release.cluster;
	bar.sync 0;
` + body + "\n\tret;\n}\n"
}

const waitParity = `
	wait: mbarrier.try_wait.parity.shared::cta.b64 %p7, [%bar], 0;
	@!%p7 bra wait;
`

// runHopper copies the 16384 bytes of results back.
func runHopper(t *testing.T, body string, threads int, m TensorMap, mem *Memory) ([]byte, error) {
	t.Helper()
	module, err := Load("hopper", hopperKernel(body))
	require.NoError(t, err)
	k := kernelOf(t, module, "k")
	encoded, err := EncodeTensorMap(m)
	require.NoError(t, err)
	out := reserve(t, mem, 16384)
	require.NoError(t, mem.Fill(out, 16384, 0))
	_, err = Run(mem, Launch{Kernel: k, Block: [3]int{threads}, Args: arguments(t, k, out, encoded), Budget: 1 << 16})
	if err != nil {
		return nil, err
	}
	got := make([]byte, 16384)
	require.NoError(t, mem.Read(out, got))
	return got, nil
}

// matrixOf is a map of a matrix of 16-bit numbers, element (r, c) being 100·r + c.
func matrixOf(t *testing.T, mem *Memory, rows, columns, swizzle int, box ...int) TensorMap {
	t.Helper()
	values := make([]uint16, rows*columns)
	for i := range values {
		values[i] = uint16(100*(i/columns) + i%columns)
	}
	return TensorMap{Address: upload(t, mem, values), ElementBytes: 2, Dims: []int{columns, rows},
		Strides: []int{2 * columns}, Box: box, Swizzle: swizzle}
}

const copyShared = `
	mul.wide.u32 %d1, %lane, 32; add.s64 %address, %address, %d1; mad.lo.u32 %r9, %lane, 32, %s;
	ld.shared.v4.b32 {%r1,%r2,%r3,%r4}, [%r9]; st.global.v4.b32 [%address], {%r1,%r2,%r3,%r4};
	ld.shared.v4.b32 {%r1,%r2,%r3,%r4}, [%r9+16]; st.global.v4.b32 [%address+16], {%r1,%r2,%r3,%r4};
`

const loadTile = `
	@%only mbarrier.arrive.expect_tx.shared::cta.b64 _, [%bar], 1024;
	mov.u32 %r5, -2; mov.u32 %r6, 3;
	@%only cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%s], [%map, {%r5, %r6}], [%bar];
`

// TestTensorCopyPutsEveryElementInItsSwizzledPlace loads a box that sticks out of
// the tensor on two sides.
func TestTensorCopyPutsEveryElementInItsSwizzledPlace(t *testing.T) {
	for _, swizzle := range []int{0, 32, 64, 128} {
		mem := NewMemory()
		columns := 64
		if swizzle > 0 {
			columns = swizzle / 2
		}
		boxRows := 512 / columns
		m := matrixOf(t, mem, 8, 64, swizzle, columns, boxRows)
		got, err := runHopper(t, loadTile+waitParity+copyShared, 32, m, mem)
		require.NoError(t, err)
		for r := range boxRows {
			for c := range columns {
				want := uint16(0)
				if row, column := r+3, c-2; row < 8 && column >= 0 {
					want = uint16(100*row + column)
				}
				at := r*columns*2 + c*2
				if swizzle > 0 {
					at ^= at >> 7 & (swizzle/16 - 1) << 4
				}
				require.Equal(t, want, binary.LittleEndian.Uint16(got[at:]), "(%d, %d) with swizzle %d", r, c, swizzle)
			}
		}
	}
}

// loadBytes copies 1024 bytes from a hexadecimal address.
func loadBytes(address string) string {
	return `
	mov.u64 %d5, 0x` + address + `; cvta.to.global.u64 %d5, %d5;
	@%only mbarrier.arrive.expect_tx.shared::cta.b64 _, [%bar], 1024;
	@%only cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%s], [%d5], 1024, [%bar];
`
}

func TestPlainBulkCopyLandsWithItsPhase(t *testing.T) {
	mem := NewMemory()
	m := matrixOf(t, mem, 8, 64, 0, 64, 8)
	got, err := runHopper(t, loadBytes(hex(m.Address))+waitParity+copyShared, 32, m, mem)
	require.NoError(t, err)
	for i := range 512 {
		require.Equal(t, uint16(100*(i/64)+i%64), binary.LittleEndian.Uint16(got[2*i:]))
	}
}

func hex(v uint64) string {
	const digits = "0123456789abcdef"
	var b []byte
	for s := 60; s >= 0; s -= 4 {
		b = append(b, digits[v>>s&15])
	}
	return string(b)
}

// passWord is a kernel of two warps: the first writes, the second comes out at its end.
const passWord = `
	setp.lt.u32 %p1, %lane, 32;
	@!%p1 bra second;
	mad.lo.u32 %r9, %lane, 4, %s; add.u32 %r1, %lane, 7; st.shared.u32 [%r9], %r1;
	bar.warp.sync -1;
	@%only mbarrier.arrive.shared::cta.b64 %d1, [%bar];
	ret;
	second:
`

// readWord reads what passWord wrote.
const readWord = `
	and.b32 %r8, %lane, 31; mad.lo.u32 %r9, %r8, 4, %s; ld.shared.u32 %r1, [%r9];
	mul.wide.u32 %d1, %r8, 4; add.s64 %address, %address, %d1; st.global.u32 [%address], %r1;`

// TestMbarrierOrdersWarps passes a word from warp 0 to warp 1.
func TestMbarrierOrdersWarps(t *testing.T) {
	mem := NewMemory()
	m := matrixOf(t, mem, 8, 64, 0, 64, 8)
	got, err := runHopper(t, passWord+waitParity+readWord, 64, m, mem)
	require.NoError(t, err)
	for l := range 32 {
		require.Equal(t, uint32(l+7), binary.LittleEndian.Uint32(got[4*l:]))
	}
	_, err = runHopper(t, passWord+"nanosleep.u32 1;"+readWord, 64, m, mem)
	require.ErrorIs(t, err, ErrRace)
}

const electAndTrap = "setmaxnreg.inc.sync.aligned.u32 232; elect.sync %r1|%p1, -1; @%p1 trap;"

// TestHopperMisuseIsFound holds one kernel for each fault.
func TestHopperMisuseIsFound(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       error
	}{
		{"tile read before its phase ended", loadTile + copyShared, ErrAsync},
		{"more bytes announced than copied", "@%only mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%bar], 16;" + loadTile + waitParity, ErrBarrier},
		{"nobody arrives", waitParity, ErrBarrier},
		{"too many arrive", "mbarrier.arrive.shared::cta.b64 _, [%bar], 2;", ErrBarrier},
		{"wait before initialisation", "mbarrier.try_wait.parity.shared::cta.b64 %p7, [%bar+8], 0;", ErrUninitialized},
		{"tile out of alignment", "add.u32 %s, %s, 16;" + loadTile, ErrAlignment},
		{"tile behind shared memory", "add.u32 %s, %s, 16384;" + loadTile, ErrBounds},
		{"no tensor map", "add.u64 %map, %map, -64;" + loadTile, ErrBounds},
		{"written while in flight", loadTile + "@%only st.shared.u32 [%s], 1;", ErrAsync},
		{"registers", electAndTrap, ErrTrap},
	} {
		mem := NewMemory()
		m := matrixOf(t, mem, 8, 64, 128, 64, 8)
		_, err := runHopper(t, c.body, 32, m, mem)
		require.ErrorIs(t, err, c.want, c.name)
	}
}

func TestTensorMapsOutOfTheRulesAreRefused(t *testing.T) {
	good := TensorMap{Address: 256, ElementBytes: 2, Dims: []int{64, 8}, Strides: []int{128}, Box: []int{64, 8}, Swizzle: 128}
	raw, err := EncodeTensorMap(good)
	require.NoError(t, err)
	back, ok := decodeTensorMap(&raw)
	require.True(t, ok)
	require.Equal(t, good, back)
	for name, change := range map[string]func(m *TensorMap){
		"address":     func(m *TensorMap) { m.Address = 8 },
		"stride":      func(m *TensorMap) { m.Strides = []int{24} },
		"inner box":   func(m *TensorMap) { m.Box = []int{128, 8} },
		"rank":        func(m *TensorMap) { m.Box = []int{64} },
		"swizzle":     func(m *TensorMap) { m.Swizzle = 48 },
		"box":         func(m *TensorMap) { m.Box = []int{64, 257} },
		"no elements": func(m *TensorMap) { m.Dims = []int{64, 0} },
	} {
		m := good
		change(&m)
		_, err := EncodeTensorMap(m)
		require.Error(t, err, name)
	}
}
