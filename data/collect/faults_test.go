package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"retort/data/journal"
	"retort/data/teacher"
)

// TestEveryFaultIsOutlivedAndNothingIsLostOrPaidTwice: every request meets the fault once.
func TestEveryFaultIsOutlivedAndNothingIsLostOrPaidTwice(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(http.ResponseWriter, *http.Request)
		paid  bool // the work may have been done: it stays charged
	}{
		{"429 without a time", header(429, "X-Other", "1"), false},
		{"429 Retry-After seconds", header(429, "Retry-After", "0.02"), false},
		{"429 Retry-After date", header(429, "Retry-After", time.Now().UTC().Add(time.Second).Format(http.TimeFormat)), false},
		{"429 Retry-After date long ago", header(429, "Retry-After", time.Unix(0, 0).UTC().Format(http.TimeFormat)), false},
		{"429 Retry-After nonsense", header(429, "Retry-After", "soon"), false},
		{"429 Retry-After negative", header(429, "Retry-After", "-5"), false},
		{"429 retry-after-ms", header(429, "Retry-After-Ms", "20"), false},
		{"429 reset of requests", header(429, "X-Ratelimit-Reset-Requests", "20ms"), false},
		{"429 reset of tokens", header(429, "X-Ratelimit-Reset-Tokens", "0.02"), false},
		{"503 Retry-After", header(503, "Retry-After", "0.02"), false},
		{"500", header(500, "X-Other", "1"), false},
		{"502 HTML", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>bad gateway</html>", http.StatusBadGateway)
		}, false},
		{"504", header(504, "X-Other", "1"), true},
		{"connection reset", reset, true},
		{"cut body", cutBody, true},
		{"cut JSON", body("application/json", `{"id": "c", "choices": [{"message": {"content": "so`), true},
		{"cut SSE", body("text/event-stream", "data: {\"choices\": [{\"delta\""), true},
		{"error object in 200", body("application/json", `{"error": {"message": "overloaded", "code": 503}}`), false},
		{"error text in 200", body("application/json", `{"error": "overloaded"}`), false},
		{"HTML in 200", body("text/html", "<html><body>Welcome</body></html>"), true},
		{"HTML that claims to be JSON", body("application/json", "<html></html>"), true},
		{"JSON of another kind", body("application/json", `[1, 2]`), true},
		{"null", body("application/json", "null"), true},
		{"empty body", body("application/json", ""), true},
		{"empty choices", body("application/json", `{"id": "c", "choices": []}`), true},
		{"null choices", body("application/json", `{"id": "c", "choices": null}`), true},
		{"slow drip", slowDrip, true},
		{"endless body", endless, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
				if n == 0 {
					c.fault(w, r)
				}
				return n == 0
			})
			j, requests := tempJournal(t), ask(2, 2)
			o := quick
			o.Prices = Prices{Prompt: 1, Completion: 1}
			timeout := time.Minute
			if c.name == "slow drip" {
				timeout = time.Second
			}
			report, err := Run(context.Background(), s.endpoint(t, timeout), j, requests, o, Hooks{})
			require.NoError(t, err)
			require.Equal(t, 4, report.Answered)
			_, answered, most := s.times()
			require.Equal(t, [2]int{4, 1}, [2]int{answered, most}, "an answer was paid for twice")
			for _, q := range requests {
				got, ok, err := Answer(j, q)
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, "so "+q.Question+"\n#### 7", got.Text)
			}
			paid := 4 * journal.TokenCost(30, 1)
			if c.paid {
				for _, q := range requests {
					paid += o.Prices.Bound(q)
				}
			}
			require.Equal(t, paid, j.Spent())
			asked, _, _ := s.times()
			report, err = Run(context.Background(), s.endpoint(t, time.Minute), j, requests, o, Hooks{})
			require.NoError(t, err)
			require.Equal(t, 4, report.Found)
			again, _, _ := s.times()
			require.Equal(t, asked, again, "a rerun asked for what is there")
		})
	}
}

// TestPermanentErrorsStopAtOnceWithOneLine: no retry, no key in the message.
func TestPermanentErrorsStopAtOnceWithOneLine(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(http.ResponseWriter, *http.Request)
		says  string
	}{
		{"400", header(400, "X-Other", "1"), "400 Bad Request: not now [api key] (asked for q.jsonl:1)"},
		{"401", header(401, "X-Other", "1"), "401 Unauthorized"},
		{"402", header(402, "X-Other", "1"), "402 Payment Required"},
		{"403", header(403, "X-Other", "1"), "403 Forbidden"},
		{"404", header(404, "X-Other", "1"), "404 Not Found"},
		{"404 HTML", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, "404 Not Found"},
		{"quota", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(429)
			fmt.Fprint(w, `{"error": {"message": "You exceeded\nyour quota", "code": "insufficient_quota"}}`)
		}, "You exceeded your quota"},
		{"401 in 200", body("application/json", `{"error": {"message": "no such key `+canary+`", "code": 401}}`), "no such key [api key]"},
		{"a wait too long", header(429, "Retry-After", "86400"), "it asks to wait 24h0m0s"},
		{"an absurd wait", header(429, "Retry-After", "1e300"), "it asks to wait"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) bool { c.fault(w, r); return true })
			o := quick
			o.Concurrency = 1
			report, err := Run(context.Background(), s.endpoint(t, time.Minute), tempJournal(t), ask(5, 1), o, Hooks{})
			var f *teacher.Failure
			require.ErrorAs(t, err, &f)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), canary)
			require.Equal(t, 5, report.Missing)
			asked, _, _ := s.times()
			require.Equal(t, 1, asked)
		})
	}
}

func TestRedirectsAreRefusedAndTheKeyStays(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var elsewhere atomic.Int32
		other := newServer(t, func(int, http.ResponseWriter, *http.Request) bool { elsewhere.Add(1); return false })
		s := newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1)+"/v1/chat/completions?key="+canary, status)
			return true
		})
		_, err := Run(context.Background(), s.endpoint(t, time.Minute), tempJournal(t), ask(1, 1), quick, Hooks{})
		require.ErrorContains(t, err, "redirects are not followed")
		require.NotContains(t, err.Error(), canary)
		require.Zero(t, elsewhere.Load())
		require.Equal(t, map[string]bool{"Bearer " + canary: true}, s.keys)
	}
}

// TestOddUsageNumbersNeitherLoseAnAnswerNorMakeItFree: what cannot be right is charged at
// the most that it can be, what is more than was asked for as it says.
func TestOddUsageNumbersNeitherLoseAnAnswerNorMakeItFree(t *testing.T) {
	request := ask(1, 1)
	most := Prices{1, 1}.Bound(request[0])
	for _, c := range []struct {
		name, usage string
		charge      journal.Cost
		odd         int
	}{
		{"none", "", most, 1},
		{"null", `"usage": null, `, most, 1},
		{"negative", `"usage": {"prompt_tokens": -5, "completion_tokens": 3}, `, most, 1},
		{"zero for a text", `"usage": {"prompt_tokens": 5, "completion_tokens": 0}, `, most, 1},
		{"absurd", `"usage": {"prompt_tokens": 5, "completion_tokens": 1e17}, `, most, 1},
		{"text", `"usage": {"prompt_tokens": "many", "completion_tokens": "more"}, `, most, 1},
		{"more than asked for", `"usage": {"prompt_tokens": 5, "completion_tokens": 5000}, `, journal.TokenCost(5005, 1), 0},
		{"wrong total", `"usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 1}, `, journal.TokenCost(8, 1), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) bool {
				body("application/json", goodAnswer([]byte(`{"model": "m", "messages": [{"role": "user", "content": "x"}]}`), c.usage))(w, nil)
				return true
			})
			j, o := tempJournal(t), quick
			o.Prices = Prices{1, 1}
			report, err := Run(context.Background(), s.endpoint(t, time.Minute), j, request, o, Hooks{})
			require.NoError(t, err)
			require.Equal(t, c.odd, report.OddUsage)
			require.Equal(t, c.charge, j.Spent())
		})
	}
}

func TestAnotherModelsNameIsKeptAndSaid(t *testing.T) {
	s := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		body("application/json", goodAnswer([]byte(`{"model": "cheaper", "messages": [{"role": "user", "content": "x"}]}`), ""))(w, nil)
		return true
	})
	j, requests := tempJournal(t), ask(3, 1)
	var notes []string
	report, err := Run(context.Background(), s.endpoint(t, time.Minute), j, requests, quick, Hooks{Note: func(line string) { notes = append(notes, line) }})
	require.NoError(t, err)
	require.Equal(t, []string{`asked for the model "m", answers come from "cheaper"`}, notes)
	require.Equal(t, map[string]int{"cheaper": 3}, report.Models)
	c, _, err := Answer(j, requests[0])
	require.NoError(t, err)
	require.Equal(t, "cheaper", c.Model)
}

func TestADeadServerEndsTheRunAndAPoisonedRequestDoesNot(t *testing.T) {
	s := newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) bool { reset(w, r); return true })
	o := quick
	o.Concurrency, o.MaxRetries = 1, 2
	report, err := Run(context.Background(), s.endpoint(t, time.Minute), tempJournal(t), ask(50, 1), o, Hooks{})
	require.ErrorContains(t, err, "3 requests in a row had no answer")
	asked, _, _ := s.times()
	require.Equal(t, 9, asked)
	require.Equal(t, 50, report.Missing)

	requests := ask(20, 1)
	poisoned := newServer(t, nil)
	seed, _ := requests[7].Seed()
	poisoned.fault = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		poisoned.mu.Lock()
		defer poisoned.mu.Unlock()
		for text := range poisoned.asked {
			if strings.Contains(text, fmt.Sprint(seed)) && poisoned.asked[text] > 0 {
				poisoned.asked[text] = -1000
				w.WriteHeader(500)
				return true
			}
		}
		return false
	}
	o.MaxRetries = 0
	report, err = Run(context.Background(), poisoned.endpoint(t, time.Second), tempJournal(t), requests, o, Hooks{})
	require.ErrorIs(t, err, ErrIncomplete)
	require.Equal(t, 19, report.Answered)
	require.Equal(t, 1, report.Missing)
}

// TestNoKeyInAnythingWritten: even where the server repeats the key everywhere.
func TestNoKeyInAnythingWritten(t *testing.T) {
	s := newServer(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n == 0 {
			header(500, "X-Request-Id", canary)(w, r)
			return true
		}
		w.Header().Set("X-Request-Id", "id-"+canary)
		text := goodAnswer([]byte(`{"model": "m-`+canary+`", "messages": [{"role": "user", "content": "your key is `+canary+`"}]}`), "")
		body("application/json", strings.Replace(text, `"content"`, `"reasoning_content": "`+canary+`", "content"`, 1))(w, r)
		return true
	})
	path := filepath.Join(t.TempDir(), "j")
	j := openJournal(t, path)
	var said []string
	report, err := Run(context.Background(), s.endpoint(t, time.Minute), j, ask(3, 1), quick, Hooks{Note: func(line string) { said = append(said, line) }})
	require.NoError(t, err)
	raw, err := json.Marshal(report)
	require.NoError(t, err)
	said = append(said, string(raw))
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 2, "the write-ahead log is searched too")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		said = append(said, string(raw))
	}
	require.NotContains(t, strings.Join(said, "\n"), "canary")
	require.Contains(t, strings.Join(said, "\n"), "[api key]")
}

func TestInterruptedRunKeepsWhatIsInFlight(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var arrived atomic.Int32
	s := newServer(t, func(int, http.ResponseWriter, *http.Request) bool {
		if arrived.Add(1) == 4 {
			cancel()
		}
		<-ctx.Done()
		time.Sleep(20 * time.Millisecond)
		return false
	})
	j := tempJournal(t)
	report, err := Run(ctx, s.endpoint(t, 5*time.Second), j, ask(100, 1), quick, Hooks{})
	require.True(t, errors.Is(err, context.Canceled), "%v", err)
	_, answered, _ := s.times()
	require.Equal(t, answered, report.Answered, "an answer in flight was dropped")
	require.GreaterOrEqual(t, answered, 4)
	require.Less(t, answered, 100)
}
