package cpu

import (
	"testing"

	"retort/kernels"
	"retort/kernels/conformance"
)

func TestConformance(t *testing.T) {
	for _, threads := range []int{1, 2} {
		conformance.Run(t, func(t testing.TB) kernels.Backend {
			b, err := New(threads)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close() })
			return b
		}, conformance.Options{})
	}
}
