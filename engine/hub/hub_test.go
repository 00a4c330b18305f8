package hub

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// holds checks that the folder has just these files with the hub's content.
func (f *fakeHub) holds(t *testing.T, dir string, names ...string) {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir(dir, func(at string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, at)
			found = append(found, filepath.ToSlash(name))
			text, err := os.ReadFile(at)
			require.NoError(t, err)
			require.Equal(t, f.files[filepath.ToSlash(name)], string(text), name)
		}
		return err
	}))
	require.ElementsMatch(t, names, found)
}

func TestModelFetchesWhatAStudentNeedsAndNoMore(t *testing.T) {
	f := student(t)
	c := f.client(t)
	dir, err := c.Model(t.Context(), "org/name")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(c.CacheDir, "models--org--name", "snapshots", commit), dir)
	f.holds(t, dir, "config.json", "tokenizer.json", "generation_config.json", "model.safetensors")
}

func TestCacheHasTheLayoutOfThePythonLibrary(t *testing.T) {
	f := student(t)
	c := f.client(t)
	_, err := c.Model(t.Context(), "org/name")
	require.NoError(t, err)
	repo := filepath.Join(c.CacheDir, "models--org--name")
	ref, err := os.ReadFile(filepath.Join(repo, "refs", "main"))
	require.NoError(t, err)
	require.Equal(t, commit, string(ref))
	for name, blob := range map[string]string{"config.json": gitHash("{}"), "model.safetensors": sha(f.files["model.safetensors"])} {
		target, err := os.Readlink(filepath.Join(repo, "snapshots", commit, name))
		require.NoError(t, err)
		require.Equal(t, filepath.Join("..", "..", "blobs", blob), target)
	}
	leftovers, err := filepath.Glob(filepath.Join(repo, "*", "*.*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(repo, "trees", commit+".json")}, leftovers)
}

func TestSecondCallNeedsNoNetwork(t *testing.T) {
	f := student(t)
	c := f.client(t)
	dir, err := c.Model(t.Context(), "org/name")
	require.NoError(t, err)
	f.asked()
	again, err := c.Model(t.Context(), "org/name")
	require.NoError(t, err)
	require.Equal(t, dir, again)
	f.hub.Close()
	c.Offline = true
	again, err = c.Model(t.Context(), "org/name@"+commit)
	require.NoError(t, err)
	require.Equal(t, dir, again)
	require.Empty(t, f.asked())
}

func TestAdapterIsItsTwoFiles(t *testing.T) {
	f := startHub(t, map[string]string{"adapter_config.json": "{}", "adapter_model.safetensors": big(100), "tokenizer.json": big(100), "README.md": "x"})
	dir, err := f.client(t).Adapter(t.Context(), "org/name")
	require.NoError(t, err)
	f.holds(t, dir, "adapter_config.json", "adapter_model.safetensors")
	_, err = student(t).client(t).Adapter(t.Context(), "org/name")
	require.ErrorIs(t, err, ErrNoFile)
}

func TestShardsAreThoseOfTheIndex(t *testing.T) {
	f := startHub(t, map[string]string{
		"config.json": "{}", "a.safetensors": "A", "deep/b.safetensors": "B", "other.safetensors": "C",
		"model.safetensors.index.json": `{"weight_map": {"x": "a.safetensors", "y": "deep/b.safetensors", "z": "a.safetensors"}}`,
	})
	dir, err := f.client(t).Model(t.Context(), "org/name@refs/pr/1")
	require.NoError(t, err)
	f.holds(t, dir, "config.json", "a.safetensors", "deep/b.safetensors", "model.safetensors.index.json")
	target, err := os.Readlink(filepath.Join(dir, "deep", "b.safetensors"))
	require.NoError(t, err)
	require.Equal(t, filepath.Join("..", "..", "..", "blobs", gitHash("B")), target)
}

func TestGGUFIsTheNamedOrTheOnlyOne(t *testing.T) {
	one := startHub(t, map[string]string{"config.json": "{}", "a.gguf": "A"})
	path, err := one.client(t).Model(t.Context(), "org/name")
	require.NoError(t, err)
	require.Equal(t, "a.gguf", filepath.Base(path))
	one.holds(t, filepath.Dir(path), "a.gguf")

	two := startHub(t, map[string]string{"a.gguf": "A", "b.gguf": "B"})
	c := two.client(t)
	path, err = c.Model(t.Context(), "org/name:b.gguf")
	require.NoError(t, err)
	two.holds(t, filepath.Dir(path), "b.gguf")
	_, err = c.Model(t.Context(), "org/name")
	require.ErrorIs(t, err, ErrAmbiguous, "although only one is in the cache")
	require.ErrorContains(t, err, `name one of its 2 files, as in "org/name:a.gguf"`)
}

func TestDatasetIsTheNamedOrTheOnlyFile(t *testing.T) {
	f := startHub(t, map[string]string{"data/train #1%20?.jsonl": "{}\n", "README.md": ""})
	c := f.client(t)
	path, err := c.Dataset(t.Context(), "org/name")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(c.CacheDir, "datasets--org--name", "snapshots", commit, "data", "train #1%20?.jsonl"), path)
	require.Contains(t, f.asked(), "GET /datasets/org/name/resolve/"+commit+"/data/train #1%20?.jsonl")

	f.files["test.parquet"] = "PAR1"
	c = f.client(t)
	_, err = c.Dataset(t.Context(), "org/name")
	require.ErrorIs(t, err, ErrAmbiguous)
	path, err = c.Dataset(t.Context(), "org/name:test.parquet")
	require.NoError(t, err)
	require.Equal(t, "test.parquet", filepath.Base(path))
}

func TestLongListsOfFilesComeInPages(t *testing.T) {
	f := student(t)
	f.perPage, f.private = 2, true
	dir, err := f.client(t).Model(t.Context(), "org/name")
	require.NoError(t, err)
	f.holds(t, dir, "config.json", "tokenizer.json", "generation_config.json", "model.safetensors")
}

func TestOfflineWithoutTheFileIsAnError(t *testing.T) {
	f := startHub(t, map[string]string{"a.gguf": "A", "b.gguf": "B"})
	c := f.client(t)
	c.Offline = true
	_, err := c.Model(t.Context(), "org/name:a.gguf")
	require.ErrorIs(t, err, ErrOffline)
	require.ErrorContains(t, err, "hub: model org/name:a.gguf: ")
	c.Offline = false
	_, err = c.Model(t.Context(), "org/name:a.gguf")
	require.NoError(t, err)
	f.asked()
	c.Offline = true
	_, err = c.Model(t.Context(), "org/name:b.gguf")
	require.ErrorIs(t, err, ErrOffline)
	require.Empty(t, f.asked())
}

// foreignCache lays out a cache as older versions of the Python library do: no list of
// the commit's files.
func foreignCache(t *testing.T, c *Client, files map[string]string) {
	repo := filepath.Join(c.CacheDir, "models--org--name")
	for name, content := range files {
		at := filepath.Join(repo, "snapshots", commit, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
		require.NoError(t, os.MkdirAll(filepath.Join(repo, "blobs"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(repo, "blobs", gitHash(content)), []byte(content), 0o644))
		require.NoError(t, os.Symlink(filepath.Join("..", "..", "blobs", gitHash(content)), at))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(repo, "refs"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(repo, "refs", "main"), []byte(commit), 0o644))
}

func TestFilesOfAnotherProgramAreFound(t *testing.T) {
	f := student(t)
	whole := map[string]string{"config.json": "{}", "model.safetensors": f.files["model.safetensors"]}

	c := f.client(t) // offline: what is there is taken for all
	foreignCache(t, c, whole)
	c.Offline = true
	dir, err := c.Model(t.Context(), "org/name")
	require.NoError(t, err)
	f.holds(t, dir, "config.json", "model.safetensors")
	require.Empty(t, f.asked())

	c.Offline = false // online: only what is missing is fetched
	_, err = c.Model(t.Context(), "org/name")
	require.NoError(t, err)
	require.NotContains(t, strings.Join(f.asked(), "\n"), "model.safetensors")
	f.holds(t, dir, "config.json", "model.safetensors", "tokenizer.json", "generation_config.json")

	c = f.client(t) // the hub is gone: as offline
	foreignCache(t, c, whole)
	f.hub.Close()
	dir, err = c.Model(t.Context(), "org/name")
	require.NoError(t, err)
	f.holds(t, dir, "config.json", "model.safetensors")

	c = f.client(t)
	foreignCache(t, c, map[string]string{"config.json": "{}"})
	_, err = c.Model(t.Context(), "org/name")
	require.ErrorIs(t, err, ErrNoFile)
	require.ErrorIs(t, err, ErrUnreachable, "and why nothing more is known")
}

func TestDamagedCacheIsRepaired(t *testing.T) {
	for _, damaged := range []string{"refs/main", "trees/" + commit + ".json", "blobs/" + gitHash("{}"), "snapshots/" + commit + "/config.json"} {
		t.Run(strings.Split(damaged, "/")[0], func(t *testing.T) {
			f := student(t)
			c := f.client(t)
			dir, err := c.Model(t.Context(), "org/name")
			require.NoError(t, err)
			at := filepath.Join(c.CacheDir, "models--org--name", damaged)
			require.NoError(t, os.Remove(at))
			if !strings.HasPrefix(damaged, "snapshots") {
				require.NoError(t, os.WriteFile(at, []byte("damaged"), 0o644))
			}
			_, err = c.Model(t.Context(), "org/name")
			require.NoError(t, err)
			f.holds(t, dir, "config.json", "tokenizer.json", "generation_config.json", "model.safetensors")
		})
	}
}

func TestManyCallsAtOnceShareOneDownload(t *testing.T) {
	f := student(t)
	c := f.client(t)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { _, errs[i] = c.Model(context.Background(), "org/name") })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	asked := strings.Join(f.asked(), "\n")
	require.Equal(t, 2, strings.Count(asked, "/model.safetensors"), "the hub and the host it refers to, once each\n%s", asked)
}

func TestNamesThatLeaveTheFolderAreRefused(t *testing.T) {
	for _, name := range []string{"../../../evil.jsonl", "/evil.jsonl", "a/../../evil.jsonl", `..\evil.jsonl`, "a//evil.jsonl"} {
		f := startHub(t, map[string]string{name: "{}"})
		c := f.client(t)
		_, err := c.Dataset(t.Context(), "org/name")
		require.ErrorIs(t, err, ErrPath, name)
		require.NotContains(t, strings.Join(f.asked(), "\n"), "resolve")
	}
	f := startHub(t, map[string]string{"config.json": "{}", "model.safetensors.index.json": `{"weight_map": {"x": "../../../evil"}}`})
	_, err := f.client(t).Model(t.Context(), "org/name")
	require.ErrorIs(t, err, ErrPath, "in the index of shards")
}

func TestLinkOutOfTheCacheIsNotFollowed(t *testing.T) {
	f := startHub(t, map[string]string{"a.gguf": "A"})
	c := f.client(t)
	outside := t.TempDir()
	repo := filepath.Join(c.CacheDir, "models--org--name")
	require.NoError(t, os.MkdirAll(repo, 0o755))
	require.NoError(t, os.Symlink(outside, filepath.Join(repo, "blobs")))
	_, err := c.Model(t.Context(), "org/name")
	require.Error(t, err)
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestRefusalsAreTold(t *testing.T) {
	refuse := func(status int, reason string) func(http.ResponseWriter, *http.Request, bool) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ bool) bool {
			w.Header().Set("X-Error-Code", reason)
			w.Header().Set("X-Error-Message", "your token is "+canary)
			w.WriteHeader(status)
			fmt.Fprint(w, canary)
			return true
		}
	}
	tests := []struct {
		name   string
		status int
		reason string
		want   error
	}{
		{"unknown repository, with token", 404, "RepoNotFound", ErrNotFound},
		{"unknown repository, without token", 401, "RepoNotFound", ErrNotFound},
		{"unknown revision", 404, "RevisionNotFound", ErrNotFound},
		{"unknown file", 404, "EntryNotFound", ErrNoFile},
		{"gated", 403, "GatedRepo", ErrDenied},
		{"gated, without token", 401, "GatedRepo", ErrDenied},
		{"wrong token", 401, "", ErrDenied},
		{"no hub at all", 418, "", ErrResponse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := student(t)
			f.before = refuse(tt.status, tt.reason)
			_, err := f.client(t).Model(t.Context(), "org/name")
			for _, sentinel := range []error{ErrNotFound, ErrNoFile, ErrDenied, ErrResponse} {
				require.Equal(t, sentinel == tt.want, isError(err, sentinel), "%v: is it %q", err, sentinel)
			}
			require.Len(t, f.asked(), 1, "no retries")
			require.NotContains(t, err.Error(), canary)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}
