package cuda

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProbeEitherFindsDevicesOrSaysWhyNotAndWhatToDo(t *testing.T) {
	r := Probe()
	require.NotEmpty(t, r.Summary())
	if len(r.Devices) == 0 {
		require.NotEmpty(t, r.Problem)
		require.NotEmpty(t, r.Advice)
		require.Equal(t, r.Problem, r.Summary())
	} else {
		require.NotEmpty(t, r.Driver)
		require.Contains(t, r.Summary(), r.Devices[0])
	}
}

func TestHeadersAreFoundWhereCUDAHomePoints(t *testing.T) {
	t.Setenv("CUDA_HOME", "testdata/home")
	require.Equal(t, "testdata/home/include", findHeaders())
}
