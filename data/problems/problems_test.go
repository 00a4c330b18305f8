package problems

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"retort/data"
)

// broad is Default with everything switched on that can go wrong in the text.
func broad(split Split) Config {
	c := Default()
	c.Split, c.MinSteps, c.MaxSteps, c.Distractors, c.UselessQuestions = split, 1, MaxStepsLimit, 1.2, 0.5
	c.KindWeights = map[string]float64{}
	for _, k := range Kinds() {
		c.KindWeights[k] = 1
	}
	return c
}

func generator(t *testing.T, c Config) *Generator {
	g, err := New(c)
	require.NoError(t, err)
	return g
}

// evaluate computes a graph anew, in rational numbers, from its givens alone.
func evaluate(t *testing.T, g Graph) *big.Rat {
	values := make([]*big.Rat, len(g.Nodes))
	for i, n := range g.Nodes {
		if n.Op == "given" {
			values[i] = big.NewRat(int64(n.Value), 1)
			continue
		}
		require.GreaterOrEqual(t, len(n.Args), 2)
		x := new(big.Rat).Set(values[n.Args[0]])
		for _, a := range n.Args[1:] {
			switch n.Op {
			case "+":
				x.Add(x, values[a])
			case "-":
				x.Sub(x, values[a])
			case "*":
				x.Mul(x, values[a])
			case "/":
				x.Quo(x, values[a])
			default:
				t.Fatalf("operation %q", n.Op)
			}
		}
		values[i] = x
	}
	return values[g.Answer]
}

// calculate evaluates a sum such as "3+4*2" of one operator kind, left to right.
func calculate(t *testing.T, expression string) int {
	parts := regexp.MustCompile(`\d+|[-+*/]`).FindAllString(expression, -1)
	require.Equal(t, expression, strings.Join(parts, ""))
	x, err := strconv.Atoi(parts[0])
	require.NoError(t, err)
	for i := 1; i+1 < len(parts); i += 2 {
		y, err := strconv.Atoi(parts[i+1])
		require.NoError(t, err)
		switch parts[i] {
		case "+":
			x += y
		case "-":
			x -= y
		case "*":
			x *= y
		case "/":
			require.Zero(t, x%y, expression)
			x /= y
		}
	}
	return x
}

func TestAnswersFollowFromGraphAndFromEquations(t *testing.T) {
	for _, c := range []Config{broad(Train), Demo()} {
		g := generator(t, c)
		for i := range 1500 {
			p := g.Problem(i)
			require.Equal(t, evaluate(t, p.Graph).RatString(), p.Answer, p.Question)
			require.Equal(t, p.TrueAnswer, p.Answer)
			require.Len(t, p.Steps, p.NumSteps)
			operations := 0
			for j, needed := range p.Graph.Needed() {
				n := p.Graph.Nodes[j]
				if n.Op != Given {
					require.True(t, needed, "a step that the answer does not need: %s\n%s", n.Name, p.Question)
					operations++
				}
				require.True(t, n.Value >= 1 && n.Value <= c.MaxValue, "%v", n)
			}
			require.Equal(t, p.NumSteps, operations)
			require.True(t, c.MinSteps <= p.NumSteps && p.NumSteps <= c.MaxSteps)
			var last string
			for _, step := range p.Steps {
				equations := data.Equations(step)
				require.Len(t, equations, 1, step)
				last = equations[0].Result
				require.Equal(t, last, strconv.Itoa(calculate(t, equations[0].Expression)), step)
			}
			require.Equal(t, p.Answer, last)
			answer, ok := data.FinalAnswer(p.Pair().Text())
			require.True(t, ok)
			require.Equal(t, p.Answer, answer)
		}
	}
}

var notText = regexp.MustCompile(`[^a-z0-9]+`)

func normalised(question string) string {
	return notText.ReplaceAllString(strings.ToLower(question), " ")
}

func TestSplitsShareNoGraphAndNoQuestion(t *testing.T) {
	for _, set := range []struct {
		name   string
		config Config
		rows   int
	}{{"default", Default(), 10_000}, {"demo", Demo(), 3_000}} {
		graphs, questions := map[uint64]Split{}, map[string]Split{}
		start := time.Now()
		for _, split := range []Split{Train, Valid, Test} {
			set.config.Split = split
			for _, p := range rangeOf(generator(t, set.config), 0, set.rows) {
				h, q := p.Graph.Hash(), normalised(p.Question)
				if other, ok := graphs[h]; ok && other != split {
					t.Fatalf("%s: a graph of %s is in %s too: %s", set.name, other, split, p.Question)
				}
				if other, ok := questions[q]; ok && other != split {
					t.Fatalf("%s: a question of %s is in %s too: %s", set.name, other, split, p.Question)
				}
				graphs[h], questions[q] = split, split
			}
		}
		t.Logf("%s: %d rows a split, %d graphs, %s", set.name, set.rows, len(graphs), time.Since(start))
	}
}

// rangeOf makes rows from…to on several goroutines.
func rangeOf(g *Generator, from, to int) []Problem {
	out := make([]Problem, to-from)
	var wait sync.WaitGroup
	for part := range 4 {
		wait.Go(func() {
			for i := part; i < len(out); i += 4 {
				out[i] = g.Problem(from + i)
			}
		})
	}
	wait.Wait()
	return out
}

func TestRowsDependOnTheirIndexAlone(t *testing.T) {
	a, b := generator(t, broad(Test)), generator(t, broad(Test))
	all := rangeOf(a, 0, 60)
	for _, i := range []int{59, 3, 17, 0} {
		require.Equal(t, all[i], b.Problem(i))
	}
	other := broad(Test)
	other.Seed = 1
	require.NotEqual(t, all[0].Question, generator(t, other).Problem(0).Question)
	erring := broad(Test)
	erring.WrongStep = 1
	require.Equal(t, all[5].Question, generator(t, erring).Problem(5).Question, "errors must not change the questions")
}

func TestPlantedErrorsAreWhatTheTruthSays(t *testing.T) {
	c := broad(Train)
	c.WrongStep, c.WrongAnswer, c.CutOff = 0.4, 0.2, 0.2
	g := generator(t, c)
	const n = 4000
	count, slips, wrong := map[string]int{}, map[string]int{}, 0
	for i := range n {
		p := g.Problem(i)
		count[p.Error]++
		require.Equal(t, evaluate(t, p.Graph).RatString(), p.TrueAnswer)
		pair := p.Pair()
		truth, ok, err := ReadTruth(pair)
		require.True(t, ok && err == nil)
		require.Equal(t, Truth{p.Graph, p.Kind, p.NumSteps, p.TrueAnswer, p.Error, p.ErrorStep, p.ErrorKind}, truth)
		switch p.Error {
		case "":
			require.True(t, *pair.Correct)
			require.Equal(t, -1, p.ErrorStep)
		case WrongAnswer:
			require.False(t, *pair.Correct)
			require.Len(t, p.Steps, p.NumSteps)
			require.Equal(t, p.TrueAnswer, data.Equations(p.Steps[len(p.Steps)-1])[0].Result, "the steps are right")
		case CutOff:
			require.Equal(t, "length", pair.Metadata.FinishReason)
			require.Empty(t, p.Answer)
			require.Len(t, p.Steps, p.ErrorStep+1)
			require.Equal(t, data.ReasonCutOff, data.PairRow(0, pair).Refused)
		case WrongStep:
			slips[p.ErrorKind]++
			if !*pair.Correct {
				wrong++
			}
			checkSlip(t, p)
		}
	}
	require.InDelta(t, 0.4, float64(count[WrongStep])/n, 0.03)
	require.InDelta(t, 0.2, float64(count[WrongAnswer])/n, 0.03)
	require.InDelta(t, 0.2, float64(count[CutOff])/n, 0.03)
	for _, kind := range []string{SlipCopy, SlipArithmetic, SlipOperation, SlipMissing} {
		require.Greater(t, slips[kind], n/20, kind)
	}
	require.Greater(t, float64(wrong)/float64(count[WrongStep]), 0.9, "a wrong step usually ends in a wrong answer")
}

// checkSlip compares the teacher's equations with those of the right solution.
func checkSlip(t *testing.T, p Problem) {
	var right []data.Equation
	for _, n := range p.Graph.Nodes {
		if n.Op != Given {
			args := make([]string, len(n.Args))
			for i, a := range n.Args {
				args[i] = fmt.Sprint(p.Graph.Nodes[a].Value)
			}
			right = append(right, data.Equation{Expression: strings.Join(args, n.Op), Result: fmt.Sprint(n.Value)})
		}
	}
	if p.ErrorKind == SlipMissing {
		require.Len(t, p.Steps, p.NumSteps-1)
		return
	}
	require.Len(t, p.Steps, p.NumSteps)
	for i, step := range p.Steps {
		e := data.Equations(step)[0]
		recomputes := fmt.Sprint(calculate(t, e.Expression)) == e.Result
		switch {
		case i < p.ErrorStep:
			require.Equal(t, right[i], e)
		case i > p.ErrorStep:
			require.True(t, recomputes, "what follows a wrong step follows from it")
		case p.ErrorKind == SlipArithmetic:
			require.Equal(t, right[i].Expression, e.Expression)
			require.False(t, recomputes)
		default:
			require.NotEqual(t, right[i].Expression, e.Expression)
			require.True(t, recomputes)
		}
	}
}

func TestKindsComeAtTheirRates(t *testing.T) {
	g := generator(t, Default())
	const n = 8000
	count, steps := map[string]int{}, map[int]int{}
	for _, p := range rangeOf(g, 0, n) {
		count[p.Kind]++
		steps[p.NumSteps]++
	}
	for kind, weight := range Default().KindWeights {
		require.InDelta(t, weight, float64(count[kind])/n, 0.015, kind)
	}
	for s := Default().MinSteps; s <= Default().MaxSteps; s++ {
		require.InDelta(t, 1./7, float64(steps[s])/n, 0.02, "steps %d", s)
	}
}

func TestEveryKindTellsOneToTenSteps(t *testing.T) {
	for _, kind := range Kinds() {
		for steps := 1; steps <= MaxStepsLimit; steps++ {
			for _, split := range []Split{Train, Test} {
				c := Default()
				c.Split, c.MinSteps, c.MaxSteps, c.KindWeights = split, steps, steps, map[string]float64{kind: 1}
				p := generator(t, c).Problem(7)
				require.Equal(t, kind, p.Kind)
				require.Equal(t, steps, p.NumSteps)
			}
		}
	}
}

func TestDemoFollowsItsRecipe(t *testing.T) {
	g := generator(t, Demo())
	names := map[string]bool{}
	for i := range 2000 {
		p := g.Problem(i)
		names[strings.Fields(p.Question)[0]] = true
		for j, n := range p.Graph.Nodes {
			if n.Op == Given {
				require.True(t, j > 0 || n.Value >= 2)
				require.True(t, n.Value >= 1 && n.Value <= 9)
				continue
			}
			require.NotEqual(t, Divide, n.Op)
			require.Less(t, n.Value, 100)
			if n.Op == Multiply {
				require.LessOrEqual(t, p.Graph.Nodes[n.Args[0]].Value, 9)
				require.Contains(t, []int{2, 3}, p.Graph.Nodes[n.Args[1]].Value)
			}
		}
		for _, s := range p.Steps {
			require.Regexp(t, `^\d+[-+*]\d+=\d+$`, s)
		}
	}
	require.Len(t, names, 8)
}

func TestBadConfigurationsAreRefused(t *testing.T) {
	require.NoError(t, Default().Validate())
	require.NoError(t, Demo().Validate())
	for want, change := range map[string]func(*Config){
		"split":        func(c *Config) { c.Split = "dev" },
		"style":        func(c *Config) { c.Style = "" },
		"steps":        func(c *Config) { c.MaxSteps = 11 },
		"max_value":    func(c *Config) { c.MaxValue = 5 },
		"max_start":    func(c *Config) { c.MaxStart = 5000 },
		"operations":   func(c *Config) { c.Operations = "*" },
		"distractors":  func(c *Config) { c.Distractors = 9 },
		"error rates":  func(c *Config) { c.WrongStep, c.CutOff = 0.7, 0.7 },
		"unknown kind": func(c *Config) { c.KindWeights = map[string]float64{"riddle": 1} },
		"needs":        func(c *Config) { c.Operations = "+-" },
		"no kind":      func(c *Config) { c.KindWeights = nil },
		"names":        func(c *Config) { c.Names = 2 },
	} {
		c := Default()
		change(&c)
		_, err := New(c)
		require.ErrorContains(t, err, want)
	}
}
