package problems

import "fmt"

// rateTheme is something done by the hour.
type rateTheme struct {
	verb, base string
	things     []noun
}

var rateThemes = []rateTheme{
	{"reads", "read", parseNouns("page pages, poem poems")},
	{"folds", "fold", parseNouns("napkin napkins, shirt shirts, paper_boat paper_boats")},
	{"paints", "paint", parseNouns("tile tiles, egg eggs, fence_post fence_posts")},
	{"packs", "pack", parseNouns("box boxes, bag bags, parcel parcels")},
	{"picks", "pick", parseNouns("apple apples, peach peaches, flower flowers")},
	{"types", "type", parseNouns("line lines, letter letters, page pages")},
	{"bakes", "bake", parseNouns("muffin muffins, roll rolls, cookie cookies")},
	{"makes", "make", parseNouns("bracelet bracelets, candle candles, card cards")},
	{"plants", "plant", parseNouns("bulb bulbs, seed seeds, flower flowers")},
	{"signs", "sign", parseNouns("letter letters, book books, card cards")},
}

// planBody spends body steps on parts that are added up in the end: one product
// a part, one sum if there are several, the rest on changes from part to part.
// It needs body = 1 or body ≥ 3.
func (s *story) planBody(body, most int) (parts, changes int) {
	if body == 1 {
		return 1, 0
	}
	parts = s.between((body+1)/2, min(most, body-1))
	return parts, body - parts - 1
}

// tailLength draws how many steps follow the sum: 0 to longest, leaving a body
// that planBody can spend.
func (s *story) tailLength(steps, longest int) int {
	for {
		tail := s.between(0, min(longest, steps-1))
		if steps-tail != 2 {
			return tail
		}
	}
}

// planRate adds up what somebody does on several days, and what remains of a goal.
func planRate(s *story, steps int) bool {
	theme := pick(s, rateThemes)
	thing, who := pick(s, theme.things), s.person()
	longest := 1
	if s.c.allows(Divide) {
		longest = 2
	}
	tail := s.tailLength(steps, longest)
	parts, changes := s.planBody(steps-tail, 5)
	v := who.slots().with("v", theme.verb, "base", theme.base, "n", thing.many)

	rate, ok := -1, true
	var made []int
	for i := range parts {
		left := parts - i
		changed := i > 0 && s.chance(float64(changes)/float64(left))
		if changed {
			changes--
		}
		var amount int
		if rate, amount, ok = s.rateDay(i, rate, changed, who, thing, v); !ok {
			return false
		}
		made = append(made, amount)
	}
	now := made[0]
	if parts > 1 {
		if now, ok = s.compute("all "+thing.many, Add, made...); !ok {
			return false
		}
		say := pick(s, []string{"In total, {A} {v} {=n}.", "Together, that is {=n}.", "On these days together, {A} {v} {=n}."})
		s.explain(now, thing, v, say, "How many {n} does {A} {base} on these days together?")
	}
	if tail == 0 {
		s.question(doneQuestions, v)
		return true
	}
	return s.rateGoal(now, tail, who, thing, v)
}

// rateDay tells one day: its rate, given or by comparison, and its hours.
func (s *story) rateDay(i, before int, changed bool, who person, thing noun, v vars) (rate, amount int, ok bool) {
	day := weekdays[i]
	v = v.with("day", day)
	s.newBlock()
	if changed {
		k := s.between(1, min(s.c.MaxAddend, 5))
		op, b := Add, rateUpWordings
		if s.value(before) > k+1 && s.chance(0.4) {
			op, b = Subtract, rateDownWordings
		}
		v = v.with("prev", weekdays[i-1]).of(thing, k)
		s.tell(b, who, v)
		if rate, ok = s.compute(thing.many+" an hour on "+day, op, before, s.given(b.name, k)); !ok {
			return 0, 0, false
		}
		s.explain(rate, thing, v, pick(s, []string{"On {day}, {A} {v} {=n} an hour.", "The rate on {day} is {=n} an hour."}), "How many {n} an hour does {A} {base} on {day}?")
	} else {
		k := s.between(2, s.c.MaxFactor+3)
		rate = s.given(thing.many+" an hour on "+day, k)
		s.tell(rateWordings, who, v.of(thing, k))
	}
	h := s.between(2, min(s.c.MaxFactor, 8))
	s.tell(hoursWordings, who, v.with("h", noun{"hour", "hours"}.count(h)))
	if amount, ok = s.compute(thing.many+" on "+day, Multiply, rate, s.given("hours on "+day, h)); !ok {
		return 0, 0, false
	}
	s.explain(amount, thing, v, pick(s, []string{"On {day}, {A} {v} {=n}.", "That makes {=n} on {day}."}), "How many {n} does {A} {base} on {day}?")
	return rate, amount, true
}

// rateGoal subtracts what is done from a goal, and may spread the rest.
func (s *story) rateGoal(now, tail int, who person, thing noun, v vars) bool {
	d := s.between(2, s.c.MaxFactor)
	left := s.between(2, s.c.MaxAddend)
	if tail == 2 {
		left = d * s.between(2, max(2, s.c.MaxAddend/d))
	}
	wanted := s.value(now) + left
	if wanted > s.c.MaxValue {
		return false
	}
	s.newBlock()
	goal := s.given("goal", wanted)
	s.tell(goalWordings, who, v.of(thing, wanted))
	rest, ok := s.compute(thing.many+" left", Subtract, goal, now)
	if !ok {
		return false
	}
	s.explain(rest, thing, v, pick(s, []string{"{A} still has to {base} {=n}.", "There are {=} {n} to go.", "That leaves {=n}."}), "How many {n} does {A} still have to {base}?")
	if tail == 1 {
		s.question(goalQuestions, v)
		return true
	}
	s.inTime = true
	v = v.with("d", fmt.Sprint(d))
	s.tell(restWordings, who, v)
	each, ok := s.compute(thing.many+" a day", Divide, rest, s.given("days", d))
	if !ok {
		return false
	}
	s.explain(each, thing, v, pick(s, []string{"That is {=n} a day.", "On each of these days, {A} has to {base} {=n}."}), "")
	s.question(restQuestions, v)
	return true
}

// leftoverThemes are places that use things up.
var (
	leftoverPlaces = []string{"the hotel", "the restaurant", "the camp", "the office", "the club", "the hospital", "the cafeteria", "the school"}
	leftoverThings = parseNouns("candle candles, napkin napkins, towel towels, paper_cup paper_cups, light_bulb light_bulbs, egg eggs, bottle bottles, notepad notepads")
	leftoverBoxes  = parseNouns("box boxes, crate crates, carton cartons, case cases")
)

// planLeftover follows a supply that is used up day by day.
func planLeftover(s *story, steps int) bool {
	s.inTime = true
	place, thing := pick(s, leftoverPlaces), pick(s, leftoverThings)
	v := slots("w", place, "W", capital(place), "n", thing.many)
	var now int
	ok := true
	if steps > 1 && s.chance(0.4) {
		if now, ok = s.groupProduct(v, pick(s, leftoverBoxes), thing); !ok {
			return false
		}
		steps--
	} else {
		k := s.between(min(s.c.MaxStart, 10), min(s.c.MaxValue, 3*s.c.MaxStart))
		now = s.given("supply of "+thing.many, k)
		s.tell(supplyWordings, person{}, v.of(thing, k))
	}
	anyUsed := false
	for day := 0; steps > 0; day++ {
		used, days := min(s.c.MaxAddend, s.value(now)-2), 0
		switch {
		case steps > 1 && used >= 4 && s.chance(0.5):
			now, days, ok = s.usedDaily(now, used, v, thing)
			steps, day, anyUsed = steps-2, day+days-1, true
		case used >= 2 && (!anyUsed || s.chance(0.8)):
			now, ok = s.usedOnce(now, used, v.with("day", weekdays[day%7]), thing)
			steps, anyUsed = steps-1, true
		default:
			now, ok = s.restock(now, v, thing)
			steps--
		}
		if !ok {
			return false
		}
	}
	if !anyUsed {
		return false
	}
	s.question(leftQuestions, v)
	return true
}

// usedOnce takes some of the supply away on one day.
func (s *story) usedOnce(now, most int, v vars, thing noun) (int, bool) {
	k := s.between(2, most)
	v = v.of(thing, k)
	v = v.with("after", s.tell(usedWordings, person{}, v).gerund)
	next, ok := s.compute(thing.many+" left", Subtract, now, s.given("used", k))
	if ok {
		s.explain(next, thing, v, pick(s, []string{"After {after}, {w} has {=n} left.", "{W} has {=n} left after {after}.", "That leaves {=n}."}), "How many {n} are left after {after}?")
	}
	return next, ok
}

// usedDaily takes m a day for b days: a product, then the difference.
func (s *story) usedDaily(now, most int, v vars, thing noun) (left, b int, ok bool) {
	b = s.between(2, min(s.c.MaxFactor, most/2))
	m := s.between(2, most/b)
	v = v.with("b", fmt.Sprint(b), "m n", thing.count(m))
	s.tell(dailyWordings, person{}, v)
	perDay, days := s.given(thing.many+" a day", m), s.given("days", b)
	used, ok := s.compute(thing.many+" used", Multiply, perDay, days)
	if !ok {
		return 0, b, false
	}
	s.explain(used, thing, v, pick(s, []string{"In {b} days, {w} uses {=n}.", "In {b} days, this takes {=n}."}), "How many {n} does {w} use in these {b} days?")
	left, ok = s.compute(thing.many+" left", Subtract, now, used)
	if ok {
		s.explain(left, thing, v, pick(s, []string{"After these days, {w} has {=n} left.", "That leaves {=n}."}), "How many {n} are left after these {b} days?")
	}
	return left, b, ok
}

// restock adds to the supply.
func (s *story) restock(now int, v vars, thing noun) (int, bool) {
	k := s.between(2, s.c.MaxAddend)
	v = v.of(thing, k)
	v = v.with("after", s.tell(deliveredWordings, person{}, v).gerund)
	next, ok := s.compute(thing.many+" then", Add, now, s.given("delivered", k))
	if ok {
		s.explain(next, thing, v, "After {after}, {w} has {=n}.", "How many {n} does {w} have after {after}?")
	}
	return next, ok
}
