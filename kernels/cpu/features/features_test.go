package features

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChooseObeysTheVariableAndReportsWhatItCannot(t *testing.T) {
	wide, plain := []string{AVX2, Generic}, []string{Generic}
	cases := []struct {
		name, forced string
		available    []string
		want, err    string
	}{
		{"unset takes the widest", "", wide, AVX2, ""},
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
