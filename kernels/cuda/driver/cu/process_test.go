//go:build cuda && linux && (amd64 || arm64)

package cu

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels/cuda/driver"
)

// child is set in the processes that these tests start.
const child = "RETORT_TEST_CHILD"

// runWith runs one test of this binary in a process that finds the stand-in driver.
func runWith(t *testing.T, test, cuInit string) {
	t.Helper()
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler for the stand-in driver")
	}
	folder := t.TempDir()
	out, err := exec.Command(compiler, "-shared", "-fPIC", "-o", filepath.Join(folder, "libcuda.so.1"), "testdata/libcuda.c").CombinedOutput()
	require.NoError(t, err, string(out))
	c := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v")
	c.Env = append(os.Environ(), child+"=1", "LD_LIBRARY_PATH="+folder, "CU_INIT="+cuInit)
	out, err = c.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS: "+test)
}

func TestTheSameBinaryUsesADriverWhenThereIsOne(t *testing.T) {
	runWith(t, "TestInChildWithDriver", "0")
}

func TestADriverThatDoesNotStartIsOneClearError(t *testing.T) {
	runWith(t, "TestInChildWithBrokenDriver", "803")
}

func TestInChildWithDriver(t *testing.T) {
	if os.Getenv(child) == "" {
		t.Skip("runs in a process of its own")
	}
	d, err := New()
	require.NoError(t, err)
	require.Equal(t, 12080, d.Version())
	devices, err := d.Devices()
	require.NoError(t, err)
	require.Equal(t, []driver.Attributes{{
		Name: "stand-in", MemoryBytes: 24 << 30, Major: 75, Minor: 76, Multiprocessors: 16, L2Bytes: 38,
		ClockKHz: 13, MemoryClockKHz: 36, MemoryBusBits: 37, SharedBytesPerBlock: 97, RegistersPerSM: 82, ThreadsPerSM: 39,
	}}, devices)

	device, err := d.Open(0)
	require.NoError(t, err)
	shape := driver.Geometry{Grid: [3]int{1, 2, 3}, Block: [3]int{4, 5, 6}, SharedBytes: 8}
	var args driver.Args
	launch := func() error {
		return device.Launch(7, shape, args.Reset().Ptr(10).Int32(11).Bytes(), 9)
	}
	require.ErrorIs(t, launch(), driver.ErrIllegalAddress, "the stand-in saw the right arguments")
	shape.SharedBytes = 9
	require.ErrorIs(t, launch(), driver.ErrInvalid, "and wrong ones")

	m := driver.TensorMap{Address: 4096, Rows: 70, Cols: 100, StrideBytes: 208, BoxRows: 32, BoxCols: 64, SwizzleBytes: 128}
	encoded, err := device.EncodeTensorMap(m)
	require.NoError(t, err)
	require.Equal(t, bytes.Repeat([]byte{0x5a}, driver.TensorMapBytes), encoded[:])
	m.Rows = 71
	_, err = device.EncodeTensorMap(m)
	require.ErrorIs(t, err, driver.ErrInvalid)
}

func TestInChildWithBrokenDriver(t *testing.T) {
	if os.Getenv(child) == "" {
		t.Skip("runs in a process of its own")
	}
	d, err := New()
	require.ErrorIs(t, err, driver.ErrNoDriver)
	require.Contains(t, err.Error(), "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH")
	require.Zero(t, d.Version())
	devices, err := d.Devices()
	require.NoError(t, err)
	require.Empty(t, devices)
}
