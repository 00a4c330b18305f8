package cuda

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda/driver/emu"
	"retort/kernels/cuda/ptx"
	"retort/kernels/cuda/ptxfiles"
)

// Planted bugs: the embedded PTX of real kernels, with one mistake written into its text.
// Most would pass on a card, some day or always; the PTX machine must report each.

// mutant is a change of an entry point's text.
type mutant func(entry string) string

// nth replaces the n-th match of a pattern in the text, counted from 1; with n 0 all of them.
func nth(pattern string, n int, by string) mutant {
	re := regexp.MustCompile(pattern)
	return func(entry string) string {
		seen := 0
		return re.ReplaceAllStringFunc(entry, func(match string) string {
			if seen++; n != 0 && seen != n {
				return match
			}
			return re.ReplaceAllString(match, by)
		})
	}
}

// plant loads a kernel file whose entry point was changed, in place of the embedded one.
func plant(t testing.TB, b *Backend, file, entry string, change mutant) {
	t.Helper()
	text, name, err := ptxfiles.For(file, b.device.Major, b.device.Minor)
	require.NoError(t, err)
	start := strings.Index(text, ".entry "+entry+"(")
	require.Positive(t, start, "%s has no entry %s", name, entry)
	end := start + strings.Index(text[start:], "\n}\n")
	changed := change(text[start:end])
	require.NotEqual(t, text[start:end], changed, "the text to be changed is not in %s", entry)
	module, err := b.context.Load(name, text[:start]+changed+text[end:])
	require.NoError(t, err)
	b.modules[file] = module
}

// openBroken is openMachine for a backend whose device will fail.
func openBroken(t testing.TB, activation kernels.DType) (*Backend, *emu.Driver) {
	t.Helper()
	machine := emu.New(emu.Options{})
	b, err := New(machine, 0, Options{Activation: activation})
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() }) // the failure is what the test wants
	return b, machine
}

// plainProduct queues a product of matrices without gaps; its operands' last elements are
// the last of their allocations.
func plainProduct(t testing.TB, b *Backend, which tile, m, n, k int) kernels.Tensor {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	alloc := func(rows, cols int) kernels.Tensor {
		x, err := b.Alloc(b.activation, kernels.Activations, rows, cols)
		require.NoError(t, err)
		t.Cleanup(func() { b.Free(x) })
		raw := make([]float32, x.Len())
		for i := range raw {
			raw[i] = float32(r.NormFloat64())
		}
		b.Upload(x, raw)
		return x
	}
	out := alloc(m, n)
	b.productBy(which, 1, rowsByRows, b.matrix(out), b.matrix(alloc(m, k)), b.matrix(alloc(n, k)), epilogue{})
	return out
}

func TestPlantedBugsInTheMatrixProductAreFound(t *testing.T) {
	const (
		barrier = `\tbar\.sync \t0;\n`
		wait    = `\tcp\.async\.wait_group 1;\n`
		copies  = `(cp\.async\.(?:cg|ca)\.shared\.global(?:\.L2::128B)? \[%r\d+\], \[%rd\d+\], (?:16|4)), %r\d+;`
	)
	for _, c := range []struct {
		name       string
		activation kernels.DType
		change     mutant
		kind       error
	}{
		{"no barrier before the first fragments", kernels.BFloat16, nth(barrier, 1, ""), ptx.ErrUninitialized},
		{"no barrier in the loop", kernels.BFloat16, nth(barrier, 2, ""), ptx.ErrAsync},
		{"no barrier before the stages are reused", kernels.BFloat16, nth(barrier, 3, ""), ptx.ErrRace},
		{"no barrier between storing and reading sums", kernels.BFloat16, nth(barrier, 4, ""), ptx.ErrRace},
		{"no barrier between passes", kernels.BFloat16, nth(barrier, 5, ""), ptx.ErrRace},
		{"no wait before the first fragments", kernels.BFloat16, nth(wait, 1, ""), ptx.ErrAsync},
		{"no wait in the loop", kernels.BFloat16, nth(wait, 2, ""), ptx.ErrAsync},
		{"waits one group short", kernels.BFloat16, nth(wait, 2, "\tcp.async.wait_group 2;\n"), ptx.ErrAsync},
		{"no bounds of the copies", kernels.BFloat16, nth(copies, 0, "$1;"), ptx.ErrBounds},
		{"no barrier in the loop, float32", kernels.Float32, nth(barrier, 2, ""), ptx.ErrAsync},
		{"no bounds of the copies, float32", kernels.Float32, nth(copies, 0, "$1;"), ptx.ErrBounds},
		{"no wait in the loop, float32", kernels.Float32, nth(`\tcp\.async\.wait_group 2;\n`, 2, ""), ptx.ErrAsync},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, _ := openBroken(t, c.activation)
			which := floatSmall
			if c.activation == kernels.BFloat16 {
				which = brainSmall
			}
			plant(t, b, "gemm"+suffix(c.activation), "rows_by_rows_64x64", c.change)
			plainProduct(t, b, which, 61, 64, 192) // k ends in stage 0, which the sums overwrite
			require.ErrorIs(t, b.Sync(), c.kind)
		})
	}
}

// TestLostSwizzleShowsAsBankConflicts undoes the turning of pieces in the loaders and the
// fragments: the result is the same, but slow.
func TestLostSwizzleShowsAsBankConflicts(t *testing.T) {
	run := func(change mutant) (ptx.Counts, []float32) {
		b, machine := openMachine(t, kernels.BFloat16)
		plant(t, b, "gemm_bf16", "rows_by_rows_64x64", change)
		out := plainProduct(t, b, brainSmall, 64, 64, 128)
		got := make([]float32, out.Len())
		require.NoError(t, b.Download(got, out))
		return machine.Counts()["rows_by_rows_64x64"].Counts, got
	}
	whole, want := run(func(entry string) string { return entry + " " })
	require.Zero(t, whole.SharedLoad.Conflicts()+whole.SharedStore.Conflicts())
	turn := regexp.MustCompile(`xor\.b32  \t(%r\d+), %r\d+, (%r\d+);`) // turn by line, piece
	lost, got := run(func(entry string) string {
		n := 0
		return turn.ReplaceAllStringFunc(entry, func(match string) string {
			if n++; n > 3 { // one for both loaders, one for each operand's fragments
				return match
			}
			return turn.ReplaceAllString(match, "mov.b32 $1, $2;")
		})
	})
	require.Equal(t, want, got, "the change was more than the loss of the swizzle")
	require.Greater(t, lost.SharedLoad.Ratio(), 3.0, "rows of 64 bytes: eight rows meet in two groups of banks")
}

func TestPlantedBugsInTheNormAreFound(t *testing.T) {
	for _, c := range []struct {
		name   string
		change mutant
		kind   error
	}{
		{"no barrier in the block's sum", nth(`\tbar\.sync \t0;\n`, 1, ""), ptx.ErrUninitialized},
		{"no barrier before the sum's scratch is reused", nth(`\tbar\.sync \t0;\n`, 2, ""), ptx.ErrRace},
		{"values not kept", nth(`\tst\.shared\.v4\.f32 [^\n]*\n`, 1, ""), ptx.ErrUninitialized},
		{"divergent shuffle", divergent, ptx.ErrAbsentLanes},
		{"no bound of the row", nth(`(setp\.lt\.s32 \t%p\d+, %r\d+), %r\d+;`, 0, "$1, 100000;"), ptx.ErrBounds},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, _ := openBroken(t, kernels.Float32)
			plant(t, b, "norm", "norm_f32", c.change)
			const rows, n = 3, 1024 // two warps a row
			alloc := func(rows, cols int) kernels.Tensor {
				x, err := b.Alloc(kernels.Float32, kernels.Activations, rows, cols)
				require.NoError(t, err)
				t.Cleanup(func() { b.Free(x) })
				return x
			}
			p := kernels.Norm{Kind: kernels.LayerNorm, Weight: alloc(1, n), Bias: alloc(1, n), Eps: 1e-5}
			b.Norm(alloc(rows, n), alloc(rows, 2), alloc(rows, n), p)
			require.ErrorIs(t, b.Sync(), c.kind)
		})
	}
}

// divergent makes only the lower half of each warp execute the first shuffle.
func divergent(entry string) string {
	predicates := regexp.MustCompile(`\.reg \.pred \t%p<(\d+)>;`)
	n := predicates.FindStringSubmatch(entry)[1]
	entry = predicates.ReplaceAllString(entry, fmt.Sprintf(".reg .pred \t%%p<%s>;\n\t.reg .pred %%low;\n\t.reg .b32 %%lane_id;", n))
	return nth(`shfl\.sync`, 1, "mov.u32 %lane_id, %laneid;\n\tsetp.lt.u32 %low, %lane_id, 16;\n\t@%low shfl.sync")(entry)
}

// TestUnwrittenOperandIsFound multiplies memory that nothing has written.
func TestUnwrittenOperandIsFound(t *testing.T) {
	b, _ := openBroken(t, kernels.BFloat16)
	x := b.reserve(2 * 64 * 64)
	left := matrix{at: x, rows: 64, cols: 64, stride: 64, dtype: kernels.BFloat16}
	out, err := b.Alloc(kernels.BFloat16, kernels.Activations, 64, 64)
	require.NoError(t, err)
	t.Cleanup(func() { b.Free(out) })
	b.productBy(brainSmall, 1, rowsByRows, b.matrix(out), left, left, epilogue{})
	require.ErrorIs(t, b.Sync(), ptx.ErrUninitialized)
}
