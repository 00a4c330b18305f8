package collect

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"retort/data"
	"retort/data/journal"
	"retort/data/teacher"
)

// canary is the API key of the tests: it must not turn up in anything written.
const canary = "sk-canary-0123456789abcdef"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a chat completions server that goes wrong as told.
type server struct {
	*httptest.Server
	// fault answers the n-th request (from 0) for one sample, or leaves it to the
	// server by returning false.
	fault func(n int, w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	asked    map[string]int // requests by their body
	answered map[string]int // good answers by the request's body
	keys     map[string]bool
}

func newServer(t testing.TB, fault func(n int, w http.ResponseWriter, r *http.Request) bool) *server {
	s := &server{fault: fault, asked: map[string]int{}, answered: map[string]int{}, keys: map[string]bool{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP answers "so <question> … #### 7".
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	n := s.asked[string(raw)]
	s.asked[string(raw)]++
	s.keys[r.Header.Get("Authorization")] = true
	s.mu.Unlock()
	if s.fault != nil && s.fault(n, w, r) {
		return
	}
	s.mu.Lock()
	s.answered[string(raw)]++
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, goodAnswer(raw, `"usage": {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}, `))
}

// goodAnswer is a completion to a request; more are further keys.
func goodAnswer(request []byte, more string) string {
	var body struct {
		Model    string
		Messages []data.Message
	}
	if json.Unmarshal(request, &body) != nil || len(body.Messages) == 0 {
		return `{"error": {"message": "bad request"}}`
	}
	text, _ := json.Marshal("so " + body.Messages[len(body.Messages)-1].Content + "\n#### 7")
	return fmt.Sprintf(`{%s"id": "c-1", "object": "chat.completion", "model": %q, "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": %s}}]}`,
		more, body.Model, text)
}

// times is how often the server was asked, and how often it gave a good answer.
func (s *server) times() (asked, answered, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.asked {
		asked += n
	}
	for _, n := range s.answered {
		answered, most = answered+n, max(most, n)
	}
	return asked, answered, most
}

// endpoint is the server as a teacher.
func (s *server) endpoint(t testing.TB, timeout time.Duration) *teacher.Endpoint {
	key, err := teacher.NewKey(canary)
	require.NoError(t, err)
	e, err := teacher.NewEndpoint(teacher.EndpointOptions{BaseURL: s.URL + "/v1", Model: "m", Key: key, Timeout: timeout, Connections: 64})
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

// ask makes so many questions with so many samples each.
func ask(questions, samples int) []teacher.Request {
	var out []teacher.Request
	for i := range questions {
		p := teacher.NewPrompt(teacher.Prompt{
			Row: i, Place: fmt.Sprintf("q.jsonl:%d", i+1), Question: fmt.Sprint("question ", i), Model: "m",
			Messages: []data.Message{{Role: "user", Content: fmt.Sprint("question ", i)}},
			Sampling: teacher.Sampling{Temperature: 0.7, TopP: 1, MaxNewTokens: 100, Seed: 42},
		})
		for n := range samples {
			out = append(out, teacher.Request{Prompt: p, Sample: n})
		}
	}
	return out
}

func openJournal(t testing.TB, path string) *journal.Journal {
	j, err := journal.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}

func tempJournal(t testing.TB) *journal.Journal {
	return openJournal(t, filepath.Join(t.TempDir(), "j"))
}

// quick are options for tests: short waits.
var quick = Options{Concurrency: 4, MaxRetries: 6, Backoff: 2 * time.Millisecond}

// hijack takes the connection from the server.
func hijack(w http.ResponseWriter) *net.TCPConn {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	return conn.(*net.TCPConn)
}

// header is a fault of one status with one header.
func header(status int, name, value string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(name, value)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error": {"message": "not now %s", "code": "rate_limit_exceeded"}}`, canary)
	}
}

// body is a fault of status 200 with a body.
func body(contentType, text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, text)
	}
}

func slowDrip(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	for range 2000 {
		if _, err := io.WriteString(w, " "); err != nil || r.Context().Err() != nil {
			return
		}
		w.(http.Flusher).Flush()
		time.Sleep(10 * time.Millisecond)
	}
}

func reset(w http.ResponseWriter, _ *http.Request) {
	conn := hijack(w)
	_ = conn.SetLinger(0)
	conn.Close()
}

func cutBody(w http.ResponseWriter, _ *http.Request) {
	conn := hijack(w)
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"id\": \"c\", \"choices\": [{\"mess")
	conn.Close()
}

func endless(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	chunk := strings.Repeat(" ", 1<<20)
	for range 40 {
		if _, err := io.WriteString(w, chunk); err != nil {
			return
		}
	}
}
