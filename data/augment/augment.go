// Package augment makes other training rows of what a pair holds already: its sub-questions,
// its equations alone, its answer alone, its answer before its steps, and steps with a
// planted mistake. All are pure functions of the pair and, where they draw, of a seed.
//
// It imports package data alone; the engine and the methods call it.
package augment

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"retort/data"
)

// Transform names one of the functions for the command line.
type Transform string

// The transforms.
const (
	ToSubquestions Transform = "subquestions" // question → <QUE> q1 </QUE> <QUE> q2 </QUE>
	ToEquations    Transform = "equations"    // the steps reduced to their equations
	ToAnswerOnly   Transform = "answer_only"  // no steps
	ToPre          Transform = "pre"          // steps, then answer (pre-thinking)
	ToPost         Transform = "post"         // answer, then steps (post-thinking)
	ToCorrupt      Transform = "corrupt"      // one number of one step changed, the answer left
)

// Transforms lists them.
func Transforms() []Transform {
	return []Transform{ToSubquestions, ToEquations, ToAnswerOnly, ToPre, ToPost, ToCorrupt}
}

// Validate says whether the transform is known.
func (t Transform) Validate() error {
	if slices.Contains(Transforms(), t) {
		return nil
	}
	return fmt.Errorf("transform %q is unknown: use one of %v", t, Transforms())
}

// Reasons for which a pair cannot be transformed.
const (
	ReasonNoPair         = "no question with steps and answer to transform"
	ReasonNoSubquestions = "no sub-questions"
	ReasonNoEquations    = "no equations in its steps"
	ReasonNoSteps        = "no steps"
	ReasonNoNumber       = "no number in its steps to change"
)

// Apply makes the transformed row. A *data.RefusedError says why this row has none.
func (t Transform) Apply(row data.Row, seed uint64) (data.Row, error) {
	if row.Pair == nil || row.Pair.Answer == "" {
		return row, &data.RefusedError{Reason: ReasonNoPair}
	}
	p, reason := *row.Pair, ""
	switch t {
	case ToSubquestions:
		text, ok := Subquestions(p)
		if !ok {
			reason = ReasonNoSubquestions
		}
		row = plainRow(row, text)
	case ToEquations:
		var ok bool
		if p, ok = Equations(p); !ok {
			reason = ReasonNoEquations
		}
		row = pairRow(row, p)
	case ToAnswerOnly:
		row = pairRow(row, AnswerOnly(p))
	case ToPre:
		if len(p.Rationale) == 0 {
			reason = ReasonNoSteps
		}
		row = pairRow(row, p)
	case ToPost:
		if len(p.Rationale) == 0 {
			reason = ReasonNoSteps
		}
		row = plainRow(row, PostThinking(p))
	case ToCorrupt:
		var ok bool
		if p, ok = Corrupt(p, seed); !ok {
			reason = ReasonNoNumber
		}
		row = pairRow(row, p)
	default:
		return row, t.Validate()
	}
	if reason != "" {
		return row, &data.RefusedError{Reason: reason}
	}
	return row, nil
}

// pairRow is the row with another pair in it.
func pairRow(row data.Row, p data.Pair) data.Row {
	out := data.PairRow(row.Index, p)
	out.File, out.Line, out.Source = row.File, row.Line, row.Source
	return out
}

// plainRow is the row's question with another completion.
func plainRow(row data.Row, completion string) data.Row {
	return data.Row{File: row.File, Index: row.Index, Line: row.Line, Kind: data.KindInstruction, Source: row.Source, Prompt: row.Pair.Question, Completion: completion}
}

// Subquestions is what a student that only asks is trained to say: the pair's
// sub-questions as "<QUE> q1 </QUE> <QUE> q2 </QUE>". ok is false without any.
func Subquestions(p data.Pair) (text string, ok bool) {
	var parts []string
	for _, s := range p.Subquestions {
		parts = append(parts, "<QUE> "+s.Question+" </QUE>")
	}
	return strings.Join(parts, " "), len(parts) > 0
}

// Equations is the pair with its steps reduced to the equations they state, one a line,
// without the words around them. ok is false without any.
func Equations(p data.Pair) (out data.Pair, ok bool) {
	out = p
	out.Rationale, out.Subquestions = nil, nil
	for _, step := range p.Rationale {
		for _, e := range data.Equations(step) {
			out.Rationale = append(out.Rationale, e.Expression+"="+e.Result)
		}
	}
	return out, len(out.Rationale) > 0
}

// AnswerOnly is the pair without its steps.
func AnswerOnly(p data.Pair) data.Pair {
	p.Rationale, p.Subquestions = []string{}, nil
	return p
}

// PostThinking is the solution with the answer first: the line "#### answer", then the
// steps. Decoding may stop behind its first line.
func PostThinking(p data.Pair) string {
	return strings.Join(append([]string{data.Pair{Answer: p.Answer}.Text()}, p.Rationale...), "\n")
}

var numbers = regexp.MustCompile(`\d+(?:,\d{3})*(?:\.\d+)?`)

// Corrupt is the pair with a mistake planted in one step: the result it states, wherever it
// stands in the step, is another number; without an equation, its last number is. Later
// steps and the answer stay as they are: whether a student's answer changes with it shows
// how far the answer depends on the steps. The draw depends on seed and question alone. ok
// is false when no step has a number.
func Corrupt(p data.Pair, seed uint64) (out data.Pair, ok bool) {
	var with []int
	for i, step := range p.Rationale {
		if numbers.MatchString(step) {
			with = append(with, i)
		}
	}
	if len(with) == 0 {
		return p, false
	}
	h := fnv.New64a()
	h.Write([]byte(p.Question))
	rng := rand.New(rand.NewPCG(seed, h.Sum64()))
	at := with[rng.IntN(len(with))]
	out = p
	out.Rationale = slices.Clone(p.Rationale)
	out.Truth, out.Correct = nil, nil
	step := p.Rationale[at]
	old := resultOf(step)
	wrong := another(old, rng)
	out.Rationale[at] = numbers.ReplaceAllStringFunc(step, func(n string) string {
		if n == old {
			return wrong
		}
		return n
	})
	return out, true
}

// resultOf is the number that a step states, as written.
func resultOf(step string) string {
	if found := data.Equations(step); len(found) > 0 {
		if n := numbers.FindString(found[len(found)-1].Result); n != "" {
			return n
		}
	}
	all := numbers.FindAllString(step, -1)
	return all[len(all)-1]
}

// another is a number near a given one, and not that one.
func another(number string, rng *rand.Rand) string {
	whole, decimals, _ := strings.Cut(strings.ReplaceAll(number, ",", ""), ".")
	n, err := strconv.ParseInt(whole, 10, 62)
	if err != nil { // beyond counting
		return "7" + whole[1:] + "1"
	}
	change := 1 + rng.Int64N(9)
	if n > change && rng.IntN(2) == 0 {
		change = -change
	}
	out := strconv.FormatInt(n+change, 10)
	if decimals != "" {
		out += "." + decimals
	}
	return out
}
