package evaluate

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The expectations are what lm-evaluation-harness 0.4.13's RegexFilter and
// regexes_to_ignore, and grade-school-math's extract_answer, returned.
func TestExtractionOfAwkwardTextsEqualsLMEvalAndOpenAI(t *testing.T) {
	const none = Invalid
	cases := []struct{ text, strict, strictNormal, flexible, flexibleNormal, openai string }{
		{"The answer is 5.\n#### 5", "5", "5", "5", "5", "5"},
		{"#### -1,234.", "-1,234.", "-1234", "-1,234.", "-1234", "-1234."},
		{"$5", none, none, "$5", "5", none},
		{"costs $5.", none, none, "$5.", "5", none},
		{"no number at all", none, none, none, none, none},
		{"#### 1\n#### 2", "1", "1", "2", "2", "1"},
		{"#### 5 #### 6.", "5", "5", "6.", "6", "5"},
		{"####7", none, none, "7", "7", none},
		{"####  7", none, none, "7", "7", none},
		{"#### $12", none, none, "$12", "12", none},
		{"So 3 apples... done", none, none, "...", "..", none},
		{"a 1,2,3", none, none, "1,2,3", "123", none},
		{"-7", none, none, "-7", "-7", none},
		{"--7", none, none, "-7", "-7", none},
		{"5-3", none, none, "-3", "-3", none},
		{"- 5", none, none, "5", "5", none},
		{"-$5", none, none, "-$5", "-5", none},
		{"$-5", none, none, "-5", "-5", none},
		{"$1,234.50", none, none, "$1,234.50", "1234.50", none},
		{"#### 18.00", "18.00", "18.00", "18.00", "18.00", "18.00"},
		{"#### ,", ",", "", none, none, ""},
		{"#### .", ".", "", none, none, "."},
		{"#### -", none, none, none, none, none},
		{"x #### 1,000,000 y", "1,000,000", "1000000", "1,000,000", "1000000", "1000000"},
		{"#### ١٢", none, none, none, none, none}, // digits, but not ASCII
		{"1e5", none, none, "5", "5", none},
		{"#### 1.2.3", "1.2.3", "1.2.3", "1.2.3", "1.2.3", "1.2.3"},
		{"#### 7\nQuestion: 8?", "7", "7", "8", "8", "7"},
		{"50%", none, none, "50", "50", none},
		{"1/2", none, none, "2", "2", none},
		{"", none, none, none, none, none},
		{"bad \xff utf8 9", none, none, "9", "9", none},
	}
	for _, c := range cases {
		check := func(rule string, extract func(string) (string, bool), want string) {
			got, parsed := extract(c.text)
			require.Equal(t, want, got, "%s of %q", rule, c.text)
			require.Equal(t, want != none, parsed, "%s of %q", rule, c.text)
		}
		check("strict-match", StrictMatch, c.strict)
		check("flexible-extract", FlexibleExtract, c.flexible)
		check("openai", OpenAIStrict, c.openai)
		require.Equal(t, c.strictNormal, NormalizeLMEval(c.strict), "%q", c.text)
		require.Equal(t, c.flexibleNormal, NormalizeLMEval(c.flexible), "%q", c.text)
	}
}

func TestNormalizeLMEvalEqualsItsRegexes(t *testing.T) {
	cases := map[string]string{
		"18.": "18", "18.\n": "18\n", "18.\n\n": "18.\n\n", "a #### 1\n#### 2,0.": "20", "#### $5.": "5",
		"YES": "yes", "..": ".", ".\n": "\n", "##$## 5": "5", "1.5": "1.5",
	}
	for in, want := range cases {
		require.Equal(t, want, NormalizeLMEval(in), "%q", in)
	}
}

func TestRulesJudgeTheSameCompletionApart(t *testing.T) {
	const reference = "He pays 2 * 617 = <<2*617=1234>>1234 dollars.\n#### 1,234"
	cases := []struct {
		completion               string
		strict, flexible, openai bool
	}{
		{"So 1234.\n#### 1234", true, true, true},
		{"So 1234.\n#### 1,234", true, true, true},
		{"So 1234.\n#### 1234.", true, true, false}, // only lm-eval drops the final dot
		{"So it is $1,234.", false, true, false},
		{"#### 1234\nThat is 1233 and one.\n#### 99", true, false, true},
		{"#### 1234.0", false, false, false},
		{"", false, false, false},
	}
	for _, c := range cases {
		got := map[string]bool{}
		for _, rule := range GSM8KRules() {
			got[rule.Name] = rule.Judge(c.completion, reference).Correct
		}
		want := map[string]bool{"strict-match": c.strict, "flexible-extract": c.flexible, "openai": c.openai}
		require.Equal(t, want, got, "%q", c.completion)
	}
	for _, rule := range GSM8KRules() {
		require.False(t, rule.Judge("no number", "no number").Correct, "no answer is never right (%s)", rule.Name)
	}
}

// The file holds answers of OpenAI's own models with their verdicts; it marks
// the final answer by "A: " where the data set has "#### ". The counts of the
// other rules are lm-eval's.
func TestVerdictsOnRealAnswersEqualTheRecordedOnes(t *testing.T) {
	f, err := os.Open("../../../shared/data/gsm8k/example_model_solutions.jsonl")
	if err != nil {
		t.Skipf("the recorded answers are absent: %v", err)
	}
	defer f.Close()
	type answer struct {
		Solution  string `json:"solution"`
		IsCorrect bool   `json:"is_correct"`
	}
	hashes := func(s string) string { return strings.ReplaceAll(s, "\nA: ", "\n#### ") }
	tallies := map[string]map[string]*Tally{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(lines.Bytes(), &row))
		var truth string
		require.NoError(t, json.Unmarshal(row["ground_truth"], &truth))
		for _, model := range []string{"6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"} {
			var a answer
			require.NoError(t, json.Unmarshal(row[model], &a))
			if tallies[model] == nil {
				tallies[model] = map[string]*Tally{"strict-match": {}, "flexible-extract": {}, "openai": {}}
			}
			for _, rule := range GSM8KRules() {
				v := rule.Judge(hashes(a.Solution), hashes(truth))
				tallies[model][rule.Name].Add(v)
				if rule.Name == "openai" {
					require.Equal(t, a.IsCorrect, v.Correct, "%s on %s", model, row["question"])
				}
			}
		}
	}
	require.NoError(t, lines.Err())
	for model, want := range map[string][2]int{
		"6b_finetuning": {286, 4}, "6b_verification": {515, 1}, "175b_finetuning": {458, 5}, "175b_verification": {742, 1},
	} {
		require.Equal(t, Tally{N: 1319, Correct: want[0], Unparsed: want[1]}, *tallies[model]["strict-match"], model)
		require.Equal(t, Tally{N: 1319, Correct: want[0], Unparsed: want[1]}, *tallies[model]["openai"], model)
		require.Equal(t, Tally{N: 1319, Correct: want[0], Unparsed: 0}, *tallies[model]["flexible-extract"], model)
	}
}
