package data

import (
	"fmt"
	"regexp"
	"strings"
)

// answerMark opens the line of the final answer in GSM8K.
const answerMark = "####"

// socraticMark separates a sub-question from its step in socratic GSM8K.
const socraticMark = " ** "

var (
	finalAnswer = regexp.MustCompile(`#### (-?[0-9.,]+)`)
	annotation  = regexp.MustCompile(`<<([^<>=]*)=([^<>=]*)>>`)
	bareSum     = regexp.MustCompile(`^\s*([0-9.,]+(?:\s*[-+*/]\s*[0-9.,]+)+)\s*=\s*(-?[0-9.,]+)\s*$`)
)

// FinalAnswer extracts the answer from a solution by the rule of
// openai/grade-school-math: the first "#### number", commas stripped. ok is
// false when there is none.
func FinalAnswer(text string) (answer string, ok bool) {
	m := finalAnswer.FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	return strings.ReplaceAll(m[1], ",", ""), true
}

// FromGSM8K splits a GSM8K row into a pair: steps, sub-questions when the
// answer is socratic ("sub-question ** step"), and the final answer with its
// commas stripped. It fails when the answer has no "#### number".
func FromGSM8K(question, answer string) (Pair, error) {
	final, ok := FinalAnswer(answer)
	if !ok {
		return Pair{}, fmt.Errorf("no line %q with the final answer", answerMark+" N")
	}
	p := Pair{Question: question, Answer: final, Rationale: []string{}, Source: "gsm8k"}
	body, _, _ := strings.Cut(answer, answerMark)
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if sub, step, found := strings.Cut(line, socraticMark); found {
			p.Subquestions = append(p.Subquestions, Subquestion{Question: strings.TrimSpace(sub), Answer: strings.TrimSpace(step)})
			line = strings.TrimSpace(step)
		}
		p.Rationale = append(p.Rationale, line)
	}
	return p, nil
}

// StripAnnotations removes the calculator annotations <<a=b>> from a text and
// keeps the rest.
func StripAnnotations(text string) string {
	return annotation.ReplaceAllString(text, "")
}

// Equation is one sum that a step states: an expression and its stated result,
// both as written.
type Equation struct{ Expression, Result string }

// Equations lists the calculator annotations of a text in order. A line without
// any that is nothing but a sum, "5+3=8", counts as one: so the generator's
// terse style writes its steps.
func Equations(text string) []Equation {
	var found []Equation
	for line := range strings.Lines(text) {
		marked := annotation.FindAllStringSubmatch(line, -1)
		for _, m := range marked {
			found = append(found, Equation{m[1], m[2]})
		}
		if m := bareSum.FindStringSubmatch(line); marked == nil && m != nil {
			found = append(found, Equation{m[1], m[2]})
		}
	}
	return found
}

// SplitSolution splits a solution as Text writes it: the steps, one a line, and
// the final answer behind "####", a number by the rule of FinalAnswer, anything
// else up to the end of its line. Without that line the answer is empty. What
// follows it is left out.
func SplitSolution(text string) (steps []string, answer string) {
	steps = []string{}
	for line := range strings.Lines(text) {
		before, after, found := strings.Cut(strings.TrimSpace(line), answerMark)
		if before = strings.TrimSpace(before); before != "" {
			steps = append(steps, before)
		}
		if !found {
			continue
		}
		if number, ok := FinalAnswer(answerMark + after); ok {
			return steps, number
		}
		return steps, strings.TrimSpace(after)
	}
	return steps, ""
}
