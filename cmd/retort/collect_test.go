package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"retort/data"
	"retort/data/journal"
	"retort/data/teacher"
)

// canary is an API key that must not turn up in anything written.
const canary = "sk-canary-0123456789abcdef"

// llm is a chat completions server that counts, and fails as told.
type llm struct {
	*httptest.Server
	mu    sync.Mutex
	asked map[string]int // by question and seed
	fault func(w http.ResponseWriter, asked int) bool
}

func newLLM(t *testing.T, fault func(w http.ResponseWriter, asked int) bool) *llm {
	s := &llm{asked: map[string]int{}, fault: fault}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP answers every question with two steps and its own length.
func (s *llm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Model    string
		Messages []data.Message
		Seed     int64
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil || r.Header.Get("Authorization") != "Bearer "+canary {
		w.WriteHeader(401)
		fmt.Fprintf(w, `{"error": {"message": "Incorrect API key: %s"}}`, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		return
	}
	question := body.Messages[len(body.Messages)-1].Content
	s.mu.Lock()
	key := fmt.Sprint(question, " ", body.Seed)
	n := s.asked[key]
	s.asked[key]++
	s.mu.Unlock()
	if s.fault != nil && s.fault(w, n) {
		return
	}
	text, _ := json.Marshal(fmt.Sprintf("It is <<1+1=2>>2.\n\nSo it is.\n#### %d", len(question)))
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"id": "c-%d", "model": %q, "choices": [{"finish_reason": "stop", "message": {"content": %s}}], "usage": {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}}`,
		body.Seed, body.Model, text)
}

func (s *llm) requests() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, times := range s.asked {
		n += times
	}
	return n
}

// questions writes so many of them.
func questions(t *testing.T, n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `{"question": "How much is %s?", "answer": "x\n#### 1"}`+"\n", strings.Repeat("1+", i)+"1")
	}
	return writeFile(t, "questions.jsonl", text.String())
}

// collectArgs is a command line against a server.
func (s *llm) collectArgs(dataset, output string, more ...string) []string {
	return append([]string{"collect", "--dataset", dataset, "--output", output, "--model", "m", "--base_url", s.URL + "/v1", "--api_key_env", "RETORT_TEST_KEY"}, more...)
}

func readPairs(t *testing.T, path string) (pairs []data.Pair) {
	rows, err := data.ReadRows(path)
	require.NoError(t, err)
	for _, row := range rows {
		pairs = append(pairs, *row.Pair)
	}
	return pairs
}

func TestCollectWritesPairsInOrderAndARerunAsksNothing(t *testing.T) {
	t.Setenv("RETORT_TEST_KEY", canary)
	s := newLLM(t, nil)
	in, out := questions(t, 20), filepath.Join(t.TempDir(), "pairs.jsonl")
	args := s.collectArgs(in, out, "--num_samples", "2", "--json", "--prompt_price", "1", "--completion_price", "2")
	code, stdout, stderr := capture(t, args...)
	require.Zero(t, code, stderr)
	var report struct {
		Written, Answered, Found, Missing int
		Spent                             float64
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &report))
	require.Equal(t, 40, report.Answered)
	require.InDelta(t, 40*(30*1+12*2)/1e6, report.Spent, 1e-12)
	pairs := readPairs(t, out)
	require.Len(t, pairs, 40)
	for i, p := range pairs {
		question := "How much is " + strings.Repeat("1+", i/2) + "1?"
		require.Equal(t, question, p.Question)
		require.Equal(t, fmt.Sprintf("questions.jsonl:%d/%d", i/2+1, i%2), p.ID)
		require.Equal(t, fmt.Sprint(len(question)), p.Answer)
		require.Equal(t, []string{"It is <<1+1=2>>2.", "So it is."}, p.Rationale)
		m := p.Metadata
		require.Equal(t, "m stop", m.Model+" "+m.FinishReason)
		require.Equal(t, fmt.Sprintf("c-%d", *m.Seed), m.RequestID)
		require.Equal(t, 42, m.Usage.TotalTokens)
		require.Len(t, m.PromptSHA, 64)
	}
	require.NotEqual(t, pairs[0].Metadata.Seed, pairs[1].Metadata.Seed)
	first, err := os.ReadFile(out)
	require.NoError(t, err)
	require.NoError(t, os.Remove(out))
	code, _, stderr = capture(t, args...)
	require.Zero(t, code, stderr)
	require.Equal(t, 40, s.requests(), "answers were asked for again")
	again, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, string(first), string(again))
	code, _, stderr = capture(t, append(args, "--num_samples", "3")...)
	require.Zero(t, code, stderr)
	require.Equal(t, 60, s.requests(), "one sample more is one answer more for each question")
	code, _, stderr = capture(t, append(args, "--temperature", "0.9")...)
	require.Zero(t, code, stderr)
	require.Equal(t, 100, s.requests(), "other sampling parameters are asked anew")
	edited := writeFile(t, "my.txt", "Think, then end in #### N.\n{{.Question}}")
	code, _, stderr = capture(t, append(args, "--prompt_template", edited)...)
	require.Zero(t, code, stderr)
	require.Equal(t, 140, s.requests(), "another prompt is asked anew")
}

func TestShardsTogetherAreTheWhole(t *testing.T) {
	t.Setenv("RETORT_TEST_KEY", canary)
	s := newLLM(t, nil)
	in, dir := questions(t, 11), t.TempDir()
	code, _, stderr := capture(t, s.collectArgs(in, filepath.Join(dir, "all"))...)
	require.Zero(t, code, stderr)
	var joined []byte
	for i := 1; i <= 3; i++ {
		out := filepath.Join(dir, fmt.Sprint("part", i))
		code, _, stderr := capture(t, s.collectArgs(in, out, "--shard", fmt.Sprintf("%d/3", i))...)
		require.Zero(t, code, stderr)
		part, err := os.ReadFile(out)
		require.NoError(t, err)
		joined = append(joined, part...)
	}
	all, err := os.ReadFile(filepath.Join(dir, "all"))
	require.NoError(t, err)
	require.Equal(t, string(all), string(joined))
}

func TestDryRunAsksAndWritesNothing(t *testing.T) {
	t.Setenv("RETORT_TEST_KEY", canary)
	s := newLLM(t, nil)
	in, dir := questions(t, 10), t.TempDir()
	args := s.collectArgs(in, filepath.Join(dir, "out"), "--dry-run", "--json", "--prompt_price", "1000000", "--completion_price", "1000000", "--max_new_tokens", "100")
	var e struct {
		Requests, Found int
		ToAsk           int     `json:"to_ask"`
		PromptTokens    int     `json:"prompt_tokens"`
		AnswerTokens    int     `json:"max_answer_tokens"`
		Counted         bool    `json:"counted"`
		Cost            float64 `json:"max_cost"`
	}
	for _, more := range [][]string{nil, {"--tokenizer", tinyFolder(t)}} {
		code, stdout, stderr := capture(t, append(args, more...)...)
		require.Zero(t, code, stderr)
		require.NoError(t, json.Unmarshal([]byte(stdout), &e))
		require.Equal(t, 10, e.ToAsk)
		require.Equal(t, 1000, e.AnswerTokens)
		require.Equal(t, float64(e.PromptTokens+1000), e.Cost)
		require.Equal(t, more != nil, e.Counted)
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, files)
	require.Zero(t, s.requests())
}

func TestCollectMistakesAreNamed(t *testing.T) {
	t.Setenv("RETORT_TEST_KEY", canary)
	s := newLLM(t, nil)
	in, out := questions(t, 3), filepath.Join(t.TempDir(), "out.jsonl")
	talk := writeFile(t, "talk.jsonl", `{"messages": [{"role": "user", "content": "a"}]}`)
	foreign := writeFile(t, "foreign.db", strings.Repeat("no journal\n", 100))
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{s.collectArgs(in, out, "--teacher", "oracle"), 2, "teacher must be openai, file, student or generator"},
		{s.collectArgs(in, out, "--max_cost", "1"), 2, "max_cost needs prompt_price and completion_price"},
		{s.collectArgs(in, out, "--num_samples", "2", "--temperature", "0"), 2, "all samples are the same"},
		{s.collectArgs(in, out, "--shard", "0/3"), 2, `shard is "0/3"`},
		{s.collectArgs(in, out, "--base_url", "http://user:"+canary+"@host/v1"), 2, "neither user and password nor a query"},
		{s.collectArgs(in, out, "--base_url", "localhost:8000"), 2, "base_url must begin with http"},
		{s.collectArgs(in, out, "--api_key_file", "nowhere"), 3, "api_key_file"},
		{s.collectArgs(in, out, "--api_key_env", "RETORT_TEST_NO_KEY"), 6, "401 Unauthorized"},
		{s.collectArgs(in, out, "--prompt_template", "nowhere"), 3, "built-in ones are rationale"},
		{s.collectArgs(in, out, "--journal", foreign), 3, "no journal of retort"},
		{s.collectArgs(talk, out), 3, "talk.jsonl:1: a messages row holds no single question"},
		{s.collectArgs(in, filepath.Join(out, "nowhere", "x")), 3, "output"},
		{s.collectArgs(in, out, "--teacher", "file", "--completions", writeFile(t, "c.jsonl", `{"question": "other", "answer": "#### 1"}`)), 6, "c.jsonl has 0 answers to"},
	} {
		code, _, stderr := capture(t, c.args...)
		require.Equal(t, c.code, code, "%v: %s", c.args, stderr)
		require.Contains(t, stderr, c.says)
		require.NotContains(t, stderr, canary)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		_, err := os.Stat(out)
		require.ErrorIs(t, err, os.ErrNotExist)
	}
}

func TestTheCapEndsTheRunWithWhatIsThere(t *testing.T) {
	t.Setenv("RETORT_TEST_KEY", canary)
	s := newLLM(t, nil)
	in, out := questions(t, 50), filepath.Join(t.TempDir(), "out.jsonl")
	args := s.collectArgs(in, out, "--prompt_price", "1", "--completion_price", "1", "--max_new_tokens", "100", "--max_cost", "0.003", "--concurrency", "2")
	code, stdout, stderr := capture(t, args...)
	require.Equal(t, 6, code)
	require.Contains(t, stderr, "raise max_cost to go on")
	n := len(readPairs(t, out))
	require.Contains(t, stdout, fmt.Sprintf("%d pairs in", n))
	require.Equal(t, n, s.requests())
	require.Greater(t, n, 10)
	code, _, _ = capture(t, args...)
	require.Equal(t, 6, code)
	require.LessOrEqual(t, s.requests()*42, 3000, "the cap was forgotten") // 42 millionths each
	code, _, stderr = capture(t, append(args, "--max_cost", "1")...)
	require.Zero(t, code, stderr)
	require.Len(t, readPairs(t, out), 50)
	require.Equal(t, 50, s.requests())
}

// TestLocalTeachers: the file, the generator and a student go the same way.
func TestLocalTeachers(t *testing.T) {
	dir := t.TempDir()
	problems := filepath.Join(dir, "problems.jsonl")
	code, _, stderr := capture(t, "generate-data", "--rows", "8", "--output", problems)
	require.Zero(t, code, stderr)
	generated := filepath.Join(dir, "generated.jsonl")
	code, _, stderr = capture(t, "collect", "--teacher", "generator", "--limit", "8", "--output", generated)
	require.Zero(t, code, stderr)
	file := filepath.Join(dir, "file.jsonl")
	code, _, stderr = capture(t, "collect", "--teacher", "file", "--completions", problems, "--dataset", problems, "--output", file)
	require.Zero(t, code, stderr)
	want, got, copied := readPairs(t, problems), readPairs(t, generated), readPairs(t, file)
	for i := range want {
		require.Equal(t, want[i].ID, got[i].ID)
		require.Equal(t, want[i].Text(), got[i].Text())
		require.Equal(t, want[i].Text(), copied[i].Text())
	}
	short, student := writeFile(t, "one.jsonl", `{"prompt": "Tom has 5 apples."}`+"\n"), filepath.Join(dir, "student.jsonl")
	template := writeFile(t, "short.txt", "{{.Question}}")
	args := []string{"collect", "--teacher", "student", "--model_name_or_path", tinyFolder(t), "--dataset", short, "--output", student, "--prompt_template", template, "--max_new_tokens", "8", "--num_samples", "3", "--temperature", "1", "--json"}
	code, stdout, stderr := capture(t, args...)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, `"answered": 3`)
	raw, err := os.ReadFile(student)
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(raw), "\n"))
	code, stdout, _ = capture(t, args...)
	require.Zero(t, code)
	require.Contains(t, stdout, `"found": 3`)
}

// TestKilledCollectionsLoseNothing: SIGKILL at random points against a server that fails
// three times in ten. What was in the journal is never asked for again, and the end is
// complete.
func TestKilledCollectionsLoseNothing(t *testing.T) {
	kills := soakCount(t, "RETORT_KILLS", 20)
	n := 25 * kills
	var mu sync.Mutex
	s := newLLM(t, func(w http.ResponseWriter, _ int) bool {
		mu.Lock()
		kind := rand.IntN(10)
		mu.Unlock()
		time.Sleep(time.Millisecond)
		switch kind {
		case 0:
			w.Header().Set("Retry-After-Ms", "1")
			w.WriteHeader(429)
		case 1:
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
		case 2:
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"choices": [{"mess`)
		default:
			return false
		}
		return true
	})
	in, dir := questions(t, n), t.TempDir()
	out := filepath.Join(dir, "pairs.jsonl")
	args := s.collectArgs(in, out, "--concurrency", "24", "--prompt_price", "1", "--completion_price", "1", "--quiet", "--max_retries", "20")
	kept := map[string]int{} // requests for what the journal holds, at the time it was seen there
	for range kills {
		cmd := program(t, args...)
		cmd.Env = append(cmd.Env, "RETORT_TEST_KEY="+canary)
		require.NoError(t, cmd.Start())
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		for until := s.requests() + rand.IntN(40); s.requests() < until; {
			select {
			case <-ended:
				until = 0
			case <-time.After(time.Millisecond):
			}
		}
		time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond)
		_ = cmd.Process.Kill() // it may have ended
		<-ended
		if _, err := os.Stat(out + ".journal"); err != nil {
			continue
		}
		j, err := journal.Open(out + ".journal")
		require.NoError(t, err)
		s.mu.Lock()
		require.NoError(t, j.Each(func(_ journal.Key, request, answer []byte) error {
			key := seenBy(t, request, answer)
			if _, ok := kept[key]; !ok {
				kept[key] = s.asked[key]
			}
			return nil
		}))
		s.mu.Unlock()
		require.NoError(t, j.Close())
	}
	t.Logf("%d of %d answers were kept by runs that were killed", len(kept), n)
	require.NotEmpty(t, kept)
	cmd := program(t, args...)
	cmd.Env = append(cmd.Env, "RETORT_TEST_KEY="+canary)
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, string(said))
	for key, before := range kept {
		require.Equal(t, before, s.asked[key], "%s was in the journal and asked for again", key)
	}
	pairs := readPairs(t, out)
	require.Len(t, pairs, n)
	for i, p := range pairs {
		require.Equal(t, "How much is "+strings.Repeat("1+", i)+"1?", p.Question)
		require.Equal(t, fmt.Sprint(len(p.Question)), p.Answer)
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 2, "a killed run left something beside output and journal")
	for _, f := range files {
		raw, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		require.NotContains(t, string(raw), canary)
	}
	require.NotContains(t, string(said), canary)
}

// seenBy is how the server counts a request that the journal holds.
func seenBy(t *testing.T, request, answer []byte) string {
	var asked struct{ Messages []data.Message }
	require.NoError(t, json.Unmarshal(request, &asked))
	var c teacher.Completion
	require.NoError(t, json.Unmarshal(answer, &c))
	return fmt.Sprint(asked.Messages[len(asked.Messages)-1].Content, " ", *c.Seed)
}

func TestInterruptedCollectionFinishesWhatIsInFlight(t *testing.T) {
	s := newLLM(t, func(http.ResponseWriter, int) bool { time.Sleep(50 * time.Millisecond); return false })
	in, dir := questions(t, 2000), t.TempDir()
	out := filepath.Join(dir, "pairs.jsonl")
	args := s.collectArgs(in, out, "--concurrency", "4")
	cmd := program(t, args...)
	cmd.Env = append(cmd.Env, "RETORT_TEST_KEY="+canary)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return s.requests() > 10 }, 20*time.Second, 5*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	_ = cmd.Wait()
	require.Equal(t, 130, cmd.ProcessState.ExitCode(), stderr.String())
	require.Contains(t, stderr.String(), fmt.Sprintf("%d of 2000 answers are in the journal", s.requests()))
	_, err := os.Stat(out)
	require.ErrorIs(t, err, os.ErrNotExist)
}
