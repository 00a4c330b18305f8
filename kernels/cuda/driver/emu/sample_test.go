package emu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/ptxfiles"
)

// fillCounts runs fill_f32 over rows of 256 floats, one block a row.
func fillCounts(t *testing.T, rows, sample int) KernelCounts {
	d := New(Options{Sample: sample})
	device, err := d.Open(0)
	require.NoError(t, err)
	text, file, err := ptxfiles.For("copy", 8, 0)
	require.NoError(t, err)
	m, err := device.Load(file, text)
	require.NoError(t, err)
	f, err := device.Function(m, "fill_f32")
	require.NoError(t, err)
	p, err := device.Alloc(int64(rows) * 1024)
	require.NoError(t, err)
	args := new(driver.Args).Ptr(p).Float32(1).Int32(256).Int32(256)
	require.NoError(t, device.Launch(f, driver.Geometry{Grid: [3]int{rows, 1, 1}, Block: [3]int{256, 1, 1}}, args.Bytes(), 0))
	require.NoError(t, device.Sync(0))
	return d.Counts()["fill_f32"]
}

func TestCountsOfASampleAreThoseOfAllBlocks(t *testing.T) {
	all := fillCounts(t, 96, 0)
	require.Equal(t, all, fillCounts(t, 96, 7))
	require.EqualValues(t, 96*1024, all.Footprint)
}
