package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	commit = "0123456789abcdef0123456789abcdef01234567"
	canary = "hf_canary"
)

// fakeHub is a hub on loopback with one repository, org/name, and a second server, on
// another port, that holds the contents in Git LFS.
type fakeHub struct {
	files   map[string]string // content by name
	lfs     map[string]bool   // names whose content the second server sends
	private bool              // only with the token
	perPage int               // files on a page of the list

	// before may answer a request itself (true); cdn says which server it came to.
	before func(w http.ResponseWriter, r *http.Request, cdn bool) bool

	hub, cdn *httptest.Server
	mutex    sync.Mutex
	requests []string // "GET /path Range"
	waits    []time.Duration
	leaks    []string // requests with the token to the second server
}

func startHub(t *testing.T, files map[string]string) *fakeHub {
	f := &fakeHub{files: files, lfs: map[string]bool{}, perPage: 1000}
	serve := func(cdn bool) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, cdn) }))
		t.Cleanup(s.Close)
		return s
	}
	f.hub, f.cdn = serve(false), serve(true)
	t.Cleanup(func() { require.Empty(t, f.leaks, "the token went to another host") })
	return f
}

// client has an empty cache and notes its waits instead of waiting.
func (f *fakeHub) client(t *testing.T) *Client {
	return &Client{
		Endpoint: f.hub.URL, Token: canary, CacheDir: t.TempDir(),
		pause: func(ctx context.Context, d time.Duration) error {
			f.mutex.Lock()
			defer f.mutex.Unlock()
			f.waits = append(f.waits, d)
			return ctx.Err()
		},
	}
}

// asked are the requests since the last call.
func (f *fakeHub) asked() []string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	defer func() { f.requests = nil }()
	return f.requests
}

func (f *fakeHub) serve(w http.ResponseWriter, r *http.Request, cdn bool) {
	f.mutex.Lock()
	f.requests = append(f.requests, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("Range")))
	if cdn && (r.Header.Get("Authorization") != "" || strings.Contains(fmt.Sprint(r.Header, r.URL), canary)) {
		f.leaks = append(f.leaks, r.URL.String())
	}
	f.mutex.Unlock()
	if f.before != nil && f.before(w, r, cdn) {
		return
	}
	if f.private && !cdn && r.Header.Get("Authorization") != "Bearer "+canary {
		w.Header().Set("X-Error-Code", "RepoNotFound")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	at := strings.NewReplacer("/api/models/", "/api/", "/api/datasets/", "/api/", "/datasets/", "/").Replace(r.URL.Path)
	name, isFile := strings.CutPrefix(at, "/org/name/resolve/"+commit+"/")
	content, found := f.files[name]
	switch {
	case at == "/api/org/name/revision/main" || at == "/api/org/name/revision/refs/pr/1":
		fmt.Fprintf(w, `{"sha": %q}`, commit)
	case at == "/api/org/name/tree/"+commit:
		f.list(w, r)
	case isFile && found && f.lfs[name] && !cdn:
		http.Redirect(w, r, f.cdn.URL+r.URL.Path+"?signature=secret", http.StatusFound)
	case isFile && found:
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	default:
		w.Header().Set("X-Error-Code", "RepoNotFound")
		w.WriteHeader(http.StatusNotFound)
	}
}

// list sends one page of files.
func (f *fakeHub) list(w http.ResponseWriter, r *http.Request) {
	var names []string
	for name := range f.files {
		names = append(names, name)
	}
	slices.Sort(names)
	first, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	last := min(first+f.perPage, len(names))
	page := []map[string]any{{"type": "directory", "oid": "x", "size": 0, "path": "folder"}}
	for _, name := range names[first:last] {
		content := f.files[name]
		item := map[string]any{"type": "file", "path": name, "size": len(content), "oid": gitHash(content)}
		if f.lfs[name] {
			item["oid"] = gitHash("pointer of " + name)
			item["lfs"] = map[string]any{"oid": sha(content), "size": len(content), "pointerSize": 130}
			item["xetHash"] = sha("xet of " + name)
		}
		page = append(page, item)
	}
	if last < len(names) {
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?recursive=true&cursor=%d>; rel="next"`, f.hub.URL, r.URL.Path, last))
	}
	_ = json.NewEncoder(w).Encode(page)
}

func sha(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }

func gitHash(content string) string {
	return fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content)))
}

// big is a content of n bytes that no two places share.
func big(n int) string {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%d,", b.Len())
	}
	return b.String()[:n]
}

// student is a repository of a student, with large files in Git LFS on the second server.
func student(t *testing.T) *fakeHub {
	f := startHub(t, map[string]string{
		"config.json": "{}", "tokenizer.json": big(5000), "generation_config.json": `{"eos_token_id": 2}`,
		"model.safetensors": big(3 << 20), "README.md": "# Read me", "pytorch_model.bin": big(100), "onnx/model.onnx": "x",
	})
	f.lfs["model.safetensors"] = true
	return f
}
