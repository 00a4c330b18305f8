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
	for _, folder := range []string{"gemm", "vec"} {
		for _, isa := range []string{"avx2", "avx512"} {
			out := t.TempDir()
			name := isa + "_amd64"
			command := exec.Command("go", "run", "./"+folder, "-isa", isa, "-pkg", folder,
				"-out", filepath.Join(out, name+".s"), "-stubs", filepath.Join(out, name+".go"))
			text, err := command.CombinedOutput()
			require.NoError(t, err, string(text))
			for _, extension := range []string{".s", ".go"} {
				want := body(t, filepath.Join(out, name+extension))
				got := body(t, filepath.Join("..", folder, name+extension))
				require.True(t, want == got, "%s/%s%s is stale: run go generate there", folder, name, extension)
			}
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
