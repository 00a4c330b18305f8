package data

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// file writes a temporary row file.
func file(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// shared is a file of ../shared, or the test is skipped.
func shared(t *testing.T, name string) string {
	path := filepath.Join("..", "..", "shared", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no %s beside the repository", filepath.Join("shared", name))
	}
	return path
}

func TestFormatsAreRecognisedRowByRow(t *testing.T) {
	path := file(t, "\ufeff"+`{"prompt":"p","completion":"c"}`+"\r\n\n"+
		`{"prompt":"p","extra":{"a":1}}`+"\n"+
		`{"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"a"}]}`+"\n"+
		`{"prompt":[{"role":"user","content":"u"}],"completion":[{"role":"assistant","content":"a"}]}`+"\n"+
		`{"prompt":[{"role":"user","content":"u"}]}`+"\n"+
		`{"question":"q","answer":"2+3=<<2+3=5>>5\n#### 1,005"}`+"\n"+
		`{"question":"q","answer":"How? ** 2+3=<<2+3=5>>5\n#### 5"}`+"\n"+
		`{"id":"x","question":"q","answer":"5","rationale":["a","b"],"correct":null,"metadata":{"finish_reason":"stop","usage":{"total_tokens":3}},"truth":{"kind":"k"}}`+"\n"+
		`{"question":"q"}`+"\n"+
		`{"prompt":"p","chosen":"c","rejected":"r"}`+"\n"+
		`{"chosen":[{"role":"user","content":"u"}],"rejected":[{"role":"user","content":"v"}]}`)
	rows, err := ReadRows(path)
	require.NoError(t, err)
	kinds := make([]RowKind, len(rows))
	for i, r := range rows {
		kinds[i] = r.Kind
		require.Equal(t, i, r.Index)
	}
	require.Equal(t, []RowKind{KindText, KindPrompt, KindMessages, KindMessages, KindPrompt, KindPair, KindPair, KindPair, KindPair, KindPreference, KindPreference}, kinds)
	require.Equal(t, 3, rows[1].Line)
	require.Equal(t, 1, rows[3].Context)
	require.Equal(t, Pair{Question: "q", Answer: "1005", Rationale: []string{"2+3=<<2+3=5>>5"}, Source: "gsm8k"}, *rows[5].Pair)
	require.Equal(t, []Subquestion{{Question: "How?", Answer: "2+3=<<2+3=5>>5"}}, rows[6].Pair.Subquestions)
	require.Equal(t, "a\nb\n#### 5", rows[7].Completion)
	require.JSONEq(t, `{"kind":"k"}`, string(rows[7].Pair.Truth))
	require.Equal(t, ReasonNoAnswer, rows[8].Refused)
	require.Len(t, rows[10].ChosenMessages, 1)
}

func TestMalformedRowsNameTheirLineAndFault(t *testing.T) {
	for text, want := range map[string]string{
		`{"prompt":"p"`:                     "bad JSON",
		`{"prompt":"p"} {}`:                 "bad JSON",
		`[1]`:                               "must be a JSON object, got array",
		`null`:                              "got null",
		`{"text":"x","a":1}`:                "unknown row format: it has the keys a, text",
		`{"Prompt":"x"}`:                    "unknown row format",
		`{"completion":"c"}`:                `"completion" without "prompt"`,
		`{"prompt":7}`:                      `"prompt" must be a string, got 7`,
		`{"prompt":null}`:                   `"prompt" must be a string, got null`,
		`{"prompt":"p","completion":["c"]}`: `"completion" must be a string`,
		`{"messages":"hello"}`:              `"messages" must be a list`,
		`{"messages":[]}`:                   "empty list",
		`{"messages":[{"role":"user"}]}`:    `messages[0]: missing key "content"`,
		`{"prompt":"p","prompt":"q"}`:       `the key "prompt" occurs twice`,
		`{"messages":[{"role":"u","role":"v","content":"c"}]}`: `the key "role" occurs twice`,
		`{"question":"q","rationale":["s"]}`:                   `missing key "answer"`,
		`{"question":"q","rationale":"s","answer":"1"}`:        `"rationale" must be a list of strings`,
		`{"chosen":"c"}`:                   `missing key "rejected"`,
		`{"prompt":"p","finish_reason":3}`: `"finish_reason" must be a string`,
		"{\"prompt\":\"\xff\"}":            "not valid UTF-8",
	} {
		_, err := ReadRows(file(t, `{"prompt":"fine"}`+"\n"+text+"\n"))
		require.ErrorContains(t, err, "rows.jsonl:2: ", text)
		require.ErrorContains(t, err, want, text)
	}
	for _, text := range []string{"", "\n \n", "\ufeff"} {
		_, err := ReadRows(file(t, text))
		require.ErrorIs(t, err, ErrNoRows)
	}
	_, err := ReadRows(filepath.Join(t.TempDir(), "none.jsonl"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestLongLinesAreReadUpToTheLimit(t *testing.T) {
	frame := len(`{"prompt":""}`)
	for _, n := range []int{70_000, 2 << 20, MaxLineBytes - frame} {
		rows, err := ReadRows(file(t, `{"prompt":"`+strings.Repeat("x", n)+`"}`+"\n"+`{"prompt":"next"}`))
		require.NoError(t, err)
		require.Len(t, rows, 2)
		require.Len(t, rows[0].Prompt, n)
	}
	_, err := ReadRows(file(t, `{"prompt":"`+strings.Repeat("x", MaxLineBytes)+`"}`))
	require.ErrorContains(t, err, "rows.jsonl:1: the line is longer than 16 MiB")
}

func TestCutOffRowsAreRefusedNotErrors(t *testing.T) {
	rows, err := ReadRows(file(t, `{"prompt":"p","completion":"c","finish_reason":"length"}`+"\n"+
		`{"question":"q","rationale":["s"],"answer":"","metadata":{"finish_reason":"length"}}`+"\n"+
		`{"question":"q","answer":"no number"}`))
	require.NoError(t, err)
	require.Equal(t, []string{ReasonCutOff, ReasonCutOff, ReasonNoAnswer}, []string{rows[0].Refused, rows[1].Refused, rows[2].Refused})
}

func TestGSM8KRowsRoundTrip(t *testing.T) {
	for _, name := range []string{"train.jsonl", "train_socratic.jsonl"} {
		rows, err := ReadRows(shared(t, "data/gsm8k/"+name))
		require.NoError(t, err)
		require.Len(t, rows, 7473)
		for _, r := range rows {
			require.Empty(t, r.Refused)
			require.NotContains(t, r.Pair.Answer, ",")
			if name == "train.jsonl" {
				tidy := func(s string) string { return strings.Join(strings.Fields(strings.ReplaceAll(s, ",", "")), " ") }
				require.Equal(t, tidy(r.Completion), tidy(r.Pair.Text()), r.Place())
			} else {
				require.NotEmpty(t, r.Pair.Subquestions, r.Place())
				require.GreaterOrEqual(t, len(r.Pair.Rationale), len(r.Pair.Subquestions), r.Place())
			}
		}
	}
}

func TestAnswersAndEquations(t *testing.T) {
	for text, want := range map[string]string{"a\n#### 1,234.5": "1234.5", "#### -3 or #### 4": "-3", "####5": "", "": ""} {
		got, ok := FinalAnswer(text)
		require.Equal(t, want, got)
		require.Equal(t, want != "", ok)
	}
	require.Equal(t, "She has 2+3=5.", StripAnnotations("She has 2+3=<<2+3=5>>5."))
	require.Equal(t, []Equation{{"2+3", "5"}, {"5*2", "10"}, {"7-1", "6"}}, Equations("2+3=<<2+3=5>>5, <<5*2=10>>\n7-1=6\nx 1+1=2"))
}

func FuzzParseRow(f *testing.F) {
	for _, seed := range []string{`{"prompt":"p","completion":"c"}`, `{"messages":[{"role":"u","content":"c"}]}`, `{"question":"q","answer":"#### 1"}`, `{"a":{"a":[{"b":1,"b":2}]}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if row, err := ParseRow(text); err == nil {
			require.GreaterOrEqual(t, row.Kind, KindText)
		}
	})
}

func TestSplitSolutionUndoesText(t *testing.T) {
	for _, c := range []struct {
		text   string
		steps  []string
		answer string
	}{
		{"a\nb\n#### 1,234", []string{"a", "b"}, "1234"},
		{"\n a \r\n\n#### yes \nQ: next", []string{"a"}, "yes"},
		{"so #### -5", []string{"so"}, "-5"},
		{"2 ** 3 = 8\n####8", []string{"2 ** 3 = 8"}, "8"},
		{"cut off", []string{"cut off"}, ""},
		{"", []string{}, ""},
	} {
		steps, answer := SplitSolution(c.text)
		require.Equal(t, c.steps, steps, c.text)
		require.Equal(t, c.answer, answer, c.text)
	}
	p := Pair{Rationale: []string{"a", "b"}, Answer: "7"}
	steps, answer := SplitSolution(p.Text())
	require.Equal(t, p.Rationale, steps)
	require.Equal(t, p.Answer, answer)
}
