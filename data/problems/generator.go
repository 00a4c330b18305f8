package problems

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
)

// kind is one structure of stories.
type kind struct {
	name  string
	needs string // operations that it cannot do without, besides + and -
	// plan tells a story of exactly the given number of steps; false where the
	// numbers it drew do not work out, and the generator draws again.
	plan func(s *story, steps int) bool
}

// kinds lists all structures in a fixed order.
var kinds = []kind{
	{"collection", "", planCollection},
	{"comparison", "", planComparison},
	{"groups", "*", planGroups},
	{"sharing", "/", planSharing},
	{"rate", "*", planRate},
	{"money", "*", planMoney},
	{"leftover", "*", planLeftover},
	{"age", "", planAge},
	{"backward", "*/", planBackward},
}

// Kinds lists the names of all kinds of problems.
func Kinds() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}

func kindByName(name string) (kind, bool) {
	for _, k := range kinds {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

// Limits of the search for a problem: after redraw failures the number of steps
// and the kind are drawn anew, after giveUp there is none.
const (
	redraw = 400
	giveUp = 20_000
)

// Generator makes the problems of one configuration. It holds no state between
// calls and may be used from several goroutines.
type Generator struct {
	config  Config
	kinds   []kind
	weights []float64 // cumulative, of kinds
}

// New checks the configuration and makes its generator.
func New(c Config) (*Generator, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.KindWeights = maps.Clone(c.KindWeights)
	g := &Generator{config: c}
	sum := 0.0
	for _, k := range kinds {
		if w := c.KindWeights[k.name]; w > 0 {
			sum += w
			g.kinds, g.weights = append(g.kinds, k), append(g.weights, sum)
		}
	}
	for i := range 16 { // a configuration too narrow for its split shows here
		if _, _, ok := g.search(i); !ok {
			return nil, fmt.Errorf("problems: found no %s problem of %d to %d steps with values up to %d: allow larger numbers or more kinds", c.Split, c.MinSteps, c.MaxSteps, c.MaxValue)
		}
	}
	return g, nil
}

// Problem makes row i, which depends on the configuration and i alone.
func (g *Generator) Problem(i int) Problem { return g.Solution(i, 0) }

// Solution is row i with its n-th solution: the same problem, the teacher's
// mistakes drawn anew for every n above 0.
func (g *Generator) Solution(i, n int) Problem {
	s, k, ok := g.search(i)
	if !ok {
		panic(fmt.Sprintf("problems: no problem found for row %d after %d attempts", i, giveUp))
	}
	question := s.text() // distractors join the graph here
	p := Problem{
		ID:    fmt.Sprintf("%s-%d-%06d", g.config.Split, g.config.Seed, i),
		Index: i, Kind: k.name, NumSteps: len(s.steps), Style: g.config.Style, Seed: g.config.Seed,
		Question: question, Graph: s.graph, FinishReason: "stop",
	}
	p.TrueAnswer = strconv.Itoa(s.value(s.graph.Answer))
	if n > 0 {
		s.rng = rand.New(rand.NewPCG(scramble(g.config.Seed), scramble(uint64(i)^scramble(uint64(n)))))
	}
	s.solve(&p)
	return p
}

// search draws stories for row i until one has a graph of the split.
func (g *Generator) search(i int) (*story, kind, bool) {
	c := &g.config
	rng := rand.New(rand.NewPCG(scramble(c.Seed^scramble(uint64(len(c.Split))<<8|uint64(c.Split[0]))), scramble(uint64(i))))
	var k kind
	steps := 0
	for attempt := range giveUp {
		if attempt%redraw == 0 {
			steps = c.MinSteps + rng.IntN(c.MaxSteps-c.MinSteps+1)
			k = g.drawKind(rng)
		}
		s := newStory(c, rng)
		if k.plan(s, steps) && splitOf(s.graph) == c.Split {
			if len(s.steps) != steps {
				panic(fmt.Sprintf("problems: kind %s told %d steps, %d were asked", k.name, len(s.steps), steps))
			}
			return s, k, true
		}
	}
	return nil, k, false
}

// drawKind draws a kind by weight.
func (g *Generator) drawKind(rng *rand.Rand) kind {
	x := rng.Float64() * g.weights[len(g.weights)-1]
	i, _ := slices.BinarySearch(g.weights, x)
	return g.kinds[min(i, len(g.kinds)-1)]
}

// splitOf is the one split that a graph belongs to.
func splitOf(g Graph) Split {
	switch g.Hash() % 8 {
	case 0:
		return Valid
	case 1:
		return Test
	}
	return Train
}
