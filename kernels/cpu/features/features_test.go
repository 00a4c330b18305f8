package features

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChooseObeysTheVariableAndReportsWhatItCannot(t *testing.T) {
	widest, wide, plain := []string{AVX512, AVX2, Generic}, []string{AVX2, Generic}, []string{Generic}
	cases := []struct {
		name, forced string
		available    []string
		want, err    string
	}{
		{"unset takes the widest", "", widest, AVX512, ""},
		{"unset takes the widest there is", "", wide, AVX2, ""},
		{"a narrower set can be forced", "avx2", widest, AVX2, ""},
		{"avx512 on a processor without it", "avx512", wide, Generic, "this processor does not support it"},
		{"unset without assembly", "", plain, Generic, ""},
		{"forced generic", "generic", wide, Generic, ""},
		{"forced avx2", "avx2", wide, AVX2, ""},
		{"avx2 on a processor without it", "avx2", plain, Generic, "does not support it"},
		{"unknown value", "sse9", wide, Generic, `RETORT_CPU="sse9": no such kernel set; using generic; set it to one of: avx2, generic`},
		{"case matters", "AVX2", wide, Generic, "no such kernel set"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := choose(c.forced, c.available)
			require.Equal(t, c.want, got)
			if c.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.err)
		})
	}
}

func TestAvailableEndsInGeneric(t *testing.T) {
	all := Available()
	require.Equal(t, Generic, all[len(all)-1])
	name, _ := Selected()
	require.Contains(t, all, name)
}
