package cuda

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda/ptx"
)

// Planted bugs as in planted_test.go, in the texts for Hopper.

const (
	anyWait   = `mbarrier\.try_wait[^\n]*\n@!ended bra again;\n`
	anyArrive = `\tmbarrier\.arrive\.shared::cta\.b64 _, \[%r\d+\];\n`
	anyFence  = `\twgmma\.fence\.sync\.aligned;\n`
	waitAll   = `\twgmma\.wait_group\.sync\.aligned 0;\n`
	waitOne   = `\twgmma\.wait_group\.sync\.aligned 1;\n`
)

func TestPlantedBugsInHoppersMatrixProductAreFound(t *testing.T) {
	for _, c := range []struct {
		name   string
		change mutant
		kind   error
	}{
		{"no wait for a full stage", nth(anyWait, 2, ""), ptx.ErrAsync},
		{"no wait for an empty stage", nth(anyWait, 1, ""), ptx.ErrAsync},
		{"stages are never given back", nth(anyArrive, 1, ""), ptx.ErrBarrier},
		{"a stage is given back while it is read", nth(waitOne, 1, ""), ptx.ErrAsync},
		{"sums are read before they are there", nth(waitAll, 1, ""), ptx.ErrAsync},
		{"no fence before the products", nth(anyFence, 1, ""), ptx.ErrAsync},
		{"fewer bytes expected than copied", nth(`(mov\.u32 \t%r\d+), 16384;`, 0, "$1, 8192;"), ptx.ErrAsync},
		{"barriers are not made before they are used", nth(`\tbar\.sync \t0;\n`, 1, ""), ptx.ErrRace},
		{"sums are written over stages that are read", nth(`\tbar\.sync 3, 128;\n`, 1, ""), ptx.ErrRace},
		{"no barrier between storing and reading sums", nth(`\tbar\.sync [12], 128;\n`, 0, ""), ptx.ErrRace},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, _ := openHopper(t)
			plant(t, b, "gemm_bf16_sm90", "rows_by_rows_64x64", c.change)
			plainProduct(t, b, hopperSmall, 61, 64, 640)
			err := b.Sync()
			t.Log(err)
			require.ErrorIs(t, err, c.kind)
		})
	}
}

// TestAWrongSwizzleInTheTensorMapShowsInTheNumbers: the pieces of a line lie elsewhere than the
// descriptors of wgmma say.
func TestAWrongSwizzleInTheTensorMapShowsInTheNumbers(t *testing.T) {
	b, _ := openHopper(t)
	r := rand.New(rand.NewPCG(1, 2))
	operand := func(written bool) operand { return newOperand(t, b, r, kernels.BFloat16, 64, 64, 64, written) }
	left, right, out := operand(false), operand(false), operand(true)
	run := func() []float32 {
		b.productBy(hopperSmall, 1, rowsByRows, b.matrix(out.view), b.matrix(left.view), b.matrix(right.view), epilogue{})
		return out.result(t, b)
	}
	want := run()
	require.Len(t, b.maps, 2)
	for key := range b.maps {
		plain := key
		plain.SwizzleBytes = 0
		encoded, err := b.context.EncodeTensorMap(plain)
		require.NoError(t, err)
		b.maps[key] = &encoded
	}
	require.NotEqual(t, want, run())
	require.Len(t, b.maps, 2, "maps are encoded once")
}

func TestPlantedBugsInHoppersAttentionAreFound(t *testing.T) {
	for _, c := range []struct {
		name   string
		size   int
		change mutant
	}{
		{"no wait for the queries", 64, nth(anyWait, 4, "")},
		{"no wait for the keys", 64, nth(anyWait, 6, "")},
		{"no wait for the values", 64, nth(anyWait, 7, "")},
		{"scores are read before they are there", 64, nth(waitOne, 1, "")},
		{"sums are scaled while values are added", 64, nth(waitAll, 2, "")},
		{"keys are overwritten", 64, nth(anyWait, 1, "")},
		{"values are overwritten", 64, nth(anyWait, 2, "")},
		{"values are never given back", 64, nth(anyArrive, 4, "")},
		{"rows of the next document are cleared before they land", 64, nth(anyWait, 3, "")},
		{"results are written over queries that are read", 128, nth(`\tbar\.sync [12], 128;\n`, 0, "")},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, _ := openHopper(t)
			plant(t, b, "attention_sm90", fmt.Sprint("attention_", c.size), c.change)
			err := attendOnce(t, b, c.size)
			t.Log(err)
			require.Error(t, err)
		})
	}
}

// attendOnce attends in documents of 300 and 3 tokens, whose keys come back to the first stage,
// and returns the device's failure.
func attendOnce(t *testing.T, b *Backend, size int) error {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	operand := func() kernels.Tensor { return newOperand(t, b, r, kernels.BFloat16, 303, size, size, false).view }
	starts := []int32{0, 300, 303}
	device, err := b.Alloc(kernels.Int32, kernels.Input, 1, len(starts))
	require.NoError(t, err)
	b.UploadInts(device, starts)
	lse, err := b.Alloc(kernels.Float32, kernels.Activations, 303, 1)
	require.NoError(t, err)
	t.Cleanup(func() { b.Free(device); b.Free(lse) })
	b.Attention(operand(), lse, operand(), operand(), operand(), kernels.Documents{Starts: starts, Device: device, Longest: 300},
		kernels.Heads{Query: 1, KV: 1, Size: size, Scale: 0.125})
	return b.Sync()
}

// TestHoppersAttentionRunsWithoutPlantedBugs says that the faults above are the bugs'.
func TestHoppersAttentionRunsWithoutPlantedBugs(t *testing.T) {
	b, _ := openHopper(t)
	for size := range hopperForward {
		require.NoError(t, attendOnce(t, b, size))
	}
}
