package conformance

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	straight "retort/kernels/conformance/plain"
)

// plain is the backend that the mutants of this package are made from.
type plain = straight.Backend

var (
	newPlain = straight.New
	mat      = straight.Mat
	ints     = straight.Ints
	vec      = straight.Vec
)

func openPlain(testing.TB) kernels.Backend { return newPlain() }

// TestPlainBackendPasses shows that the table can be passed. The large shapes run when
// RETORT_LARGE is set.
func TestPlainBackendPasses(t *testing.T) {
	Run(t, openPlain, Options{Twin: openPlain, Large: os.Getenv("RETORT_LARGE") != ""})
}

// TestPlainBackendPassesInBF16 shows that the table can be passed by a backend whose
// activations are bf16 as well.
func TestPlainBackendPassesInBF16(t *testing.T) {
	Run(t, func(testing.TB) kernels.Backend { return straight.NewBF16() }, Options{})
}

// TestEveryMethodHasAnEntry fails for an operation that no entry holds to the contract.
func TestEveryMethodHasAnEntry(t *testing.T) {
	held, names, methods := map[string]bool{}, map[string]bool{}, methodNames()
	for _, e := range Table() {
		require.False(t, names[e.Name], "two entries are called %s", e.Name)
		names[e.Name] = true
		require.NotEmpty(t, e.Methods, e.Name)
		require.NotEmpty(t, e.Doc, e.Name)
		for _, m := range e.Methods {
			require.Contains(t, methods, m, "entry %s", e.Name)
			held[m] = true
		}
		require.True(t, (e.Call == nil) == (e.Scenario != nil), "entry %s has either a call or a scenario", e.Name)
		seen := map[string]bool{}
		for _, s := range e.shapes(true) {
			require.False(t, seen[s.String()], "entry %s: two shapes are called %s", e.Name, s)
			seen[s.String()] = true
		}
	}
	for _, m := range methods {
		require.True(t, held[m] || slices.Contains(heldByRun, m), "no entry of the table names kernels.Backend.%s", m)
	}
}

// TestOwedEntryThatPassesFails: the list of what is owed cannot go stale.
func TestOwedEntryThatPassesFails(t *testing.T) {
	e := Table()[slices.IndexFunc(Table(), func(e Entry) bool { return e.Name == "Copy" })]
	require.True(t, e.owed([]string{"Zero", "Copy"}))
	require.False(t, e.owed([]string{"Zero"}))
	require.True(t, passes(newPlain(), e, Options{}))
	require.False(t, passes(lacking{newPlain()}, e, Options{}), "a panic is a failure, not the end of the run")
}

// lacking is a backend that does not have Copy yet.
type lacking struct{ *plain }

func (lacking) Copy(_, _ kernels.Tensor) { panic("not yet") }

// BenchmarkPlain keeps Bench itself in use.
func BenchmarkPlain(b *testing.B) { Bench(b, openPlain, Options{}) }
