package ptxfiles

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels/cuda/compile/manifest"
)

const stale = "the embedded PTX is stale or edited by hand: run 'make kernels'"

func TestEmbeddedPTXBelongsToItsSourcesAndCompiler(t *testing.T) {
	written, err := manifest.Read(".")
	require.NoError(t, err)
	now, err := manifest.Of("../src", ".")
	require.NoError(t, err)
	require.Equal(t, now, written, stale)
}

func TestEverySourceHasPTXForItsTargetsAndNothingElse(t *testing.T) {
	sources, err := manifest.Kernels("../src")
	require.NoError(t, err)
	require.NotEmpty(t, sources)
	var want []string
	for _, path := range sources {
		for _, target := range manifest.Targets {
			if !manifest.Fits(path, target) {
				continue
			}
			want = append(want, strings.TrimSuffix(filepath.Base(path), ".cu")+"."+target+".ptx")
		}
	}
	have, err := filepath.Glob("*.ptx")
	require.NoError(t, err)
	require.ElementsMatch(t, want, have, stale)
}

func TestPTXFitsTheDevice(t *testing.T) {
	for _, test := range []struct {
		major, minor int
		target       string
	}{{8, 0, "sm_80"}, {8, 9, "sm_80"}, {9, 0, "sm_90a"}, {10, 0, "sm_80"}, {12, 0, "sm_80"}} {
		for _, name := range Names(test.major, test.minor) {
			text, file, err := For(name, test.major, test.minor)
			require.NoError(t, err)
			require.Equal(t, name+"."+test.target+".ptx", file)
			require.Contains(t, text, ".target "+test.target+"\n")
			require.Contains(t, text, ".version 8.4\n", "a driver of CUDA 12.4 reads 8.4 and nothing newer")
		}
	}
	_, _, err := For("norm", 7, 5)
	require.ErrorContains(t, err, "sm_75")
	_, _, err = For("nothing", 8, 0)
	require.ErrorContains(t, err, "norm")
	require.Contains(t, Names(9, 0), "gemm_bf16_sm90")
	require.NotContains(t, Names(8, 0), "gemm_bf16_sm90")
	_, _, err = For("gemm_bf16_sm90", 8, 0)
	require.Error(t, err)
}

func TestPTXNamesNoFolderAndUsesNoFloatAtomics(t *testing.T) {
	folders := regexp.MustCompile(`\.file\s+\d+\s+"[^"]*/`)
	atomics := regexp.MustCompile(`(?m)^.*\b(atom|red)\.\S*\.(f|bf)(16|32|64).*$`)
	for _, major := range []int{8, 9} {
		for _, name := range Names(major, 0) {
			text, file, err := For(name, major, 0)
			require.NoError(t, err)
			require.False(t, folders.MatchString(text), file)
			require.Empty(t, atomics.FindString(text), file)
		}
	}
}
