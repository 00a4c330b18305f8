package safetensors

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/model/mapped"
)

// writeShard writes a file with one float32 vector per name, filled with value.
func writeShard(t testing.TB, path string, value float32, names ...string) {
	t.Helper()
	var entries []Entry
	for _, name := range names {
		entries = append(entries, Entry{Name: name, Shape: []int{2}, DType: F32, Data: []float32{value, value}})
	}
	var out bytes.Buffer
	require.NoError(t, Write(&out, entries, map[string]string{"shard": fmt.Sprint(value)}))
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
}

// writeIndex writes the index of dir.
func writeIndex(t *testing.T, dir, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, IndexFile), []byte(text), 0o600))
}

func TestShardsAreOneSetOfNames(t *testing.T) {
	dir := t.TempDir()
	writeShard(t, filepath.Join(dir, "1.safetensors"), 1, "c", "a")
	writeShard(t, filepath.Join(dir, "2.safetensors"), 2, "b", "unlisted")
	writeIndex(t, dir, `{"metadata":{"total_size":24,"n":null},"weight_map":{"a":"1.safetensors","b":"2.safetensors","c":"1.safetensors"}}`)
	f, err := OpenFolder(dir)
	require.NoError(t, err)
	defer f.Close()
	require.Equal(t, []string{"a", "b", "c", "unlisted"}, f.Names())
	require.Equal(t, map[string]string{"format": "pt", "shard": "1"}, f.Metadata())
	info, ok := f.Info("b")
	require.True(t, ok)
	require.Equal(t, []int{2}, info.Shape)
	values := make([]float32, 2)
	require.NoError(t, f.ReadFloat32("b", values))
	require.Equal(t, []float32{2, 2}, values)
	dense, err := f.Tensor("c")
	require.NoError(t, err)
	require.Equal(t, []float32{1, 1}, dense.Data())
	raw, err := f.Raw("a")
	require.NoError(t, err)
	require.Len(t, raw, 8)

	_, ok = f.Info("d")
	require.False(t, ok)
	require.ErrorIs(t, f.ReadFloat32("d", values), ErrNoTensor)
	_, err = f.Tensor("d")
	require.ErrorIs(t, err, ErrNoTensor)
	_, err = f.Raw("d")
	require.ErrorIs(t, err, ErrNoTensor)
}

func TestSingleFileComesBeforeTheIndex(t *testing.T) {
	dir := t.TempDir()
	writeShard(t, filepath.Join(dir, SingleFile), 1, "a")
	writeIndex(t, dir, `not read`)
	f, err := OpenFolder(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, f.Names())
	require.NoError(t, f.Close())
}

func TestFolderIsRefusedWithItsOwnError(t *testing.T) {
	tests := []struct {
		name  string
		index string // "-": no index
		want  error
	}{
		{"no weights", "-", ErrNoWeights},
		{"index cut off", `{"weight_map":{"a":"1`, ErrJSON},
		{"index with bytes after it", `{"weight_map":{"a":"1.safetensors"}}}`, ErrTrailing},
		{"index that is a list", `[]`, ErrIndex},
		{"index that is no UTF-8", "{\"weight_map\":{\"\xff\":\"1.safetensors\"}}", ErrUTF8},
		{"index without weight_map", `{"metadata":{}}`, ErrIndex},
		{"index with an empty weight_map", `{"weight_map":{}}`, ErrIndex},
		{"weight_map that is null", `{"weight_map":null}`, ErrIndex},
		{"weight_map in capitals", `{"Weight_Map":{"a":"1.safetensors"}}`, ErrKeyCase},
		{"metadata nested too deep", `{"metadata":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, ErrTooDeep},
		{"shard that is a number", `{"weight_map":{"a":1}}`, ErrValueType},
		{"tensor listed twice", `{"weight_map":{"a":"1.safetensors","a":"2.safetensors"}}`, ErrDuplicateKey},
		{"shard that is not there", `{"weight_map":{"a":"3.safetensors"}}`, ErrMissingShard},
		{"tensor that no shard has", `{"weight_map":{"x":"1.safetensors"}}`, ErrMissingTensor},
		{"tensor in another shard", `{"weight_map":{"a":"2.safetensors","b":"1.safetensors"}}`, ErrMissingTensor},
		{"tensor in two shards", `{"weight_map":{"a":"1.safetensors","b":"again.safetensors"}}`, ErrTensorTwice},
		{"shard above the folder", `{"weight_map":{"a":"../outside.safetensors"}}`, ErrShardPath},
		{"shard above the folder by a detour", `{"weight_map":{"a":"x/../../outside.safetensors"}}`, ErrShardPath},
		{"shard with an absolute path", `{"weight_map":{"a":"/outside.safetensors"}}`, ErrShardPath},
		{"shard with an empty path", `{"weight_map":{"a":""}}`, ErrShardPath},
		{"shard behind a link out of the folder", `{"weight_map":{"a":"link.safetensors"}}`, ErrShardPath},
		{"shard that is malformed", `{"weight_map":{"a":"cut.safetensors"}}`, ErrFileTooShort},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			above := t.TempDir()
			dir := filepath.Join(above, "model")
			require.NoError(t, os.Mkdir(dir, 0o700))
			writeShard(t, filepath.Join(above, "outside.safetensors"), 9, "a")
			writeShard(t, filepath.Join(dir, "1.safetensors"), 1, "a")
			writeShard(t, filepath.Join(dir, "2.safetensors"), 2, "b")
			writeShard(t, filepath.Join(dir, "again.safetensors"), 3, "a", "b")
			require.NoError(t, os.WriteFile(filepath.Join(dir, "cut.safetensors"), []byte("cut"), 0o600))
			require.NoError(t, os.Symlink("../outside.safetensors", filepath.Join(dir, "link.safetensors")))
			if tt.index != "-" {
				writeIndex(t, dir, tt.index)
			}
			_, err := OpenFolder(dir)
			require.ErrorIs(t, err, tt.want)
			require.ErrorContains(t, err, dir)
		})
	}
}

// FuzzIndex holds the index file to: no panic, an error of one line and of one
// kind, and no shard from outside the folder.
func FuzzIndex(f *testing.F) {
	above := f.TempDir()
	dir := filepath.Join(above, "model")
	require.NoError(f, os.Mkdir(dir, 0o700))
	writeShard(f, filepath.Join(above, "outside"), 9, "a")
	writeShard(f, filepath.Join(dir, "1"), 1, "a", "c")
	writeShard(f, filepath.Join(dir, "2"), 2, "b")
	writeShard(f, filepath.Join(dir, "3"), 3, "a")
	require.NoError(f, os.Symlink("../outside", filepath.Join(dir, "link")))
	inside, err := openConfined(dir)
	require.NoError(f, err)
	for _, seed := range []string{
		`{"weight_map":{"a":"1","b":"2","c":"1"}}`, `{"metadata":{"total_size":24,"n":[null,{}]},"weight_map":{"b":"2"}}`,
		`{"weight_map":{"a":"1"}}}`, `[]`, `{"weight_map":null}`, `{"Weight_Map":{"a":"1"}}`, `{"weight_map":{"a":1}}`,
		`{"weight_map":{"a":"1","a":"3"}}`, `{"weight_map":{"a":"1","b":"3"}}`, `{"weight_map":{"a":"4"}}`, `{"weight_map":{"x":"1"}}`,
		`{"weight_map":{"a":"../outside"}}`, `{"weight_map":{"a":"x/../../outside"}}`, `{"weight_map":{"a":"/outside"}}`, `{"weight_map":{"a":"link"}}`,
		`{"weight_map":{"a":"."}}`, `{"weight_map":{"a":"1/"}}`, "{\"weight_map\":{\"\xff\":\"1\"}}", `{"weight_map":{"a":"\u0000"}}`,
	} {
		f.Add([]byte(seed))
	}
	kinds := []error{ErrIndex, ErrMissingShard, ErrMissingTensor, ErrTensorTwice, ErrShardPath, mapped.ErrNotRegular}
	f.Fuzz(func(t *testing.T, index []byte) {
		folder := &Folder{dir: dir, holder: map[string]*File{}}
		defer folder.Close()
		err := folder.addListed(inside, index)
		if err != nil {
			count := 0
			for _, kind := range kinds {
				if errors.Is(err, kind) {
					count++
				}
			}
			var system syscall.Errno // a name too long, a folder for a file: the system's own word
			require.True(t, count == 1 || count == 0 && errors.As(err, &system), "%v", err)
			require.NotContains(t, err.Error(), "\n")
			return
		}
		for _, shard := range folder.shards {
			local, err := filepath.Rel(dir, shard.path)
			require.NoError(t, err)
			require.True(t, filepath.IsLocal(local), shard.path)
			values := make([]float32, 2)
			require.NoError(t, shard.ReadFloat32(shard.header.names[0], values))
			require.NotEqual(t, float32(9), values[0])
		}
	})
}

func TestAbsentFolderIsAnError(t *testing.T) {
	_, err := OpenFolder(filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestHuggingFaceCacheLinksAreFollowed: in a snapshot of the cache the files are
// links to blobs/, two levels up; links further out are refused there too.
func TestHuggingFaceCacheLinksAreFollowed(t *testing.T) {
	hub := t.TempDir()
	blobs := filepath.Join(hub, "models--org--name", "blobs")
	snapshot := filepath.Join(hub, "models--org--name", "snapshots", "0123abcd")
	require.NoError(t, os.MkdirAll(blobs, 0o700))
	require.NoError(t, os.MkdirAll(snapshot, 0o700))
	writeShard(t, filepath.Join(blobs, "sha"), 5, "a")
	link := filepath.Join(snapshot, SingleFile)
	require.NoError(t, os.Symlink("../../blobs/sha", link))
	t.Chdir(snapshot)
	for _, dir := range []string{snapshot, "."} {
		f, err := OpenFolder(dir)
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, f.Names())
		require.NoError(t, f.Close())
	}

	writeShard(t, filepath.Join(hub, "outside"), 6, "a")
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink("../../../outside", link))
	_, err := OpenFolder(snapshot)
	require.ErrorIs(t, err, ErrShardPath)
}
