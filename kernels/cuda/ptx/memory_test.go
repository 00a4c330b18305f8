package ptx

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFillsOfEveryLengthStayWithinTheirBytes(t *testing.T) {
	mem := NewMemory()
	for n := range 70 {
		p := reserve(t, mem, 80)
		require.NoError(t, mem.Fill(p, 80, 1))
		require.NoError(t, mem.Poison(p+3, 7))
		require.ErrorIs(t, mem.Read(p, make([]byte, 4)), ErrUninitialized)
		require.NoError(t, mem.Fill(p+3, n, 2))
		require.NoError(t, mem.Fill(p+3, 7, 2))
		want := bytes.Repeat([]byte{1}, 80)
		copy(want[3:], bytes.Repeat([]byte{2}, max(7, n)))
		got := make([]byte, 80)
		require.NoError(t, mem.Read(p, got))
		require.Equal(t, want, got, "%d bytes", n)
	}
}

func TestCheckKnowsTheAllocations(t *testing.T) {
	mem := NewMemory()
	first, second := reserve(t, mem, 16), reserve(t, mem, 16)
	require.NoError(t, mem.Free(first))
	third := reserve(t, mem, 16)
	require.ErrorIs(t, mem.Check(first, 1), ErrUseAfterFree)
	for _, p := range []uint64{second, third} {
		require.NoError(t, mem.Check(p+8, 8))
		require.ErrorIs(t, mem.Check(p+8, 9), ErrBounds)
	}
}

func TestARunningKernelsAllocationsStayAsTheyWere(t *testing.T) {
	mem := NewMemory()
	first := reserve(t, mem, 16)
	reserve(t, mem, 16)
	reserve(t, mem, 16)      // three: an array with room for a fourth
	seen := *mem.live.Load() // as Run takes it
	before := slices.Clone(seen)
	reserve(t, mem, 16)
	require.NoError(t, mem.Free(first))
	reserve(t, mem, 16)
	require.Equal(t, before, seen)
}

func TestUnloadFreesTheModulesVariablesAndNoOthers(t *testing.T) {
	const text = ".version 8.4\n.target sm_90a, debug\n.address_size 64\n.global .u32 v = 3;\n" +
		".visible .entry k() { .reg .b64 %d; .reg .b32 %r; mov.u64 %d, v; ld.global.u32 %r, [%d]; ret; }"
	mem := NewMemory()
	var addresses []uint64
	var modules []*Module
	for range 2 {
		m, err := Load("m", text)
		require.NoError(t, err)
		require.Equal(t, []string{"8.4", "sm_90a"}, []string{m.Version, m.Target})
		at, _, err := mem.Global(m, "v")
		require.NoError(t, err)
		require.NoError(t, mem.Write(at, []byte{9, 9, 9, 9}))
		addresses, modules = append(addresses, at), append(modules, m)
	}
	mem.Unload(modules[0])
	mem.Unload(modules[0]) // nothing left to do
	require.Error(t, mem.Check(addresses[0], 4))
	require.Equal(t, []byte{9, 9, 9, 9}, download[byte](t, mem, addresses[1], 4))
	at, _, err := mem.Global(modules[0], "v")
	require.NoError(t, err)
	require.Equal(t, []byte{3, 0, 0, 0}, download[byte](t, mem, at, 4), "made anew")
}

func TestCheckOfALaunchRunsNothing(t *testing.T) {
	m, err := Load("m", kernelText("trap;"))
	require.NoError(t, err)
	l := Launch{Kernel: kernelOf(t, m, "k"), Args: make([]byte, 8)}
	require.NoError(t, l.Check())
	l.Block = [3]int{1025}
	require.ErrorIs(t, l.Check(), ErrLaunch)
}
