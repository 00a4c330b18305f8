package problems

import "fmt"

// groupTheme is a place with things in containers.
type groupTheme struct {
	place      string
	thing      noun
	containers []noun
}

func groupThemeOf(place, thing, containers string) groupTheme {
	return groupTheme{place, parseNouns(thing)[0], parseNouns(containers)}
}

var groupThemes = []groupTheme{
	groupThemeOf("the shop", "pencil pencils", "box boxes, pack packs, drawer drawers, jar jars"),
	groupThemeOf("the toy store", "ball balls", "bag bags, box boxes, net nets, basket baskets"),
	groupThemeOf("the bakery", "roll rolls", "tray trays, bag bags, basket baskets, box boxes"),
	groupThemeOf("the farm", "egg eggs", "carton cartons, basket baskets, tray trays, crate crates"),
	groupThemeOf("the library", "book books", "box boxes, crate crates, cart carts, bag bags"),
	groupThemeOf("the market stall", "melon melons", "crate crates, sack sacks, box boxes, basket baskets"),
	groupThemeOf("the workshop", "screw screws", "box boxes, jar jars, bag bags, drawer drawers"),
	groupThemeOf("the school", "notebook notebooks", "box boxes, pack packs, crate crates, cart carts"),
	groupThemeOf("the cafe", "cup cups", "box boxes, crate crates, tray trays, cart carts"),
	groupThemeOf("the garden center", "plant plants", "tray trays, crate crates, cart carts, box boxes"),
}

// groupPlan says how the steps of a groups problem are spent.
type groupPlan struct {
	products, after int
	loose, sum      bool
	shelves         bool
}

// planGroupSteps spends the steps: products, their sum, events, shelves.
func (s *story) planGroupSteps(steps int) (p groupPlan) {
	p.products = s.between(min(2, (steps+1)/2), min(4, (steps+1)/2))
	rest := steps - p.products
	p.loose = rest > 0 && s.chance(0.4)
	if p.sum = p.products > 1 || p.loose; p.sum {
		rest--
	}
	p.shelves = rest > 0 && s.c.allows(Divide) && s.chance(0.5)
	if p.shelves {
		rest--
	}
	p.after = rest
	return p
}

// planGroups counts things in containers, adds them up, and follows them.
func planGroups(s *story, steps int) bool {
	theme := pick(s, groupThemes)
	thing := theme.thing
	p := s.planGroupSteps(steps)
	place := slots("w", theme.place, "W", capital(theme.place), "n", thing.many)
	offset := s.rng.IntN(len(theme.containers))

	var parts []int
	for i := range p.products {
		container := theme.containers[(i+offset)%len(theme.containers)]
		node, ok := s.groupProduct(place, container, thing)
		if !ok {
			return false
		}
		parts = append(parts, node)
	}
	if p.loose {
		k := s.between(2, s.c.MaxAddend)
		parts = append(parts, s.given("loose "+thing.many, k))
		s.tell(looseWordings, person{}, place.with("k loose", fmt.Sprintf("%d loose %s", k, thing.many)))
	}
	now, ok := parts[0], true
	if p.sum {
		if now, ok = s.compute("all "+thing.many, Add, parts...); !ok {
			return false
		}
		say := pick(s, []string{"Altogether there are {=n}.", "In total, {w} has {=n}.", "That makes {=n} in all."})
		s.explain(now, thing, place, say, "How many {n} does {w} have altogether?")
	}
	if now, ok = s.placeEvents(now, p.after, place, thing); !ok {
		return false
	}
	if !p.shelves {
		if p.after > 0 {
			s.question(endQuestions, place)
		} else {
			s.question(totalQuestions, place)
		}
		return true
	}
	return s.shelves(now, place, thing)
}

// groupProduct tells g containers of m things.
func (s *story) groupProduct(place vars, container, thing noun) (int, bool) {
	g, m := s.between(2, s.c.MaxFactor), s.between(2, s.c.MaxFactor+3)
	s.newBlock()
	groups, each := s.given(container.many, g), s.given(thing.many+" in each "+container.one, m)
	node, ok := s.compute(thing.many+" in "+container.many, Multiply, groups, each)
	if !ok {
		return 0, false
	}
	v := place.with("g c", container.count(g), "c", container.one, "cs", container.many, "m n", thing.count(m))
	s.tell(groupWordings, person{}, v)
	say := pick(s, []string{"The {cs} hold {=n}.", "There are {=n} in the {cs}.", "In the {cs} there are {=n}."})
	s.explain(node, thing, v, say, "How many {n} are in the {cs}?")
	return node, true
}

// placeEvents adds and takes away things, in the order of time.
func (s *story) placeEvents(now, count int, place vars, thing noun) (int, bool) {
	s.inTime = true
	for range count {
		c := s.drawPlain(s.value(now))
		b := deliveredWordings
		if c.op == Subtract {
			b = soldWordings
		}
		v := place.of(thing, c.amount)
		v = v.with("after", s.tell(b, person{}, v).gerund)
		next, ok := s.compute(thing.many+" then", c.op, now, s.given(b.name, c.amount))
		if !ok {
			return 0, false
		}
		now = next
		say := pick(s, []string{"After {after}, {w} has {=n}.", "{W} has {=n} after {after}.", "After {after}, the number of {n} is {=}."})
		s.explain(now, thing, v, say, "How many {n} does {w} have after {after}?")
	}
	return now, true
}

// drawPlain draws + or − with at least 2.
func (s *story) drawPlain(value int) change {
	more, less := min(s.c.MaxAddend, s.c.MaxValue-value), min(s.c.MaxAddend, value-2)
	if less < 2 || more >= 2 && s.chance(0.4) {
		return change{Add, s.between(2, more)}
	}
	return change{Subtract, s.between(2, less)}
}

// shelves divides all things at the end.
func (s *story) shelves(now int, place vars, thing noun) bool {
	d, ok := s.divisor(s.value(now), 2)
	if !ok {
		return false
	}
	s.inTime = true
	v := place.with("d", fmt.Sprint(d))
	s.tell(shelfWordings, person{}, v)
	node, ok := s.compute(thing.many+" on each shelf", Divide, now, s.given("shelves", d))
	if !ok {
		return false
	}
	s.explain(node, thing, v, pick(s, []string{"Each shelf holds {=n}.", "There are {=n} on each shelf.", "That is {=n} per shelf."}), "")
	s.question(shelfQuestions, v)
	return true
}

// divisor draws a divisor of value that leaves at least least.
func (s *story) divisor(value, least int) (int, bool) {
	var list []int
	for d := 2; d <= s.c.MaxFactor; d++ {
		if value%d == 0 && value/d >= least {
			list = append(list, d)
		}
	}
	if len(list) == 0 {
		return 0, false
	}
	return pick(s, list), true
}

var (
	sharingThings    = parseNouns("sticker stickers, marble marbles, cookie cookies, balloon balloons, card cards, crayon crayons, grape grapes, candle candles, bead beads")
	sharingReceivers = parseNouns("child children, student students, player players, neighbor neighbors, cousin cousins, guest guests")
)

// planSharing gathers things, shares them equally, follows each share, and may
// count all shares again.
func planSharing(s *story, steps int) bool {
	s.inTime = true
	who, thing, receiver := pick(s, elders), pick(s, sharingThings), pick(s, sharingReceivers)
	before := s.between(0, (steps-1)/2)
	after := steps - 1 - before
	together := after > 1 && s.c.allows(Multiply) && s.chance(0.4)
	if together {
		after--
	}
	start := s.between(2, s.c.MaxStart)
	people := who.slots().with("E", who.name, "r", receiver.many, "r1", receiver.one, "n", thing.many)
	now := s.given(thing.many+" at first", start)
	s.tell(stockWordings, who, people.of(thing, start))
	now, ok := s.sharingEvents(now, before, who, people, thing, stockMoreWordings, stockLessWordings, "After {after}, {E} has {=n}.", "How many {n} does {E} have after {after}?")
	if !ok {
		return false
	}
	d, ok := s.divisor(s.value(now), 2)
	if !ok {
		return false
	}
	people = people.with("d", fmt.Sprint(d), "among", among(d))
	s.tell(dealWordings, who, people)
	sharers := s.given(receiver.many, d)
	if now, ok = s.compute(thing.many+" of each", Divide, now, sharers); !ok {
		return false
	}
	s.explain(now, thing, people, pick(s, []string{"Each {r1} gets {=n}.", "So each {r1} gets {=n}.", "Every {r1} receives {=n}."}), "How many {n} does each {r1} get?")
	now, ok = s.sharingEvents(now, after, person{}, people, thing, eachGainsWordings, eachLosesWordings, "After {after}, each {r1} has {=n}.", "How many {n} does each {r1} have after {after}?")
	if !ok {
		return false
	}
	if !together {
		s.question(eachQuestions, people)
		return true
	}
	if now, ok = s.compute(thing.many+" of all", Multiply, sharers, now); !ok {
		return false
	}
	s.explain(now, thing, people, pick(s, []string{"The {d} {r} have {=n} together.", "Together, the {r} have {=n}."}), "")
	s.question(allQuestions, people)
	return true
}

// sharingEvents tells gains and losses before or after the sharing.
func (s *story) sharingEvents(now, count int, who person, people vars, thing noun, more, less *bank, say, ask string) (int, bool) {
	for range count {
		c := s.drawPlain(s.value(now))
		b := more
		if c.op == Subtract {
			b = less
		}
		v := people.of(thing, c.amount)
		v = v.with("after", s.tell(b, who, v).gerund)
		next, ok := s.compute(thing.many+" then", c.op, now, s.given(b.name, c.amount))
		if !ok {
			return 0, false
		}
		now = next
		s.explain(now, thing, v, say, ask)
	}
	return now, true
}
