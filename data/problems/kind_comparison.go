package problems

import (
	"fmt"
	"strings"
)

// comparisonTheme is what people are compared by.
type comparisonTheme struct {
	verb   string // finite, as after one person: "has", "sold"
	verbs  string // after several: "have", "sold"
	hadv   string // in a condition: "had", "had sold"
	aux    string // in questions of one person: "does", "did"
	auxs   string // of several: "do", "did"
	base   string // "have", "sell"
	things []noun
}

func past(verb, participle, base, things string) comparisonTheme {
	return comparisonTheme{verb, verb, "had " + participle, "did", "did", base, parseNouns(things)}
}

var comparisonThemes = []comparisonTheme{
	{"has", "have", "had", "does", "do", "have", parseNouns("marble marbles, sticker stickers, book books, stamp stamps, card cards, pencil pencils")},
	past("sold", "sold", "sell", "ticket tickets, cake cakes, flower flowers"),
	past("picked", "picked", "pick", "apple apples, orange oranges, flower flowers"),
	past("read", "read", "read", "page pages, story stories, poem poems"),
	past("baked", "baked", "bake", "cookie cookies, muffin muffins, cake cakes"),
	past("planted", "planted", "plant", "tree trees, flower flowers"),
	past("collected", "collected", "collect", "shell shells, coin coins, bottle bottles"),
	past("painted", "painted", "paint", "picture pictures, egg eggs"),
	past("scored", "scored", "score", "point points, goal goals"),
	past("folded", "folded", "fold", "shirt shirts, paper_boat paper_boats"),
}

// relationBanks tell how one number follows from another.
type relationBanks map[string]*bank

var (
	manyRelations = relationBanks{Add: moreWordings, Subtract: fewerWordings, Multiply: timesAsManyWordings, Divide: fractionWordings}
	ageRelations  = relationBanks{Add: olderWordings, Subtract: youngerWordings, Multiply: timesAsOldWordings, Divide: fractionAsOldWordings}
)

// counted is a person and the node of the person's number.
type counted struct {
	who  person
	node int
}

// relate draws a person whose number follows from that of another one, and
// tells and explains it.
func (s *story) relate(from counted, banks relationBanks, thing noun, v vars, say, ask string) (counted, bool) {
	c := s.drawChange(s.value(from.node), nil)
	who := s.person()
	s.newBlock()
	amount := s.given(banks[c.op].name, c.amount)
	node, ok := s.compute(thing.many+" of "+who.name, c.op, from.node, amount)
	if !ok {
		return counted{}, false
	}
	told := v.with("A", from.who.name, "B", who.name, "k y", noun{"year", "years"}.count(c.amount)).of(thing, c.amount)
	if c.op == Multiply || c.op == Divide {
		told = told.with("f", times(c.amount), "part", fraction(c.amount), "d", fmt.Sprint(c.amount))
	}
	s.tell(banks[c.op], person{}, told)
	s.explain(node, thing, told, say, ask)
	return counted{who, node}, true
}

// otherRelated offers a distractor: a further person whose number nobody needs.
func (s *story) otherRelated(chain []counted, b *bank, thing noun, v vars, ask string) {
	from, k := pick(s, chain), s.between(2, min(s.c.MaxAddend, 12))
	told := v.with("A", from.who.name, "B", s.person().name, "k y", noun{"year", "years"}.count(k))
	s.bystander(b, told.of(thing, k), k, ask, s.value(from.node)+k)
}

// listing joins names: "A, B and C".
func listing(people []counted) string {
	names := make([]string, len(people))
	for i, p := range people {
		names[i] = p.who.name
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// planComparison tells numbers of several people by one another, and asks for
// the last, for a total, or for a difference.
func planComparison(s *story, steps int) bool {
	theme := pick(s, comparisonThemes)
	thing := pick(s, theme.things)
	v := slots("v", theme.verb, "vs", theme.verbs, "hadv", theme.hadv, "aux", theme.aux, "auxs", theme.auxs, "base", theme.base, "n", thing.many, "n1", thing.one)

	first := counted{who: s.person()}
	start := s.between(2, s.c.MaxStart)
	first.node = s.given(thing.many+" of "+first.who.name, start)
	s.tell(hasWordings, person{}, v.with("A", first.who.name).of(thing, start))
	chain := []counted{first}

	ending := pick(s, []string{"one", "one", "total", "difference"})
	relations := steps
	if ending != "one" {
		relations--
	}
	for range relations {
		say := pick(s, []string{"{B} {v} {=n}.", "So {B} {v} {=n}.", "This means that {B} {v} {=n}.", "{B} {v} {=n} in all."})
		next, ok := s.relate(chain[len(chain)-1], manyRelations, thing, v, say, "How many {n} {aux} {B} {base}?")
		if !ok {
			return false
		}
		chain = append(chain, next)
	}
	if relations == 0 {
		second := counted{who: s.person()}
		k := s.between(2, s.c.MaxStart)
		second.node = s.given(thing.many+" of "+second.who.name, k)
		s.newBlock()
		s.tell(hasWordings, person{}, v.with("A", second.who.name).of(thing, k))
		chain = append(chain, second)
	}
	s.otherRelated(chain, moreWordings, thing, v, "How many {n} {aux} {B} {base}?")
	return s.endComparison(ending, chain, thing, v)
}

// endComparison adds the last step of a total or a difference, and the question.
func (s *story) endComparison(ending string, chain []counted, thing noun, v vars) bool {
	last := chain[len(chain)-1]
	switch ending {
	case "total":
		sum := chain[max(0, len(chain)-s.between(2, 4)):]
		args := make([]int, len(sum))
		for i, p := range sum {
			args[i] = p.node
		}
		node, ok := s.compute("total of "+thing.many, Add, args...)
		if !ok {
			return false
		}
		v = v.with("all", listing(sum))
		say := pick(s, []string{"Together, {all} {vs} {=n}.", "In total, {all} {vs} {=n}.", "The total is {=n}."})
		s.explain(node, thing, v, say, "")
		s.question(togetherQuestions, v)
	case "difference":
		other := chain[s.rng.IntN(len(chain)-1)]
		stated := s.graph.Nodes[last.node]
		if (stated.Op == Add || stated.Op == Subtract) && stated.Args[0] == other.node {
			return false // the question would give its own answer
		}
		if s.value(other.node) > s.value(last.node) {
			other, last = last, other
		}
		node, ok := s.compute("difference of "+thing.many, Subtract, last.node, other.node)
		if !ok {
			return false
		}
		v = v.with("A", other.who.name, "B", last.who.name)
		say := pick(s, []string{"The difference is {=n}.", "{B} {v} {=} more than {A}.", "{A} is {=n} behind {B}."})
		s.explain(node, thing, v, say, "")
		s.question(differenceQuestions, v)
	default:
		s.question(oneQuestions, v.with("B", last.who.name))
	}
	return true
}

// planAge is a comparison of ages, which may end some years from now.
func planAge(s *story, steps int) bool {
	const oldest = 90
	s.topic = "years old"
	year := noun{"year", "years"}
	first := counted{who: s.person()}
	start := s.between(4, min(s.c.MaxStart, 40))
	first.node = s.given("age of "+first.who.name, start)
	s.tell(ageWordings, person{}, slots("A", first.who.name, "k", fmt.Sprint(start)))

	later := steps > 1 && s.chance(0.5)
	relations := steps
	if later {
		relations--
	}
	last, ok := first, true
	for range relations {
		say := pick(s, []string{"{B} is {=n} old.", "The age of {B} is {=}.", "So {B} is {=n} old."})
		if last, ok = s.relate(last, ageRelations, year, vars{}, say, "How old is {B}?"); !ok || s.value(last.node) > oldest {
			return false
		}
	}
	s.otherRelated([]counted{first, last}, olderWordings, year, vars{}, "How old is {B}?")
	v := slots("B", last.who.name)
	if !later {
		s.question(ageQuestions, v)
		return true
	}
	k := s.between(1, 9)
	op, say, questions := Add, "In {k y}, {B} will be {=n} old.", laterQuestions
	if s.value(last.node) > k+1 && s.chance(0.5) {
		op, say, questions = Subtract, "{k y} ago, {B} was {=n} old.", earlierQuestions
	}
	v = v.with("k y", year.count(k))
	node, ok := s.compute("age of "+last.who.name+" at another time", op, last.node, s.given("years between", k))
	if !ok {
		return false
	}
	s.explain(node, year, v, say, "")
	s.question(questions, v)
	return true
}
