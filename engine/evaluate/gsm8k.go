// Package evaluate measures students: it extracts answers, scores them, and
// says how sure a figure is.
//
// It owns the rules by which a text counts as right and the statistics of the
// tables; it is called by the methods, the eval command and the demo. Scores
// of different extraction rules are never mixed: each rule has its own name
// and its own tally.
package evaluate

import (
	"regexp"
	"strings"
)

// Invalid is what a rule reports in place of an answer when it finds none, in
// grade-school-math and in lm-evaluation-harness alike.
const Invalid = "[invalid]"

// Rule is one way to extract an answer and to compare it with a reference.
type Rule struct {
	// Name is the part of a metric key after the comma: exact_match,<Name>.
	Name string
	// Extract returns the answer in text, or Invalid and false.
	Extract func(text string) (answer string, parsed bool)
	// equal compares an extracted answer with the reference solution.
	equal func(answer, reference string) bool
}

// Verdict is what a rule says of one completion.
type Verdict struct {
	Answer  string // as extracted (filtered_resps); Invalid if there is none
	Parsed  bool
	Correct bool
}

// Judge extracts the answer of completion and compares it with reference, the
// whole reference solution ending in "#### N".
func (r Rule) Judge(completion, reference string) Verdict {
	answer, parsed := r.Extract(completion)
	return Verdict{Answer: answer, Parsed: parsed, Correct: parsed && r.equal(answer, reference)}
}

// GSM8KRules are the rules of the task gsm8k, in the order of its tables.
func GSM8KRules() []Rule {
	return []Rule{
		{Name: "strict-match", Extract: StrictMatch, equal: equalLMEval},
		{Name: "flexible-extract", Extract: FlexibleExtract, equal: equalLMEval},
		{Name: "openai", Extract: OpenAIStrict, equal: equalOpenAI},
	}
}

// GSM8KStops are the strings at which lm-evaluation-harness ends a completion
// of the task gsm8k (generation_kwargs.until); the rules expect the text cut
// there.
func GSM8KStops() []string { return []string{"Question:", "</s>", "<|im_end|>"} }

// The patterns of
//   - openai/grade-school-math, grade_school_math/dataset.py (ANS_RE), and
//   - EleutherAI/lm-evaluation-harness 0.4.13, lm_eval/tasks/gsm8k/gsm8k.yaml
//     (version 3.0: filter_list), applied by lm_eval/filters/extraction.py.
var (
	hashesPattern   = regexp.MustCompile(`#### (\-?[0-9\.\,]+)`)
	flexiblePattern = regexp.MustCompile(`(-?[$0-9.,]{2,})|(-?[0-9]+)`)
)

// OpenAIStrict extracts by the rule of grade-school-math: the number after
// the first "#### ", commas removed and nothing else, so that "#### 5." is
// not "5".
func OpenAIStrict(text string) (answer string, parsed bool) {
	answer, parsed = StrictMatch(text)
	if !parsed {
		return Invalid, false
	}
	return strings.ReplaceAll(answer, ",", ""), true
}

// StrictMatch extracts by lm-eval's filter strict-match: the number after the
// first "#### ", as it stands.
func StrictMatch(text string) (answer string, parsed bool) {
	match := hashesPattern.FindStringSubmatch(text)
	if match == nil {
		return Invalid, false
	}
	return match[1], true
}

// FlexibleExtract extracts by lm-eval's filter flexible-extract: the last
// match of the pattern (group_select: -1), whichever of its two groups is not
// empty. Both span the whole match. A run of dots counts as a match, as there.
func FlexibleExtract(text string) (answer string, parsed bool) {
	matches := flexiblePattern.FindAllString(text, -1)
	if len(matches) == 0 {
		return Invalid, false
	}
	return matches[len(matches)-1], true
}

// equalOpenAI is grade-school-math's is_correct: string equality.
func equalOpenAI(answer, reference string) bool {
	want, ok := OpenAIStrict(reference)
	return ok && answer == want
}

// equalLMEval is lm-eval's exact_match with gsm8k.yaml's arguments.
func equalLMEval(answer, reference string) bool {
	return NormalizeLMEval(answer) == NormalizeLMEval(reference)
}

// gsm8k.yaml's regexes_to_ignore beyond "," and "$". Python's `$` also stands
// before a final newline, so the dot may be followed by one.
var (
	upToHashes = regexp.MustCompile(`(?s).*#### `)
	finalDot   = regexp.MustCompile(`\.(\n?)\z`)
)

// NormalizeLMEval applies gsm8k.yaml's regexes_to_ignore and ignore_case, as
// exact_match_hf_evaluate of lm_eval/api/metrics.py does to answer and
// reference: no commas, no dollar signs, nothing up to the last "#### ", no
// final dot, lower case.
func NormalizeLMEval(s string) string {
	s = strings.NewReplacer(",", "", "$", "").Replace(s)
	s = upToHashes.ReplaceAllString(s, "")
	s = finalDot.ReplaceAllString(s, "$1")
	return strings.ToLower(s)
}
