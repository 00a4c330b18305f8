package check

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/data"
	"retort/data/augment"
	"retort/data/dedup"
	"retort/data/problems"
	"retort/data/rowfile"
	"retort/data/verify"
	"retort/engine"
)

func file(t *testing.T, name string, lines ...string) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

// pair is a row in the words of a teacher.
func pair(question, step, answer string) string {
	return fmt.Sprintf(`{"question":%q,"rationale":[%q],"answer":%q}`, question, step, answer)
}

// filler are n rows that nothing is wrong with.
func filler(n int) (lines []string) {
	for i := range n {
		lines = append(lines, pair(fmt.Sprintf("Question number %d of the filler kind, what is it?", i), fmt.Sprintf("%d+1=%d", i, i+1), fmt.Sprint(i+1)))
	}
	return lines
}

func lines(t *testing.T, path string) (out []string) {
	require.NoError(t, rowfile.Each(path, func(_ int, text []byte, fault error) error {
		out = append(out, string(text))
		return fault
	}))
	return out
}

func TestEveryRefusalIsCountedWithItsLine(t *testing.T) {
	asked := "How many eggs do the two hens of the old farmer lay in one week of seven days?"
	rows := append(filler(300),
		`{`, `{"text":"unknown"}`, // 301, 302
		`{"prompt":"p","completion":"c","finish_reason":"length"}`,              // 303
		pair(asked, "1+1=2", "2"),                                               // 304
		pair("q1", "2+2=5", "5"),                                                // 305
		pair("q2", "2+2=4", "9"),                                                // 306: gold says 4
		pair("Question number 7 of the filler kind, what is it?", "7+1=8", "8"), // 307: repeats 8
		`{"chosen":"c","rejected":"r"}`,                                         // 308
		`{"prompt":"p2","completion":"c2","split":"test","source":"s"}`,         // 309
	)
	o := Default()
	o.Dataset = file(t, "rows.jsonl", rows...)
	o.EvalDataset = []string{file(t, "eval.jsonl", `{"problem":"`+asked+`"}`)}
	o.Gold = file(t, "gold.jsonl", `{"question":"q2","answer":"4"}`)
	o.Dedup = true
	o.Output = filepath.Join(t.TempDir(), "out.jsonl.gz")
	o.Card, o.HTML = t.TempDir(), filepath.Join(t.TempDir(), "page.html")
	r, err := Run(o)
	require.NoError(t, err)
	require.Equal(t, map[string][]int{
		"bad JSON": {301}, data.ReasonUnknownFormat: {302}, data.ReasonCutOff: {303}, ReasonContaminated: {304, 309}, verify.ReasonWrongEquation: {305},
		verify.ReasonWrongAnswer: {306}, ReasonDuplicate: {307}, ReasonPreference: {308},
	}, r.Rejects.Lines)
	require.Equal(t, 300, r.Usable)
	require.Equal(t, 309, r.Rows)
	require.Equal(t, 301, r.Written, "the preference row is written too")
	require.Equal(t, 1, r.Compared)
	require.Equal(t, 1, r.Equations.Wrong)
	require.Equal(t, map[string]int{"s": 1}, r.Sources)
	require.Equal(t, []RowHit{
		{304, dedup.Hit{File: o.EvalDataset[0], Line: 1, Rule: dedup.RuleSame, Share: 1}}, {309, dedup.Hit{File: `"split"`, Rule: dedup.RuleSays, Share: 1}},
	}, r.Contamination.Hits)
	require.Len(t, r.Previews, 10)

	written := lines(t, o.Output)
	require.Len(t, written, 301)
	require.Equal(t, rows[:300], written[:300], "as they came")
	var rejects []int
	for _, line := range lines(t, rowfile.RejectsName(o.Output)) {
		var row rejected
		require.NoError(t, json.Unmarshal([]byte(line), &row))
		require.Contains(t, r.Rejects.Lines[row.Reason], row.Line)
		require.True(t, len(row.Row) > 0 || row.Text == "{", line)
		rejects = append(rejects, row.Line)
	}
	require.Equal(t, []int{301, 302, 303, 304, 305, 306, 307, 309}, rejects)

	raw, err := os.ReadFile(filepath.Join(o.Card, "data_card.json"))
	require.NoError(t, err)
	var card Card
	require.NoError(t, json.Unmarshal(raw, &card))
	require.Equal(t, r.SHA256, card.SHA256)
	require.Len(t, card.Parameters.OutputSHA256, 64)
	text, err := os.ReadFile(filepath.Join(o.Card, "data_card.md"))
	require.NoError(t, err)
	page, err := os.ReadFile(o.HTML)
	require.NoError(t, err)
	for _, part := range []string{"rows.jsonl", ReasonDuplicate, r.SHA256} {
		require.Contains(t, string(text), part)
		require.Contains(t, string(page), part)
	}
	require.Contains(t, string(page), "<mark>")
	for _, leaves := range [][]byte{raw, text, page} {
		require.NotContains(t, string(leaves), filepath.Dir(o.Dataset), "no machine's folders leave it")
	}
}

func TestFilesThatTrainWouldRefuseAreRefused(t *testing.T) {
	asked := "How many eggs do the two hens of the old farmer lay in one week of seven days?"
	eval := file(t, "eval.jsonl", `{"question":"`+asked+`"}`)
	for name, c := range map[string]struct {
		rows  []string
		allow bool
		want  string // empty: accepted
	}{
		"one in a hundred": {append(filler(99), pair(asked, "s", "1")), false, ""},
		"two in a hundred": {append(filler(98), pair(asked, "s", "1"), pair(asked, "t", "1")), false, "2 of 100 rows ask what an evaluation asks"},
		"two, told so":     {append(filler(98), pair(asked, "s", "1"), pair(asked, "t", "1")), true, ""},
		"a malformed line": {append(filler(3), "{"), false, "1 lines are no rows"},
		"a preference":     {append(filler(3), `{"chosen":"c","rejected":"r"}`), false, "no preference optimisation"},
		"nothing":          {nil, false, "the file is empty"},
		"nothing to train": {[]string{`{"question":"q"}`}, false, "1 no final answer"},
		"a test split":     {[]string{`{"prompt":"p","completion":"c","split":"test"}`}, false, "test split"},
	} {
		o := Default()
		o.Dataset, o.EvalDataset, o.AllowContamination = file(t, "rows.jsonl", c.rows...), []string{eval}, c.allow
		r, err := Run(o)
		if c.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, engine.ErrBadInput, name)
		require.ErrorContains(t, err, c.want, name)
		require.Equal(t, len(c.rows), r.Rows, name)
		o.Output = filepath.Join(t.TempDir(), "out.jsonl")
		if _, err := Run(o); strings.Contains(c.want, "evaluation") || strings.Contains(c.want, "split") {
			require.Error(t, err, name)
			require.NoFileExists(t, o.Output, name)
		}
	}
}

func TestSamplesOfAQuestionAreVotedOn(t *testing.T) {
	o := Default()
	o.Dataset = file(t, "rows.jsonl",
		pair("a?", "a long way to say that it is 2+3=5 all in all", "5"), pair("b?", "1+1=2", "2"), pair("a?", "2+3=5 it is", "5"), pair("a?", "2+3=5 or $5.00 it is", "$5.00"), pair("a?", "3+3=6", "6"), pair("b?", "1+2=3", "3"))
	o.Keep = "shortest"
	o.Output = filepath.Join(t.TempDir(), "out.jsonl")
	r, err := Run(o)
	require.NoError(t, err)
	require.Equal(t, map[string][]int{verify.ReasonLonger: {1, 4}, verify.ReasonOutvoted: {5}, verify.ReasonTied: {2, 6}}, r.Rejects.Lines)
	require.Equal(t, []string{pair("a?", "2+3=5 it is", "5")}, lines(t, o.Output))
	o.Gold = file(t, "gold.jsonl", `{"question":"a?","answer":"#### 6"}`, `{"problem":"b?","true_answer":2.0}`)
	r, err = Run(o)
	require.NoError(t, err)
	require.Equal(t, map[string][]int{verify.ReasonWrongAnswer: {1, 3, 4, 6}}, r.Rejects.Lines, "the known answer, not the most voted")
}

func TestRowsAreWrittenInOtherFormats(t *testing.T) {
	rows := []string{pair("q", "1+1=2", "2"), `{"instruction":"i","output":"o"}`}
	for _, c := range []struct {
		name, format, transform string
		want                    []string
	}{
		{"x.jsonl", "messages", "", []string{`{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"1+1=2\n#### 2"}]}`, `{"messages":[{"role":"user","content":"i"},{"role":"assistant","content":"o"}]}`}},
		{"x.parquet", "gsm8k", "", []string{`{"question":"q","answer":"1+1=2\n#### 2"}`}},
		{"x.jsonl.zst", "", "post", []string{`{"prompt":"q\n","completion":"#### 2\n1+1=2"}`}},
		{"x.jsonl", "pair", "equations", []string{`{"id":"","question":"q","answer":"2","rationale":["1+1=2"]}`}},
	} {
		o := Default()
		o.Dataset, o.Output, o.Format, o.Transform = file(t, "rows.jsonl", rows...), filepath.Join(t.TempDir(), c.name), c.format, c.transform
		r, err := Run(o)
		require.NoError(t, err)
		got := lines(t, o.Output)
		require.Len(t, got, len(c.want))
		for i := range got {
			require.JSONEq(t, c.want[i], got[i])
		}
		require.Equal(t, len(got), r.Written)
		require.Len(t, lines(t, rowfile.RejectsName(o.Output)), 2-len(got))
	}
	o := Default()
	o.Dataset, o.Output, o.Transform = file(t, "rows.jsonl", rows[1]), filepath.Join(t.TempDir(), "x.jsonl"), "post"
	r, err := Run(o)
	require.ErrorContains(t, err, "no row could be written")
	require.Equal(t, map[string][]int{augment.ReasonNoPair: {1}}, r.Rejects.Lines)
}

func TestTheReportDoesNotDependOnTheContainer(t *testing.T) {
	c := problems.Default()
	c.WrongStep, c.WrongAnswer, c.CutOff = 0.1, 0.1, 0.1
	g, err := problems.New(c)
	require.NoError(t, err)
	var rows []string
	for i := range 600 { // more than two batches
		text, err := json.Marshal(g.Problem(i % 590))
		require.NoError(t, err)
		rows = append(rows, string(text))
	}
	var reports []Report
	for _, text := range []string{strings.Join(rows, "\n"), "[" + strings.Join(rows, ",\n") + "]"} {
		o := Default()
		o.Dataset, o.Dedup, o.Verify = file(t, "rows", text), true, true
		r, err := Run(o)
		require.NoError(t, err)
		r.SHA256, r.Bytes, r.Dataset = "", 0, ""
		reports = append(reports, r)
	}
	require.Equal(t, reports[0], reports[1])
	require.Greater(t, reports[0].Duplicates, 5)
	require.NotEmpty(t, reports[0].Rejects.Lines[verify.ReasonMarkedWrong])
	require.Contains(t, reports[0].String(), "equations computed again")
}

func TestOptionsThatCannotBe(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"dataset is missing":     func(o *Options) { o.Dataset = "" },
		"name it":                func(o *Options) { o.Format = "pair" },
		"give format":            func(o *Options) { o.Output = "x.parquet" },
		"is unknown: use one of": func(o *Options) { o.Output, o.Format = "x.jsonl", "csv" },
		"unknown container":      func(o *Options) { o.Output = "x.csv" },
		"the dataset itself":     func(o *Options) { o.Output = "./rows.jsonl" },
		"how many":               func(o *Options) { o.Keep, o.KeepCount = "diverse", 0 },
		"keep \"best\"":          func(o *Options) { o.Keep = "best" },
		"transform \"x\"":        func(o *Options) { o.Output, o.Transform = "x.jsonl", "x" },
		"language":               func(o *Options) { o.Language = "tlh" },
		"max_length is -1":       func(o *Options) { o.MaxLength = -1 },
	} {
		o := Default()
		o.Dataset = "rows.jsonl"
		change(&o)
		err := o.Validate()
		require.ErrorIs(t, err, engine.ErrUsage, want)
		require.ErrorContains(t, err, want)
	}
	o := Default()
	o.Dataset, o.Output = os.DevNull, filepath.Join(t.TempDir(), "x.jsonl")
	_, err := Run(o)
	require.ErrorIs(t, err, engine.ErrUsage)
	require.ErrorContains(t, err, "twice")
	for _, change := range []func(*Options){
		func(o *Options) { o.Dataset = "nowhere.jsonl" }, func(o *Options) { o.EvalDataset = []string{"nowhere.jsonl"} }, func(o *Options) { o.Gold = "nowhere.jsonl" }, func(o *Options) { o.Model = "nowhere" },
	} {
		o := Default()
		o.Dataset = file(t, "rows.jsonl", filler(1)...)
		change(&o)
		_, err := Run(o)
		require.ErrorIs(t, err, engine.ErrBadInput)
		require.ErrorContains(t, err, "nowhere")
	}
}

func TestAFileThatChangesBetweenReadingsIsNotWritten(t *testing.T) {
	o := Default()
	o.Dataset, o.Output = file(t, "rows.jsonl", filler(3)...), filepath.Join(t.TempDir(), "x.jsonl")
	for _, later := range [][]string{filler(2), filler(4), {"", "", ""}} {
		tally := newTally(o)
		for i := range 3 {
			require.NoError(t, tally.add(finding{line: i + 1, index: i, kind: "pair"}))
		}
		require.NoError(t, os.WriteFile(o.Dataset, []byte(strings.Join(later, "\n")+"\n"), 0o600))
		require.ErrorIs(t, tally.write(), errChanged)
		require.NoFileExists(t, o.Output)
		require.NoFileExists(t, rowfile.RejectsName(o.Output))
	}
}

// TestPublishedOutputsOnGSM8KAreRefused: they are for its test split, as package dedup knows
// without being told; GSM8K's own training file passes.
func TestPublishedOutputsOnGSM8KAreRefused(t *testing.T) {
	for name, refused := range map[string]bool{
		"gsm8k/train.jsonl": false, "gsm8k/train_socratic.jsonl": false, "gsm8k/example_model_solutions.jsonl": true, "gsm8k/test.jsonl": true,
		"gsm8k_ai_subq/qg_test_dataset.jsonl": true, "gsm8k_ai_subq/test_chat.jsonl": true, "gsm8k_ai_subq/qg_test_data_raw.jsonl": true,
	} {
		o := Default()
		o.Dataset = filepath.Join("..", "..", "..", "shared", "data", name)
		if _, err := os.Stat(o.Dataset); err != nil {
			t.Skipf("no %s beside the repository", name)
		}
		r, err := Run(o)
		if !refused {
			require.NoError(t, err, name)
			require.Equal(t, 7473, r.Usable, name)
			continue
		}
		require.ErrorIs(t, err, engine.ErrBadInput, name)
		require.ErrorContains(t, err, "the test split of GSM8K", name)
		require.Equal(t, 1319, r.Contamination.Rows, name)
	}
}

// BenchmarkCheck measures rows of the generator, duplicates looked for; it says rows a
// minute. RETORT_CHECK_ROWS is how many.
func BenchmarkCheck(b *testing.B) {
	rows := 20_000
	if text := os.Getenv("RETORT_CHECK_ROWS"); text != "" {
		_, err := fmt.Sscan(text, &rows)
		require.NoError(b, err)
	}
	g, err := problems.New(problems.Default())
	require.NoError(b, err)
	path := filepath.Join(b.TempDir(), "rows.jsonl")
	f, err := os.Create(path)
	require.NoError(b, err)
	w, err := rowfile.NewWriter(f, path, nil)
	require.NoError(b, err)
	for i := range rows {
		require.NoError(b, w.Write(g.Problem(i)))
	}
	require.NoError(b, w.Close())
	require.NoError(b, f.Close())
	o := Default()
	o.Dataset, o.Dedup, o.Verify = path, true, true
	for b.Loop() {
		r, err := Run(o)
		require.NoError(b, err)
		require.Equal(b, rows, r.Rows)
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Minutes(), "rows/min")
}
