package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func isError(err, target error) bool { return errors.Is(err, target) }

// weights is a repository of one file of 3 MiB in Git LFS.
func weights(t *testing.T) (*fakeHub, string) {
	content := big(3 << 20)
	f := startHub(t, map[string]string{"a.gguf": content})
	f.lfs["a.gguf"] = true
	return f, content
}

// cut sends the first n bytes of the answer's content and breaks the connection.
func cut(w http.ResponseWriter, content string, n int) {
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	_, _ = w.Write([]byte(content[:n]))
	panic(http.ErrAbortHandler)
}

func TestDownloadResumesAfterACut(t *testing.T) {
	f, content := weights(t)
	cuts := 0
	f.before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
		if cdn && cuts == 0 {
			cuts++
			cut(w, content, 1<<20)
		}
		return false
	}
	path, err := f.client(t).Model(t.Context(), "org/name")
	require.NoError(t, err)
	f.holds(t, filepath.Dir(path), "a.gguf")
	asked := f.asked()
	require.Regexp(t, `/a\.gguf bytes=[1-9]\d*-$`, asked[len(asked)-1])
	require.Len(t, f.waits, 1)
}

func TestDownloadResumesInTheNextCall(t *testing.T) {
	f, content := weights(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := f.client(t)
	c.Progress = func(_ string, done, _ int64) { cancel() }
	f.before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
		if cdn { // half of it, then nothing until the client has gone
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			_, _ = w.Write([]byte(content[:len(content)/2]))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
		return cdn
	}
	_, err := c.Model(ctx, "org/name")
	require.ErrorIs(t, err, context.Canceled)
	f.before = nil
	partial := filepath.Join(c.CacheDir, "models--org--name", "blobs", sha(content)+".incomplete")
	info, err := os.Stat(partial)
	require.NoError(t, err)
	require.Positive(t, info.Size())
	f.asked()
	var last, total int64
	c.Progress = func(file string, done, of int64) {
		require.Equal(t, "a.gguf", file)
		require.Greater(t, done, info.Size())
		last, total = done, of
	}
	path, err := c.Model(t.Context(), "org/name")
	require.NoError(t, err)
	f.holds(t, filepath.Dir(path), "a.gguf")
	require.Contains(t, f.asked(), fmt.Sprintf("GET /org/name/resolve/%s/a.gguf bytes=%d-", commit, info.Size()))
	require.Equal(t, int64(len(content)), last)
	require.Equal(t, last, total)
	require.NoFileExists(t, partial)
}

func TestServerWithoutRangesSendsAllAgain(t *testing.T) {
	f, content := weights(t)
	cuts := 0
	f.before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
		if !cdn {
			return false
		}
		if cuts++; cuts <= 2 {
			cut(w, content, cuts<<20)
		}
		_, _ = w.Write([]byte(content))
		return true
	}
	path, err := f.client(t).Model(t.Context(), "org/name")
	require.NoError(t, err)
	f.holds(t, filepath.Dir(path), "a.gguf")
}

func TestWrongContentIsRefused(t *testing.T) {
	for _, lfs := range []bool{true, false} {
		for name, sent := range map[string]func(string) string{
			"one byte differs": func(s string) string { return s[:len(s)-1] + "?" },
			"longer":           func(s string) string { return s + "?" },
		} {
			t.Run(fmt.Sprint(name, lfs), func(t *testing.T) {
				f, content := weights(t)
				f.lfs["a.gguf"] = lfs
				f.before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
					if cdn == lfs && strings.Contains(r.URL.Path, "/resolve/") {
						_, _ = w.Write([]byte(sent(content)))
						return true
					}
					return false
				}
				c := f.client(t)
				_, err := c.Model(t.Context(), "org/name")
				require.ErrorIs(t, err, ErrHash)
				require.NoDirExists(t, filepath.Join(c.CacheDir, "models--org--name", "snapshots"))
				f.before = nil
				path, err := c.Model(t.Context(), "org/name")
				require.NoError(t, err, "the next call begins anew")
				f.holds(t, filepath.Dir(path), "a.gguf")
			})
		}
	}
}

func TestWrongBeginningOnDiskIsReplaced(t *testing.T) {
	for name, size := range map[string]int{"part": 1000, "whole": 3 << 20, "too long": 4 << 20} {
		t.Run(name, func(t *testing.T) {
			f, content := weights(t)
			c := f.client(t)
			blobs := filepath.Join(c.CacheDir, "models--org--name", "blobs")
			require.NoError(t, os.MkdirAll(blobs, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(blobs, sha(content)+".incomplete"), make([]byte, size), 0o644))
			path, err := c.Model(t.Context(), "org/name")
			require.NoError(t, err)
			f.holds(t, filepath.Dir(path), "a.gguf")
		})
	}
}

func TestRetryAfterIsKept(t *testing.T) {
	in90 := func() string { return time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat) }
	for name, value := range map[string]func() string{"seconds": func() string { return "90" }, "date": in90} {
		t.Run(name, func(t *testing.T) {
			f, _ := weights(t)
			busy := 2
			f.before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
				if busy--; busy < 0 {
					return false
				}
				w.Header().Set("Retry-After", value())
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			}
			_, err := f.client(t).Model(t.Context(), "org/name")
			require.NoError(t, err)
			require.Len(t, f.waits, 2)
			require.InDelta(t, 90, f.waits[0].Seconds(), 2)
		})
	}
}

func TestRetriesAreBounded(t *testing.T) {
	tests := []struct {
		name   string
		answer func(w http.ResponseWriter)
		asked  int
	}{
		{"always busy", func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }, maxAttempts},
		{"always reset", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, maxAttempts},
		{"an hour to wait", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := weights(t)
			f.before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
				tt.answer(w)
				return true
			}
			_, err := f.client(t).Model(t.Context(), "org/name")
			require.ErrorIs(t, err, ErrUnreachable)
			// net/http itself repeats a request once when a kept connection turns out closed.
			require.InDelta(t, tt.asked, len(f.asked()), 1)
			require.Len(t, f.waits, tt.asked-1)
		})
	}
}

func TestRedirectsDoNotTakeTheTokenAlong(t *testing.T) {
	f, _ := weights(t)
	f.private = true
	_, err := f.client(t).Model(t.Context(), "org/name")
	require.NoError(t, err, "the hub got the token")
	// startHub checks at the end that the second server never did.

	back := false
	f.before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
		if cdn && !back {
			back = true // to the hub again: its own host
			http.Redirect(w, r, f.hub.URL+r.URL.Path+"?final", http.StatusFound)
			return true
		}
		return false
	}
	f.lfs["a.gguf"] = true
	_, err = f.client(t).Model(t.Context(), "org/name")
	require.NoError(t, err)
	require.True(t, back)
}

func TestEndlessRedirectsEnd(t *testing.T) {
	f, _ := weights(t)
	f.before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
		http.Redirect(w, r, f.cdn.URL+"/again?signature=secret", http.StatusFound)
		return true
	}
	_, err := f.client(t).Model(t.Context(), "org/name")
	require.ErrorIs(t, err, ErrResponse)
	require.Len(t, f.asked(), maxRedirects)
}

func TestErrorsAndLogsHoldNoSecrets(t *testing.T) {
	f, _ := weights(t)
	c := f.client(t)
	f.before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
		if cdn {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	_, err := c.Model(t.Context(), "org/name")
	require.ErrorIs(t, err, ErrUnreachable)
	require.NotContains(t, err.Error(), "signature", "of a signed link")

	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("client", "client", c)
	require.NotContains(t, log.String()+fmt.Sprintf("%v %+v %s", c, c, c), canary)
}

func TestAnswersThatMakeNoSenseAreErrors(t *testing.T) {
	tests := []struct{ name, path, answer string }{
		{"no JSON", "/revision/", "<html>"},
		{"no commit", "/revision/", `{"sha": "../../etc"}`},
		{"list is no JSON", "/tree/", "{"},
		{"list without hash", "/tree/", `[{"type": "file", "path": "a.gguf", "size": 1, "oid": ""}]`},
		{"hash that is a path", "/tree/", `[{"type": "file", "path": "a.gguf", "size": 1, "oid": "../../../../../../../../../../../../../etc/pa"}]`},
		{"negative size", "/tree/", `[{"type": "file", "path": "a.gguf", "size": -1, "oid": "` + gitHash("") + `"}]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := weights(t)
			f.before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
				if strings.Contains(r.URL.Path, tt.path) {
					fmt.Fprint(w, tt.answer)
					return true
				}
				return false
			}
			_, err := f.client(t).Model(t.Context(), "org/name")
			require.ErrorIs(t, err, ErrResponse)
		})
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	f, _ := weights(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
		cancel()
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	c := f.client(t)
	c.pause = nil
	_, err := c.Model(ctx, "org/name")
	require.ErrorIs(t, err, context.Canceled)
}

func TestSilentConnectionIsGivenUpAndTriedAgain(t *testing.T) {
	f, _ := weights(t)
	release := make(chan struct{})
	f.before = func(w http.ResponseWriter, r *http.Request, cdn bool) bool {
		<-release
		return false
	}
	defer close(release)
	ctx, _, stop := watch(t.Context(), 20*time.Millisecond)
	defer stop()
	_, err := f.client(t).get(ctx, f.hub.URL+"/silent", nil)
	require.ErrorIs(t, err, errStalled)
	var again *temporary
	require.ErrorAs(t, err, &again)
}

func TestFullDiskIsTold(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no device that is always full: %v", err)
	}
	defer full.Close()
	f, content := weights(t)
	_, err = f.client(t).appendRest(t.Context(), full, f.cdn.URL+"/org/name/resolve/"+commit+"/a.gguf", int64(len(content)), func(int64) {})
	require.ErrorIs(t, diskError(err), ErrDiskFull)
	require.NotErrorIs(t, diskError(fs.ErrPermission), ErrDiskFull)
	require.NoError(t, diskError(nil))
}
