package augment

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/data"
)

func row(t *testing.T, text string) data.Row {
	r, err := data.ParseRow([]byte(text))
	require.NoError(t, err)
	return r
}

const socratic = `{"question":"q","answer":"How many? ** Tom has 2+3=<<2+3=5>>5 eggs.\nAnd then? ** He sells 5-1=<<5-1=4>>4, and rests.\n#### 4"}`

func TestTransforms(t *testing.T) {
	noSteps, words := `{"question":"q","answer":"#### 4"}`, `{"question":"q","answer":"as said\n#### 4"}`
	for _, c := range []struct {
		transform        Transform
		text, want, fail string
	}{
		{ToSubquestions, socratic, "<QUE> How many? </QUE> <QUE> And then? </QUE>", ""},
		{ToEquations, socratic, "2+3=5\n5-1=4\n#### 4", ""},
		{ToAnswerOnly, socratic, "#### 4", ""},
		{ToPre, socratic, "Tom has 2+3=<<2+3=5>>5 eggs.\nHe sells 5-1=<<5-1=4>>4, and rests.\n#### 4", ""},
		{ToPost, socratic, "#### 4\nTom has 2+3=<<2+3=5>>5 eggs.\nHe sells 5-1=<<5-1=4>>4, and rests.", ""},
		{ToSubquestions, words, "", ReasonNoSubquestions}, {ToEquations, words, "", ReasonNoEquations}, {ToCorrupt, words, "", ReasonNoNumber},
		{ToPre, noSteps, "", ReasonNoSteps}, {ToPost, noSteps, "", ReasonNoSteps}, {ToCorrupt, noSteps, "", ReasonNoNumber},
		{ToPost, `{"prompt":"p","completion":"c"}`, "", ReasonNoPair}, {ToAnswerOnly, `{"question":"q"}`, "", ReasonNoPair},
	} {
		in := row(t, c.text)
		before := in.Completion
		out, err := c.transform.Apply(in, 1)
		require.Equal(t, before, in.Completion, "a pure function")
		var refused *data.RefusedError
		if c.fail != "" {
			require.True(t, errors.As(err, &refused), c.transform)
			require.Equal(t, c.fail, refused.Reason, c.transform)
			continue
		}
		require.NoError(t, err, c.transform)
		require.Equal(t, "q", out.Prompt)
		require.Equal(t, c.want, out.Completion, c.transform)
	}
	_, err := Transform("x").Apply(row(t, socratic), 1)
	require.ErrorContains(t, err, "subquestions")
	require.Error(t, Transform("x").Validate())
}

func TestCorruptionChangesOneStepAndNothingElse(t *testing.T) {
	p := *row(t, socratic).Pair
	seen := map[string]bool{}
	for seed := range uint64(50) {
		got, ok := Corrupt(p, seed)
		require.True(t, ok)
		again, _ := Corrupt(p, seed)
		require.Equal(t, got, again)
		require.Equal(t, p.Answer, got.Answer)
		changed := 0
		for i := range got.Rationale {
			if got.Rationale[i] != p.Rationale[i] {
				changed++
				e := data.Equations(got.Rationale[i])[0]
				require.NotEqual(t, data.Equations(p.Rationale[i])[0].Result, e.Result)
				require.Contains(t, got.Rationale[i], ">>"+e.Result, "the sentence says the same wrong number")
				seen[e.Result] = true
			}
		}
		require.Equal(t, 1, changed)
	}
	require.Greater(t, len(seen), 5)
	require.Equal(t, "Tom has 2+3=<<2+3=5>>5 eggs.", p.Rationale[0])
	big, ok := Corrupt(data.Pair{Rationale: []string{"so " + strings.Repeat("9", 40)}}, 1)
	require.True(t, ok)
	require.NotContains(t, big.Rationale[0], strings.Repeat("9", 40))
	decimal, _ := Corrupt(data.Pair{Rationale: []string{"costs $1,250.50"}}, 1)
	require.Regexp(t, `^costs \$12\d\d\.50$`, decimal.Rationale[0])
}

func FuzzCorrupt(f *testing.F) {
	f.Add("Tom has 2+3=<<2+3=5>>5 eggs.", uint64(1))
	f.Fuzz(func(t *testing.T, step string, seed uint64) {
		got, ok := Corrupt(data.Pair{Rationale: []string{step}}, seed)
		require.Equal(t, ok, got.Rationale[0] != step)
	})
}
