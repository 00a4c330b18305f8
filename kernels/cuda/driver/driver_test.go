package driver_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/driver/internal/fake"
)

func open(t *testing.T, capacity int64) *driver.Context {
	t.Helper()
	c, err := driver.Open(&fake.Driver{Capacity: capacity}, 0)
	require.NoError(t, err)
	return c
}

func TestArgumentsAreAlignedToTheirSize(t *testing.T) {
	var a driver.Args
	for range 2 { // the second time in reused memory that is not zero
		b := a.Reset().Int32(-1).Ptr(0x1122334455667788).Float32(1).Float64(1).Int64(-2).Bytes()
		require.Len(t, b, 40)
		require.Equal(t, uint64(0xffffffff), binary.LittleEndian.Uint64(b), "four bytes of padding are zero")
		require.Equal(t, uint64(0x1122334455667788), binary.LittleEndian.Uint64(b[8:]))
		require.Equal(t, uint64(0x3f800000), binary.LittleEndian.Uint64(b[16:]))
		require.Equal(t, uint64(0x3ff0000000000000), binary.LittleEndian.Uint64(b[24:]))
		require.Equal(t, ^uint64(1), binary.LittleEndian.Uint64(b[32:]))
	}
	require.Panics(t, func() { a.Reset().Int32(1 << 31) })
	m := [driver.TensorMapBytes]byte{1, 2, 3}
	b := a.Reset().Int32(1).TensorMap(&m).Ptr(5).Bytes()
	require.Len(t, b, 64+128+8)
	require.Equal(t, m[:], b[64:192])
}

func TestALaunchAllocatesNothing(t *testing.T) {
	var a driver.Args
	fill := func() { a.Reset().Ptr(1).Ptr(2).Int32(3).Float32(4) }
	fill()
	require.Zero(t, testing.AllocsPerRun(100, fill))
}

func TestMemoryIsCountedByPurpose(t *testing.T) {
	c := open(t, 1<<20)
	p, err := c.Alloc(kernels.Parameters, 1000)
	require.NoError(t, err)
	q, err := c.Alloc(kernels.Scratch, 24)
	require.NoError(t, err)
	h, err := c.AllocHost(kernels.Input, 10)
	require.NoError(t, err)
	empty, err := c.Alloc(kernels.Cache, 0)
	require.NoError(t, err)
	require.NoError(t, c.Free(empty))
	require.Equal(t, map[kernels.Purpose]int64{kernels.Parameters: 1000, kernels.Scratch: 24}, c.InUse())
	require.Equal(t, map[kernels.Purpose]int64{kernels.Input: 10}, c.Pinned())
	require.NoError(t, c.Free(p))
	require.Equal(t, map[kernels.Purpose]int64{kernels.Scratch: 24}, c.InUse())
	require.NoError(t, c.Free(q))
	require.NoError(t, c.FreeHost(h))
	require.Empty(t, c.Pinned())
	require.NoError(t, c.Close())
}

func TestOutOfMemorySaysWhatWasAskedAndWhoHasTheRest(t *testing.T) {
	c := open(t, 10<<20)
	p, err := c.Alloc(kernels.Parameters, 6<<20)
	require.NoError(t, err)
	q, err := c.Alloc(kernels.Gradients, 1<<20)
	require.NoError(t, err)
	_, err = c.Alloc(kernels.Activations, 5<<20)
	require.ErrorIs(t, err, driver.ErrOutOfMemory)
	require.EqualError(t, err, "cuda: alloc: out of memory (CUDA_ERROR_OUT_OF_MEMORY, 2): asked for 5.0 MiB for activations, "+
		"3.0 MiB of 10.0 MiB are free; in use: parameters 6.0 MiB, gradients 1.0 MiB")
	require.NoError(t, c.Failed(), "the context goes on")
	require.NoError(t, c.Free(p))
	require.NoError(t, c.Free(q))
	require.NoError(t, c.Close())
}

func TestErrorsSayWhetherTheContextIsLost(t *testing.T) {
	for code, want := range map[int]struct {
		kind   error
		sticky bool
	}{
		driver.CodeOutOfMemory:    {driver.ErrOutOfMemory, false},
		driver.CodeIllegalAddress: {driver.ErrIllegalAddress, true},
		driver.CodeECC:            {driver.ErrECC, true},
		driver.CodeTimeout:        {driver.ErrTimeout, true},
		driver.CodeInvalidPTX:     {driver.ErrPTX, false},
		driver.CodeNoDevice:       {driver.ErrNoDevice, false},
		-5:                        {driver.ErrOther, false},
	} {
		e := driver.NewError("op", code, "")
		require.ErrorIs(t, e, want.kind)
		require.Equal(t, want.sticky, e.Sticky, e.Name)
	}
}

func TestNegativeSizesAreRefused(t *testing.T) {
	c := open(t, 1<<20)
	_, err := c.Alloc(kernels.Scratch, -1)
	require.ErrorIs(t, err, driver.ErrInvalid)
	_, err = c.AllocHost(kernels.Scratch, -1)
	require.ErrorIs(t, err, driver.ErrInvalid)
}
