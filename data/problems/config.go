package problems

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Split names one of three sets of problems that share no operation graph.
type Split string

// The splits: six, one and one eighth of all graphs.
const (
	Train Split = "train"
	Valid Split = "valid"
	Test  Split = "test"
)

// Style says how a problem is written.
type Style string

const (
	// Story writes full sentences and calculator annotations, as GSM8K does.
	Story Style = "story"
	// Terse writes short statements, and steps that are a bare sum, "5+3=8":
	// half the tokens of an annotated step. For the demo's small student. Only
	// the kind collection has short statements; others keep their sentences.
	Terse Style = "terse"
)

// MaxStepsLimit is the largest number of steps that every kind can tell.
const MaxStepsLimit = 10

// Config says what problems to make. The zero value is not usable: start from
// Default or Demo.
type Config struct {
	Seed  uint64 `json:"seed"`
	Split Split  `json:"split"`
	Style Style  `json:"style"`

	MinSteps int `json:"min_steps"` // operations in a solution, 1 to MaxStepsLimit
	MaxSteps int `json:"max_steps"`

	MaxValue  int `json:"max_value"`  // no quantity is larger
	MaxStart  int `json:"max_start"`  // largest number that a story starts from
	MaxAddend int `json:"max_addend"` // largest number added or taken away at once
	MaxFactor int `json:"max_factor"` // largest factor and divisor
	// MaxFactored is the largest running value that is still multiplied; 0 is any.
	MaxFactored int `json:"max_factored"`
	// Operations holds the operations a story may use, of "+-*/".
	Operations string `json:"operations"`

	// Distractors is the mean number of statements that the answer does not need, 0 to 3.
	Distractors float64 `json:"distractors"`
	// UselessQuestions is the probability that a useless sub-question is mixed in.
	UselessQuestions float64 `json:"useless_questions"`
	// Shuffle tells statements out of order where the story does not depend on it.
	Shuffle bool `json:"shuffle"`
	// Wordings and Names limit how many wordings of a statement and how many
	// names are used; 0 is all.
	Wordings int `json:"wordings"`
	Names    int `json:"names"`

	// Rates of planted teacher errors; at most one per problem, their sum is at most 1.
	WrongStep   float64 `json:"wrong_step"`
	WrongAnswer float64 `json:"wrong_answer"`
	CutOff      float64 `json:"cut_off"`

	// KindWeights gives how often each kind is drawn, relative to their sum.
	KindWeights map[string]float64 `json:"kind_weights"`
}

// Default is a broad mix: nine kinds (age and backward rare, under 2 % each),
// 2 to 8 steps, numbers up to 1,000, some distractors, no teacher errors.
func Default() Config {
	return Config{
		Split: Train, Style: Story, MinSteps: 2, MaxSteps: 8,
		MaxValue: 1000, MaxStart: 60, MaxAddend: 30, MaxFactor: 9, Operations: "+-*/",
		Distractors: 0.4, UselessQuestions: 0.2, Shuffle: true,
		KindWeights: map[string]float64{
			"collection": 0.18, "comparison": 0.18, "groups": 0.14, "money": 0.14,
			"sharing": 0.12, "rate": 0.12, "leftover": 0.09, "age": 0.017, "backward": 0.013,
		},
	}
}

// Demo is the recipe of the two-minute demo: numbers below 100, a start of 2 to
// 9, + and − with 1 to 9, × with 2 or 3 while the value is at most 9, 1 to 5
// steps told in order, eight names, few wordings, terse style.
func Demo() Config {
	return Config{
		Split: Train, Style: Terse, MinSteps: 1, MaxSteps: 5,
		MaxValue: 99, MaxStart: 9, MaxAddend: 9, MaxFactor: 3, MaxFactored: 9, Operations: "+-*",
		Wordings: 3, Names: 8,
		KindWeights: map[string]float64{"collection": 1},
	}
}

// Validate says what is wrong with a configuration, in one line.
func (c Config) Validate() error {
	for _, check := range []struct {
		ok   bool
		want string
	}{
		{c.Split == Train || c.Split == Valid || c.Split == Test, fmt.Sprintf("split %q must be train, valid or test", c.Split)},
		{c.Style == Story || c.Style == Terse, fmt.Sprintf("style %q must be story or terse", c.Style)},
		{c.Seed <= 1<<63-1, fmt.Sprintf("seed %d must be below 2^63", c.Seed)},
		{1 <= c.MinSteps && c.MinSteps <= c.MaxSteps && c.MaxSteps <= MaxStepsLimit,
			fmt.Sprintf("steps %d to %d must lie within 1 to %d", c.MinSteps, c.MaxSteps, MaxStepsLimit)},
		{c.MaxValue >= 20 && c.MaxValue <= 1_000_000, fmt.Sprintf("max_value %d must be 20 to 1000000", c.MaxValue)},
		{c.MaxStart >= 4 && c.MaxStart <= c.MaxValue, fmt.Sprintf("max_start %d must be 4 to max_value (%d)", c.MaxStart, c.MaxValue)},
		{c.MaxAddend >= 2 && c.MaxAddend <= c.MaxValue, fmt.Sprintf("max_addend %d must be 2 to max_value (%d)", c.MaxAddend, c.MaxValue)},
		{c.MaxFactor >= 2 && c.MaxFactor <= 10, fmt.Sprintf("max_factor %d must be 2 to 10", c.MaxFactor)},
		{c.MaxFactored >= 0, fmt.Sprintf("max_factored %d must not be negative", c.MaxFactored)},
		{c.allows(Add) && c.allows(Subtract) && strings.Trim(c.Operations, "+-*/") == "",
			fmt.Sprintf("operations %q must hold + and -, and may hold * and /", c.Operations)},
		{c.Distractors >= 0 && c.Distractors <= 3, fmt.Sprintf("distractors %g must be 0 to 3", c.Distractors)},
		{c.UselessQuestions >= 0 && c.UselessQuestions <= 1, fmt.Sprintf("useless_questions %g must be 0 to 1", c.UselessQuestions)},
		{c.Wordings >= 0 && c.Names >= 0, "wordings and names must not be negative"},
		{c.Names == 0 || c.Names >= 4, fmt.Sprintf("names %d must be 0 (all) or at least 4", c.Names)},
		{c.WrongStep >= 0 && c.WrongAnswer >= 0 && c.CutOff >= 0 && c.WrongStep+c.WrongAnswer+c.CutOff <= 1,
			fmt.Sprintf("the error rates %g, %g and %g must not be negative and sum to at most 1", c.WrongStep, c.WrongAnswer, c.CutOff)},
	} {
		if !check.ok {
			return fmt.Errorf("problems: %s", check.want)
		}
	}
	return c.validateKinds()
}

// validateKinds checks the names and weights of the kinds, and that the allowed
// operations suffice for each.
func (c Config) validateKinds() error {
	sum := 0.0
	for _, name := range slices.Sorted(maps.Keys(c.KindWeights)) {
		weight := c.KindWeights[name]
		k, ok := kindByName(name)
		if !ok {
			return fmt.Errorf("problems: unknown kind %q; there are %s", name, strings.Join(Kinds(), ", "))
		}
		if !(weight >= 0) {
			return fmt.Errorf("problems: the weight of kind %q is %g, must not be negative", name, weight)
		}
		for _, op := range k.needs {
			if weight > 0 && !c.allows(string(op)) {
				return fmt.Errorf("problems: kind %q needs the operation %c, operations are %q", name, op, c.Operations)
			}
		}
		sum += weight
	}
	if !(sum > 0) {
		return fmt.Errorf("problems: no kind has a weight above 0; there are %s", strings.Join(Kinds(), ", "))
	}
	return nil
}

func (c Config) allows(op string) bool { return strings.Contains(c.Operations, op) }
