package emu

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels/cuda/driver"
)

// BenchmarkSmallTensor is what a conformance test does most: a tensor made, filled,
// uploaded, read and freed, beside others that live.
func BenchmarkSmallTensor(b *testing.B) {
	for _, live := range []int{20, 2000} {
		b.Run(fmt.Sprint(live), func(b *testing.B) { smallTensor(b, live) })
	}
}

func smallTensor(b *testing.B, live int) {
	device, err := New(Options{}).Open(0)
	require.NoError(b, err)
	for range live {
		_, err := device.Alloc(256)
		require.NoError(b, err)
	}
	values := make([]byte, 4096)
	for b.Loop() {
		p, err := device.Alloc(4096)
		require.NoError(b, err)
		require.NoError(b, device.Fill(p, 0xff, 4096, 0))
		require.NoError(b, device.CopyIn(p, values, 0))
		require.NoError(b, device.CopyOut(values, p, 0))
		require.NoError(b, device.Free(p))
	}
}

// BenchmarkSmallLaunch is the cost around a kernel of one warp.
func BenchmarkSmallLaunch(b *testing.B) {
	device, err := New(Options{}).Open(0)
	require.NoError(b, err)
	p, err := device.Alloc(4)
	require.NoError(b, err)
	require.NoError(b, device.Fill(p, 0, 4, 0))
	m, err := device.Load("test", increment)
	require.NoError(b, err)
	f, err := device.Function(m, "k")
	require.NoError(b, err)
	args := new(driver.Args).Ptr(p).Bytes()
	for b.Loop() {
		require.NoError(b, device.Launch(f, driver.Geometry{}, args, 0))
	}
	require.NoError(b, device.Sync(0))
}

// BenchmarkLoad is a text that was parsed before.
func BenchmarkLoad(b *testing.B) {
	device, err := New(Options{}).Open(0)
	require.NoError(b, err)
	for b.Loop() {
		m, err := device.Load("test", increment)
		require.NoError(b, err)
		require.NoError(b, device.Unload(m))
	}
}
