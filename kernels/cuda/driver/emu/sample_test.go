package emu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels/cuda/driver"
)

func TestCountsOfASampleAreThoseOfAllBlocks(t *testing.T) {
	counts := func(sample int) KernelCounts {
		d := New(Options{Sample: sample, Workers: 1})
		device, err := d.Open(0)
		require.NoError(t, err)
		m, err := device.Load("test", increment)
		require.NoError(t, err)
		f, err := device.Function(m, "k")
		require.NoError(t, err)
		p, err := device.Alloc(4)
		require.NoError(t, err)
		require.NoError(t, device.Fill(p, 0, 4, 0))
		require.NoError(t, device.Launch(f, driver.Geometry{Grid: [3]int{24, 4}}, new(driver.Args).Ptr(p).Bytes(), 0))
		require.NoError(t, device.Sync(0))
		return d.Counts()["k"]
	}
	all := counts(0)
	require.Equal(t, all, counts(7))
	require.EqualValues(t, 96, all.GlobalStore.Requests)
	require.EqualValues(t, 8, all.Footprint, "all blocks read and write the same four bytes")
}
