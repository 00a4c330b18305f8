package dedup

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/data"
	"retort/data/problems"
)

// shared is a file of ../shared/data, or the test is skipped.
func shared(t *testing.T, name string) string {
	path := filepath.Join("..", "..", "..", "shared", "data", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no %s beside the repository", filepath.Join("shared", "data", name))
	}
	return path
}

func file(t *testing.T, lines ...string) string {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
	return path
}

func question(text string) data.Row { return data.Row{Kind: data.KindPrompt, Prompt: text} }

func TestWordsAreRunsOfLettersAndDigits(t *testing.T) {
	count := func(text string, signs bool) int { return len(words(nil, text, signs, nil)) }
	require.Equal(t, words(nil, "Tom's $1,000 über-Hüte!", false, nil), words(nil, "  tom S 1 000 Über HÜTE", false, nil))
	require.Equal(t, 4, count("3+4=7 x", false))
	require.Equal(t, 6, count("3+4=7 x", true))
	require.Equal(t, 3, count("3 - 4", true))
	require.Equal(t, 2, count("well-known", true))
	require.NotEqual(t, QuestionHash("a b"), QuestionHash("ab"))
	require.NotEqual(t, QuestionHash("ab"), QuestionHash("ba"))
	a, b := uint64(0), uint64(0)
	words(nil, "5 dogs, 7 cats", false, &a)
	words(nil, "5 cows and 7 hens", false, &b)
	require.Equal(t, a, b)
	words(nil, "1 more", false, &b)
	require.NotEqual(t, a, b)
}

// text is a random text of n words.
func text(r *rand.Rand, n int) []string {
	w := make([]string, n)
	for i := range w {
		w[i] = fmt.Sprintf("w%c%c%c", 'a'+r.IntN(26), 'a'+r.IntN(26), 'a'+r.IntN(26))
	}
	return w
}

func TestSimilarityEstimatesJaccard(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s Sketcher
	for _, changed := range []int{0, 5, 20, 100} {
		sum, want, trials := 0.0, 0.0, 40
		for range trials {
			a := text(r, 200)
			b := append(append([]string{}, a[:200-changed]...), text(r, changed)...)
			set := map[string]int{}
			for i := range 198 {
				set[strings.Join(a[i:i+3], " ")] |= 1
				set[strings.Join(b[i:i+3], " ")] |= 2
			}
			both := 0
			for _, in := range set {
				if in == 3 {
					both++
				}
			}
			want += float64(both) / float64(len(set))
			x, y := s.Sketch(strings.Join(a, " "), ""), s.Sketch(strings.Join(b, " "), "")
			sum += x.Similarity(&y)
		}
		// 64 minima and 40 trials: a standard error of 0.01
		require.Less(t, math.Abs(sum-want)/float64(trials), 0.03, "%d words changed", changed)
	}
}

func TestDuplicatesRepeatAnEarlierRowThatIsNone(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	base := text(r, 120)
	with := func(at int, word string) string {
		c := append([]string{}, base...)
		c[at] = word
		return strings.Join(c, " ")
	}
	answers := [][2]string{
		{"Who?", with(0, "zero")},
		{"Who?", with(0, "zero")},
		{"who?", "  " + with(0, "ZERO")},
		{"Who?", with(60, "other")}, // near
		{"Who?", with(0, "12")},     // a number that the others do not have
		{"Who?", strings.Join(text(r, 120), " ")},
		{"2 + 3 * 4", "x"}, {"2 + 3 + 4", "x"},
		{"Who?", with(60, "other")},
	}
	var f Finder
	var s Sketcher
	for i, a := range answers {
		f.Add(10*i, s.Sketch(a[0], a[1]))
	}
	require.Equal(t, len(answers), f.Len())
	exact := f.Duplicates(false, nil)
	require.Equal(t, []Duplicate{{10, 0, true, 1}, {20, 0, true, 1}, {80, 30, true, 1}}, exact)
	all := f.Duplicates(true, nil)
	require.Len(t, all, 4)
	require.Equal(t, []int{10, 20, 30, 80}, []int{all[0].Row, all[1].Row, all[2].Row, all[3].Row})
	require.Equal(t, 0, all[2].Of)
	require.False(t, all[2].Exact)
	require.Less(t, all[2].Similarity, 1.0)
	require.Equal(t, all, f.Duplicates(true, nil), "asked twice, the same twice")
	require.Len(t, f.Duplicates(true, func(i int) bool { return i > 1 }), 2, "the first of the looked at is the original")
}

func TestContaminationFollowsItsRule(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	w := text(r, 40)
	eval := strings.Join(w[:20], " ") // 13 8-grams
	path := file(t, `{"question":"`+eval+`","answer":"#### 1"}`, `{"problem":"short one"}`, `{"text":"nothing asked"}`)
	x := NewIndex()
	n, err := x.AddFile(path)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	for _, c := range []struct {
		text, rule string
		line       int
		share      float64
	}{
		{strings.ToUpper(eval) + "!", RuleSame, 1, 1},
		{"Short, one.", RuleSame, 2, 1},
		{strings.Join(w[:13], " ") + " x y z v u t", RuleHalf, 1, 0.5}, // 6 of 12
		{strings.Join(w[:13], " ") + " x y z v u t s", "", 0, 0},       // 6 of 13
		{strings.Join(w, " "), RuleWhole, 1, 13. / 33},
		{strings.Join(w[5:40], " "), "", 0, 0},
		{"short two", "", 0, 0}, {"", "", 0, 0},
	} {
		hit, ok := x.Match(question(c.text))
		require.Equal(t, c.rule != "", ok, c.text)
		require.Equal(t, c.rule, hit.Rule, c.text)
		require.Equal(t, c.line, hit.Line)
		require.InDelta(t, c.share, hit.Share, 1e-9)
	}
	hit, ok := x.Match(data.Row{Kind: data.KindMessages, Messages: []data.Message{{Role: "assistant", Content: eval}, {Role: "user", Content: "short one"}}})
	require.True(t, ok)
	require.Contains(t, hit.String(), "rows.jsonl:2: the same question (100 %)")
	_, err = x.AddFile(file(t, `{"text":"t"}`))
	require.ErrorIs(t, err, data.ErrNoRows)
	_, ok = Says(data.Row{Split: "test"})
	require.True(t, ok)
	_, ok = Says(data.Row{Split: "train"})
	require.False(t, ok)
}

func TestGeneratedRowsAreComparedByTheirGraph(t *testing.T) {
	rows := func(split problems.Split, n int) (out []data.Row) {
		c := problems.Default()
		c.Split = split
		g, err := problems.New(c)
		require.NoError(t, err)
		for i := range n {
			out = append(out, data.PairRow(i, g.Problem(i).Pair()))
		}
		return out
	}
	x := NewIndex()
	for _, row := range rows(problems.Test, 200) {
		x.addRow("generated", row)
	}
	for _, row := range rows(problems.Train, 200) {
		_, ok := x.Match(row)
		require.False(t, ok, row.Prompt)
	}
	renamed := rows(problems.Test, 1)[0]
	renamed.Prompt = "The same in quite other words?"
	hit, ok := x.Match(renamed)
	require.True(t, ok)
	require.Equal(t, RuleGraph, hit.Rule)
	for _, truth := range []string{`{}`, `7`, `{"graph":{"nodes":[{"op":"+","args":[5]}],"answer":0}}`, `{"graph":{"nodes":[],"answer":-1}}`} {
		_, ok := graphOf(data.PairRow(0, data.Pair{Truth: []byte(truth)}))
		require.False(t, ok, truth)
	}
}

// TestGSM8KTrainIsNotItsTest: the figures of METHODS.md.
func TestGSM8KTrainIsNotItsTest(t *testing.T) {
	x := NewIndex()
	_, err := x.AddFile(shared(t, "gsm8k/test.jsonl"))
	require.NoError(t, err)
	rows, err := data.ReadRows(shared(t, "gsm8k/train.jsonl"))
	require.NoError(t, err)
	rules, some := map[string]int{}, 0
	for _, row := range rows {
		if hit, ok := x.Match(row); ok {
			rules[hit.Rule]++
		}
		for g := range gramSet(words(nil, row.Prompt, false, nil)) {
			if _, ok := x.grams[g]; ok {
				some++
				break
			}
		}
	}
	require.Equal(t, map[string]int{RuleHalf: 2}, rules)
	require.Equal(t, 94, some)
}

func TestTheTestSplitOfGSM8KIsKnown(t *testing.T) {
	require.Equal(t, map[string]int{gsm8kName: 1319}, KnownTestSplits())
	x := NewIndex()
	x.AddKnown()
	count := func(name string) (hits, total int) {
		require.NoError(t, data.EachRow(shared(t, name), func(row data.Row, text []byte, fault error) error {
			if fault != nil {
				row.Prompt, _ = data.LooseQuestion(text)
			}
			if _, ok := x.Match(row); ok {
				hits++
			}
			total++
			return nil
		}))
		return hits, total
	}
	for _, name := range []string{"gsm8k/test.jsonl", "gsm8k/test_socratic.jsonl", "gsm8k/example_model_solutions.jsonl", "gsm8k_ai_subq/qg_test_dataset.jsonl", "gsm8k_ai_subq/test_chat.jsonl", "gsm8k_ai_subq/qg_test_data_raw.jsonl"} {
		hits, total := count(name)
		require.Equal(t, 1319, total, name)
		require.Equal(t, 1319, hits, name)
	}
	for _, name := range []string{"gsm8k/train.jsonl", "gsm8k/train_socratic.jsonl"} {
		hits, _ := count(name)
		require.Zero(t, hits, name)
	}
}

func FuzzWords(f *testing.F) {
	f.Add("Tom − 3 × \xff 1,000")
	f.Fuzz(func(t *testing.T, text string) {
		plain, signs := words(nil, text, false, nil), words(nil, text, true, nil)
		require.LessOrEqual(t, len(plain), len(signs))
		require.LessOrEqual(t, len(signs), len(text))
		var s Sketcher
		a := s.Sketch(text, text)
		b := s.Sketch(text, text)
		require.Equal(t, a, b)
		require.Equal(t, 1.0, a.Similarity(&b))
	})
}

// BenchmarkSketch measures one row of the generator's length.
func BenchmarkSketch(b *testing.B) {
	g, err := problems.New(problems.Default())
	require.NoError(b, err)
	p := g.Problem(1).Pair()
	answer := p.Text()
	b.SetBytes(int64(len(p.Question) + len(answer)))
	var s Sketcher
	for b.Loop() {
		s.Sketch(p.Question, answer)
	}
}
