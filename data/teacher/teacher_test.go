package teacher

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"retort/data"
	"retort/data/problems"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryFormOfRetryAfterIsRead(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		headers map[string]string
		want    time.Duration
	}{
		{nil, 0},
		{map[string]string{"Retry-After": "7"}, 7 * time.Second},
		{map[string]string{"Retry-After": " 0.25 "}, 250 * time.Millisecond},
		{map[string]string{"Retry-After": "-3"}, 0},
		{map[string]string{"Retry-After": "NaN"}, 0},
		{map[string]string{"Retry-After": "soon"}, 0},
		{map[string]string{"Retry-After": date(90 * time.Second)}, 90 * time.Second},
		{map[string]string{"Retry-After": now.Add(time.Minute).Format(time.RFC850)}, time.Minute},
		{map[string]string{"Retry-After": date(-time.Hour)}, 0},
		{map[string]string{"Retry-After": date(time.Hour), "Date": date(time.Hour - 5*time.Second)}, 5 * time.Second},
		{map[string]string{"Retry-After-Ms": "1500", "Retry-After": "9"}, 1500 * time.Millisecond},
		{map[string]string{"Retry-After": "1e300"}, 1e9 * time.Second},
		{map[string]string{"X-Ratelimit-Reset-Requests": "1m0.5s"}, 60500 * time.Millisecond},
		{map[string]string{"X-Ratelimit-Reset-Requests": "20ms", "X-Ratelimit-Reset-Tokens": "6s"}, 6 * time.Second},
		{map[string]string{"X-Ratelimit-Reset-Requests": "20ms", "X-Ratelimit-Reset-Tokens": "6s", "X-Ratelimit-Remaining-Requests": "0", "X-Ratelimit-Remaining-Tokens": "9"}, 20 * time.Millisecond},
		{map[string]string{"X-Ratelimit-Reset": "12"}, 12 * time.Second},
		{map[string]string{"X-Ratelimit-Reset": fmt.Sprint(now.Unix() + 30)}, 30 * time.Second},
		{map[string]string{"X-Ratelimit-Reset": fmt.Sprint(now.UnixMilli() + 1500)}, 1500 * time.Millisecond},
		{map[string]string{"Anthropic-Ratelimit-Tokens-Reset": now.Add(4 * time.Second).Format(time.RFC3339)}, 4 * time.Second},
	} {
		h := http.Header{}
		for name, value := range c.headers {
			h.Set(name, value)
		}
		require.Equal(t, c.want, retryAfter(h, now), "%v", c.headers)
	}
}

func TestKeysPrintAsAMarkHoweverTheyArePrinted(t *testing.T) {
	k, err := NewKey(" sk-secret\n")
	require.NoError(t, err)
	e, err := NewEndpoint(EndpointOptions{BaseURL: "http://localhost/v1", Model: "m", Key: k})
	require.NoError(t, err)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		require.NotContains(t, fmt.Sprintf(format, k), "secret", format)
		require.NotContains(t, fmt.Sprintf(format, EndpointOptions{Key: k}), "secret", format)
		require.NotContains(t, fmt.Sprintf(format, e.o), "secret", format)
	}
	require.Equal(t, "Incorrect API key: [api key].", k.Redact("Incorrect API key: sk-secret."))
	require.Equal(t, "as it is", Key{}.Redact("as it is"))
	for _, bad := range []string{"two words", "tab\tin", "bell\a", "schlüssel"} {
		_, err := NewKey(bad)
		require.Error(t, err)
		require.NotContains(t, err.Error(), bad)
	}
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte("from-file\n"), 0o600))
	t.Setenv("RETORT_TEST_KEY", "from-environment")
	k, err = ReadKey("RETORT_TEST_KEY", file)
	require.NoError(t, err)
	require.Equal(t, "[api key]", k.Redact("from-file"))
	require.NoError(t, os.WriteFile(file, []byte("\n"), 0o600))
	_, err = ReadKey("RETORT_TEST_KEY", file)
	require.ErrorContains(t, err, "is empty")
}

// TestTheHashHoldsWhatIsAskedAndNothingElse: model, messages and every sampling parameter.
func TestTheHashHoldsWhatIsAskedAndNothingElse(t *testing.T) {
	base := func() Prompt {
		return Prompt{Row: 1, Place: "a:1", Question: "q", Model: "m", Messages: []data.Message{{Role: "user", Content: "q"}},
			Sampling: Sampling{Temperature: 1, TopP: 1, MaxNewTokens: 10, Stop: []string{"x"}, Seed: 3}}
	}
	want := NewPrompt(base()).Hash()
	same := base()
	same.Row, same.Place, same.Question = 9, "b:2", "other"
	require.Equal(t, want, NewPrompt(same).Hash())
	seen := map[Hash]bool{want: true}
	for i, change := range []func(p *Prompt){
		func(p *Prompt) { p.Model = "n" },
		func(p *Prompt) { p.Messages[0].Content = "r" },
		func(p *Prompt) { p.Messages[0].Role = "system" },
		func(p *Prompt) { p.Messages = append(p.Messages, data.Message{}) },
		func(p *Prompt) { p.Sampling.Temperature = 0.5 },
		func(p *Prompt) { p.Sampling.TopP = 0.5 },
		func(p *Prompt) { p.Sampling.MaxNewTokens = 11 },
		func(p *Prompt) { p.Sampling.Stop = nil },
		func(p *Prompt) { p.Sampling.Seed = 4 },
	} {
		p := base()
		change(&p)
		h := NewPrompt(p).Hash()
		require.False(t, seen[h], "change %d", i)
		seen[h] = true
	}
}

func TestSamplesHaveSeedsOfTheirOwn(t *testing.T) {
	p := NewPrompt(Prompt{Model: "m", Sampling: Sampling{Seed: 1}})
	seen := map[int64]bool{}
	for i := range 100 {
		seed, ok := Request{p, i}.Seed()
		require.True(t, ok)
		require.True(t, seed >= 0 && seed < 1<<31)
		seen[seed] = true
	}
	require.Len(t, seen, 100)
	_, ok := Request{NewPrompt(Prompt{Sampling: Sampling{Seed: -1}}), 0}.Seed()
	require.False(t, ok)
}

// answers asks a teacher for samples of questions and returns the texts.
func answers(t *testing.T, teacher Teacher, samples int, questions ...string) (texts []string, err error) {
	var requests []Request
	for i, q := range questions {
		p := NewPrompt(Prompt{Row: i, Place: fmt.Sprint("row ", i+1), Question: q, Model: teacher.Model()})
		for n := range samples {
			requests = append(requests, Request{p, n})
		}
	}
	texts = make([]string, len(requests))
	err = teacher.Ask(t.Context(), requests, func(i int, c Completion) {
		require.NotEmpty(t, c.FinishReason)
		require.NotEmpty(t, c.Model)
		texts[i] = c.Text
	})
	return texts, err
}

func TestFilesOfCompletionsAreReadInEveryFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(`{"prompt": "a", "completion": "A1", "finish_reason": "length"}
{"prompt": "a ", "completion": "A2"}
{"question": "b", "answer": "B\n#### 1"}
{"question": "c", "answer": "2", "rationale": ["C"], "metadata": {"model": "x"}}
{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "d"}, {"role": "assistant", "content": "D"}]}
{"index": 4, "sample": 0, "text": "E", "completion_ids": [1]}
`), 0o644))
	f, err := OpenFile(path)
	require.NoError(t, err)
	got, err := answers(t, f, 1, "a", "b", "c", "d", "e")
	require.NoError(t, err)
	require.Equal(t, []string{"A1", "B\n#### 1", "C\n#### 2", "D", "E"}, got)
	got, err = answers(t, f, 2, "a", "b")
	var failure *Failure
	require.ErrorAs(t, err, &failure)
	require.True(t, failure.Permanent && failure.Alone)
	require.ErrorContains(t, err, "has 1 answers to row 2, sample 2 was asked for")
	require.Equal(t, []string{"A1", "A2", "B\n#### 1", ""}, got)
	for text, says := range map[string]string{
		`{"prompt": "a"}`: "c.jsonl:1: a prompt row holds no answer", `{"question": 3}`: "c.jsonl:1", `[]`: "no rows", "": "no rows",
		`{"messages": [{"role": "user", "content": "d"}]}`: "does not end with an assistant's answer",
	} {
		before := f.Model()
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		_, err := OpenFile(path)
		require.ErrorContains(t, err, says)
		require.Equal(t, before, f.Model())
	}
}

func TestTheGeneratorSolvesItsOwnProblemsWithMistakesOfEachSample(t *testing.T) {
	c := problems.Default()
	c.WrongStep = 0.5
	g, err := NewGenerated(c)
	require.NoError(t, err)
	var questions []string
	for i := range 20 {
		questions = append(questions, g.Question(i).Question)
	}
	got, err := answers(t, g, 4, questions...)
	require.NoError(t, err)
	differ := 0
	for i := range questions {
		require.Equal(t, g.Question(i).Pair().Text(), got[4*i])
		if got[4*i] != got[4*i+1] || got[4*i+1] != got[4*i+2] {
			differ++
		}
	}
	require.Greater(t, differ, 5)
	again, err := answers(t, g, 4, questions...)
	require.NoError(t, err)
	require.Equal(t, got, again)
	_, err = answers(t, g, 1, "What is it?")
	require.ErrorContains(t, err, "is not row 0 of this generator")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, g.Ask(ctx, []Request{{NewPrompt(Prompt{}), 0}}, nil), context.Canceled)
}
