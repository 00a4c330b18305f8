package mapped

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFileHoldsTheBytesOnDisk(t *testing.T) {
	for _, content := range []string{"", "x", "weights of a small model"} {
		path := filepath.Join(t.TempDir(), "f")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		f, err := Open(path)
		require.NoError(t, err)
		require.NoError(t, f.View(func(data []byte) error {
			require.Equal(t, content, string(data))
			return nil
		}))
		data, err := f.Bytes()
		require.NoError(t, err)
		require.Equal(t, content, string(data))
		require.NoError(t, f.Close())
	}
}

func TestClosedFileIsAnErrorAndCloseIsIdempotent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, []byte("abc"), 0o600))
	f, err := Open(path)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	_, err = f.Bytes()
	require.ErrorIs(t, err, ErrClosed)
	err = f.View(func([]byte) error { t.Error("view of a closed file ran"); return nil })
	require.ErrorIs(t, err, ErrClosed)
}

func TestCloseWaitsForViews(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, make([]byte, 1<<16), 0o600))
	f, err := Open(path)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				err := f.View(func(data []byte) error {
					for _, b := range data {
						if b != 0 {
							t.Error("changed byte")
						}
					}
					return nil
				})
				if err != nil {
					return
				}
			}
		})
	}
	require.NoError(t, f.Close())
	wg.Wait()
}

func TestOnlyRegularFilesOpen(t *testing.T) {
	_, err := Open(t.TempDir())
	require.ErrorIs(t, err, ErrNotRegular)
	_, err = Open(filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}
