package hub

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIDsAreToldFromPaths(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.MkdirAll(filepath.Join("runs", "first"), 0o755))
	tests := map[string]bool{
		"org/name":                       true,
		"Qwen/Qwen2.5-0.5B_x":            true,
		"org/name@v1.0":                  true,
		"org/name@refs/pr/1":             true,
		"org/name:file.gguf":             true,
		"org/name@main:data/train.jsonl": true,
		"runs/first":                     false, // exists
		"runs/second":                    true,
		"runs/rows.jsonl":                false,
		"models/a.gguf":                  false,
		"name":                           false,
		"a/b/c":                          false,
		"./org/name":                     false,
		"../name":                        false,
		"/org/name":                      false,
		"org/":                           false,
		"org/na me":                      false,
		"org/a--b":                       false,
		"org/a..b":                       false,
		"org/name.":                      false,
		"org/name@":                      false,
		"org/name@../main":               false,
		"org/name@a//b":                  false,
		"org/name:":                      false,
		"org/name:../x.jsonl":            false,
		"org/name:/x.jsonl":              false,
		`org/name:a\x.jsonl`:             false,
		"":                               false,

		"org/" + strings.Repeat("n", 100): false,
	}
	for id, want := range tests {
		require.Equal(t, want, IsID(id), "%q", id)
	}
}

func TestMalformedIDIsRefusedBeforeAnythingIsDone(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	_, err := (&Client{CacheDir: cache}).Model(t.Context(), "../name")
	require.ErrorIs(t, err, ErrID)
	require.NoDirExists(t, cache)
	_, err = (&Client{CacheDir: cache, Offline: true}).Dataset(t.Context(), "org/name:")
	require.ErrorIs(t, err, ErrID)
	_, err = (&Client{}).Model(t.Context(), "org/name")
	require.ErrorContains(t, err, "no cache folder")
}

func TestEnvironmentIsReadAsByThePythonLibrary(t *testing.T) {
	home := t.TempDir()
	stored := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(stored, "token"), []byte("hf_stored\n"), 0o600))
	tests := []struct {
		name string
		set  map[string]string
		want Client
	}{
		{"nothing set", nil, Client{Endpoint: PublicHub, CacheDir: filepath.Join(home, ".cache/huggingface/hub")}},
		{"XDG_CACHE_HOME", map[string]string{"XDG_CACHE_HOME": "/x"}, Client{Endpoint: PublicHub, CacheDir: "/x/huggingface/hub"}},
		{"HF_HOME with a token", map[string]string{"HF_HOME": stored, "XDG_CACHE_HOME": "/x"},
			Client{Endpoint: PublicHub, CacheDir: filepath.Join(stored, "hub"), Token: "hf_stored"}},
		{"HF_TOKEN first", map[string]string{"HF_HOME": stored, "HF_TOKEN": " hf_set\n"},
			Client{Endpoint: PublicHub, CacheDir: filepath.Join(stored, "hub"), Token: "hf_set"}},
		{"HF_HUB_CACHE first", map[string]string{"HF_HOME": stored, "HF_TOKEN": "t", "HF_HUB_CACHE": "~/cache"},
			Client{Endpoint: PublicHub, CacheDir: filepath.Join(home, "cache"), Token: "t"}},
		{"variables in a path", map[string]string{"PLACE": "/p", "HF_HUB_CACHE": "$PLACE/cache"}, Client{Endpoint: PublicHub, CacheDir: "/p/cache"}},
		{"HF_ENDPOINT", map[string]string{"HF_ENDPOINT": "http://127.0.0.1:1/hub/", "HF_HUB_CACHE": "/c"},
			Client{Endpoint: "http://127.0.0.1:1/hub", CacheDir: "/c"}},
		{"HF_HUB_OFFLINE", map[string]string{"HF_HUB_OFFLINE": "yes", "HF_HUB_CACHE": "/c"}, Client{Endpoint: PublicHub, CacheDir: "/c", Offline: true}},
		{"HF_HUB_OFFLINE=0", map[string]string{"HF_HUB_OFFLINE": "0", "HF_HUB_CACHE": "/c"}, Client{Endpoint: PublicHub, CacheDir: "/c"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, key := range []string{"HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HOME",
				"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"} {
				t.Setenv(key, "")
			}
			t.Setenv("HOME", home)
			for key, value := range tt.set {
				t.Setenv(key, value)
			}
			c, err := FromEnvironment()
			require.NoError(t, err)
			require.Equal(t, tt.want, *c)
		})
	}
	t.Setenv("HF_ENDPOINT", "hub.example/"+canary)
	_, err := FromEnvironment()
	require.ErrorContains(t, err, "HF_ENDPOINT")
	require.NotContains(t, err.Error(), canary)
}
