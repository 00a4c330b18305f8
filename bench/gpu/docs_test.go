package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Code that docs/kernels.md quotes from a file, named in the block's first line, stands there
// word for word.
func TestTheGuideQuotesTheSources(t *testing.T) {
	root := filepath.Join("..", "..")
	guide, err := os.ReadFile(filepath.Join(root, "docs", "kernels.md"))
	require.NoError(t, err)
	quotes := 0
	for _, block := range strings.Split(string(guide), "```go\n// ")[1:] {
		path, code, _ := strings.Cut(block, "\n")
		code, _, closed := strings.Cut(code, "```")
		require.True(t, closed, path)
		source, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(t, err)
		require.Contains(t, string(source), code, path)
		quotes++
	}
	require.Greater(t, quotes, 4)
}
