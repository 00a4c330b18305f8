package problems

import (
	"strconv"
	"strings"

	"retort/data"
)

// slip is one wrong step and how it goes wrong.
type slip struct {
	step  int // of story.steps
	kind  string
	arg   int    // SlipCopy: operand that is miscopied; SlipMissing: operand taken for the result
	value int    // SlipCopy: the operand's wrong value; SlipArithmetic: the wrong result
	op    string // SlipOperation: the wrong operation
}

// doneStep is one step as the teacher carries it out.
type doneStep struct {
	op      string
	args    []int
	result  int
	missing bool
}

// solve writes the teacher's solution into p, with the errors that the
// configuration asks for.
func (s *story) solve(p *Problem) {
	p.ErrorStep = -1
	var wrong *slip
	switch x := s.rng.Float64(); {
	case x < s.c.WrongStep:
		wrong = s.drawSlip()
		p.Error, p.ErrorStep, p.ErrorKind = WrongStep, wrong.step, wrong.kind
	case x < s.c.WrongStep+s.c.WrongAnswer:
		p.Error, p.ErrorStep = WrongAnswer, len(s.steps)
	case x < s.c.WrongStep+s.c.WrongAnswer+s.c.CutOff:
		p.Error, p.ErrorStep = CutOff, s.rng.IntN(len(s.steps))
	}
	done, _ := s.replay(wrong)
	for i, d := range done {
		if d.missing {
			continue
		}
		line := s.c.line(s.steps[i], d.op, d.args, d.result)
		if p.Error == CutOff && i == p.ErrorStep {
			cut := strings.TrimRight(line[:1+s.rng.IntN(len(line)-1)], " ")
			p.Steps, p.FinishReason = append(p.Steps, cut), "length"
			break
		}
		p.Steps = append(p.Steps, line)
		useful := 1.0
		p.Subquestions = append(p.Subquestions, data.Subquestion{Question: s.steps[i].ask.String(), Answer: line, Usefulness: &useful})
	}
	switch last := done[len(done)-1].result; p.Error {
	case CutOff:
	case WrongAnswer:
		p.Answer = strconv.Itoa(s.wrongAnswer(last))
	default:
		p.Answer = strconv.Itoa(last)
	}
	s.mixUseless(p)
}

// mixUseless inserts a sub-question that does not help, at the configured rate.
func (s *story) mixUseless(p *Problem) {
	if !s.chance(s.c.UselessQuestions) {
		return
	}
	useless := 0.0
	sub := data.Subquestion{Question: pick(s, unanswerable), Answer: "The problem does not say.", Usefulness: &useless}
	if len(s.useless) > 0 {
		told := pick(s, s.useless)
		sub.Question, sub.Answer = told.ask.String(), strconv.Itoa(told.answer)
	}
	at := s.rng.IntN(len(p.Subquestions) + 1)
	p.Subquestions = append(p.Subquestions[:at:at], append([]data.Subquestion{sub}, p.Subquestions[at:]...)...)
}

// replay computes all steps, with the slip in its place. ok is false where the
// slip changes nothing, or what follows from it is no whole number of 0 to
// MaxValue.
func (s *story) replay(wrong *slip) (done []doneStep, ok bool) {
	values := make([]int, len(s.graph.Nodes))
	for i, n := range s.graph.Nodes {
		values[i] = n.Value
	}
	ok = true
	for i, st := range s.steps {
		node := s.graph.Nodes[st.node]
		d := doneStep{op: node.Op, args: make([]int, len(node.Args))}
		for j, a := range node.Args {
			d.args[j] = values[a]
		}
		here := wrong != nil && wrong.step == i
		if here {
			switch wrong.kind {
			case SlipCopy:
				d.args[wrong.arg] = wrong.value
			case SlipOperation:
				d.op = wrong.op
			}
		}
		var whole bool
		d.result, whole = compute(d.op, d.args)
		if here {
			switch wrong.kind {
			case SlipArithmetic:
				d.result = wrong.value
			case SlipMissing:
				d.missing, d.result, whole = true, d.args[wrong.arg], true
			}
			ok = ok && d.result != node.Value
		}
		ok = ok && whole && d.result >= 0 && d.result <= s.c.MaxValue
		values[st.node] = d.result
		done = append(done, d)
	}
	return done, ok
}

// drawSlip draws a plausible wrong step: its kind and its place evenly, as far
// as they can be had; else the last result is one off.
func (s *story) drawSlip() *slip {
	for range 20 {
		step := s.rng.IntN(len(s.steps))
		var candidates []slip
		switch pick(s, []string{SlipCopy, SlipArithmetic, SlipOperation, SlipMissing}) {
		case SlipCopy:
			candidates = s.copySlips(step)
		case SlipArithmetic:
			for _, wrong := range nearNumbers(s.value(s.steps[step].node)) {
				candidates = append(candidates, slip{step: step, kind: SlipArithmetic, value: wrong})
			}
		case SlipOperation:
			candidates = s.operationSlips(step)
		case SlipMissing:
			candidates = s.missingSlips(step)
		}
		s.rng.Shuffle(len(candidates), func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
		for _, c := range candidates {
			if _, ok := s.replay(&c); ok {
				return &c
			}
		}
	}
	last := len(s.steps) - 1
	value := s.value(s.steps[last].node)
	return &slip{step: last, kind: SlipArithmetic, value: value - 1}
}

// copySlips miscopy an operand: a near number, swapped digits, or another
// number of the question.
func (s *story) copySlips(step int) (list []slip) {
	for arg, from := range s.graph.Nodes[s.steps[step].node].Args {
		right := s.value(from)
		wrongs := nearNumbers(right)
		if right >= 10 && right < 100 {
			wrongs = append(wrongs, right%10*10+right/10)
		}
		for _, n := range s.graph.Nodes {
			if n.Op == Given {
				wrongs = append(wrongs, n.Value)
			}
		}
		for _, w := range wrongs {
			if w != right && w > 0 {
				list = append(list, slip{step: step, kind: SlipCopy, arg: arg, value: w})
			}
		}
	}
	return list
}

// operationSlips use another operation on two operands.
func (s *story) operationSlips(step int) (list []slip) {
	node := s.graph.Nodes[s.steps[step].node]
	for _, op := range []string{Add, Subtract, Multiply, Divide} {
		if op != node.Op && len(node.Args) == 2 {
			list = append(list, slip{step: step, kind: SlipOperation, op: op})
		}
	}
	return list
}

// missingSlips leave a step out and go on with the quantity it started from.
func (s *story) missingSlips(step int) (list []slip) {
	if len(s.steps) == 1 {
		return nil
	}
	args := s.graph.Nodes[s.steps[step].node].Args
	from := 0
	for i, a := range args {
		if s.graph.Nodes[a].Op != Given {
			from = i
		}
	}
	return []slip{{step: step, kind: SlipMissing, arg: from}}
}

// nearNumbers are typical results of a slip of the pen.
func nearNumbers(n int) (list []int) {
	for _, d := range []int{-10, -2, -1, 1, 2, 10} {
		if n+d > 0 {
			list = append(list, n+d)
		}
	}
	return list
}

// wrongAnswer is a number that is not the answer: a near one, or one of an
// earlier step.
func (s *story) wrongAnswer(right int) int {
	list := nearNumbers(right)
	for _, st := range s.steps {
		if v := s.value(st.node); v != right {
			list = append(list, v)
		}
	}
	return pick(s, list)
}
