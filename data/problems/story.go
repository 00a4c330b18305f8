package problems

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// story is a problem while a kind plans and tells it.
type story struct {
	rng *rand.Rand
	c   *Config

	graph      Graph
	statements []statement
	steps      []step
	ask        statement // the question at the end

	cast    []person    // people who have not appeared yet, those within Config.Names first
	main    int         // how many of cast are within Config.Names
	topic   string      // what distractors must not speak of, such as "age"
	block   int         // number of the block that tell adds to
	inTime  bool        // from here on told in time: Shuffle leaves it alone
	near    []bystander // distractors that fit the story closely, not told yet
	useless []bystander // distractors that were told
}

// statement is a sentence whose subject is settled once the order is known.
type statement struct {
	text  string
	vars  vars
	who   person // the subject that "{S}" and "{s}" stand for; may be empty
	block int    // statements of one block stay together, in order
	fixed bool   // told in time: stays behind the others, in order
}

// phrase is a text with the values of its slots, written out when it is needed.
type phrase struct {
	text string
	vars vars
}

// String fills the slots in.
func (p phrase) String() string { return capital(p.vars.fill(p.text)) }

// step is one operation of the solution, as text around its equation.
type step struct {
	node int
	noun noun
	say  phrase // with "{=}", "{=n}" (and its noun) or "{=$}" for the equation
	ask  phrase // the sub-question it answers
}

// newStory starts an empty story.
func newStory(c *Config, rng *rand.Rand) *story {
	s := &story{rng: rng, c: c, cast: slices.Clone(people), main: len(people)}
	s.graph.Nodes = make([]Node, 0, 32)
	s.statements = make([]statement, 0, 24)
	s.steps = make([]step, 0, MaxStepsLimit)
	if c.Names > 0 && c.Names < s.main {
		s.main = c.Names
	}
	return s
}

// person takes somebody from the cast: within Config.Names while anybody is
// left there.
func (s *story) person() person {
	at := s.rng.IntN(max(s.main, 1))
	p := s.cast[at]
	s.cast, s.main = slices.Delete(s.cast, at, at+1), max(s.main-1, 0)
	return p
}

// peek names somebody who stays in the cast.
func (s *story) peek() person { return s.cast[s.rng.IntN(max(s.main, 1))] }

// between draws a number of [low, high]; low where the range is empty.
func (s *story) between(low, high int) int {
	if high <= low {
		return low
	}
	return low + s.rng.IntN(high-low+1)
}

// chance is true with probability p.
func (s *story) chance(p float64) bool { return s.rng.Float64() < p }

// pick draws one of a list.
func pick[T any](s *story, list []T) T { return list[s.rng.IntN(len(list))] }

// wording draws from a bank, within the limit of the configuration.
func (s *story) wording(b *bank, class string) wording {
	list := b.of(class)
	if s.c.Wordings > 0 && s.c.Wordings < len(list) {
		list = list[:s.c.Wordings]
	}
	return pick(s, list)
}

// given adds a quantity that the question states.
func (s *story) given(name string, value int) int {
	s.graph.Nodes = append(s.graph.Nodes, Node{Name: name, Op: Given, Value: value})
	return len(s.graph.Nodes) - 1
}

// value is the value of a node.
func (s *story) value(node int) int { return s.graph.Nodes[node].Value }

// compute adds an operation and makes it the answer so far. ok is false where
// the result is no whole number of 1 to MaxValue.
func (s *story) compute(name, op string, args ...int) (node int, ok bool) {
	values := make([]int, len(args))
	for i, a := range args {
		values[i] = s.value(a)
	}
	result, ok := compute(op, values)
	if !ok || result < 1 || result > s.c.MaxValue {
		return 0, false
	}
	s.graph.Nodes = append(s.graph.Nodes, Node{Name: name, Op: op, Args: args, Value: result})
	s.graph.Answer = len(s.graph.Nodes) - 1
	return s.graph.Answer, true
}

// newBlock starts a new block of statements.
func (s *story) newBlock() { s.block++ }

// tell adds a statement in a wording of the bank.
func (s *story) tell(b *bank, who person, v vars) wording {
	return s.tellOf(b, "", who, v)
}

// tellOf is tell with the wordings that suit a class of items.
func (s *story) tellOf(b *bank, class string, who person, v vars) wording {
	w := s.wording(b, class)
	s.statements = append(s.statements, statement{w.text, v, who, s.block, s.inTime})
	return w
}

// explain adds the step that computes node.
func (s *story) explain(node int, n noun, v vars, say, ask string) {
	s.steps = append(s.steps, step{node, n, phrase{say, v}, phrase{ask, v}})
}

// question ends the story; the last step answers it.
func (s *story) question(b *bank, v vars) {
	s.ask = statement{text: s.wording(b, "").text, vars: v}
	s.steps[len(s.steps)-1].ask = phrase{s.ask.text, v}
}

// text is the whole question: statements in their final order, then the ask.
func (s *story) text() string {
	list := s.statements
	if s.c.Shuffle {
		list = s.shuffled(list)
	}
	for range s.distractorCount() {
		list = s.distract(list)
	}
	return s.render(append(list, s.ask))
}

// shuffled permutes the blocks of statements that are not fixed.
func (s *story) shuffled(list []statement) []statement {
	free := 0
	for free < len(list) && !list[free].fixed {
		free++
	}
	var blocks [][]statement
	for i, st := range list[:free] {
		if i == 0 || st.block != list[i-1].block {
			blocks = append(blocks, nil)
		}
		last := len(blocks) - 1
		blocks[last] = append(blocks[last], st)
	}
	s.rng.Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
	var out []statement
	for _, b := range blocks {
		out = append(out, b...)
	}
	return append(out, list[free:]...)
}

// render fills the statements in. A subject "{S}" becomes a pronoun half of the
// time when the sentence before was about the same person and named nobody else.
func (s *story) render(list []statement) string {
	sentences := make([]string, len(list))
	var before person
	for i, st := range list {
		hasSubject := strings.Contains(st.text, "{S}") || strings.Contains(st.text, "{s}")
		v := st.vars
		if hasSubject {
			subject := st.who.name
			if st.who == before && s.chance(0.6) {
				subject, _ = st.who.slot("he")
			}
			v = v.with("S", capital(subject), "s", subject)
		}
		sentences[i] = capital(v.fill(st.text))
		before = person{}
		if hasSubject && !strings.Contains(st.text, "{B}") && !strings.Contains(st.text, "{rel}") {
			before = st.who
		}
	}
	return strings.Join(sentences, " ")
}

// equation writes a step's equation in the configured style.
func (c *Config) equation(op string, args []int, result int) string {
	parts := make([]string, len(args))
	for i, a := range args {
		parts[i] = strconv.Itoa(a)
	}
	sum := strings.Join(parts, op)
	if c.Style == Terse {
		return fmt.Sprintf("%s=%d", sum, result)
	}
	return fmt.Sprintf("%s=<<%s=%d>>%d", sum, sum, result, result)
}

// line writes a step of the solution around its equation.
func (c *Config) line(st step, op string, args []int, result int) string {
	equation := c.equation(op, args, result)
	if c.Style == Terse {
		return equation
	}
	say := st.say.String()
	say = strings.Replace(say, "{=n}", equation+" "+st.noun.form(result), 1)
	say = strings.Replace(say, "{=$}", strings.Replace(equation, "=", "=$", 1), 1)
	return strings.Replace(say, "{=}", equation, 1)
}
