package verify

import (
	"fmt"
	"strings"
	"unicode"

	"retort/data"
)

// Reasons for which a row is not trusted.
const (
	ReasonWrongAnswer   = "another final answer than the known one"
	ReasonMarkedWrong   = "marked as not correct"
	ReasonNoFinal       = "no final answer to compare with the known one"
	ReasonWrongEquation = "an equation that does not hold"
	ReasonNoSteps       = "too few steps"
	ReasonLanguage      = "another language"
	ReasonTooManyWords  = "more words than allowed"
	ReasonTooFewWords   = "fewer words than asked for"
	ReasonFinish        = "ended otherwise than by itself (finish_reason)"
	ReasonRunsOn        = "runs on into another question behind its answer"
	ReasonEarlyEnd      = "an end-of-sequence in the middle of the answer"
	ReasonNoEnd         = "no end-of-sequence at its end"
)

// Options says what is asked of a row; a zero field asks nothing.
type Options struct {
	MinSteps           int    // steps of the rationale
	MinWords, MaxWords int    // of the whole answer
	Language           string // of the answer: "en"
	Equations          bool   // must hold
}

// Languages lists those that Options.Language knows.
func Languages() []string { return []string{"en"} }

// Validate checks the options.
func (o Options) Validate() error {
	switch {
	case o.Language != "" && o.Language != "en":
		return fmt.Errorf("language %q is unknown: use one of %v", o.Language, Languages())
	case o.MinSteps < 0 || o.MinWords < 0 || o.MaxWords < 0:
		return fmt.Errorf("min_steps, min_words and max_words must be 0 or more")
	}
	return nil
}

// Result is what was found in one row.
type Result struct {
	Reasons   []string // for which the row is not trusted, in a fixed order; none when it is
	Answer    string   // as extracted; empty without one
	Equations Equations
	Steps     int
	Words     int
}

// Row verifies what a row answers. gold is the known final answer; empty where there is
// none, and then the answer is not compared.
func Row(row data.Row, gold string, o Options) Result {
	text := answerText(row)
	r := Result{Words: len(strings.Fields(text)), Equations: Recompute(text), Steps: steps(row)}
	add := func(reason string, found bool) {
		if found {
			r.Reasons = append(r.Reasons, reason)
		}
	}
	kind := KindOf(gold)
	if r.Answer = finalOf(row, kind, gold != ""); gold != "" {
		add(ReasonNoFinal, r.Answer == "")
		add(ReasonWrongAnswer, r.Answer != "" && !Equal(kind, r.Answer, gold))
	} else {
		add(ReasonMarkedWrong, row.Pair != nil && row.Pair.Correct != nil && !*row.Pair.Correct)
	}
	add(ReasonWrongEquation, o.Equations && len(r.Equations.Wrong) > 0)
	add(ReasonNoSteps, r.Steps < o.MinSteps)
	add(ReasonLanguage, o.Language == "en" && !english(text))
	add(ReasonTooFewWords, r.Words < o.MinWords)
	add(ReasonTooManyWords, o.MaxWords > 0 && r.Words > o.MaxWords)
	add(ReasonFinish, !endedWell(row))
	add(ReasonRunsOn, runsOn(text))
	return r
}

// answerText is all that the row teaches to say.
func answerText(row data.Row) string {
	if row.Kind != data.KindMessages {
		return row.Completion
	}
	var parts []string
	for _, m := range row.Messages[row.Context:] {
		if m.Role == "assistant" {
			parts = append(parts, m.Content)
		}
	}
	return strings.Join(parts, "\n")
}

// finalOf is the row's final answer: a pair's own, or what stands in the last message.
func finalOf(row data.Row, kind Kind, wanted bool) string {
	if row.Pair != nil && row.Pair.Answer != "" {
		return row.Pair.Answer
	}
	text := answerText(row)
	if n := len(row.Messages); n > 0 && row.Kind == data.KindMessages {
		text = row.Messages[n-1].Content
	}
	if !wanted { // without a known answer the kind is unknown too: a number, or the last words
		kind = KindNumber
	}
	answer, ok := Extract(kind, text)
	if !ok && !wanted {
		answer, _ = Extract(KindText, text)
	}
	return answer
}

// steps counts the steps of a rationale: a pair's and a stepwise row's own, else the lines
// before the final answer.
func steps(row data.Row) int {
	switch {
	case row.Kind == data.KindStepwise:
		return len(row.Steps)
	case row.Pair != nil && len(row.Pair.Rationale) > 0:
		return len(row.Pair.Rationale)
	}
	n := 0
	body, _, _ := strings.Cut(answerText(row), "####")
	for line := range strings.Lines(body) {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	return n
}

// endedWell says whether the generation ended by itself, as far as the row tells.
func endedWell(row data.Row) bool {
	if row.Pair == nil {
		return true
	}
	switch row.Pair.Metadata.FinishReason {
	case "", "stop", "eos", "eos_token", "end_turn", "stop_sequence", "stop_token":
		return true
	}
	return false
}

// runsOn says whether a text goes on with another question, as completions of few-shot
// prompts do when nothing stops them.
func runsOn(text string) bool {
	_, cut := CutRunOn(text)
	return cut
}

// questionMarks open another question behind an answer.
var questionMarks = []string{"\n\nQ:", "\n\nQuestion:", "\nQuestion:", "\n\nProblem:"}

// english is a light rule: at least nine letters in ten are Latin, and of 20 words or more
// at least one in twenty is among the commonest English ones.
func english(text string) bool {
	letters, latin := 0, 0
	for _, r := range text {
		if unicode.IsLetter(r) {
			letters++
			if unicode.Is(unicode.Latin, r) {
				latin++
			}
		}
	}
	if latin*10 < letters*9 {
		return false
	}
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) })
	common := 0
	for _, w := range words {
		if commonEnglish[w] {
			common++
		}
	}
	return len(words) < 20 || common*20 >= len(words)
}

var commonEnglish = func() map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields("the of and to in is that it for was on are as with his they at be this have from or had by but not what all were we when your can said there use an each which she do how their if will up other about out many then them these so some her would make like him into time has look two more go see no way could people than first been who its now find long down day did get come made may part a i you he my me us our") {
		set[w] = true
	}
	return set
}()

// End says how an example's tokens end: end-of-sequence, or the template's end of turn,
// must be the last trained token, and no end-of-sequence may stand in the middle of a
// text's answer. It returns a reason, or nothing when all is well.
func End(row data.Row, e data.Example, c data.Codec) string {
	last := len(e.IDs) - 1
	if last < 0 || e.Weights[last] == 0 || e.IDs[last] != c.EOS() && !c.IsSpecial(e.IDs[last]) {
		return ReasonNoEnd
	}
	if row.Kind == data.KindMessages { // every turn has its end
		return ""
	}
	for i, id := range e.IDs[:last] {
		if e.Weights[i] != 0 && id == c.EOS() {
			return ReasonEarlyEnd
		}
	}
	return ""
}

// CutRunOn cuts a completion where it runs on into another question, and says whether it
// did. It is how the published CommonsenseQA rationales are to be read.
func CutRunOn(text string) (cut string, changed bool) {
	end := len(text)
	for _, mark := range questionMarks {
		if i := strings.Index(text, mark); i >= 0 && i < end {
			end = i
		}
	}
	if end == len(text) {
		return text, false
	}
	return strings.TrimRight(text[:end], " \n"), true
}
