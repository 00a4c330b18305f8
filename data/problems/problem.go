package problems

import (
	"encoding/json"
	"fmt"

	"retort/data"
)

// Kinds of teacher errors, in Problem.Error.
const (
	WrongStep   = "wrong_step"   // one step is wrong, the rest follows from it
	WrongAnswer = "wrong_answer" // the steps are right, the final number is not
	CutOff      = "cut_off"      // the text stops in mid-rationale
)

// Kinds of a wrong step, in Problem.ErrorKind.
const (
	SlipCopy       = "copy"       // an operand was copied wrongly
	SlipArithmetic = "arithmetic" // the result is wrong
	SlipOperation  = "operation"  // the wrong operation was used
	SlipMissing    = "missing"    // the step was left out
)

// Problem is one word problem with a teacher's solution, and the truth about it.
type Problem struct {
	ID       string
	Index    int
	Seed     uint64
	Style    Style
	Kind     string
	NumSteps int // operations of the right solution

	Question     string
	Steps        []string // the teacher's rationale, one line a step
	Answer       string   // the teacher's answer; empty when cut off
	Subquestions []data.Subquestion
	FinishReason string // "stop", or "length" when cut off

	Graph      Graph
	TrueAnswer string
	Error      string // "", WrongStep, WrongAnswer or CutOff
	ErrorStep  int    // step with the error or the cut, from 0; the number of steps for WrongAnswer; -1 for none
	ErrorKind  string // for WrongStep: a Slip constant
}

// Truth is what stands beside a row under "truth".
type Truth struct {
	Graph      Graph  `json:"graph"`
	Kind       string `json:"kind"`
	Steps      int    `json:"steps"`
	TrueAnswer string `json:"true_answer"`
	Error      string `json:"error"`
	ErrorStep  int    `json:"error_step"`
	ErrorKind  string `json:"error_kind,omitempty"`
}

// Pair is the problem as the record that all methods share, its truth included.
func (p Problem) Pair() data.Pair {
	truth, err := json.Marshal(Truth{p.Graph, p.Kind, p.NumSteps, p.TrueAnswer, p.Error, p.ErrorStep, p.ErrorKind})
	if err != nil {
		panic(fmt.Sprintf("problems: the truth of %s cannot be written: %v", p.ID, err))
	}
	correct, seed := p.Answer == p.TrueAnswer, int64(p.Seed)
	return data.Pair{
		ID: p.ID, Question: p.Question, Answer: p.Answer, Rationale: p.Steps, Subquestions: p.Subquestions,
		Correct: &correct, Source: "problems/" + p.Kind,
		Metadata: data.Metadata{Model: "retort-problems", FinishReason: p.FinishReason, Seed: &seed},
		Truth:    truth,
	}
}

// MarshalJSON writes the pair with its truth: one row of a generated file.
func (p Problem) MarshalJSON() ([]byte, error) { return json.Marshal(p.Pair()) }

// ReadTruth decodes the truth that a generated pair carries. ok is false when
// the pair has none.
func ReadTruth(p data.Pair) (truth Truth, ok bool, err error) {
	if len(p.Truth) == 0 || string(p.Truth) == "null" {
		return Truth{}, false, nil
	}
	if err := json.Unmarshal(p.Truth, &truth); err != nil {
		return Truth{}, false, fmt.Errorf("pair %s: bad truth: %w", p.ID, err)
	}
	return truth, true, nil
}
