package verify

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/data"
)

func parse(t *testing.T, text string) data.Row {
	row, err := data.ParseRow([]byte(text))
	require.NoError(t, err, text)
	return row
}

func TestEveryReasonIsFoundAndNoOther(t *testing.T) {
	all := Options{MinSteps: 1, MinWords: 3, MaxWords: 30, Language: "en", Equations: true}
	pair := func(rest string) string {
		return `{"question":"q","answer":"5","rationale":["2 + 3 = 5 apples"]` + rest + `}`
	}
	for _, c := range []struct {
		text, gold string
		want       []string
	}{
		{pair(""), "5.0", nil},
		{pair(`,"correct":true`), "", nil},
		{pair(""), "6", []string{ReasonWrongAnswer}},
		{pair(`,"correct":false`), "", []string{ReasonMarkedWrong}},
		{pair(`,"correct":false`), "5", nil}, // what is known now counts
		{pair(`,"metadata":{"finish_reason":"content_filter"}`), "5", []string{ReasonFinish}},
		{pair(`,"metadata":{"finish_reason":"stop"}`), "5", nil},
		{`{"prompt":"p","completion":"I do not know this."}`, "5", []string{ReasonNoFinal}},
		{`{"prompt":"p","completion":"There are 2 + 3 = 6 of them. The answer is 5."}`, "5", []string{ReasonWrongEquation}},
		{`{"question":"q","answer":"#### 5"}`, "5", []string{ReasonNoSteps, ReasonTooFewWords}},
		{`{"prompt":"p","completion":"Это пять яблок"}`, "", []string{ReasonLanguage}},
		{`{"prompt":"p","completion":"` + strings.Repeat("apfel und birne ", 9) + `"}`, "", []string{ReasonLanguage}},
		{`{"prompt":"p","completion":"` + strings.Repeat("the ", 31) + `"}`, "", []string{ReasonTooManyWords}},
		{`{"prompt":"p","completion":"So the answer is 5.\n\nQ: What else is there?"}`, "5", []string{ReasonRunsOn}},
		{`{"messages":[{"role":"user","content":"q 1+1=3"},{"role":"assistant","content":"That is then 2 + 3 = 5"}]}`, "5", nil},
		{`{"prompt":"p","completions":["a b c"],"labels":[true]}`, "", nil},
	} {
		require.Equal(t, c.want, Row(parse(t, c.text), c.gold, all).Reasons, c.text)
		require.Empty(t, Row(parse(t, pair("")), "", Options{}).Reasons, "nothing asked")
	}
	require.Error(t, Options{Language: "tlh"}.Validate())
	require.Error(t, Options{MinWords: -1}.Validate())
	require.NoError(t, all.Validate())
}

// letters is a codec of bytes; '$' is end-of-sequence and '|' special.
type letters struct{ data.Codec }

func (letters) EOS() int32              { return '$' }
func (letters) IsSpecial(id int32) bool { return id == '$' || id == '|' }

func TestEndOfSequenceStandsAtTheEndAlone(t *testing.T) {
	example := func(text string) data.Example {
		e := data.Example{}
		for i, c := range text {
			e.IDs, e.Weights = append(e.IDs, c), append(e.Weights, float32(min(i, 1)))
		}
		return e
	}
	for text, want := range map[string]string{"pab$": "", "pab|": "", "pab": ReasonNoEnd, "pa$b$": ReasonEarlyEnd, "": ReasonNoEnd, "$ab$": ""} {
		require.Equal(t, want, End(data.Row{Kind: data.KindText}, example(text), letters{}), text)
	}
	require.Empty(t, End(data.Row{Kind: data.KindMessages}, example("pa$b$"), letters{}))
}

func TestRunOnsAreCut(t *testing.T) {
	cut, changed := CutRunOn("So the answer is (e) house.\n\nQ: What?\nA: x\n\nQ: y")
	require.Equal(t, "So the answer is (e) house.", cut)
	require.True(t, changed)
	_, changed = CutRunOn("Q: is the first letter")
	require.False(t, changed)
}

func TestSamplesAreVotedOnAndKept(t *testing.T) {
	unlike := func(i, j int) float64 { return math.Abs(float64(i - j)) }
	s := func(words int, key uint64) Sample { return Sample{Key: key, Words: words} }
	known := Sample{Known: true, Key: 9, Words: 4}
	votes := []Sample{s(9, 1), s(5, 1), s(5, 1), s(1, 2), s(7, 1)}
	for _, c := range []struct {
		keep    Keep
		number  int
		samples []Sample
		want    []string
	}{
		{KeepAll, 0, votes, []string{"", "", "", ReasonOutvoted, ""}},
		{KeepShortest, 0, votes, []string{ReasonLonger, "", ReasonLonger, ReasonOutvoted, ReasonLonger}},
		{KeepDiverse, 2, votes, []string{ReasonLessUnlike, "", ReasonLessUnlike, ReasonOutvoted, ""}},
		{KeepDiverse, 9, votes, []string{"", "", "", ReasonOutvoted, ""}},
		{KeepAll, 0, []Sample{s(1, 1), s(1, 2)}, []string{ReasonTied, ReasonTied}},
		{KeepAll, 0, []Sample{s(1, 0), s(1, 0)}, []string{ReasonTied, ReasonTied}},
		{KeepAll, 0, []Sample{s(1, 0), s(1, 3)}, []string{ReasonOutvoted, ""}},
		{KeepShortest, 0, []Sample{known, {Known: true, Key: 9, Words: 3}}, []string{ReasonLonger, ""}},
		{KeepShortest, 0, []Sample{s(3, 1)}, []string{""}},
	} {
		require.Equal(t, c.want, Choose(c.samples, c.keep, c.number, unlike), "%s %v", c.keep, c.samples)
	}
	require.NoError(t, KeepDiverse.Validate(2))
	require.Error(t, KeepDiverse.Validate(0))
	require.Error(t, Keep("best").Validate(1))
}
