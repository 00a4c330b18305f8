package asm

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGeneratedAssemblyIsUpToDate runs the generators as go:generate does.
func TestGeneratedAssemblyIsUpToDate(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the generators")
	}
	for _, c := range []struct{ generator, folder, name string }{
		{"./gemm", "../gemm", "tiles_avx2_amd64"},
		{"./vec", "../vec", "vec_avx2_amd64"},
	} {
		out := t.TempDir()
		command := exec.Command("go", "run", c.generator,
			"-out", filepath.Join(out, c.name+".s"), "-stubs", filepath.Join(out, c.name+".go"), "-pkg", filepath.Base(c.folder))
		text, err := command.CombinedOutput()
		require.NoError(t, err, string(text))
		for _, extension := range []string{".s", ".go"} {
			want := body(t, filepath.Join(out, c.name+extension))
			got := body(t, filepath.Join(c.folder, c.name+extension))
			require.True(t, want == got, "%s/%s%s is stale: run go generate there", c.folder, c.name, extension)
		}
	}
}

// body reads a generated file without its first line, which names the output.
func body(t *testing.T, path string) string {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	for i, b := range data {
		if b == '\n' {
			return string(data[i:])
		}
	}
	return ""
}
