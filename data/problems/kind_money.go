package problems

import "fmt"

var moneyThings = parseNouns("pen pens, notebook notebooks, ruler rulers, cap caps, ball balls, book books, toy toys, sandwich sandwiches, lamp lamps, shirt shirts, plate plates, mug mugs, scarf scarves, kite kites, poster posters")

// planMoney adds up purchases; a coupon, change or a split bill may follow.
func planMoney(s *story, steps int) bool {
	who := s.person()
	tail := s.tailLength(steps, 2)
	parts, changes := s.planBody(steps-tail, 5)
	things := append([]noun{}, moneyThings...)
	s.rng.Shuffle(len(things), func(i, j int) { things[i], things[j] = things[j], things[i] })

	v := who.slots()
	price, ok := -1, true
	var costs []int
	for i := range parts {
		changed := i > 0 && s.chance(float64(changes)/float64(parts-i))
		if changed {
			changes--
		}
		last := things[max(i-1, 0)]
		var cost int
		if price, cost, ok = s.purchase(things[i], last, price, changed, who, v); !ok {
			return false
		}
		costs = append(costs, cost)
	}
	k, other := s.between(3, 20), things[parts]
	s.bystander(notBoughtWordings, v.with("n", other.many, "n1", other.one, "k", fmt.Sprint(k)), k, "How much does a {n1} cost?", k)
	now := costs[0]
	if parts > 1 {
		if now, ok = s.compute("total price", Add, costs...); !ok {
			return false
		}
		say := pick(s, []string{"Everything together costs {=$}.", "The total is {=$}.", "In all, that is {=$}."})
		s.explain(now, noun{}, v, say, "How much does everything cost together?")
	}
	return s.payment(now, tail, who, v)
}

// purchase tells how many of a thing are bought at which price; a changed price
// is told by that of the thing before.
func (s *story) purchase(thing, last noun, before int, changed bool, who person, v vars) (price, cost int, ok bool) {
	v = v.with("n", thing.many, "n1", thing.one, "m1", last.one)
	quantity := s.between(2, s.c.MaxFactor)
	s.newBlock()
	if changed {
		d := s.between(1, min(s.c.MaxAddend, 6))
		op, b := Add, dearerWordings
		if s.value(before) > d+1 && s.chance(0.5) {
			op, b = Subtract, cheaperWordings
		}
		v = v.with("d", fmt.Sprint(d))
		s.tell(b, person{}, v)
		if price, ok = s.compute("price of a "+thing.one, op, before, s.given("price difference", d)); !ok {
			return 0, 0, false
		}
		s.explain(price, noun{}, v, pick(s, []string{"A {n1} costs {=$}.", "The price of a {n1} is {=$}."}), "How much does a {n1} cost?")
		s.tell(quantityWordings, who, v.of(thing, quantity))
	} else {
		p := s.between(2, s.c.MaxFactor+3)
		price = s.given("price of a "+thing.one, p)
		s.tell(purchaseWordings, who, v.with("p", fmt.Sprint(p)).of(thing, quantity))
	}
	if cost, ok = s.compute("price of the "+thing.many, Multiply, s.given("number of "+thing.many, quantity), price); !ok {
		return 0, 0, false
	}
	s.explain(cost, noun{}, v, pick(s, []string{"The {n} cost {=$}.", "{A} pays {=$} for the {n}.", "For the {n}, that is {=$}."}), "How much do the {n} cost?")
	return price, cost, true
}

// payment ends the story: the price alone, a coupon, change, a split bill.
func (s *story) payment(now, tail int, who person, v vars) bool {
	s.inTime = true
	ending := pick(s, []string{"change", "split"})
	if ending == "split" && !s.c.allows(Divide) {
		ending = "change"
	}
	if tail == 0 || tail == 1 && s.chance(0.3) {
		ending = "price"
	}
	if tail == 2 || tail == 1 && ending == "price" {
		k := s.between(2, min(s.c.MaxAddend, s.value(now)/2))
		v = v.with("k", fmt.Sprint(k))
		s.tell(couponWordings, who, v)
		less, ok := s.compute("price after the discount", Subtract, now, s.given("discount", k))
		if !ok {
			return false
		}
		now = less
		s.explain(now, noun{}, v, pick(s, []string{"With the discount, the price is {=$}.", "After the discount, {=$} are to be paid."}), "What is the price after the discount?")
	}
	switch ending {
	case "change":
		return s.change(now, who, v)
	case "split":
		return s.split(now, who, v)
	}
	s.question(spentQuestions, v)
	return true
}

// change pays with a round sum that is enough.
func (s *story) change(now int, who person, v vars) bool {
	paid := (s.value(now)/10 + 1 + s.between(0, 2)) * 10
	if paid > s.c.MaxValue {
		return false
	}
	v = v.with("k", fmt.Sprint(paid))
	s.tell(paymentWordings, who, v)
	left, ok := s.compute("change", Subtract, s.given("money", paid), now)
	if !ok {
		return false
	}
	s.explain(left, noun{}, v, pick(s, []string{"The change is {=$}.", "{A} has {=$} left.", "That leaves {=$}."}), "")
	s.question(changeQuestions, v)
	return true
}

// split divides the bill among several people.
func (s *story) split(now int, who person, v vars) bool {
	d, ok := s.divisor(s.value(now), 2)
	if !ok {
		return false
	}
	v = v.with("d", fmt.Sprint(d), "among", among(d), "d1", noun{"friend", "friends"}.count(d-1))
	s.tell(splitWordings, who, v)
	part, ok := s.compute("part of each", Divide, now, s.given("people", d))
	if !ok {
		return false
	}
	s.explain(part, noun{}, v, pick(s, []string{"Each of them pays {=$}.", "That is {=$} for each."}), "")
	s.question(splitQuestions, v)
	return true
}
