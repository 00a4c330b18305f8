package problems

import (
	"fmt"
	"strconv"
)

// collectionItems of the two classes that wordings may be kept to.
var collectionItems = map[string][]noun{
	"edible": parseNouns("apple apples, cookie cookies, peach peaches, muffin muffins, plum plums, orange oranges"),
	"thing":  parseNouns("marble marbles, sticker stickers, coin coins, stamp stamps, bead beads, card cards"),
}

// change is one event in a collection: an operation with a number.
type change struct {
	op     string
	amount int
}

// events are the banks of the four operations.
var events = map[string]*bank{Add: gainWordings, Subtract: loseWordings, Multiply: timesWordings, Divide: shareWordings}

// terseEvents are the same in the terse style.
var terseEvents = map[string]*bank{Add: terseGains, Subtract: terseLosses, Multiply: terseTimes, Divide: terseShares}

// drawChanges draws a start and changes that keep the value within 1 and
// MaxValue, and within whole numbers.
func (s *story) drawChanges(steps int) (start int, changes []change) {
	start = s.between(2, s.c.MaxStart)
	value := start
	for range steps {
		c := s.drawChange(value, changes)
		value, _ = compute(c.op, []int{value, c.amount})
		changes = append(changes, c)
	}
	return start, changes
}

// drawChange draws one change of a running value: mostly + and −, sometimes ×
// and ÷, never × or ÷ twice in a row.
func (s *story) drawChange(value int, before []change) change {
	scaled := len(before) > 0 && (before[len(before)-1].op == Multiply || before[len(before)-1].op == Divide)
	if !scaled && s.chance(0.4) {
		if c, ok := s.drawScaling(value); ok {
			return c
		}
	}
	more, less := min(s.c.MaxAddend, s.c.MaxValue-value), min(s.c.MaxAddend, value-1)
	if less < 1 || more >= 1 && s.chance(0.5) {
		return change{Add, s.between(1, more)}
	}
	return change{Subtract, s.between(1, less)}
}

// drawScaling draws × or ÷ where the value allows it.
func (s *story) drawScaling(value int) (change, bool) {
	if s.c.allows(Divide) && (!s.c.allows(Multiply) || s.chance(0.5)) {
		d := s.between(2, s.c.MaxFactor)
		return change{Divide, d}, value%d == 0 && value/d >= 2
	}
	f := s.between(2, min(s.c.MaxFactor, s.c.MaxValue/value))
	small := s.c.MaxFactored == 0 || value <= s.c.MaxFactored
	return change{Multiply, f}, s.c.allows(Multiply) && small && value*f <= s.c.MaxValue
}

// eventVars are the slots of an event wording.
func (s *story) eventVars(who person, item noun, amount int) vars {
	v := who.slots().of(item, amount).with("B", s.peek().name, "rel", pick(s, relatives), "d", strconv.Itoa(amount))
	if amount >= 2 && amount <= 10 {
		v = v.with("f", times(amount), "part", fraction(amount), "among", among(amount), "d1", noun{"friend", "friends"}.count(amount-1))
	}
	return v
}

// planCollection follows one person's things through a number of events.
func planCollection(s *story, steps int) bool {
	s.inTime = true
	who := s.person()
	class := pick(s, []string{"edible", "thing"})
	item := pick(s, collectionItems[class])
	banks, starts, questions := events, startWordings, countQuestions
	if s.c.Style == Terse {
		class = "edible"
		item = pick(s, collectionItems[class][:4])
		banks, starts, questions = terseEvents, terseStarts, terseQuestions
	}
	start, changes := s.drawChanges(steps)
	name := item.many + " of " + who.name
	now := s.given(name+" at the start", start)
	s.tell(starts, who, s.eventVars(who, item, start))
	ok := true
	for i, c := range changes {
		v := s.eventVars(who, item, c.amount)
		event := s.tellOf(banks[c.op], class, who, v)
		amount := s.given(banks[c.op].name, c.amount)
		if now, ok = s.compute(fmt.Sprintf("%s after event %d", name, i+1), c.op, now, amount); !ok {
			return false
		}
		v = v.with("after", event.gerund)
		say := pick(s, []string{"After {after}, {A} has {=n}.", "{A} has {=n} after {after}.", "That makes {=n} after {after}.", "After {after}, there are {=} {n}."})
		if s.value(now) == 1 {
			say = "After {after}, {A} has {=n}."
		}
		s.explain(now, item, v, say, pick(s, []string{"How many {n} does {A} have after {after}?", "After {after}, how many {n} does {A} have?"}))
	}
	s.otherOwner(item)
	s.question(questions, who.slots().with("n", item.many))
	return true
}

// otherOwner offers a distractor: somebody else's things of the same sort.
func (s *story) otherOwner(item noun) {
	k := s.between(2, s.c.MaxStart)
	v := s.eventVars(s.person(), item, k)
	s.bystander(otherOwnerWordings, v, k, "How many {n} does {A} have?", k)
}

// inverse is the operation that undoes another.
var inverse = map[string]string{Add: Subtract, Subtract: Add, Multiply: Divide, Divide: Multiply}

// planBackward tells a collection whose start is unknown and whose end is known.
func planBackward(s *story, steps int) bool {
	s.inTime = true
	who := s.person()
	class := pick(s, []string{"edible", "thing"})
	item := pick(s, collectionItems[class])
	start, changes := s.drawChanges(steps)
	name := item.many + " of " + who.name
	s.tell(backwardStarts, who, who.slots().with("n", item.many))
	end := start
	told := make([]vars, steps)
	for i, c := range changes {
		v := s.eventVars(who, item, c.amount)
		told[i] = v.with("after", s.tellOf(events[c.op], class, who, v).gerund)
		end, _ = compute(c.op, []int{end, c.amount})
	}
	now := s.given(name+" at the end", end)
	s.tell(backwardEnds, who, s.eventVars(who, item, end))
	ok := true
	for i := steps - 1; i >= 0; i-- {
		amount := s.given(events[changes[i].op].name, changes[i].amount)
		if now, ok = s.compute(fmt.Sprintf("%s before event %d", name, i+1), inverse[changes[i].op], now, amount); !ok {
			return false
		}
		say := pick(s, []string{"Before {after}, {A} had {=n}.", "{A} had {=n} before {after}."})
		s.explain(now, item, told[i], say, "How many {n} did {A} have before {after}?")
	}
	s.otherOwner(item)
	s.question(backwardQuestions, who.slots().with("n", item.many))
	return true
}
